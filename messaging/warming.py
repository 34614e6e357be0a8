"""The warm-up of a new From domain: how many mails a day it begins with. Pure.

A ramp is a number for each day. A day moves it on where at least half of its number went, and people took that well;
else the number stays for another day: a domain that sends nothing, or that people complain of, earns no trust.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.utils.translation import gettext as _

FIRST_RAMP = "50,100,200,400,800,1500,3000"
MAX_DAYS = 40  # and as many numbers fit into the column
MOST_A_DAY = 1_000_000
MOST_COMPLAINTS = 0.001  # of what went
MOST_HARD_BOUNCES = 0.02

Ramp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """How many mails went on a day, how many of them were complained of, and how many had no such address."""

    sent: int
    complaints: int = 0
    hard_bounces: int = 0

    @property
    def went_well(self) -> bool:
        return self.complaints < MOST_COMPLAINTS * self.sent and self.hard_bounces < MOST_HARD_BOUNCES * self.sent


def parse(text: str) -> Ramp:
    """Read `50, 100, 200`. Raises ValueError with a sentence for whoever wrote it."""
    words = [word.strip() for word in text.strip().strip(",").split(",")]
    if not all(word.isascii() and word.isdecimal() for word in words):
        raise ValueError(_("Write a number for each day, with commas: 50, 100, 200."))
    ramp = tuple(int(word[:12]) for word in words)
    if len(ramp) > MAX_DAYS:
        raise ValueError(_("A warm-up has %(count)s days at most.") % {"count": MAX_DAYS})
    if not all(1 <= number <= MOST_A_DAY for number in ramp):
        said = _("Each number is between 1 and %(most)s, written without a comma.")
        raise ValueError(said % {"most": f"{MOST_A_DAY:,}"})
    for before, after in pairwise(ramp):
        if after < before:
            said = _("After %(before)s comes %(after)s: a warm-up never goes down. Write 1500, not 1,500.")
            raise ValueError(said % {"before": before, "after": after})
    return ramp


def written(ramp: Ramp) -> str:
    return ",".join(map(str, ramp))


def position(ramp: Ramp, days: Iterable[Day]) -> int:
    """Return how many steps of the ramp these days have done, the first day first; `len(ramp)`: it is over."""
    done = 0
    for day in days:
        if done < len(ramp) and 2 * day.sent >= ramp[done] and day.went_well:
            done += 1
    return done


def days_for(numbers: Sequence[int], count: int, *, left_today: int) -> int:
    """Return on which day from now the last of `count` mails goes; today is 1. `numbers` begin with today's.

    After the last number all the rest goes.
    """
    count -= left_today
    day = 1
    for number in numbers[1:]:
        if count <= 0:
            return day
        count, day = count - number, day + 1
    return day if count <= 0 else day + 1
