"""Which campaigns wait for a second person, and what exactly that person would approve."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from campaigns.models import Approval, Campaign, Variant
from campaigns.queries.audience import audience_of, audience_size
from contacts.channels import Channel
from contacts.models import Business
from redemptions.models import Offer

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Mode = Variant.Mode
APPROVE = "campaigns.approve_campaign"
LATE_APPROVAL = timedelta(hours=1)  # earlier or later than this, its time was another one
GROWTH_PERCENT = 10  # more people than this above what was asked for, and it was another audience
NOT_PROMISED = {"status", "is_demo", "created_at"}  # of a deal: all else is what guests are told, or what it costs


def fingerprint(campaign: Campaign) -> str:
    """Return what stands for the words, the deal and the audience question of a campaign; others give another one."""
    words = [_words(campaign, variant) for variant in campaign.variants.all()]
    parts = [campaign.channel, _promise(campaign.offer), campaign.utm_campaign, audience_of(campaign), *words]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _words(campaign: Campaign, variant: Variant) -> list[Any]:
    """Return what somebody wrote that is sent; not what is made of it, which the shop's colours change as well."""
    mode = variant.written_as if campaign.channel == Channel.EMAIL else Mode.TEXT
    written: dict[Mode, list[Any]] = {
        Mode.BLOCKS: [variant.blocks],
        Mode.HTML: [variant.html, variant.body],
        Mode.TEXT: [variant.body],
    }
    return [variant.weight, variant.subject, variant.preheader, mode.value, *written[mode]]


def _promise(offer: Offer | None) -> str:
    """Return all that a deal promises: a tenth off that was approved is not the free meal it may become since."""
    if offer is None:
        return ""
    fields = [field.attname for field in offer._meta.concrete_fields if field.name not in NOT_PROMISED]
    places = sorted(offer.locations.values_list("pk", flat=True))
    return repr([*((name, str(getattr(offer, name))) for name in fields), places])


def approval_needed(by: User | AnonymousUser | None, size: int) -> bool:
    """Whether a launch to so many people needs a second person. Nobody (`None`) is the manager on the machine."""
    if by is None:
        return False
    limit = Business.load().approval_above
    return limit is not None and size > limit and not by.has_perm(APPROVE)


def approval_of(campaign: Campaign) -> Approval | None:
    """Return what was asked for or approved, where the campaign is a draft and still the same."""
    if not campaign.is_editable:
        return None
    found = Approval.objects.filter(campaign=campaign).select_related("asked_by", "approved_by").first()
    return found if found is not None and found.fingerprint == fingerprint(campaign) else None


def waiting_for_approval() -> list[Approval]:
    """Return the drafts somebody asks to send, the oldest question first; none that were changed since."""
    asked = Approval.objects.filter(approved_at=None, campaign__status=Campaign.Status.DRAFT)
    campaign = ("campaign__offer", "campaign__segment", "campaign__exclude_segment")
    rows = asked.select_related(*campaign, "asked_by").order_by("asked_at")
    return [row for row in rows if row.fingerprint == fingerprint(row.campaign)]


def is_approved(campaign: Campaign, *, size: int, starts_at: datetime, spread_minutes: int) -> bool:
    """Whether a second person has agreed to just this: to these words, to so many people, and at this time."""
    found = Approval.objects.filter(campaign=campaign).first()
    if found is None or found.approved_at is None or found.fingerprint != fingerprint(campaign):
        return False
    is_in_time = abs(starts_at - (found.starts_at or found.approved_at)) <= LATE_APPROVAL
    return is_in_time and found.spread_minutes == spread_minutes and has_not_grown(found, size)


def has_not_grown(approval: Approval, size: int) -> bool:
    """Whether an audience is still about as big as when it was asked for: a tag may be given to many since."""
    return 100 * size <= approval.size * (100 + GROWTH_PERCENT)


def lacks_approval(campaign: Campaign, *, at: datetime) -> bool:
    """Whether a campaign that is to begin now needs a second person, as it has become since its launch.

    One query more where the shop asks for approvals, and the people are counted then.
    """
    if Business.load().approval_above is None or campaign.launched_by is None:
        return False
    size = audience_size(campaign, at=at)
    start = campaign.starts_at or at
    agreed = is_approved(campaign, size=size, starts_at=start, spread_minutes=campaign.spread_minutes)
    return approval_needed(campaign.launched_by, size) and not agreed
