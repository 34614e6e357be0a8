"""Writes the day's counts down, so that the front page can say how they went."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from contacts.models import Business
from contacts.queries import totals
from messaging.queries.trends import fact_name, is_noted
from messaging.services import facts

AGAIN = timedelta(hours=1)


def note_numbers(*, at: datetime) -> bool:
    """Write down how many contacts there are and how many may be reached, once an hour; a day keeps its last counts.

    Two workers at once write the same. Returns whether anything was written.
    """
    zone = Business.load().zone
    if is_noted(zone, at=at, again=AGAIN):
        return False
    facts.note(fact_name(at.astimezone(zone).date()), None, asdict(totals()), at=at)
    return True
