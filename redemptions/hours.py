"""Days and hours at which a deal is good, in the shop's wall time. Pure.

They are kept as JSON: `[{"days": [0, 1, 2, 3, 4], "from": "11:00", "to": "15:00"}]`, Monday being 0. A window that ends
at or before its start ends the next day and belongs to the day it starts on: Friday 22:00 to 02:00 is good until two on
Saturday. None at all: always.

What counts is what the clock on the wall shows. Where it leaps ahead, a time it never shows is the moment of the leap;
where it goes back, the times it shows twice are good, or not, both times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

DAYS = (
    gettext_lazy("Mon"),
    gettext_lazy("Tue"),
    gettext_lazy("Wed"),
    gettext_lazy("Thu"),
    gettext_lazy("Fri"),
    gettext_lazy("Sat"),
    gettext_lazy("Sun"),
)
# For the catalogue alone: Django's own Spanish begins the days with a capital letter, which is wrong within a sentence.
DAYS_IN_DATES = (
    gettext_noop("Monday"),
    gettext_noop("Tuesday"),
    gettext_noop("Wednesday"),
    gettext_noop("Thursday"),
    gettext_noop("Friday"),
    gettext_noop("Saturday"),
    gettext_noop("Sunday"),
)
FULL_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_WINDOWS = 14
A_WEEK = 7
A_DAY = timedelta(days=1)
TO = r"\s*(?:-|\u2013|\bto\b)\s*"
SPAN = re.compile(rf"(?P<days>.*?)[\s:]*\b(\d{{1,2}}):(\d{{2}}){TO}(\d{{1,2}}):(\d{{2}})", re.IGNORECASE)
HALF_DAYS = re.compile(r"\d\s*[ap]\.?\s?m\b", re.IGNORECASE)
HOW = "Write days and hours like this: Mon-Fri 11:00-15:00, Sat 12:00-14:00."
TO_24 = "Hours go on to 24, without am or pm: 17:00-19:00."


class BadHours(ValueError):
    """What was written are no days and hours; the message says how to write them."""


@dataclass(frozen=True, slots=True)
class Window:
    """One span of the day on some days. `opens` == `closes` is the whole day round."""

    days: frozenset[int]
    opens: time
    closes: time

    def shows(self, wall: datetime) -> bool:
        """Whether it is open when the clock on the wall shows this."""
        is_day, is_next_day = wall.weekday() in self.days, (wall.weekday() - 1) % A_WEEK in self.days
        if self.opens < self.closes:
            return is_day and self.opens <= wall.time() < self.closes
        return (is_day and self.opens <= wall.time()) or (is_next_day and wall.time() < self.closes)


def parse(stored: Any) -> tuple[Window, ...]:
    """Return the windows of a deal as it keeps them. Raises BadHours."""
    if not isinstance(stored, list) or len(stored) > MOST_WINDOWS:
        raise BadHours(HOW)
    return tuple(map(_window, stored))


def _window(entry: Any) -> Window:
    try:
        days = frozenset(entry["days"])
        opens, closes = time.fromisoformat(entry["from"]), time.fromisoformat(entry["to"])
    except (TypeError, KeyError, ValueError) as error:
        raise BadHours(HOW) from error
    if not days or not all(type(day) is int and 0 <= day < A_WEEK for day in days) or opens.tzinfo or closes.tzinfo:
        raise BadHours(HOW)
    return Window(days, opens, closes)


def stored(windows: Sequence[Window]) -> list[dict[str, Any]]:
    """Return windows as a deal keeps them."""
    return [
        {"days": sorted(window.days), "from": f"{window.opens:%H:%M}", "to": f"{window.closes:%H:%M}"}
        for window in windows
    ]


def read(text: str) -> tuple[Window, ...]:
    """Return what a person wrote: `Mon-Fri 11:00-15:00, Sat 12:00-14:00`; nothing is always. Raises BadHours.

    What is not understood to its end is refused: half of it would be other hours than were meant.
    """
    parts = [part.strip() for part in re.split(r"[,;\n]", text) if part.strip()]
    windows = tuple(map(_read_one, parts))
    if len(windows) > MOST_WINDOWS:
        raise BadHours(f"These are more than {MOST_WINDOWS} spans of hours. {HOW}")
    unnamed = [part for part in parts if part[0].isdigit()]
    if unnamed and len(parts) > 1:
        raise BadHours(f"“{unnamed[0]}” names no days. {HOW}")
    return windows


def _read_one(text: str) -> Window:
    if HALF_DAYS.search(text):
        raise BadHours(f"“{text}” is not understood. {TO_24} {HOW}")
    if not (span := SPAN.fullmatch(text)):
        raise BadHours(f"“{text}” names no hours. {HOW}" if ":" not in text else f"“{text}” is not understood. {HOW}")
    days, *numbers = span.groups()
    opens_h, opens_m, closes_h, closes_m = map(int, numbers)
    if (closes_h, closes_m) == (24, 0):
        closes_h = 0
    try:
        opens, closes = time(opens_h, opens_m), time(closes_h, closes_m)
    except ValueError as error:
        raise BadHours(f"“{text}” holds what is no time of the day. {TO_24} {HOW}") from error
    return Window(_read_days(days.strip()), opens, closes)


def _read_days(text: str) -> frozenset[int]:
    if not text or text.casefold() in {"daily", "every day"}:
        return frozenset(range(A_WEEK))
    days: set[int] = set()
    for part in re.split(r"[\s+&/]+", re.sub(TO, "-", text, flags=re.IGNORECASE)):
        first, _hyphen, last = part.partition("-")
        start, end = _day(first), _day(last or first)
        days |= {(start + step) % A_WEEK for step in range((end - start) % A_WEEK + 1)}
    return frozenset(days)


def _day(name: str) -> int:
    """Return the day of `Tue`, `Tues.`, `tuesday` or `Tuesdays`."""
    plain = name.casefold().rstrip(".").removesuffix("s")
    for index, day in enumerate(FULL_NAMES):
        if len(plain) > 2 and day.startswith(plain):
            return index
    raise BadHours(f"“{name}” is no day. {HOW}")


def is_open(windows: Sequence[Window], at: datetime, zone: ZoneInfo) -> bool:
    """Whether a deal with these windows is good at this moment."""
    wall = at.astimezone(zone)
    return not windows or any(window.shows(wall) for window in windows)


def next_open(windows: Sequence[Window], at: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment from `at` on at which the deal is good, in UTC."""
    if is_open(windows, at, zone):
        return at.astimezone(UTC)
    today = at.astimezone(zone).date()
    # A day of next week, too, whose hours the clock leaps over this week.
    days = [today + step * A_DAY for step in range(2 * A_WEEK + 1)]
    moments = [moment for day in days for moment in (*_openings(windows, day, zone), *_changes(day, zone))]
    return min(moment for moment in moments if moment > at and is_open(windows, moment, zone))


