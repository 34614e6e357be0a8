"""One pace for everybody: each worker process, on each machine, asks one row before it hands a message over.

The row is locked while it is read and written, and the clock is read under that lock: on PostgreSQL the database's own,
so that machines whose clocks differ agree. Each channel has a row of its own, and never waits for another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeVar

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Subquery

from campaigns.models import Campaign
from contacts.channels import Channel
from messaging import rates
from messaging.models import Pace, ProviderSettings
from messaging.queries.caps import FIRST_CAPS
from messaging.queries.caps import provider_name as provider_name
from messaging.rates import Limits, Slots, State

T = TypeVar("T")

AHEAD_S = 0.5  # how far ahead slots are given, and so the longest a message waits between hand-over and call
SPREAD_CATCH_UP_S = 60.0  # the worker calls once a minute where nothing else wakes it


class Pause(NamedTuple):
    """How many seconds everybody waits now, and how long ago the first of the failures in a row was."""

    wait_s: float
    failing_s: float


class Reading(NamedTuple):
    """The shared clock, in unix seconds, with when it was read by time.monotonic, give or take `doubt_s`."""

    now: float
    read_at: float
    doubt_s: float


# --- Which provider, and what it allows -------------------------------------------------------------------------------


def provider_key(channel: Channel) -> str:
    """`email/sendgrid`: the row all who send by this provider share."""
    return f"{channel.value}/{provider_name(channel)}"


def settings_of(channel: Channel) -> ProviderSettings:
    """Return the owner's settings for the provider in use; made on first use, the rate as the environment has it."""
    rate = settings.EMAIL_RATE if channel == Channel.EMAIL else settings.SMS_RATE
    first = {"rate": rate, **FIRST_CAPS[channel]}
    return ProviderSettings.objects.get_or_create(channel=channel, provider=provider_name(channel), defaults=first)[0]


# --- Slots ------------------------------------------------------------------------------------------------------------


def reserve(
    channel: Channel, wanted: int, *, horizon_s: float = AHEAD_S, urgent: bool = False, limits: Limits | None = None
) -> Slots:
    """Take up to `wanted` slots of the provider in use, none more than `horizon_s` away. Waits count from the return.

    Not to be used inside a transaction: others would wait for its end. One query where nothing limits it.
    """
    key = provider_key(channel)
    if limits is None:
        limits, state = _limits_and_state(channel, key)
    else:
        state = _state(key)
    if rates.is_free(limits, state):
        return Slots((0.0,) * wanted)

    def take(state: State, now: float) -> tuple[State, Slots]:
        return rates.reserve(limits, state, now=now, wanted=wanted, horizon_s=horizon_s, urgent=urgent)

    return _take(key, take)


def reserve_spread(campaign: Campaign, wanted: int, *, horizon_s: float) -> int:
    """Return how many messages of a campaign that is spread over some time may go in the next `horizon_s` seconds.

    They count as gone. Not to be used inside a transaction.
    """
    if not (campaign.spread_minutes and campaign.size_at_launch):
        return wanted
    interval_s = campaign.spread_minutes * 60 / campaign.size_at_launch

    def take(state: State, now: float) -> tuple[State, Slots]:
        return rates.reserve_evenly(
            interval_s, state, now=now, wanted=wanted, horizon_s=horizon_s, catch_up_s=SPREAD_CATCH_UP_S
        )

    return len(_take(f"campaign/{campaign.pk}", take).waits)


def wait_turn(channel: Channel, *, at_most_s: float) -> bool:
    """Wait for a slot of one's own, ahead of what campaigns leave; False, without waiting, where it would take longer.

    For mail somebody waits for. Not to be used inside a transaction.
    """
    until = time.monotonic() + at_most_s
    while (left_s := until - time.monotonic()) >= 0:
        slots = reserve(channel, 1, horizon_s=left_s, urgent=True)
        if not slots.waits:
            return False
        slot = time.monotonic() + slots.waits[0]
        time.sleep(max(0.0, slots.waits[0]))
        if time.monotonic() <= slot + slots.tolerance_s:
            return True
    return False


# --- Pauses -----------------------------------------------------------------------------------------------------------


def failed(channel: Channel, retry_after_s: float = 0) -> Pause:
    """Note that the provider was busy or away for everybody; 0 where it did not say for how long."""

    def note(state: State, now: float) -> tuple[State, Pause]:
        state = rates.failed(state, now, retry_after_s)
        return state, Pause(rates.blocked_for(state, now), rates.failing_for(state, now))

    return _change(provider_key(channel), note)[0]


def succeeded(channel: Channel) -> None:
    """Note that the provider took a message. One query, and no write where nothing had failed."""
    key = provider_key(channel)
    if "streak" in _state(key):
        _change(key, lambda state, now: (rates.succeeded(state, now), None))


def blocked_for(channel: Channel) -> float:
    """Return the seconds for which nobody gets a slot; one query where there is no pause."""
    state = _state(provider_key(channel))
    return rates.blocked_for(state, _clock()[0]) if "until" in state else 0.0


# --- The row ----------------------------------------------------------------------------------------------------------


def _limits_and_state(channel: Channel, key: str) -> tuple[Limits, State]:
    state = Subquery(Pace.objects.filter(pk=key).values("state")[:1])
    mine = ProviderSettings.objects.filter(channel=channel, provider=provider_name(channel))
    row = mine.annotate(state=state).values_list("rate", "state").first()
    if row is None:
        return rates.parse(settings_of(channel).rate), _state(key)
    return rates.parse(row[0]), row[1] or {}


def _state(key: str) -> State:
    return Pace.objects.filter(pk=key).values_list("state", flat=True).first() or {}


def _take(key: str, take: Callable[[State, float], tuple[State, Slots]]) -> Slots:
    """Take slots, and say how far away they are when the caller gets them, not when the clock was read."""
    slots, reading = _change(key, take, durable=True)
    passed_s = time.monotonic() - reading.read_at
    tolerance_s = max(slots.tolerance_s / 2, slots.tolerance_s - reading.doubt_s)
    return replace(slots, waits=tuple(wait - passed_s for wait in slots.waits), tolerance_s=tolerance_s)


def _change(key: str, change: Callable[[State, float], tuple[State, T]], *, durable: bool = False) -> tuple[T, Reading]:
    """Change the state of a row, alone, as of now."""
    with transaction.atomic(durable=durable):
        pace = _locked(key)
        reading = _clock()
        state, result = change(pace.state, reading.now)
        if state != pace.state:
            Pace.objects.filter(pk=key).update(state=state)
    return result, reading


def _locked(key: str) -> Pace:
    """Lock the row; on SQLite the transaction itself is the lock (BEGIN IMMEDIATE)."""
    rows = Pace.objects.select_for_update().filter(pk=key)
    if (pace := rows.first()) is not None:
        return pace
    Pace.objects.bulk_create([Pace(key=key)], ignore_conflicts=True)  # whoever comes second waits for the first here
    return rows.get()


def _clock() -> Reading:
    """Read the clock all machines share."""
    if connection.vendor != "postgresql":
        return Reading(time.time(), time.monotonic(), 0.0)
    asked_at = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::double precision")
        now: float = cursor.fetchone()[0]
    took_s = time.monotonic() - asked_at
    return Reading(now, asked_at + took_s / 2, took_s / 2)
