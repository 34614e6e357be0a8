"""Taking an import back: what it created and nobody touched goes, what it changed is restored, opt-outs stay.

What people of the file were said to have agreed to stopped counting the moment the undo was asked for
(`contacts.queries.newest_consent`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
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
    stored_address,
)
from contacts.queries import derive_states
from contacts.records import all_records
from contacts.services import index_names, note_former_addresses, refresh_statuses

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
    settled = _settled(record, contacts.values())
    removed, kept = set(), []
    former: list[tuple[int, Channel, bytes]] = []
    for entry in entries:
        contact = contacts.get(entry.contact_id or 0)
        if contact is None:
            continue
        if entry.kind == Kind.CREATED and contact.pk not in touched and entry.left == digest_of(contact):
            removed.add(contact.pk)
            continue
        restored = _restore(entry, contact, settled, former)
        counts["restored"] += restored
        counts["kept"] += entry.kind == Kind.CREATED
        kept.append((entry, contact))
    _take_tags_off([(entry, contact) for entry, contact in kept])
    note_former_addresses(former)
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


def _channel_of(name: str) -> Channel:
    return next(channel for channel, field in Contact.ADDRESS_FIELDS.items() if field == name)


def _restore(
    entry: ImportEntry, contact: Contact, settled: set[tuple[str, bytes]], former: list[tuple[int, Channel, bytes]]
) -> bool:
    """Put back the values before, where the contact still has what the import wrote. Return whether any was.

    `settled` are the addresses somebody has spoken for since: they stay. Addresses that go are added to `former`.
    """
    restored = False
    for name, (before, left) in json.loads(entry.before or "{}").items():
        if value_digest(name, getattr(contact, name)) != left:
            continue
        if name in Contact.ADDRESS_FIELDS.values() and not _may_restore_address(contact, name, before, settled):
            continue
        if name in Contact.ADDRESS_FIELDS.values():
            channel = _channel_of(name)
            if (index := contact.address_index(channel)) is not None:
                former.append((contact.pk, channel, index))
        setattr(contact, name, date.fromisoformat(before) if name == "birthday" and before else before)
        restored = True
    return restored


def _may_restore_address(contact: Contact, name: str, before: str | None, settled: set[tuple[str, bytes]]) -> bool:
    channel = _channel_of(name)
    index = contact.address_index(channel)
    if index is not None and (channel.value, index) in settled:
        return False
    if before is None:  # not its only address by now
        return any(getattr(contact, other) for other in Contact.ADDRESS_FIELDS.values() if other != name)
    _, old_index = stored_address(channel, before)
    return not Contact.objects.with_address(channel, old_index).exclude(pk=contact.pk).exists()


def _settled(record: Import, contacts: Iterable[Contact]) -> set[tuple[str, bytes]]:
    """Return the addresses of these contacts that were spoken of elsewhere than in this import."""
    indexes = [i for contact in contacts for channel in Channel if (i := contact.address_index(channel)) is not None]
    events = ConsentEvent.objects.filter(address_index__in=indexes).exclude(import_run=record)
    asked = Confirmation.objects.filter(address_index__in=indexes)
    found = [*events.values_list("channel", "address_index"), *asked.values_list("channel", "address_index")]
    return {(channel, bytes(index)) for channel, index in found}


def _take_tags_off(kept: list[tuple[ImportEntry, Contact]]) -> None:
    by_tag: dict[int, list[int]] = {}
    for entry, contact in kept:
        for tag in entry.tags_added or []:
            by_tag.setdefault(tag, []).append(contact.pk)
    for tag, contacts in by_tag.items():
        ContactTag.objects.filter(tag=tag, contact__in=contacts).delete()


def take_grants_back(record: Import) -> None:
    """Bring the statuses in line of whoever has the addresses of this import by now, entry or not. May be repeated."""
    granted = ConsentEvent.objects.filter(import_run=record, action=ConsentEvent.Action.GRANTED).order_by("pk")
    last = 0
    while events := list(granted.filter(pk__gt=last).values_list("pk", "channel", "address_index")[:CHUNK]):
        last = events[-1][0]
        for channel in Channel:
            indexes = [bytes(index) for _, of, index in events if of == channel]
            field = Contact.INDEX_FIELDS[channel]
            owners = Contact.objects.filter(
                **{f"{field}__in": indexes, f"{channel.value}_status": ChannelStatus.SUBSCRIBED}
            )
            states = derive_states(channel, indexes)
            for contact in owners.only(*Contact.INDEX_FIELDS.values()):
                index = contact.address_index(channel)
                if index is not None and states[index].state != ChannelStatus.SUBSCRIBED:
                    refresh_statuses(contact)


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
