"""Warming up a new From domain: a number of mails for each day, those who agreed last first.

What counts are the rows of the ledger, and no counter beside them: what a worker puts back may go again, and what was
handed over counts, whatever became of the worker. The warm-up's row is locked while a worker looks and claims, so all
of them together stay within the number. Confirmations and tests are no campaign's, and go at any time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Max
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Business, ConsentEvent
from contacts.queries import sender_domain
from messaging import warming
from messaging.models import Message, WarmUp
from messaging.queries.warm_up import numbers_from_today, running, used_today

REASON_LENGTH = 200
OLDEST = timedelta(days=20 * 365)  # whoever agreed before is as old as can be told apart
SQUEEZE = 10_000  # twenty years are squeezed into eighteen hours: rows are due at their campaign's start, all of them


class NotPossible(Exception):
    """There is no such warm-up, or no domain; the message says so."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many mails may go today, as of a moment ago."""

    domain: str
    number: int
    zone: ZoneInfo


# --- The owner's ------------------------------------------------------------------------------------------------------


def start(*, ramp: str) -> WarmUp:
    """Start, or start anew, the warm-up of the domain mails come from. Raises ValueError and NotPossible."""
    numbers = warming.written(warming.parse(ramp))
    domain = sender_domain(Business.load())
    if not domain:
        raise NotPossible(_("There is no sender address yet. Set it under Business."))
    fresh = {"ramp": numbers, "begun_on": None, "ended_at": None, "ended_because": ""}
    if (current := WarmUp.objects.filter(pk=domain, ended_at=None).first()) is not None:
        raise NotPossible(_("%(domain)s is warming up already.") % {"domain": current.domain})
    return WarmUp.objects.update_or_create(pk=domain, defaults=fresh)[0]


def change(domain: str, *, ramp: str) -> WarmUp:
    """Change the numbers of a warm-up that runs. Raises ValueError and NotPossible."""
    return _change(domain, ramp=warming.written(warming.parse(ramp)))


def end(domain: str, *, reason: str, at: datetime) -> WarmUp:
    """End a warm-up early: nothing is held up any more. Raises NotPossible."""
    if not reason.strip():
        raise NotPossible(_("Say why, in a few words."))
    return _change(domain, ended_at=at, ended_because=reason.strip()[:REASON_LENGTH])


def _change(domain: str, **changes: object) -> WarmUp:
    if not WarmUp.objects.filter(pk=domain, ended_at=None).update(**changes):
        raise NotPossible(_("This warm-up is over, or was never started."))
    return WarmUp.objects.get(pk=domain)


# --- The worker's -----------------------------------------------------------------------------------------------------


def allowance(channel: Channel, business: Business, *, at: datetime) -> Allowance | None:
    """Return today's number; None: no warm-up runs. One that is over is ended here."""
    warm_up = running(business) if channel == Channel.EMAIL else None
    if warm_up is None:
        return None
    if numbers := numbers_from_today(warm_up, business.zone, at=at):
        return Allowance(warm_up.domain, numbers[0], business.zone)
    WarmUp.objects.filter(pk=warm_up.pk, ended_at=None).update(ended_at=at)
    return None


def room(allowed: Allowance, wanted: int, *, at: datetime) -> int:
    """Return how many of `wanted` mails may be claimed now.

    To be called in the transaction that claims them: the row stays locked until its end, and others wait for it.
    """
    warm_up = WarmUp.objects.select_for_update().filter(pk=allowed.domain, ended_at=None).first()
    if warm_up is None:
        return wanted
    free = min(wanted, allowed.number - used_today(allowed.zone, at=at))
    if free > 0 and warm_up.begun_on is None:
        WarmUp.objects.filter(pk=warm_up.pk).update(begun_on=at.astimezone(allowed.zone).date())
    return max(0, free)


def put_in_order(campaign: Campaign, people: Collection[int], *, start: datetime) -> None:
    """Let those of a campaign's people who agreed last be claimed first, where a warm-up runs.

    Claims follow `not_before`: it is set back from the campaign's start, the further the later somebody agreed.
    """
    if campaign.channel != Channel.EMAIL or running(Business.load()) is None:
        return
    agreed = ConsentEvent.objects.filter(
        contact__in=people, channel=Channel.EMAIL, action=ConsentEvent.Action.GRANTED
    ).order_by()
    last = dict(agreed.values_list("contact").annotate(Max("at")))
    fresh = Message.objects.filter(campaign=campaign, contact__in=people, status=Message.Status.QUEUED, attempts=0)
    rows = list(fresh.only("contact_id").order_by())
    for row in rows:
        row.not_before = start - _set_back(start - last[row.contact_id] if row.contact_id in last else OLDEST)
    Message.objects.bulk_update(rows, ["not_before"], batch_size=500)


def _set_back(age: timedelta) -> timedelta:
    return (OLDEST - min(max(age, timedelta(0)), OLDEST)) / SQUEEZE
