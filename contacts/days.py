"""Birthdays, of which the year is often not known. Pure."""

from __future__ import annotations

from datetime import date

UNKNOWN_YEAR = 1904  # of a birthday without a year: a leap year, so that 29 February has its day


def birthday_text(day: date | None) -> str:
    """`1990-12-31`; `--12-31` where the year is not known; empty where there is none. Files are read back so."""
    if day is None:
        return ""
    return f"{day:--%m-%d}" if day.year == UNKNOWN_YEAR else day.isoformat()
