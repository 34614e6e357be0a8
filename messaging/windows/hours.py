"""The hours of a day in which a text may be sent, and the moments at which they begin and end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from messaging.windows.places import Place, is_american

HORIZON = timedelta(days=8)  # a week holds every rule; a day more for the way there
SATURDAY = 5


class NeverOpen(ValueError):
    """The hours of these places share no moment of the week."""


class Hours(NamedTuple):
    """Local hours, `first <= time < last`, on weekdays, Saturdays and Sundays."""

    weekdays: tuple[int, int]
    saturdays: tuple[int, int]
    sundays: tuple[int, int]


def daily(first: int, last: int) -> Hours:
    return Hours((first, last), (first, last), (first, last))


FEDERAL = daily(8, 21)  # 47 CFR 64.1200(c)(1)
# Narrower: the strictest daily window of most states, for everybody.
DEFAULT = daily(9, 20)
# What states ask for texts that sell, as lawyers' tables for text marketing had it in April 2026 (Referrizer, Stello;
# Washington is not in them and unchecked). Where a state allows more than the default, the default still holds.
STATES = {
    **dict.fromkeys(("AL", "FL", "LA", "MA", "MD", "MS", "NJ", "OK", "WA"), daily(8, 20)),
    **dict.fromkeys(("CA", "IL", "MI", "MN"), daily(9, 21)),
    "CT": daily(9, 20),
    "KY": daily(10, 21),
    "RI": Hours((9, 18), (10, 17), (10, 17)),
    "TX": Hours((9, 21), (9, 21), (12, 21)),
}


def strict_hours(state: str | None) -> Hours:
    """Return the hours of a state: its own rule, within the default."""
    return within(STATES.get(state or "", DEFAULT), DEFAULT)


def within(hours: Hours, others: Hours) -> Hours:
    """Return what both allow. Every rule here, and whatever a shop may choose, holds 12 to 17: no day is empty."""
    return Hours(*((max(a, c), min(b, d)) for (a, b), (c, d) in zip(hours, others, strict=True)))


def next_open(places: Iterable[Place], at: datetime, own: Hours = DEFAULT) -> datetime:
    """Return `at` itself where the hours are open in every place, else the next moment at which they are.

    `own` are the shop's, which narrow every place's; where they leave the places nothing in common, they yield.
    Raises NeverOpen, for places on opposite sides of the world: an American number, and a time zone in Asia.
    """
    opens, _ = _window(frozenset(places), _minute(at), own)
    return max(at, opens)


def closes_at(places: Iterable[Place], at: datetime, own: Hours = DEFAULT) -> datetime:
    """Return when the first place closes: of the hours that are open at `at`, else of the next ones.

    Raises NeverOpen.
    """
    return _window(frozenset(places), _minute(at), own)[1]


def _minute(at: datetime) -> datetime:
    """Return the beginning of the minute. Hours begin and end with one, so its moments share one answer."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


@lru_cache(maxsize=16_384)
def _window(places: frozenset[Place], at: datetime, own: Hours) -> tuple[datetime, datetime]:
    """Return when all places are open, from `at` on, and when the first of them closes. Raises NeverOpen."""
    hours = [(ZoneInfo(place.zone), strict_hours(place.state)) for place in places]
    found = _common_window([(zone, within(rule, own)) for zone, rule in hours], at)
    if found is None and own != DEFAULT:
        found = _common_window(hours, at)
    # Rhode Island closes before Guam opens: whose number is of the one and whose home in the other is in one of them.
    # A time zone abroad, which a contact may have, lets nobody be texted longer than their state says.
    if found is None and all(is_american(place.zone) for place in places):
        found = _common_window([(zone, FEDERAL) for zone, _ in hours], at)
    if found is None:
        raise NeverOpen("The hours of these places share no moment.")
    return found


def _common_window(hours: list[tuple[ZoneInfo, Hours]], at: datetime) -> tuple[datetime, datetime] | None:
    moment = at
    while moment < at + HORIZON:
        windows = [_window_of(zone, rule, moment) for zone, rule in hours]
        latest = max(opens for opens, _ in windows)
        if latest == moment:  # nobody has to be waited for any more
            return moment, min(closes for _, closes in windows)
        moment = latest
    return None


def _window_of(zone: ZoneInfo, hours: Hours, at: datetime) -> tuple[datetime, datetime]:
    """Return when a place is open from `at` on, and when it closes then."""
    day = at.astimezone(zone).date()
    while True:
        first, last = hours[max(0, day.weekday() - SATURDAY + 1)]
        opens = datetime.combine(day, time(first), zone).astimezone(UTC)
        closes = datetime.combine(day, time(last), zone).astimezone(UTC)
        if at < closes:
            return max(at, opens), closes
        day += timedelta(days=1)
