"""Making a person unreadable everywhere, while their address is remembered as one nobody may write to."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q, QuerySet

from contacts.channels import Channel
from contacts.models import (
    Address,
    AuditEvent,
    Confirmation,
    ConsentEvent,
    Contact,
    ImportEntry,
    Suppression,
    stored_address,
)
from contacts.queries import addresses_of_each, at_addresses
from contacts.records import all_records
from contacts.services.audit import audit
from contacts.services.consent import refresh_owner, suppress_many
from contacts.services.exporting import forget_exports
from contacts.services.files import delete_private_files
from contacts.services.people import lock_contacts
from contacts.services.traces import Traces, find_traces, forget_traces

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Words about one person. What a form or a page of ours says is the same for everybody, and stays as evidence.
PERSONAL_SOURCES = (
    ConsentEvent.Source.IMPORT,
    ConsentEvent.Source.ADMIN,
    ConsentEvent.Source.KEYWORD,
    ConsentEvent.Source.PROVIDER,
)


def erase(contact: Contact, *, at: datetime, actor: User | None = None) -> None:
    """Erase a contact and whatever is known of them, and keep each of their addresses from being written to.

    Consent events stay with channel, action, time and the hash of the address; codes and redemptions stay as numbers.
    Somebody who is gone already is left alone.
    """
    erase_all([contact], at=at, actor=actor)


def erase_all(contacts: Sequence[Contact], *, at: datetime, actor: User | None = None) -> int:
    """Erase these contacts; return how many there still were. All is done for all of them at once, in few statements.

    Each row is locked before anything is taken from it: a message that is being sent at this moment either went before,
    or finds nobody and is left out.
    """
    # Before the rows are locked: it may read a great deal.
    traces = find_traces(contacts, _all_of(addresses_of_each(contacts)))
    with transaction.atomic():
        wanted = sorted(contact.pk for contact in contacts)
        locked = list(Contact.objects.select_for_update().filter(pk__in=wanted).order_by("pk"))
        forget_exports([contact.pk for contact in locked])
        addresses = _all_of(addresses_of_each(locked))
        _empty_events(ConsentEvent.objects.filter(contact__in=wanted))
        _forget(locked, addresses, traces, at)
        Contact.objects.filter(pk__in=wanted).delete()
        for contact in locked:
            audit(AuditEvent.Action.ERASED, detail=f"contact {contact.pk}", actor=actor)
    return len(locked)


def erase_address(text: str, *, at: datetime, actor: User | None = None) -> int | None:
    """Erase the contact with this address, or where there is none, what is known of the address itself.

    Return the contact's number, or None. Either way the address is never written to again. Raises AddressError.
    """
    channel = Channel.EMAIL if "@" in text else Channel.SMS
    address, index = stored_address(channel, text)
    known = Contact.objects.with_address(channel, index).first()
    if known is not None:
        number = int(known.pk)
        erase(known, at=at, actor=actor)
        return number
    stranger = Contact(**{Contact.ADDRESS_FIELDS[channel]: address, Contact.INDEX_FIELDS[channel]: index})
    addresses = {(channel, index)}
    traces = find_traces([stranger], addresses)
    with transaction.atomic():
        lock_contacts(addresses)
        _forget([stranger], addresses, traces, at)
        refresh_owner(channel, index)
        audit(AuditEvent.Action.ERASED, detail="an address without a contact", actor=actor)
    return None


def _all_of(addresses: Mapping[int, set[Address]]) -> set[Address]:
    return set().union(*addresses.values())


# --- What hangs on an address ---


def _forget(contacts: Sequence[Contact], addresses: Collection[Address], traces: Traces, at: datetime) -> None:
    """Forget all but the contacts themselves, and keep the addresses from being written to."""
    for records in all_records():
        records.erase(contacts, addresses)
    about = at_addresses(addresses)
    _empty_events(ConsentEvent.objects.filter(about))
    _forget_confirmations(about, addresses)
    blocks = Suppression.objects.filter(about)
    blocks.exclude(lifted_because="").update(lifted_because="")
    blocks.filter(reason=Suppression.Reason.MANUAL).exclude(source="").update(source="")
    suppress_many((channel, index, Suppression.Reason.ERASED, at, "erasure") for channel, index in addresses)
    for channel in Channel:
        indexes = [index for of, index in addresses if of == channel]
        ImportEntry.objects.filter(contact=None, **{f"{Contact.INDEX_FIELDS[channel]}__in": indexes}).delete()
    forget_traces(traces)
    transaction.on_commit(delete_private_files)  # they can be had again from the admin


def _forget_confirmations(about: Q, addresses: Collection[Address]) -> None:
    """Delete what the addresses were asked, and take them out of what was typed beside the question to another one."""
    mine = Confirmation.objects.filter(about)
    asked_at = set(mine.order_by().values_list("created_at", flat=True))
    mine.delete()
    beside = Confirmation.objects.select_for_update().filter(created_at__in=asked_at, details__isnull=False)
    for other in beside.order_by("pk"):
        typed = json.loads(other.details or "{}")
        channel = Channel.SMS if other.channel == Channel.EMAIL else Channel.EMAIL
        if "other" in typed and (channel, stored_address(channel, typed["other"])[1]) in addresses:
            del typed["other"]
            other.details = json.dumps(typed)
            other.save(update_fields=["details"])


def _empty_events(events: QuerySet[ConsentEvent]) -> None:
    events.filter(source__in=PERSONAL_SOURCES).exclude(wording="").update(wording="")
    personal = Q(ip_address__isnull=False) | Q(user_agent__isnull=False) | Q(evidence__isnull=False)
    events.filter(personal).update(ip_address=None, user_agent=None, evidence=None)
