"""Days and hours at which a deal is good, in the shop's wall time. Pure.

They are kept as JSON: `[{"days": [0, 1, 2, 3, 4], "from": "11:00", "to": "15:00"}]`, Monday being 0. A window that ends
at or before its start ends the next day and belongs to the day it starts on: Friday 22:00 to 02:00 is good until two on
Saturday. None at all: always.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOST_WINDOWS = 14
A_WEEK = 7
SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*(?:-|\u2013|to)\s*(\d{1,2}):(\d{2})", re.IGNORECASE)
HOW = "Write days and hours like this: Mon-Fri 11:00-15:00, Sat 12:00-14:00."


class BadHours(ValueError):
    """What was written are no days and hours; the message says how to write them."""


@dataclass(frozen=True, slots=True)
class Window:
    """One span of the day on some days. `opens` == `closes` is the whole day round."""

    days: frozenset[int]
    opens: time
    closes: time

    def ends_next_day(self) -> bool:
        return self.closes <= self.opens

    def on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return when the window of this day opens and closes, in UTC.

        An hour the clock leaps over opens when the leap is done; of one it shows twice, the first counts as opening
        and the second as closing.
        """
        last = day + timedelta(days=1) if self.ends_next_day() else day
        opens = datetime.combine(day, self.opens, tzinfo=zone)
        closes = datetime.combine(last, self.closes, tzinfo=zone).replace(fold=1)
        return opens.astimezone(UTC), closes.astimezone(UTC)


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
    """Return what a person wrote: `Mon-Fri 11:00-15:00, Sat 12:00-14:00`; nothing is always. Raises BadHours."""
    return tuple(_read_one(part.strip()) for part in re.split(r"[,;\n]", text) if part.strip())


def _read_one(text: str) -> Window:
    if not (span := SPAN.search(text)):
        raise BadHours(f"“{text}” names no hours. {HOW}")
    try:
        opens, closes = time(int(span[1]), int(span[2])), time(int(span[3]) % 24, int(span[4]))
    except ValueError as error:
        raise BadHours(f"“{span[0]}” is no time of the day. {HOW}") from error
    days = _read_days(text[: span.start()].strip().rstrip(":"))
    return Window(days, opens, closes)


def _read_days(text: str) -> frozenset[int]:
    if not text or text.casefold() in {"daily", "every day"}:
        return frozenset(range(A_WEEK))
    days: set[int] = set()
    for part in re.split(r"[\s+&/]+", text):
        first, _, last = part.partition("-")
        start, end = _day(first), _day(last or first)
        days |= {(start + step) % A_WEEK for step in range((end - start) % A_WEEK + 1)}
    return frozenset(days)


def _day(name: str) -> int:
    for index, day in enumerate(DAYS):
        if name[:3].casefold() == day.casefold():
            return index
    raise BadHours(f"“{name}” is no day. {HOW}")


def is_open(windows: Sequence[Window], at: datetime, zone: ZoneInfo) -> bool:
    """Whether a deal with these windows is good at this moment."""
    return not windows or any(opens <= at < closes for opens, closes in _around(windows, at, zone, ahead=0))


def next_open(windows: Sequence[Window], at: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment from `at` on at which the deal is good, in UTC."""
    if is_open(windows, at, zone):
        return at.astimezone(UTC)
    return min(opens for opens, _ in _around(windows, at, zone, ahead=2 * A_WEEK + 1) if opens > at)


def _around(windows: Sequence[Window], at: datetime, zone: ZoneInfo, *, ahead: int) -> list[tuple[datetime, datetime]]:
    """Return the spans that begin yesterday, today, or in the days ahead."""
    today = at.astimezone(zone).date()
    days = [today + timedelta(days=step) for step in range(-1, ahead + 1)]
    spans = [window.on(day, zone) for window in windows for day in days if day.weekday() in window.days]
    return [(opens, closes) for opens, closes in spans if opens < closes]  # not one the clock leaps over


def words(windows: Sequence[Window]) -> str:
    """`Mon to Fri 11:00 to 15:00, Sat 12:00 to 14:00`; empty: always."""
    return ", ".join(f"{_day_words(window.days)} {_hour_words(window)}" for window in windows)


def _hour_words(window: Window) -> str:
    return "all day" if window.opens == window.closes else f"{window.opens:%H:%M} to {window.closes:%H:%M}"


def _day_words(days: frozenset[int]) -> str:
    if len(days) == A_WEEK:
        return "Every day"
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        " to ".join((DAYS[run[0]], DAYS[run[-1]])) if len(run) > 2 else ", ".join(DAYS[day] for day in run)
        for run in runs
    )
