"""How fast messages may leave. Pure: limits read from words, and slots handed out within them.

A limit holds in every sliding window, wherever it begins. For seconds and minutes, slots stand evenly and a little
wider apart than the limit asks: what that leaves free in a window is how late a message may still use its slot. For
hours and days, slots are counted in small buckets, and a bucket counts until the last message in it is a window old.

Times are unix seconds. A state is a plain dict that JSON can hold:

    at      when it was last written; a clock that shows less has been put back
    tat     the earliest time of the next slot
    h, d    counted slots: `start` of the first bucket, and `n`, one number for each bucket
    until   nobody gets a slot before then
    streak  failures one after the other
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from django.apps import apps
from django.utils.translation import gettext

State = dict[str, Any]


def gettext_noop(text: str) -> str:
    """Mark words for the catalogue. Django's own asks the settings, which may be reading this module just now."""
    return text


SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
WORDS = {
    "s": gettext_noop("a second"),
    "m": gettext_noop("a minute"),
    "h": gettext_noop("an hour"),
    "d": gettext_noop("a day"),
}
SPACED, COUNTED = "sm", "hd"
MOST = 1_000_000_000

# What keeps the limit costs rate: 1.5 % of the even slots, 0.6 % of the counted ones.
SLACK = 0.015
ROUNDING = 0.98  # of the lateness the slack allows: a unix time in a float is good to a quarter of a microsecond
CATCH_UP_S = 0.05
BUCKETS = 200  # to a window
COUNTED_LATENESS = 0.001  # of a window
SPARE_FROM = 50  # where an hour or a day allows so many, campaigns leave 1 % of them to urgent mail

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 900.0  # each failure doubles it, where the provider names none
LONGEST_ASKED_PAUSE_S = 3600.0  # a provider that names more is asked again after an hour

ENTRY = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)\s*/\s*([smhd])(?=[\s,;]|$)", re.IGNORECASE)
SEPARATORS = re.compile(r"[\s,;]*")


def _(text: str) -> str:
    """Return words in the reader's language; there is none yet while the settings are read, which hold limits, too."""
    return gettext(text) if apps.ready else text


# --- Limits -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """How many messages a second, minute, hour and day; 0: no such limit. As a text: `14/s,50000/d`."""

    s: int = 0
    m: int = 0
    h: int = 0
    d: int = 0

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return ((unit, count) for unit, count in asdict(self).items() if count)

    def __bool__(self) -> bool:
        return any(self)

    def __str__(self) -> str:
        return ",".join(f"{count}/{unit}" for unit, count in self)

    @property
    def spacing_s(self) -> float:
        """Seconds between two slots: as the tightest of a second's and a minute's limit needs it."""
        return max((SECONDS[unit] / count * (1 + SLACK) for unit, count in self if unit in SPACED), default=0.0)

    @property
    def tolerance_s(self) -> float:
        """Seconds that a slot may be used late, with no window ever holding too many."""
        spacing = self.spacing_s
        return min(
            (
                (count * spacing - SECONDS[unit]) * ROUNDING if unit in SPACED else SECONDS[unit] * COUNTED_LATENESS
                for unit, count in self
            ),
            default=inf,
        )


def parse(text: str) -> Limits:
    """Read `14/s, 50,000/d`: each unit (s, m, h, d) once, in any order; empty: no limit.

    Raises ValueError with a sentence for whoever wrote it.
    """
    counts: dict[str, int] = {}
    position = _skip(text, 0)
    while position < len(text):
        match = ENTRY.match(text, position)
        if match is None:
            raise ValueError(_not_read(text[position:]))
        unit, count = match[2].lower(), int(match[1].replace(",", "")[:12])
        _check(match[0], unit, count, counts)
        counts[unit] = count
        position = _skip(text, match.end())
    return Limits(**counts)


def _skip(text: str, position: int) -> int:
    match = SEPARATORS.match(text, position)
    return match.end() if match else position


def _check(entry: str, unit: str, count: int, counts: dict[str, int]) -> None:
    if unit in counts:
        raise ValueError(_("There are two limits %(unit)s. Keep the one that counts.") % {"unit": _(WORDS[unit])})
    if count < 1:
        words = _('"%(entry)s" would let nothing go. Write 1 or more, or leave it out for no limit.')
        raise ValueError(words % {"entry": entry})
    if count > MOST:
        most = {"count": f"{MOST:,}", "unit": _(WORDS[unit])}
        raise ValueError(_("More than %(count)s %(unit)s is no limit. Leave it out.") % most)


