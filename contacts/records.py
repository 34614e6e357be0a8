"""What the apps above keep about people, asked through one interface: this app knows none of them.

An app registers one `Records` in its `AppConfig.ready()`; whoever shows, exports, erases or merges a contact asks all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contacts.models import Address, Contact, SignupForm


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a contact's story. `kind` is a badge's colour: ok, info, warn, bad or quiet."""

    at: datetime
    kind: str
    what: str
    channel: str = ""
    how: str = ""
    detail: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What somebody gets for joining: shown on the page that thanks them."""

    title: str
    url: str


class Records:
    """What one app keeps about people. Every method may be left as it is.

    `addresses` are those the people have, and those they had (`contacts.queries.addresses_of`).
    """

    def timeline(self, contact: Contact, addresses: Collection[Address], limit: int) -> list[TimelineEntry]:
        """Return the newest entries, at most `limit`."""
        return []

    def export(self, contact: Contact, addresses: Collection[Address]) -> dict[str, Any]:
        """Return everything kept about the contact, as JSON can hold it, by section name."""
        return {}

    def erase(self, contacts: Sequence[Contact], addresses: Collection[Address]) -> None:
        """Make everything personal unreadable; counts may stay. Called in the transaction that deletes the contacts.

        One without a number stands for an address that no contact has.
        """

    def merge(self, kept: Contact, gone: Contact) -> None:
        """Move what hangs on `gone` to `kept`. Called in the transaction that deletes `gone`."""

    def in_use(self, contact_ids: Collection[int]) -> set[int]:
        """Return those of the contacts that something here hangs on: the undo of an import leaves them alone."""
        return set()

    def welcome(self, contact: Contact, form: SignupForm, at: datetime) -> Welcome | None:
        """Give what the form promises to somebody whose address is confirmed; the same again for a second call."""
        return None

    def confirmation_requested(self) -> None:
        """A confirmation waits to be sent."""


_registered: dict[str, Records] = {}


def register(name: str, records: Records) -> None:
    _registered[name] = records


def all_records() -> list[Records]:
    return list(_registered.values())