def _openings(windows: Sequence[Window], day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield when the clock shows the times at which windows open on a day; one may come twice, or not be there."""
    for window in windows:
        wall = datetime.combine(day, window.opens, tzinfo=zone)
        yield from (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1) if day.weekday() in window.days)


def _changes(day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield when the clock is put forward or back around a day, to the second."""
    before = datetime.combine(day, time.min, tzinfo=UTC) - A_DAY
    after = before + 3 * A_DAY
    offset = before.astimezone(zone).utcoffset()
    if offset == after.astimezone(zone).utcoffset():
        return
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    yield after.replace(microsecond=0)


def words(windows: Sequence[Window]) -> str:
    """`Mon to Fri 11:00 to 15:00, Sat 12:00 to 14:00`; empty: always."""
    return ", ".join(f"{_day_words(window.days)} {_hour_words(window)}" for window in windows)


def _hour_words(window: Window) -> str:
    if window.opens == window.closes:
        return _("all day")
    return _("%(from)s to %(to)s") % {"from": f"{window.opens:%H:%M}", "to": f"{window.closes:%H:%M}"}


def _day_words(days: frozenset[int]) -> str:
    if len(days) == A_WEEK:
        return _("Every day")
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(_run_words(run) for run in runs)


def _run_words(run: Sequence[int]) -> str:
    if len(run) > 2:
        return _("%(from)s to %(to)s") % {"from": DAYS[run[0]], "to": DAYS[run[-1]]}
    return ", ".join(str(DAYS[day]) for day in run)
