"""What happened to contacts, added up for segments. Called by the apps above, in the transaction of what happened."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Coalesce, Greatest

from contacts.models import Activity, Contact

PAGE = 1000  # contacts in a statement


def note_sent(contact_ids: Collection[int], *, at: datetime) -> None:
    """A message went out to these contacts. One statement for a thousand."""
    _note("last_sent_at", contact_ids, at)


def note_clicked(contact_id: int, *, at: datetime) -> None:
    """A contact followed a link."""
    _note("last_clicked_at", [contact_id], at)


def note_nobody_clicked(contact_id: int, *, last: datetime | None) -> None:
    """What was noted as a contact's click was a machine's; `last` is the latest that is left. One statement."""
    Activity.objects.filter(pk=contact_id).update(last_clicked_at=last)


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


def note_order_value(contact_id: int, *, change: Decimal) -> None:
    """What an order of a contact cost was learnt or mended later; `change` is how much more it is."""
    Activity.objects.filter(pk=contact_id).update(spend=Greatest(F("spend") + change, Decimal(0)))


def note_taken_back(contact_id: int, *, order_value: Decimal | None, last_redeemed_at: datetime | None) -> None:
    """A redemption of a contact was taken back; `last_redeemed_at` is of the last one that still holds."""
    Activity.objects.filter(pk=contact_id, redemptions__gt=0).update(
        redemptions=F("redemptions") - 1,
        spend=Greatest(F("spend") - (order_value or 0), Decimal(0)),
        last_redeemed_at=last_redeemed_at,
    )


@transaction.atomic
def _note(field: str, contact_ids: Collection[int], at: datetime) -> None:
    """Note the last time of something. Contacts are locked in their order: who is being erased gets no row."""
    ids = sorted(contact_ids)
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE]
        with connection.cursor() as cursor:
            cursor.execute(_note_sql(field, len(page)), [connection.ops.adapt_datetimefield_value(at), *page])


def _note_sql(field: str, rows: int) -> str:
    """Return the statement of `_note`. The ORM needs four, and an object for each row."""
    contact, activity = Contact._meta.db_table, Activity._meta.db_table
    lock = "FOR NO KEY UPDATE" if connection.features.has_select_for_no_key_update else ""
    return f"""
        INSERT INTO {activity} (contact_id, {field}, redemptions, spend)
        SELECT id, %s, 0, 0 FROM {contact} WHERE id IN ({", ".join(["%s"] * rows)}) ORDER BY id {lock}
        ON CONFLICT (contact_id) DO UPDATE SET {field} = EXCLUDED.{field}
        WHERE {activity}.{field} IS NULL OR {activity}.{field} < EXCLUDED.{field}
    """  # noqa: S608 - nothing in it comes from outside


def _locked(contact_ids: Collection[int]) -> list[int]:
    """Lock contacts, and return those who are there: one that is being erased is waited for, and gets no row."""
    locked = Contact.objects.select_for_update(no_key=True).filter(pk__in=contact_ids).order_by("pk")
    return list(locked.values_list("pk", flat=True))


def _insert(contact_ids: Collection[int]) -> None:
    Activity.objects.bulk_create([Activity(pk=pk) for pk in contact_ids], ignore_conflicts=True)
