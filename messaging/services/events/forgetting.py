"""What providers wrote names addresses: it is kept while somebody may ask about it, and not longer."""

from __future__ import annotations

from datetime import datetime, timedelta

from messaging.models import Fact, ProviderEvent
from messaging.services import facts

KEPT = timedelta(days=90)
EVERY = timedelta(hours=1)
FACT = "payloads.forgotten"
EMPTY = "{}"
ROWS = 5_000  # of a statement
SLACK = 5_000  # rows that are looked at once more


def forget_payloads(*, at: datetime) -> int:
    """Empty the reports that came more than 90 days ago, once an hour; return how many. What they said is kept."""
    last = Fact.objects.filter(pk=FACT).first()
    if last and last.at > at - EVERY:
        return 0
    # What comes at once is numbered in another order than it came.
    known = last.detail.get("up_to", 0) if last else 0
    done, count = max(0, known - SLACK), 0
    old = ProviderEvent.objects.filter(received_at__lte=at - KEPT).order_by("pk")
    while pks := list(old.filter(pk__gt=done).values_list("pk", flat=True)[:ROWS]):
        ProviderEvent.objects.filter(pk__in=pks).update(payload=EMPTY)
        count += sum(pk > known for pk in pks)
        done = pks[-1]
    facts.note(FACT, True, {"up_to": max(known, done)}, at=at)
    return count
