"""Contacts, their statuses, tags and names; and the demo's invented people."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q

from contacts.channels import Channel
from contacts.fields import key_id
from contacts.models import Address, ChannelStatus, Contact, FormerAddress, NameIndex, Tag
from contacts.queries import derive_states, name_digests
from contacts.services.inserting import insert_rows


def lock_contacts(addresses: Iterable[Address]) -> dict[Address, Contact]:
    """Lock whoever has these addresses, lower numbers first, and return them by address. One query.

    The first thing to be done by what writes about a person; see `contacts.services` for the order of locks.
    """
    wanted = set(addresses)
    having = Q(pk=None)
    for channel, index in wanted:
        having |= Q(**{Contact.INDEX_FIELDS[channel]: index})
    locked = Contact.objects.select_for_update().filter(having).order_by("pk")
    own = [((channel, contact.address_index(channel)), contact) for contact in locked for channel in Channel]
    return {(channel, index): contact for (channel, index), contact in own if (channel, index) in wanted}


def lock_contact(channel: Channel, address_index: bytes) -> Contact | None:
    """Lock the contact that has this address, and return it; None where nobody has it."""
    return lock_contacts([(channel, address_index)]).get((channel, address_index))


def save_contact(contact: Contact) -> Contact:
    """Save a contact that was typed in or changed, and bring its statuses in line with its addresses.

    An address it had until now is remembered as one of its former ones.
    """
    with transaction.atomic():
        before = Contact.objects.select_for_update().only(*Contact.INDEX_FIELDS.values()).filter(pk=contact.pk).first()
        contact.save()
        if before:
            note_former_addresses(
                (contact.pk, channel, index)
                for channel in Channel
                if (index := before.address_index(channel)) not in {None, contact.address_index(channel)}
            )
        refresh_statuses(contact)
        index_names([contact])
    return contact


def note_former_addresses(lost: Iterable[tuple[int, Channel, bytes | None]]) -> None:
    """Remember whose an address was that is theirs no more: (contact's number, channel, index). One statement."""
    insert_rows(
        FormerAddress,
        ("contact", "channel", "address_index", "index_key_id"),
        ((pk, channel.value, index, key_id()) for pk, channel, index in lost if index is not None),
        ignore_conflicts=True,
    )


def index_names(contacts: Iterable[Contact], *, are_new: bool = False) -> None:
    """Bring the name index in line with the names of these contacts; of new ones nothing is there yet."""
    wanted = {contact.pk: name_digests(contact.first_name, contact.last_name) for contact in contacts}
    if not are_new:
        NameIndex.objects.filter(contact_id__in=wanted).delete()
    insert_rows(
        NameIndex,
        ("digest", "contact"),
        ((digest, pk) for pk, digests in wanted.items() for digest in digests),
    )


def refresh_statuses(contact: Contact) -> None:
    """Recompute both statuses from the events and suppressions of the contact's addresses.

    The row is locked, and its addresses are read behind the lock: of two writers, the second sees what the first one
    added, and which address the contact has by now.
    """
    with transaction.atomic():
        locked = Contact.objects.select_for_update().only(*Contact.INDEX_FIELDS.values()).get(pk=contact.pk)
        for channel in Channel:
            index = locked.address_index(channel)
            state = ChannelStatus.ABSENT if index is None else derive_states(channel, [index])[index].state
            setattr(contact, f"{channel.value}_status", state)
        contact.save(update_fields=["email_status", "sms_status", "updated_at"])


def find_or_make_tag(name: str) -> Tag:
    """Return the tag of this name in any case, making it where it is new."""
    return Tag.objects.filter(name__iexact=name).first() or Tag.objects.create(name=name[:100])
