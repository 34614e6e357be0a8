"""Which addresses are, or were, whose: what hangs on an address is told, exported and erased with its person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Q

from contacts.channels import Channel
from contacts.models import Address, Confirmation, ConsentEvent, Contact, FormerAddress


def addresses_of(contact: Contact) -> set[Address]:
    """Return the addresses a contact has, and those it had, unless they are somebody else's by now. Five queries."""
    return addresses_of_each([contact])[contact.pk]


def addresses_of_each(contacts: Sequence[Contact]) -> dict[int, set[Address]]:
    """Return the addresses of each of these contacts, by its number: see `addresses_of`. Five queries for all of them.

    What a contact had is known from its events and confirmations, and from the trace an edit or a merge leaves.
    """
    own = {
        contact.pk: {(channel, index) for channel in Channel if (index := contact.address_index(channel)) is not None}
        for contact in contacts
    }
    former = {
        (pk, (Channel(channel), bytes(index)))
        for model in (ConsentEvent, Confirmation, FormerAddress)
        for pk, channel, index in model._default_manager.filter(contact__in=list(own))
        .order_by()
        .values_list("contact_id", "channel", "address_index")
        .distinct()
    }
    owners = _owners(address for pk, address in former if address not in own[pk])
    for pk, address in former:
        if owners.get(address, pk) == pk:
            own[pk].add(address)
    return own


def at_addresses(addresses: Iterable[Address]) -> Q:
    """Return the condition for rows with `channel` and `address_index` that are about one of these addresses."""
    about = Q(pk=None)
    indexes = _by_channel(addresses)
    for channel in indexes:
        about |= Q(channel=channel, address_index__in=indexes[channel])
    return about


def _owners(addresses: Iterable[Address]) -> dict[Address, int]:
    found: dict[Address, int] = {}
    for channel, indexes in _by_channel(addresses).items():
        field = Contact.INDEX_FIELDS[channel]
        owners = Contact.objects.filter(**{f"{field}__in": indexes}).order_by()
        found |= {(channel, bytes(index)): pk for pk, index in owners.values_list("pk", field)}
    return found


def _by_channel(addresses: Iterable[Address]) -> dict[Channel, list[bytes]]:
    indexes: dict[Channel, list[bytes]] = {}
    for channel, index in addresses:
        indexes.setdefault(channel, []).append(index)
    return indexes
