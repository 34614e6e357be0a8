"""Which campaigns wait for a second person, and what exactly that person would approve."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from campaigns.models import Approval, Campaign
from campaigns.queries.audience import audience_of
from campaigns.queries.words import content_of
from contacts.models import Business

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

APPROVE = "campaigns.approve_campaign"


def fingerprint(campaign: Campaign) -> str:
    """Return what stands for the words, the deal and the audience question of a campaign; others give another one."""
    words = [repr(content_of(campaign, variant)) for variant in campaign.variants.all()]
    whom = json.dumps(audience_of(campaign), sort_keys=True)
    parts = [campaign.channel, str(campaign.offer_id), campaign.utm_campaign, whom, *words]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


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
    rows = asked.select_related("campaign__segment", "campaign__exclude_segment", "asked_by").order_by("asked_at")
    return [row for row in rows if row.fingerprint == fingerprint(row.campaign)]
