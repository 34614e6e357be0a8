"""Contacts, their statuses, tags and names; and the demo's invented people."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from contacts.channels import Channel
from contacts.models import ChannelStatus, Contact, NameIndex, Tag
from contacts.queries import derive_states, name_digests
from contacts.services.inserting import insert_rows


def save_contact(contact: Contact) -> Contact:
    """Save a contact that was typed in or changed, and bring its statuses in line with its addresses."""
    with transaction.atomic():
        contact.save()
        refresh_statuses(contact)
        index_names([contact])
    return contact


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