def _not_read(rest: str) -> str:
    word = re.split(r"[\s,;]", rest, maxsplit=1)[0][:20]
    words = _(
        '"%(word)s" cannot be read. Write a number, a slash, and s, m, h or d for second, minute, hour or day: '
        "14/s, or 14/s,50000/d."
    )
    return words % {"word": word}


def words(limits: Limits) -> str:
    """`14 a second, 50,000 a day`."""
    return ", ".join(f"{count:,} {_(WORDS[unit])}" for unit, count in limits) or _("no limit")


def seconds_for(limits: Limits, count: int) -> float:
    """Return the least time, from a standstill, between the first and the last of `count` messages of campaigns."""
    return _seconds_for(limits, [unit for unit, _ in limits if unit in COUNTED], count) if count > 1 else 0.0


def _seconds_for(limits: Limits, units: list[str], count: int) -> float:
    """The units are the counted ones still to look at, the longest last."""
    if not units:
        return (count - 1) * limits.spacing_s
    *shorter, unit = units
    room = dict(limits)[unit] - _spare(dict(limits)[unit])
    rounds, rest = divmod(count - 1, room)
    if not rounds:
        return _seconds_for(limits, shorter, count)
    window = SECONDS[unit] * (1 + COUNTED_LATENESS + 1 / BUCKETS)
    return rounds * max(window, _seconds_for(limits, shorter, room + 1)) + _seconds_for(limits, shorter, rest + 1)


