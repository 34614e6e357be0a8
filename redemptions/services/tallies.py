"""The two rows that all tills share: what is used up of a deal's limits, and the last number of the ledger.

Whoever needs several rows takes them in this order, so that nobody waits in a circle: a line of the ledger, the code,
the person's activity, the deal's tally, the entry counter. The last two are held until the commit, and are taken last
for that reason.
"""

from __future__ import annotations

from decimal import Decimal

from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Round

from redemptions.models import EntryCounter, Offer, OfferTally

CENT = Decimal("0.01")


def take(offer: Offer, cost: Decimal) -> bool:
    """Count one more use, which costs so much, if the offer's limits leave room for it; say whether they did."""
    tally = OfferTally.objects.filter(pk=offer.pk)
    if _take(tally, offer, cost):
        return True
    # No room, or no tally yet. Somebody may make it right now, so it is not asked for, but made where it is missing.
    OfferTally.objects.bulk_create([OfferTally(offer=offer)], ignore_conflicts=True)
    return _take(tally, offer, cost)


def _take(tally: QuerySet[OfferTally], offer: Offer, cost: Decimal) -> bool:
    if offer.max_total is not None:
        tally = tally.filter(used__lt=offer.max_total)
    if offer.budget is not None:
        tally = tally.filter(given__lte=offer.budget - (cost or CENT))
    # SQLite adds up decimals as floats: rounded, the sum stays the number nearest to the cents.
    return bool(tally.update(used=F("used") + 1, given=Round(F("given") + cost, precision=2)))


def give_back(offer: Offer, cost: Decimal) -> None:
    """Count one use less, which had cost so much."""
    OfferTally.objects.filter(pk=offer.pk, used__gt=0).update(used=F("used") - 1)
    add(offer, -cost)


def add(offer: Offer, cost: Decimal) -> None:
    """Count this much more given away, whatever the budget says: it is learnt after the deal was given."""
    more = Round(F("given") + cost, precision=2)
    OfferTally.objects.filter(pk=offer.pk).update(given=Greatest(more, Decimal(0)))


def next_entry_no() -> int:
    """Return the next number of the ledger. A rolled-back transaction gives it back, so there are no gaps."""
    counter = EntryCounter.objects.filter(pk=1)
    if not counter.update(last_entry_no=F("last_entry_no") + 1):
        EntryCounter.objects.bulk_create([EntryCounter(pk=1)], ignore_conflicts=True)
        counter.update(last_entry_no=F("last_entry_no") + 1)
    return counter.values_list("last_entry_no", flat=True).get()
