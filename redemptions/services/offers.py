"""Making, stopping and removing offers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max, Q
from django.db.models.functions import Coalesce

from redemptions.hours import Window, stored
from redemptions.models import Code, CodeSheet, Device, EntryCounter, Location, Offer, OfferTally, Redemption, Scan


def create_offer(
    *,
    name: str,
    type: Offer.Type,  # noqa: A002 - the field's name
    value: Decimal | None = None,
    currency: str = "USD",
    terms: str = "",
    instructions: str = "",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    hours: Sequence[Window] = (),
    max_uses: int = 1,
    locations: Iterable[Location] = (),
    is_demo: bool = False,
    **limits: Any,
) -> Offer:
    """Make an offer, good at these locations or, without any, at all of them. Raises ValidationError.

    `limits` are those of the model: `max_discount`, `min_spend`, `max_per_person`, `max_total`, `budget`, `offline`,
    `offline_per_day`, `offline_max_value`.
    """
    offer = Offer(
        name=name,
        type=type,
        value=value,
        currency=currency,
        terms=terms,
        instructions=instructions,
        starts_at=starts_at,
        ends_at=ends_at,
        hours=stored(hours),
        max_uses=max_uses,
        is_demo=is_demo,
        **limits,
    )
    offer.full_clean()
    with transaction.atomic():
        offer.save()
        OfferTally.objects.create(offer=offer)
        offer.locations.set(locations)
    return offer


def pause_offer(*, offer: Offer) -> Offer:
    """Refuse the offer's codes until it is resumed."""
    return _set_status(offer, Offer.Status.PAUSED)


def resume_offer(*, offer: Offer) -> Offer:
    """Honour the offer's codes again."""
    return _set_status(offer, Offer.Status.ACTIVE)


def end_offer(*, offer: Offer) -> Offer:
    """Refuse the offer's codes from now on, whatever its end date says."""
    return _set_status(offer, Offer.Status.ENDED)


def _set_status(offer: Offer, status: Offer.Status) -> Offer:
    offer.status = status
    offer.save(update_fields=["status"])
    return offer


def adopt_demo_offer(offer: Offer) -> Offer:
    """Make a demo offer the shop's own, for it is used."""
    Offer.objects.filter(pk=offer.pk).update(is_demo=False)
    offer.refresh_from_db()
    return offer


def remove_demo_offers() -> int:
    """Delete the demo offers with their codes, scans and ledger lines, and the demo devices; return how many offers.

    A demo device that scanned a real code stays, as part of the ledger. Entry numbers go on after the last line left.
    """
    demo_offers = Offer.objects.filter(is_demo=True)
    demo_devices = Device.objects.filter(is_demo=True)
    with transaction.atomic():
        count = demo_offers.count()
        Scan.objects.filter(Q(code__offer__is_demo=True) | Q(device__is_demo=True, result=Scan.Result.REFUSED)).delete()
        demo_lines = Redemption.objects.filter(offer__is_demo=True)
        demo_lines.filter(reverses__isnull=False).delete()
        demo_lines.delete()
        Code.objects.filter(offer__is_demo=True).delete()
        CodeSheet.objects.filter(offer__is_demo=True).delete()
        demo_offers.delete()
        demo_devices.filter(scans=None, redemptions=None).delete()
        last = Redemption.objects.aggregate(last=Coalesce(Max("entry_no"), 0))["last"]
        EntryCounter.objects.filter(pk=1).update(last_entry_no=last)
    return count
