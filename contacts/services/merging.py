"""Two rows that are one person become one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from contacts.channels import Channel
from contacts.models import (
    Activity,
    AuditEvent,
    Confirmation,
    ConsentEvent,
    Contact,
    ContactTag,
    FormerAddress,
    ImportEntry,
)
from contacts.records import all_records
from contacts.services.audit import audit
from contacts.services.exporting import forget_exports
from contacts.services.people import note_former_addresses, save_contact

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# One of the two wins; notes and tags are joined.
CHOSEN_FIELDS = ("first_name", "last_name", "email", "phone", "birthday", "postal_code", "region", "time_zone")
LATEST = ("last_sent_at", "last_clicked_at", "last_redeemed_at")


class NotTwoContacts(ValueError):
    """A contact cannot be merged with itself, or one of the two is gone."""


def merge(kept_id: int, gone_id: int, *, at: datetime, take: Iterable[str] = (), actor: User | None = None) -> Contact:
    """Move all that hangs on one contact to the other, and delete it; return the one that is kept.

    `take` names the fields of CHOSEN_FIELDS in which the value of the deleted contact wins; elsewhere it fills what is
    blank. An address that loses is nobody's afterwards: it is not written to any more, its consent events and
    suppressions stay by its hash, and no consent moves from one address to the other.

    Both rows are locked, lower number first: of two merges at once the second finds one of them gone.

    Raises NotTwoContacts.
    """
    with transaction.atomic():
        ids = sorted({kept_id, gone_id})
        locked: dict[int, Contact] = {
            c.pk: c for c in Contact.objects.select_for_update().filter(pk__in=ids).order_by("pk")
        }
        if len(locked) != 2:
            raise NotTwoContacts
        kept, gone = locked[kept_id], locked[gone_id]
        forget_exports([kept_id, gone_id])
        for records in all_records():
            records.merge(kept, gone)
        _move_own_rows(kept, gone)
        _add_activity(kept, gone)
        values = merged_values(kept, gone, set(take))
        note_former_addresses((kept.pk, channel, gone.address_index(channel)) for channel in Channel)
        Contact.objects.filter(pk=gone.pk).delete()  # first: an address stands in one row only
        for name, value in values.items():
            setattr(kept, name, value)
        kept.clean()
        save_contact(kept)
        audit(AuditEvent.Action.MERGED, detail=f"contact {gone_id} into contact {kept_id}", actor=actor)
    return kept


def merged_values(kept: Contact, gone: Contact, take: set[str]) -> dict[str, Any]:
    """Return what the fields of the kept contact become. Pure."""
    values: dict[str, Any] = {}
    for name in CHOSEN_FIELDS:
        own, other = getattr(kept, name), getattr(gone, name)
        values[name] = (other or own) if name in take else (own or other)
    notes = dict.fromkeys(filter(None, [kept.notes, gone.notes]))
    values["notes"] = "\n\n".join(notes) or None
    values["fewer_messages"] = kept.fewer_messages or gone.fewer_messages
    values["is_demo"] = kept.is_demo and gone.is_demo
    return values


def _move_own_rows(kept: Contact, gone: Contact) -> None:
    tags = ContactTag.objects.filter(contact=gone).values_list("tag_id", flat=True)
    ContactTag.objects.bulk_create([ContactTag(tag_id=tag, contact=kept) for tag in tags], ignore_conflicts=True)
    ConsentEvent.objects.filter(contact=gone).update(contact=kept)
    Confirmation.objects.filter(contact=gone).update(contact=kept)
    former = FormerAddress.objects.filter(contact=gone).values_list("channel", "address_index")
    note_former_addresses((kept.pk, Channel(channel), bytes(index)) for channel, index in former)
    # Without the trace of how it was left, no undo of an import takes the merged contact for untouched.
    runs = ImportEntry.objects.filter(contact=kept).values("run")
    ImportEntry.objects.filter(contact=gone).exclude(run__in=list(runs.values_list("run", flat=True))).update(
        contact=kept, left=None
    )
    ImportEntry.objects.filter(contact=kept).update(left=None)


def _add_activity(kept: Contact, gone: Contact) -> None:
    other = Activity.objects.filter(contact=gone).first()
    if other is None:
        return
    own, _ = Activity.objects.get_or_create(contact=kept)
    for name in LATEST:
        setattr(own, name, max(filter(None, [getattr(own, name), getattr(other, name)]), default=None))
    own.redemptions += other.redemptions
    own.spend += other.spend
    own.save()
