"""Questions about campaigns: their words, their audience, and whether they may be sent."""

from campaigns.queries.audience import audience_of, audience_size, audience_words, people_of
from campaigns.queries.checks import Check, checklist
from campaigns.queries.words import SAMPLE, content_of, deal_of, person_of, preview, shop_of, variant_of

__all__ = [
    "SAMPLE",
    "Check",
    "audience_of",
    "audience_size",
    "audience_words",
    "checklist",
    "content_of",
    "deal_of",
    "people_of",
    "person_of",
    "preview",
    "shop_of",
    "variant_of",
]
