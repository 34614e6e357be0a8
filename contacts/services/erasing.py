"""Making a person unreadable everywhere, while their address is remembered as one nobody may write to."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q, QuerySet

from contacts.channels import AddressError, Channel, normalise_email
from contacts.fields import keyed_hash
from contacts.models import (
    AuditEvent,
    Confirmation,
    ConsentEvent,
    Contact,
    Import,
    ImportEntry,
    ImportProblem,
    Suppression,
    stored_address,
)
from contacts.records import all_records
from contacts.services.audit import audit
from contacts.services.consent import suppress
from contacts.services.exporting import forget_exports

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Address = tuple[Channel, bytes]

# Words about one person. What a form or a page of ours says is the same for everybody, and stays as evidence.
PERSONAL_SOURCES = (
    ConsentEvent.Source.IMPORT,
    ConsentEvent.Source.ADMIN,
    ConsentEvent.Source.KEYWORD,
    ConsentEvent.Source.PROVIDER,
)
EMAIL_IN_TEXT = re.compile(r"[^\s<>,;:\"()\[\]]+@[^\s<>,;:\"()\[\]]+")
PHONE_IN_TEXT = re.compile(r"\+?\d[\d\s().\u2010-\u2015/-]{5,}\d")
PHONE_DIGITS = 10
PAGE = 500


@dataclass(frozen=True, slots=True)
class Traces:
    """Rows that may name a person and are tied to nobody: found by reading them."""

    problems: list[int]
    samples: list[int]
    plans: list[int]


def erase(contact: Contact, *, at: datetime, actor: User | None = None) -> None:
    """Erase a contact and whatever is known of them, and keep each of their addresses from being written to.

    Consent events stay with channel, action, time and the hash of the address; codes and redemptions stay as numbers.
    Somebody who is gone already is left alone.
    """
    erase_all([contact], at=at, actor=actor)


def erase_all(contacts: Sequence[Contact], *, at: datetime, actor: User | None = None) -> int:
    """Erase these contacts; return how many there still were. What must be read through is read once for all of them.

    Each row is locked before anything is taken from it: a message that is being sent at this moment either went before,
    or finds nobody and is left out.
    """
    traces = find_traces(contacts)  # before the rows are locked: it may read a great deal
    with transaction.atomic():
        forget_exports([contact.pk for contact in contacts])
        wanted = sorted(contact.pk for contact in contacts)
        locked = list(Contact.objects.select_for_update().filter(pk__in=wanted).order_by("pk"))
        for contact in locked:
            _erase_locked(contact, at=at, actor=actor)
        _forget_traces(traces)
    return len(locked)


def _erase_locked(contact: Contact, *, at: datetime, actor: User | None) -> None:
    number, addresses = contact.pk, _addresses_of(contact)
    for records in all_records():
        records.erase(contact)
    _empty_events(ConsentEvent.objects.filter(contact=contact))
    _forget_addresses(addresses, at)
    contact.delete()
    audit(AuditEvent.Action.ERASED, detail=f"contact {number}", actor=actor)


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
    traces = find_traces([stranger])
    with transaction.atomic():
        for records in all_records():
            records.erase(stranger)
        _forget_addresses({(channel, index)}, at)
        _forget_traces(traces)
        audit(AuditEvent.Action.ERASED, detail="an address without a contact", actor=actor)
    return None


# --- What hangs on an address ---


def _addresses_of(contact: Contact) -> set[Address]:
    """Return the contact's addresses, and those it had before, unless they are somebody else's by now."""
    own = {(channel, index) for channel in Channel if (index := contact.address_index(channel)) is not None}
    former = ConsentEvent.objects.filter(contact=contact).order_by().values_list("channel", "address_index").distinct()
    for channel_value, former_index in former:
        address = (Channel(channel_value), bytes(former_index))
        if not Contact.objects.with_address(*address).exclude(pk=contact.pk).exists():
            own.add(address)
    return own


def _forget_addresses(addresses: Collection[Address], at: datetime) -> None:
    for channel, index in addresses:
        _empty_events(ConsentEvent.objects.filter(channel=channel, address_index=index))
        Confirmation.objects.filter(channel=channel, address_index=index).delete()
        blocks = Suppression.objects.filter(channel=channel, address_index=index)
        blocks.exclude(lifted_because="").update(lifted_because="")
        blocks.filter(reason=Suppression.Reason.MANUAL).exclude(source="").update(source="")
        suppress(channel=channel, address_index=index, reason=Suppression.Reason.ERASED, at=at, source="erasure")
        field = Contact.INDEX_FIELDS[channel]
        ImportEntry.objects.filter(contact=None, **{field: index}).delete()


def _empty_events(events: QuerySet[ConsentEvent]) -> None:
    events.filter(source__in=PERSONAL_SOURCES).exclude(wording="").update(wording="")
    personal = Q(ip_address__isnull=False) | Q(user_agent__isnull=False) | Q(evidence__isnull=False)
    events.filter(personal).update(ip_address=None, user_agent=None, evidence=None)


# --- What only reading finds ---


def find_traces(contacts: Sequence[Contact]) -> Traces:
    """Return the rows of imports in which an address of these contacts stands. Reads and decrypts all of them,
    0.1 ms a row.
    """
    needles = _Needles(contacts)
    problems = _matching(ImportProblem.objects.only("cells"), needles, "cells")  # the whole row, with the cell at fault
    samples = _matching(Import.objects.filter(samples__isnull=False).only("samples"), needles, "samples")
    # A file without a header lends its first row to the plan. Of an import that is not over, the plan is still needed.
    over = Import.objects.filter(plan__isnull=False, upload_file=None)
    plans = _matching(over.only("plan"), needles, "plan")
    return Traces(list(problems), list(samples), list(plans))


class _Needles:
    """Addresses, as they are looked for in the text of a file."""

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self.emails = {contact.email_index for contact in contacts if contact.email_index is not None}
        self.phones = {_last_digits(contact.phone) for contact in contacts if contact.phone}

    def are_in(self, text: str) -> bool:
        if self.emails and any(_index_of(found) in self.emails for found in EMAIL_IN_TEXT.findall(text)):
            return True
        return bool(self.phones) and any(_last_digits(found) in self.phones for found in PHONE_IN_TEXT.findall(text))


def _last_digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))[-PHONE_DIGITS:]


def _index_of(text: str) -> bytes | None:
    try:
        return keyed_hash(Channel.EMAIL.value, normalise_email(text))
    except AddressError:
        return None


def _matching(rows: QuerySet[Any], needles: _Needles, field: str) -> Iterator[int]:
    """Yield the keys of the rows in whose encrypted field a needle stands, a page at a time."""
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk")[:PAGE]):
        last = page[-1].pk
        yield from (row.pk for row in page if needles.are_in(_plain(getattr(row, field))))


def _plain(stored: str) -> str:
    """Return the text of a value that may be JSON: there, letters beyond ASCII are escaped."""
    try:
        parsed = json.loads(stored)
    except ValueError:
        return stored
    return json.dumps(parsed, ensure_ascii=False)


def _forget_traces(traces: Traces) -> None:
    ImportProblem.objects.filter(pk__in=traces.problems).delete()
    Import.objects.filter(pk__in=traces.samples).update(samples=None)
    Import.objects.filter(pk__in=traces.plans).update(plan=None)
