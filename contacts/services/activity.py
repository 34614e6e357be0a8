"""What happened to contacts, added up for segments. Called by the apps above, in the transaction of what happened."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import DateTimeField, F, Q, Value
from django.db.models.functions import Coalesce, Greatest

from contacts.models import Activity, Contact


def note_sent(contact_ids: Collection[int], *, at: datetime) -> None:
    """A message went out to these contacts. A few statements, whatever their number."""
    _note("last_sent_at", contact_ids, at)


def note_clicked(contact_id: int, *, at: datetime) -> None:
    """A contact followed a link."""
    _note("last_clicked_at", [contact_id], at)


def note_redeemed(contact_id: int, *, at: datetime, order_value: Decimal | None) -> None:
    """A contact redeemed a deal, with an order of this value where it is known. One statement; four the first time."""
    known, moment = Activity.objects.filter(pk=contact_id), Value(at, output_field=DateTimeField())
    changes = {
        "redemptions": F("redemptions") + 1,
        "spend": F("spend") + (order_value or 0),
        "last_redeemed_at": Greatest(Coalesce("last_redeemed_at", moment), moment),
    }
    if not known.update(**changes):
        with transaction.atomic():
            _insert(_locked([contact_id]))
        known.update(**changes)


@transaction.atomic
def _note(field: str, contact_ids: Collection[int], at: datetime) -> None:
    there = _locked(sorted(contact_ids))
    known = set(Activity.objects.filter(pk__in=there).values_list("pk", flat=True))
    _insert([pk for pk in there if pk not in known])
    earlier = Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__lt": at})
    Activity.objects.filter(earlier, pk__in=there).update(**{field: at})


def _locked(contact_ids: Collection[int]) -> list[int]:
    """Lock contacts, and return those who are there: one that is being erased is waited for, and gets no row."""
    locked = Contact.objects.select_for_update(no_key=True).filter(pk__in=contact_ids).order_by("pk")
    return list(locked.values_list("pk", flat=True))


def _insert(contact_ids: Collection[int]) -> None:
    Activity.objects.bulk_create([Activity(pk=pk) for pk in contact_ids], ignore_conflicts=True)
