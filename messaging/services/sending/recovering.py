"""What pumps that died left behind, and campaigns that are done."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from campaigns import services as campaigns
from campaigns.models import Campaign
from contacts.services import note_sent
from messaging.models import Message, Pump, Tally
from messaging.services.sending.claiming import BACK_IN_THE_QUEUE

KEEP_TALLIES = timedelta(hours=1)
PAGE = 1000

Status, Reason = Message.Status, Message.Reason


def recover(*, at: datetime) -> int:
    """Settle what dead pumps left behind; return how many messages.

    Never handed over: back to queued, or cancelled with the campaign. Handed over: unknown, which is never sent again
    by itself.
    """
    silent = Pump.objects.filter(seen_at__lt=at - timedelta(seconds=settings.PUMP_SILENT_S))
    for pump in silent:
        _note_sent_by(pump, at)
    alive = Pump.objects.filter(pk=OuterRef("claim")).exclude(pk__in=silent.values("pk"))
    with transaction.atomic():
        dead = Message.objects.filter(~Exists(alive), status=Status.SENDING)
        unknown = dead.filter(handed_at__isnull=False).update(
            status=Status.UNKNOWN, reason=Reason.WORKER_DIED, status_at=at
        )
        queued = dead.filter(handed_at=None).update(**BACK_IN_THE_QUEUE, status_at=at)
        cancelled = Campaign.objects.filter(status=Campaign.Status.CANCELLED)
        left = Message.objects.filter(status=Status.QUEUED, campaign__in=cancelled.values("pk"))
        gone = left.update(status=Status.CANCELLED, status_at=at)
        held = Message.objects.filter(claim=OuterRef("pk"), status=Status.SENDING)
        silent.filter(~Exists(held)).delete()
    Tally.objects.filter(at__lt=at - KEEP_TALLIES).delete()
    return unknown + queued + gone


def _note_sent_by(pump: Pump, at: datetime) -> None:
    """Note for segments who got something from a pump that could not do so itself. Harmless where it did."""
    sent = Message.objects.filter(
        Q(campaign__status__in=(Campaign.Status.SENDING, Campaign.Status.PAUSED))
        | Q(campaign__finished_at__gt=pump.started_at),
        claim=pump.pk,
        status__in=(*Message.REACHED, Status.BOUNCED),
        contact__isnull=False,
    )
    people = sorted(set(sent.values_list("contact_id", flat=True)))
    for start in range(0, len(people), PAGE):
        note_sent(people[start : start + PAGE], at=at)


def pumps_alive() -> int:
    """Count the pumps that have something at hand, on all machines."""
    return Pump.objects.count()


def finish_done(*, at: datetime) -> int:
    """Mark planned campaigns with nothing left to send as sent; return how many."""
    pending = Message.objects.filter(campaign=OuterRef("pk"), status__in=Message.PENDING)
    done = Campaign.objects.filter(~Exists(pending), status=Campaign.Status.SENDING, planned_at__isnull=False)
    return sum(_finish(pk, at) for pk in done.values_list("pk", flat=True))


def _finish(pk: int, at: datetime) -> bool:
    """Look again under the campaign's lock: somebody may have put failed messages back into the queue meanwhile."""
    with transaction.atomic():
        sending = Campaign.objects.select_for_update(no_key=True).filter(pk=pk, status=Campaign.Status.SENDING)
        campaign = sending.first()
        if campaign is None or Message.objects.filter(campaign=pk, status__in=Message.PENDING).exists():
            return False
        return campaigns.finish(campaign, at=at)
