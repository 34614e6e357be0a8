"""Launch, pause, resume, cancel: the campaign's own services, and the worker told of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django_q.tasks import async_task

from campaigns import services as campaigns
from campaigns.models import Campaign
from messaging.models import Heartbeat, Message

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CLOCK = "clock"


def wake() -> None:
    """Tell the worker that something may be due. A nudge: it may be lost or doubled, and nothing depends on it."""
    transaction.on_commit(lambda: async_task("messaging.tasks.work", group="work"))


def beat(*, at: datetime) -> None:
    """Note that the worker is alive."""
    Heartbeat.objects.update_or_create(name=CLOCK, defaults={"at": at})


def launch(campaign: Campaign, *, at: datetime, starts_at: datetime | None = None, by: User | None = None) -> Campaign:
    """Freeze a campaign and schedule it. Raises campaigns.services.Blocked and NotPossible."""
    campaign = campaigns.launch(campaign, at=at, starts_at=starts_at, by=by)
    wake()
    return campaign


def pause(campaign: Campaign) -> Campaign:
    """Stop claiming at once. Raises campaigns.services.NotPossible."""
    return campaigns.pause(campaign)


def resume(campaign: Campaign) -> Campaign:
    """Go on with exactly the rest. Raises campaigns.services.NotPossible."""
    campaign = campaigns.resume(campaign)
    wake()
    return campaign


def cancel(campaign: Campaign, *, at: datetime) -> Campaign:
    """End a campaign for good; what is still waiting is cancelled, what is on its way is finished.

    Raises campaigns.services.NotPossible.
    """
    with transaction.atomic():
        campaign = campaigns.cancel(campaign, at=at)
        Message.objects.filter(campaign=campaign, status=Message.Status.QUEUED).update(
            status=Message.Status.CANCELLED, status_at=at
        )
    return campaign


def remove_demo() -> None:
    """Delete the demo campaigns with their messages. The shop's own campaigns keep their counts."""
    Message.objects.filter(campaign__is_demo=True).delete()
    campaigns.remove_demo_campaigns()
