"""Campaigns in the middle of their way, row by row: what the engine leaves behind, without the engine."""

from __future__ import annotations

import uuid
from datetime import datetime

from campaigns.models import Campaign
from campaigns.queries import variant_of
from campaigns.services import begin, launch
from contacts.models import Contact
from messaging.models import Message

CLAIM = uuid.uuid4()


def begun(campaign: Campaign, *, at: datetime) -> Campaign:
    """Launch and begin a draft; its people are planned by `add`."""
    launch(campaign, at=at)
    assert begin(campaign, at=at)
    Campaign.objects.filter(pk=campaign.pk).update(planned_at=at)
    campaign.refresh_from_db()
    return campaign


def add(campaign: Campaign, contact: Contact | None, status: str, *, at: datetime, **fields) -> Message:
    """Add one row as the engine leaves it: `claimed`, `handed`, or any status of a message."""
    if status in {"claimed", "handed"}:
        fields |= {"claim": CLAIM, "claimed_at": at, "handed_at": at if status == "handed" else None}
        status = "sending"
    if status in {"accepted", "delivered", "bounced"}:
        fields = {"handed_at": at} | fields
    if status == "unknown":
        fields = {"reason": "outcome_unknown", "handed_at": at, "claim": CLAIM, "claimed_at": at} | fields
    if status == "failed":
        fields = {"reason": "gave_up", "handed_at": at, "attempts": 12} | fields
    return Message.objects.create(
        campaign=campaign,
        variant=variant_of(campaign),
        contact=contact,
        channel=campaign.channel,
        status=status,
        status_at=at,
        **{"not_before": at} | fields,
    )


def states(campaign: Campaign) -> dict[str, int]:
    """Count a campaign's rows by state."""
    found: dict[str, int] = {}
    for status in Message.objects.filter(campaign=campaign).values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found
