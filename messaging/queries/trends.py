"""How the counts of contacts went, day by day.

Counting what a million contacts were like on each of thirty days takes seconds, and tells nothing of the erased: the
worker writes the day's counts down instead, once an hour.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from contacts.queries import Totals
from messaging.models import Fact
from messaging.queries import accounting
from messaging.queries.accounting import Question
from messaging.queries.spans import Span, days_between

PREFIX = "numbers."  # and the day, in the shop's time zone


def fact_name(day: date) -> str:
    return f"{PREFIX}{day.isoformat()}"


def noted(span: Span) -> dict[date, dict[str, int]]:
    """Return the counts that were written down on these days, by the names of `Totals`. One query."""
    assert span.first
    assert span.last
    found = Fact.objects.filter(name__gte=fact_name(span.first), name__lte=fact_name(span.last)).order_by("name")
    return {date.fromisoformat(fact.name.removeprefix(PREFIX)): fact.detail for fact in found}


def trend(name: str, notes: dict[date, dict[str, int]], now: Totals, today: date) -> list[tuple[date, int]]:
    """Return a count of `Totals` on the days it is known of, up to today's."""
    days = [(day, counts[name]) for day, counts in notes.items() if day < today and name in counts]
    return [*days, (today, getattr(now, name))]


def given_by_day(span: Span) -> list[tuple[date, int]]:
    """Return how many deals were given on each of these days, what was taken back that day left out. One query."""
    assert span.first
    assert span.last
    counts = dict.fromkeys(days_between(span.first, span.last), 0)
    for figures in accounting.grouped(question_of(span).lines(span.zone), "day", span.zone):
        counts[figures.group] += figures.given
    return list(counts.items())


def given_in(span: Span) -> int:
    """Return how many deals were given in these days, as the redemptions report says. One query."""
    return sum(figures.given for figures in accounting.totals(question_of(span).lines(span.zone)))


def question_of(span: Span) -> Question:
    return Question(first=span.first, last=span.last)


def days_before(span: Span) -> Span:
    """Return as many days as these, just before them."""
    assert span.first
    assert span.last
    length = span.last - span.first + timedelta(days=1)
    return Span(span.zone, span.first - length, span.last - length)


def is_noted(zone: ZoneInfo, *, at: datetime, again: timedelta) -> bool:
    """Whether today's counts were written down within `again`. One query."""
    name = fact_name(at.astimezone(zone).date())
    return Fact.objects.filter(pk=name, at__gt=at - again).exists()
