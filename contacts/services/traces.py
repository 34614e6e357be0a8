"""What only reading finds: texts in which somebody's address stands, tied to nobody by a key."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from contacts.channels import AddressError, Channel, normalise
from contacts.fields import keyed_hash
from contacts.models import Address, Contact, Import, ImportProblem

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


def find_traces(contacts: Sequence[Contact], addresses: Collection[Address]) -> Traces:
    """Return the rows of imports in which an address of these contacts stands, or one of `addresses`, which they had.

    Reads and decrypts all of them, 0.1 ms a row.
    """
    needles = Needles(contacts, addresses)
    problems = matching(ImportProblem.objects.only("cells"), needles, "cells")  # the whole row, with the cell at fault
    samples = matching(Import.objects.filter(samples__isnull=False).only("samples"), needles, "samples")
    # A file without a header lends its first row to the plan. Of an import that is not over, the plan is still needed.
    over = Import.objects.filter(plan__isnull=False, upload_file=None)
    plans = matching(over.only("plan"), needles, "plan")
    return Traces(list(problems), list(samples), list(plans))


class Needles:
    """Addresses, as they are looked for in the text of a file: numbers by their digits, former ones by their hash."""

    def __init__(self, contacts: Sequence[Contact], addresses: Collection[Address]) -> None:
        known = {contact.phone_index for contact in contacts}
        self.emails = {index for channel, index in addresses if channel == Channel.EMAIL}
        self.phones = {_last_digits(contact.phone) for contact in contacts if contact.phone}
        self.former_phones = {index for channel, index in addresses if channel == Channel.SMS} - known

    def are_in(self, text: str) -> bool:
        if self.emails and any(_index_of(Channel.EMAIL, it) in self.emails for it in EMAIL_IN_TEXT.findall(text)):
            return True
        return bool(self.phones or self.former_phones) and any(map(self._is_one, PHONE_IN_TEXT.findall(text)))

    def _is_one(self, number: str) -> bool:
        if _last_digits(number) in self.phones:
            return True
        return bool(self.former_phones) and _index_of(Channel.SMS, number) in self.former_phones


def _last_digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))[-PHONE_DIGITS:]


def _index_of(channel: Channel, text: str) -> bytes | None:
    try:
        return keyed_hash(channel.value, normalise(channel, text))
    except AddressError:
        return None


def matching(rows: QuerySet[Any], needles: Needles, field: str) -> Iterator[int]:
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


def forget_traces(traces: Traces) -> None:
    ImportProblem.objects.filter(pk__in=traces.problems).delete()
    Import.objects.filter(pk__in=traces.samples).update(samples=None)
    Import.objects.filter(pk__in=traces.plans).update(plan=None)