def _spare(count: int) -> int:
    return max(1, count // 100) if count >= SPARE_FROM else 0


# --- Slots ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slots:
    """When messages may go: `waits` are the seconds until each slot, ascending, perhaps fewer than wanted, or none.

    A slot that has just passed has a wait below 0, and may be used like any other until `tolerance_s` after it.
    `retry_in_s` says when to ask again where none was granted.
    """

    waits: tuple[float, ...]
    retry_in_s: float = 0.0
    tolerance_s: float = inf


def is_free(limits: Limits, state: State) -> bool:
    """Whether any number may go at once, so that neither clock nor state matters."""
    return not limits and "until" not in state


def reserve(
    limits: Limits, state: State, *, now: float, wanted: int, horizon_s: float, urgent: bool = False
) -> tuple[State, Slots]:
    """Take up to `wanted` slots, none more than `horizon_s` seconds away. What is taken and not used is lost.

    Whoever wants the full rate asks again before the last slot has passed. Urgent mail may have what campaigns leave.
    """
    if is_free(limits, state):
        return state, Slots((0.0,) * wanted)
    spacing, tolerance = limits.spacing_s, limits.tolerance_s
    state = _brought_up(state, now)
    counters = {
        unit: _Counter(SECONDS[unit], count - (0 if urgent else _spare(count)), state.get(unit))
        for unit, count in limits
        if unit in COUNTED
    }
    # A slot that passed while somebody asked is still good, with at least half of the tolerance left to reach it.
    earliest_s = -min(tolerance / 2, CATCH_UP_S) if spacing else 0.0
    state, waits, next_s = _take(state, now, list(counters.values()), spacing, earliest_s, wanted, horizon_s)
    state = _without(state, COUNTED) | {unit: counter.kept for unit, counter in counters.items()}
    return state, _slots(waits, next_s, horizon_s, tolerance)


def reserve_evenly(
    interval_s: float, state: State, *, now: float, wanted: int, horizon_s: float, catch_up_s: float
) -> tuple[State, Slots]:
    """Take up to `wanted` slots that stand `interval_s` apart; those of the last `catch_up_s` seconds are good."""
    earliest_s = -catch_up_s if "tat" in state else 0.0
    state, waits, next_s = _take(_brought_up(state, now), now, [], interval_s, earliest_s, wanted, horizon_s)
    return state, _slots(waits, next_s, horizon_s, catch_up_s)


def _take(
    state: State,
    now: float,
    counters: list[_Counter],
    spacing_s: float,
    earliest_s: float,
    wanted: int,
    horizon_s: float,
) -> tuple[State, list[float], float]:
    """Return the state with the slots taken, their waits, and the wait of the one after.

    Slots are only ever handed out in the order of time, so that a bucket that no longer counts can be forgotten.
    """
    wait = max([earliest_s, *(state[key] - now for key in ("tat", "until") if key in state)])
    waits: list[float] = []
    while len(waits) < wanted:
        for counter in counters:
            wait = max(wait, counter.free_from(now + wait) - now)
        if wait > horizon_s:
            break
        waits.append(wait)
        for counter in counters:
            counter.add(now + wait)
        wait += spacing_s
    if waits:
        state = {**state, "tat": now + waits[-1] + spacing_s}
    return state, waits, wait


def _slots(waits: list[float], next_s: float, horizon_s: float, tolerance_s: float) -> Slots:
    return Slots(tuple(waits), 0.0 if waits else max(0.001, next_s - horizon_s), tolerance_s)


class _Counter:
    """The slots of one hour's or day's limit. `kept` is what the state holds of them."""

    def __init__(self, window_s: int, room: int, kept: dict[str, Any] | None) -> None:
        self.room = room
        self.width = window_s / BUCKETS
        self.reach = window_s * (1 + COUNTED_LATENESS)  # the last of a bucket may leave late by so much
        self.start: float = kept["start"] if kept else 0.0
        self.counts: list[int] = list(kept["n"]) if kept else []
        self.total = sum(self.counts)

    @property
    def kept(self) -> dict[str, Any]:
        return {"start": self.start, "n": self.counts}

    def _over(self, bucket: int) -> float:
        """Return when a bucket no longer counts."""
        return self.start + self.width * (bucket + 1) + self.reach

    def free_from(self, at: float) -> float:
        """Return the first time from `at` on with room for one more."""
        left = self.total
        for bucket, count in enumerate(self.counts):
            over = self._over(bucket)
            if left < self.room and over > at:
                return at
            left -= count
            at = max(at, over)
        return at

    def add(self, at: float) -> None:
        """Count a slot; none before it is asked for again."""
        gone = 0
        while gone < len(self.counts) and self._over(gone) <= at:
            gone += 1
        self.total -= sum(self.counts[:gone])
        self.start += self.width * gone
        self.counts = self.counts[gone:]
        if not self.counts:
            self.start = at
        bucket = int((at - self.start) / self.width)
        self.counts += [0] * (bucket + 1 - len(self.counts))
        self.counts[bucket] += 1
        self.total += 1


def _brought_up(state: State, now: float) -> State:
    """Return a copy of the state as of `now`, without a pause that is over.

    Where the clock was put back, everything moves with it as if no time had passed: too late is never too many.
    """
    back = min(0.0, now - state.get("at", now))
    state = {**state, "at": now}
    for key in {"tat", "until", "since"} & state.keys():
        state[key] += back
    for unit in state.keys() & set(COUNTED):
        state[unit] = {**state[unit], "start": state[unit]["start"] + back}
    return _without(state, {"until"}) if state.get("until", inf) <= now else state


def _without(state: State, left_out: Collection[str]) -> State:
    return {key: value for key, value in state.items() if key not in left_out}


# --- Pauses -----------------------------------------------------------------------------------------------------------


def block(state: State, now: float, seconds: float) -> State:
    """Give nobody a slot for so long; a pause that is longer already stays. At most an hour at a time."""
    state = _brought_up(state, now)
    until = now + min(seconds, LONGEST_ASKED_PAUSE_S)
    return {**state, "until": max(until, state.get("until", until))} if seconds > 0 else state


def failed(state: State, now: float, retry_after_s: float = 0.0) -> State:
    """Note that the provider was busy or away: everybody waits as long as it asked (0: it did not say), or ever longer.

    Failures during a pause were on their way before it, and are one with the failure that began it.
    """
    state = _brought_up(state, now)
    if "until" in state:
        return block(state, now, retry_after_s)
    streak = state.get("streak", 0) + 1
    pause_s = min(FIRST_PAUSE_S * 2 ** min(streak - 1, 20), LONGEST_PAUSE_S)
    state = {**state, "streak": streak, "since": state.get("since", now)}
    return block(state, now, retry_after_s if retry_after_s > 0 else pause_s)


def succeeded(state: State, now: float) -> State:
    """End a streak of failures. What succeeds during a pause was on its way before it, and says nothing yet."""
    return state if blocked_for(state, now) else _without(state, {"streak", "since"})


def failing_for(state: State, now: float) -> float:
    """Return the seconds since the first of the failures in a row."""
    since: float = state.get("since", now)
    return max(0.0, now - since)


def blocked_for(state: State, now: float) -> float:
    """Return the seconds for which nobody gets a slot."""
    until: float = state.get("until", now)
    written: float = state.get("at", now)
    return max(0.0, until - max(now, written))
