"""Questions about campaigns: their words, their audience, and whether they may be sent."""

from campaigns.queries.approval import (
    APPROVE,
    LATE_APPROVAL,
    approval_needed,
    approval_of,
    fingerprint,
    has_not_grown,
    is_approved,
    lacks_approval,
    waiting_for_approval,
)
from campaigns.queries.audience import audience_of, audience_size, audience_words, left_out, people_of
from campaigns.queries.checks import BUSINESS_PAGE, PROVIDER_PAGE, SETUP_PAGE, Check, checklist, sender_checks
from campaigns.queries.placeholders import placeholder_links
from campaigns.queries.words import (
    SAMPLE,
    built_from,
    content_of,
    deal_of,
    language_of,
    look_of,
    person_of,
    picture_url,
    preview,
    shop_of,
    variant_of,
)

__all__ = [
    "APPROVE",
    "BUSINESS_PAGE",
    "LATE_APPROVAL",
    "PROVIDER_PAGE",
    "SAMPLE",
    "SETUP_PAGE",
    "Check",
    "approval_needed",
    "approval_of",
    "audience_of",
    "audience_size",
    "audience_words",
    "built_from",
    "checklist",
    "content_of",
    "deal_of",
    "fingerprint",
    "has_not_grown",
    "is_approved",
    "lacks_approval",
    "language_of",
    "left_out",
    "look_of",
    "people_of",
    "person_of",
    "picture_url",
    "placeholder_links",
    "preview",
    "sender_checks",
    "shop_of",
    "variant_of",
    "waiting_for_approval",
]
