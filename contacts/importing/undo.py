"""Taking an import back: what it created and nobody touched goes, what it changed is restored, opt-outs stay.

What people of the file were said to have agreed to stopped counting the moment the undo was asked for
(`contacts.queries.newest_consent`).
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from contacts.channels import Channel
from contacts.importing.writing import UPDATED, digest_of, value_digest
from contacts.models import (
    Activity,
    ChannelStatus,
    Confirmation,
    ConsentEvent,
    Contact,
    ContactTag,
    Import,
    ImportEntry,
)
from contacts.queries import derive_states
from contacts.records import all_records
from contacts.services import index_names

CHUNK = 500
Kind = ImportEntry.Kind


def undo_chunk(record: Import) -> tuple[dict[str, Any], int]:
    """Take back some of the import's entries, oldest first, within the caller's transaction.

    Return the import's counts, with `removed`, `restored` and `kept`, and the new position: the same as before where
    nothing is left.
    """
    counts = {"removed": 0, "restored": 0, "kept": 0, **record.counts}
    entries = list(ImportEntry.objects.filter(run=record).order_by("pk")[:CHUNK])
    ids = [entry.contact_id for entry in entries if entry.contact_id]
    contacts = {
        contact.pk: contact for contact in Contact.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    }
    touched = _touched(record, contacts)
    removed, kept = set(), []
    for entry in entries:
        contact = contacts.get(entry.contact_id or 0)
        if contact is None:
            continue
        if entry.kind == Kind.CREATED and contact.pk not in touched and entry.left == digest_of(contact):
            removed.add(contact.pk)
            continue
        restored = _restore(entry, contact)
        counts["restored"] += restored
        counts["kept"] += entry.kind == Kind.CREATED
        kept.append((entry, contact))
    _take_tags_off([(entry, contact) for entry, contact in kept])
    _save([contact for _, contact in kept])
    Contact.objects.filter(pk__in=removed).delete()
    counts["removed"] += len(removed)
    ImportEntry.objects.filter(pk__in=[entry.pk for entry in entries]).delete()
    return counts, record.position + len(entries)


def _touched(record: Import, contacts: dict[int, Contact]) -> set[int]:
    """Return those that something happened to since: theirs to keep, whoever did it."""
    ids = list(contacts)
    theirs = [
        ConsentEvent.objects.filter(contact__in=ids).exclude(import_run=record).values_list("contact_id", flat=True),
        Confirmation.objects.filter(contact__in=ids).values_list("contact_id", flat=True),
        Activity.objects.filter(contact__in=ids).values_list("contact_id", flat=True),
        # A later import that completed somebody has to be undone first.
        ImportEntry.objects.filter(contact__in=ids, kind=Kind.UPDATED)
        .exclude(run=record)
        .values_list("contact_id", flat=True),
    ]
    tagged = ContactTag.objects.filter(contact__in=ids).values_list("contact_id", "tag_id")
    given = {
        (entry.contact_id, tag)
        for entry in ImportEntry.objects.filter(run=record, contact__in=ids)
        for tag in entry.tags_added or []
    }
    touched = {pk for found in theirs for pk in found} | {pk for pk, tag in tagged if (pk, tag) not in given}
    for records in all_records():
        touched |= records.in_use(ids)
    return touched


def _restore(entry: ImportEntry, contact: Contact) -> bool:
    """Put back the values before, where the contact still has what the import wrote. Return whether any was."""
    restored = False
    for name, (before, left) in json.loads(entry.before or "{}").items():
        if value_digest(name, getattr(contact, name)) != left:
            continue
        value = date.fromisoformat(before) if name == "birthday" and before else before
        if value is None and name in Contact.ADDRESS_FIELDS.values() and not _has_other_address(contact, name):
            continue  # its only address by now
        setattr(contact, name, value)
        restored = True
    return restored


def _has_other_address(contact: Contact, name: str) -> bool:
    return any(getattr(contact, other) for other in Contact.ADDRESS_FIELDS.values() if other != name)


def _take_tags_off(kept: list[tuple[ImportEntry, Contact]]) -> None:
    for entry, contact in kept:
        if entry.tags_added:
            ContactTag.objects.filter(contact=contact, tag__in=entry.tags_added).delete()


def _save(contacts: list[Contact]) -> None:
    """Write the contacts that stay, with the statuses their addresses have now that the import's word is gone."""
    if not contacts:
        return
    for contact in contacts:  # the blind indexes follow the restored values
        for field in ("email_index", "phone_index"):
            contact._meta.get_field(field).pre_save(contact, False)  # type: ignore[union-attr]
    for channel in Channel:
        indexes = [index for contact in contacts if (index := contact.address_index(channel)) is not None]
        states = derive_states(channel, indexes)
        for contact in contacts:
            index = contact.address_index(channel)
            state = ChannelStatus.ABSENT if index is None else states[index].state
            setattr(contact, f"{channel.value}_status", state)
    Contact.objects.bulk_create(contacts, update_conflicts=True, unique_fields=["id"], update_fields=UPDATED)
    index_names(contacts)
