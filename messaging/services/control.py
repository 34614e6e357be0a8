"""Launch, take back, pause, resume, cancel: the campaign's own services, the queue put right, and the worker told."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django_q.tasks import async_task

from campaigns import services as campaigns
from campaigns.models import Approval, Campaign
from contacts.models import AuditEvent
from contacts.services import audit
from messaging.models import Click, Heartbeat, Message, ProviderEvent
from messaging.queries import full_checklist

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Action = AuditEvent.Action
CLOCK = "clock"
CHUNK = 10_000  # rows of one transaction: between two, others may write
NOT_CLAIMED: dict[str, Any] = {"claim": None, "claimed_at": None}


def wake() -> None:
    """Tell the worker that something may be due. A nudge: it may be lost or doubled, and nothing depends on it."""
    transaction.on_commit(lambda: async_task("messaging.tasks.work", group="work"), robust=True)


def beat(*, at: datetime) -> None:
    """Note that the worker is alive."""
    Heartbeat.objects.update_or_create(name=CLOCK, defaults={"at": at})


def launch(
    campaign: Campaign,
    *,
    at: datetime,
    starts_at: datetime | None = None,
    spread_minutes: int = 0,
    by: User | None = None,
) -> Campaign:
    """Freeze a campaign and schedule it, where nothing on the whole checklist blocks it.

    Raises campaigns.services.Blocked, NeedsApproval and NotPossible.
    """
    campaign = campaigns.launch(
        campaign, at=at, starts_at=starts_at, spread_minutes=spread_minutes, by=by, checklist=full_checklist
    )
    audit(Action.LAUNCHED, detail=_launch_words(campaign), actor=by)
    wake()
    return campaign


def ask_approval(
    campaign: Campaign, *, at: datetime, by: User, starts_at: datetime | None = None, spread_minutes: int = 0
) -> Approval:
    """Ask for a second person to send a draft. Raises campaigns.services.Blocked and NotPossible."""
    approval = campaigns.ask_approval(
        campaign, at=at, by=by, starts_at=starts_at, spread_minutes=spread_minutes, checklist=full_checklist
    )
    audit(Action.ASKED, detail=f"campaign {campaign.pk}, {approval.size:,} people", actor=by)
    return approval


def approve(campaign: Campaign, *, at: datetime, by: User | None, earliest: datetime) -> Campaign:
    """Launch what somebody else asked to send. Raises campaigns.services.Blocked and NotPossible."""
    campaign = campaigns.approve(campaign, at=at, by=by, earliest=earliest, checklist=full_checklist)
    audit(Action.APPROVED, detail=_launch_words(campaign), actor=by)
    audit(Action.LAUNCHED, detail=f"{_launch_words(campaign)}, asked by user {campaign.launched_by_id}", actor=by)
    wake()
    return campaign


def send_back(campaign: Campaign, *, by: User | None = None) -> None:
    """Refuse a draft that waits for approval, or ask no more. Raises campaigns.services.NotPossible."""
    campaigns.send_back(campaign)
    audit(Action.SENT_BACK, detail=f"campaign {campaign.pk}", actor=by)


def _launch_words(campaign: Campaign) -> str:
    return f"campaign {campaign.pk}, {campaign.size_at_launch or 0:,} people"


def take_back(campaign: Campaign) -> Campaign:
    """Make a campaign that has not begun a draft again. Raises campaigns.services.NotPossible."""
    campaign = campaigns.take_back(campaign)
    audit(Action.TAKEN_BACK, detail=f"campaign {campaign.pk}")
    return campaign


def pause(campaign: Campaign, *, reason: str = "") -> Campaign:
    """Stop claiming at once, and put back what was claimed and not handed over; what was handed over is finished.

    Raises campaigns.services.NotPossible.
    """
    with transaction.atomic():
        campaign = campaigns.pause(campaign, reason=reason)
        held = _free(Message.objects.filter(campaign=campaign, status=Message.Status.SENDING, handed_at=None))
        held.update(**NOT_CLAIMED, status=Message.Status.QUEUED, status_at=Now())
        audit(Action.PAUSED, detail=f"campaign {campaign.pk}", reason=reason)
    return campaign


def resume(campaign: Campaign, *, at: datetime, by: User | None = None) -> Campaign:
    """Go on with exactly the rest. Raises campaigns.services.NotPossible."""
    campaign = campaigns.resume(campaign, at=at, by=by)
    audit(Action.RESUMED, detail=f"campaign {campaign.pk}")
    wake()
    return campaign


def cancel(campaign: Campaign, *, at: datetime) -> Campaign:
    """End a campaign for good; what is waiting or only claimed is cancelled, what was handed over is finished.

    The campaign is cancelled first, so nothing leaves any more; its rows follow in chunks. Where this is cut short, the
    sweeper cancels the rest. Raises campaigns.services.NotPossible.
    """
    campaign = campaigns.cancel(campaign, at=at)
    audit(Action.CANCELLED, detail=f"campaign {campaign.pk}")
    for status in Message.PENDING:
        pending = Message.objects.filter(campaign=campaign, status=status, handed_at=None)
        while _cancel_chunk(pending, at):
            pass
    return campaign


def _cancel_chunk(pending: QuerySet[Message], at: datetime) -> int:
    with transaction.atomic():
        return _free(pending).update(**NOT_CLAIMED, status=Message.Status.CANCELLED, status_at=at)


def _free(messages: QuerySet[Message]) -> QuerySet[Message]:
    """Lock up to 10,000 of the messages, but those a pump is writing just now, and return them.

    That pump looks at the campaign before it hands over, and nobody here waits for it: no deadlock.
    """
    free = messages.order_by().select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)
    return Message.objects.filter(pk__in=list(free[:CHUNK]))


def remove_demo() -> None:
    """Delete the demo campaigns with their messages, and what was reported of them. Others keep their counts."""
    Click.objects.filter(message__campaign__is_demo=True).delete()
    ProviderEvent.objects.filter(message__campaign__is_demo=True).delete()
    Message.objects.filter(campaign__is_demo=True).delete()
    campaigns.remove_demo_campaigns()
