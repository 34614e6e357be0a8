"""Days of the shop, from the first to the last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import DateTimeField, Func, QuerySet

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Moment = date | datetime


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

    def holds(self, at: datetime) -> bool:
        return (self.start is None or at >= self.start) and (self.end is None or at < self.end)

    def cut(self, rows: QuerySet[Any], field: str = "at") -> QuerySet[Any]:
        """Keep the rows whose time is within these days."""
        if self.start:
            rows = rows.filter(**{f"{field}__gte": self.start})
        return rows.filter(**{f"{field}__lt": self.end}) if self.end else rows


class QuarterHour(Func):
    """The beginning of the quarter of an hour in which a time is: rows are counted by it, and clocks differ by no less.

    SQLite asks Python for the day of each row, which takes seconds for half a million; a text it cuts by itself.
    """

    arity = 1
    output_field = DateTimeField()

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, tuple[Any, ...]]:
        sql, params = compiler.compile(self.source_expressions[0])
        quarter = f"CAST(SUBSTR({sql}, 15, 2) AS INTEGER) / 15 * 15"
        return f"(SUBSTR({sql}, 1, 14) || PRINTF('%%02d', {quarter}))", (*params, *params)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "DATE_BIN('15 minutes', %(expressions)s, TIMESTAMPTZ '2000-01-01 00:00+00')"
        return super().as_sql(compiler, connection, template=template, **context)


def local_moment(at: datetime, by: str, zone: ZoneInfo) -> Moment:
    """Return the day, hour, week or month a time is in, by its first day or the beginning of the hour on the clock.

    An hour has no zone: the one that comes twice in autumn is one.
    """
    local = at.astimezone(zone)
    if by == "hour":
        return local.replace(tzinfo=None, minute=0, second=0, microsecond=0, fold=0)
    day = local.date()
    if by == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by == "month" else day


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
        local = local_moment(found, "hour", zone)
        if local != before:
            assert isinstance(local, datetime)
            yield local
        before, found = local, found + HOUR
