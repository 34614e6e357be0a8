"""The days a question speaks of, where the shop is."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo

from contacts.segments.rules import YEAR_DAYS


def day_start(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of a day where the shop is."""
    return datetime.combine(day, time.min, tzinfo=zone)


def days_ago(days: int, at: datetime, zone: tzinfo) -> datetime:
    """Return the first moment of the day so many days before today."""
    return day_start(at.astimezone(zone).date() - timedelta(days=days), zone)


def month_start(at: datetime, zone: tzinfo) -> datetime:
    return day_start(at.astimezone(zone).date().replace(day=1), zone)


def birthdays(days: int, at: datetime, zone: tzinfo) -> set[str]:
    """Return month and day (`11-21`) of all birthdays celebrated on so many days, of which today is the first.

    No day at all counts as today.
    """
    today = at.astimezone(zone).date()
    coming = [today + timedelta(days=number) for number in range(max(1, min(days, YEAR_DAYS)))]
    leap = {"02-29"} if any((day.month, day.day) == (2, 28) and not _is_leap(day.year) for day in coming) else set()
    return {f"{day:%m-%d}" for day in coming} | leap


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
