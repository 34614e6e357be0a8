"""Beginning what is due, and holding what was missed: nobody gets at midnight what was meant for lunch."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import formats
from django.utils.translation import override

from campaigns import services as campaigns
from campaigns.models import Campaign
from contacts.models import Business
from contacts.sentences import kept

MISSED_AFTER = timedelta(hours=1)
MISSED = kept("It should have started on %(when)s, and nothing was sending then. Resume to start it now.")

Status = Campaign.Status


def start_due(*, at: datetime) -> int:
    """Begin the campaigns that are due; return how many.

    One whose start is an hour gone is paused, and says why; so is one that became more than was approved.
    """
    due = Campaign.objects.filter(status=Status.SCHEDULED, starts_at__lte=at).order_by("starts_at", "pk")
    begun = 0
    for campaign in due:
        assert campaign.starts_at is not None
        if campaign.begun_at is None and campaign.starts_at < at - MISSED_AFTER:
            campaigns.hold(campaign, missed_before=at - MISSED_AFTER, reason=_reason(campaign.starts_at))
        elif not campaigns.hold_unapproved(campaign, at=at):
            begun += campaigns.begin(campaign, at=at)
    return begun


def next_start(*, at: datetime) -> datetime | None:
    """Return when the next campaign is to begin, if any is scheduled after `at`: the worker may wait for it."""
    later = Campaign.objects.filter(status=Status.SCHEDULED, starts_at__gt=at).order_by("starts_at")
    return later.values_list("starts_at", flat=True).first()


def _reason(starts_at: datetime) -> str:
    with override("en"):  # as the sentence around it
        when = formats.date_format(starts_at.astimezone(Business.load().zone), "l, F j, P")
    return MISSED % {"when": when}
