"""Days of the shop, from the first to the last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Days in the shop's time zone, both included; None: no first, or no last. A day is 23 or 25 hours twice a year."""

    zone: ZoneInfo
    first: date | None = None
    last: date | None = None

    @property
    def start(self) -> datetime | None:
        return datetime.combine(self.first, time.min, tzinfo=self.zone) if self.first else None

    @property
    def end(self) -> datetime | None:
        """The moment after the last day."""
        return datetime.combine(self.last + DAY, time.min, tzinfo=self.zone) if self.last else None

    def cut(self, rows: QuerySet[Any], field: str = "at") -> QuerySet[Any]:
        """Keep the rows whose time is within these days."""
        if self.start:
            rows = rows.filter(**{f"{field}__gte": self.start})
        return rows.filter(**{f"{field}__lt": self.end}) if self.end else rows


def last_days(count: int, zone: ZoneInfo, *, at: datetime) -> Span:
    """Return today and the days before it, so many in all."""
    today = at.astimezone(zone).date()
    return Span(zone, today - timedelta(days=count - 1), today)


def days_between(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += DAY


def hours_between(first: datetime, last: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the beginning of each hour of the shop's clock, without its zone.

    The hour that is skipped in spring is none, and the one that comes twice in autumn is one: so the database counts.
    """
    found, last = first.astimezone(UTC), last.astimezone(UTC)
    before = None
    while found <= last:
        local = found.astimezone(zone).replace(tzinfo=None, minute=0, second=0, microsecond=0, fold=0)
        if local != before:
            yield local
        before, found = local, found + HOUR
