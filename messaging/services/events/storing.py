"""Each report once: under its provider and its key."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from contacts.channels import AddressError, Channel, normalise
from contacts.fields import keyed_hash
from messaging.incoming import Incoming
from messaging.models import Message, ProviderEvent

logger = logging.getLogger(__name__)

COLUMNS = (
    "provider",
    "event_key",
    "event_type",
    "reject_reason",
    "verdict",
    "code",
    "message",
    "provider_id",
    "address_index",
    "payload",
    "occurred_at",
    "received_at",
    "applied_at",
)
ROWS = 100  # of a statement
EMPTY = "{}"  # what is kept of a report on somebody who was erased

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """How many reports were new, and the messages these are about."""

    new: int
    messages: frozenset[int]


def store(provider: str, events: Sequence[Incoming], *, at: datetime) -> Stored:
    """Write down those that are not there yet. A few statements for a hundred."""
    ours = _Messages(provider, events)
    rows: dict[str, Row] = {}
    for event in events:
        try:
            rows[event.key] = _row(provider, event, ours.of(event), at)
        except Exception as error:  # costs this one only; named by its kind: the text may quote it
            logger.error("a report of %s could not be stored: %s", provider, type(error).__name__)
    new = _insert(rows)
    return Stored(len(new), frozenset(message for message in new if message))


class _Messages:
    """The messages some reports are about: by our reference, else by the provider's id. Two queries."""

    def __init__(self, provider: str, events: Sequence[Incoming]) -> None:
        few = Message.objects.only("reference", "provider_id", "channel", "address_index", "contact_id").order_by()
        references = {event.reference for event in events if event.reference}
        ids = {event.provider_id for event in events if event.provider_id and not event.reference}
        self._by_reference = {row.reference: row for row in few.filter(reference__in=references)}
        self._by_id: dict[str, list[Message]] = defaultdict(list)  # of a batch, all may have one
        for row in few.filter(provider=provider, provider_id__in=ids):
            self._by_id[row.provider_id].append(row)

    def of(self, event: Incoming) -> Message | None:
        if event.reference:
            return self._by_reference.get(event.reference)
        mine = self._by_id.get(event.provider_id, []) if event.provider_id else []
        return next((row for row in mine if is_about(event.recipient, row)), next(iter(mine), None))


def _row(provider: str, event: Incoming, message: Message | None, at: datetime) -> Row:
    """Return the values of a report. One that names a message nobody knows, or nothing at all, waits for nothing."""
    index = message.address_index if message and is_about(event.recipient, message) else None
    is_lost = message is None and (event.reference is not None or not event.provider_id)
    return (
        provider,
        plain(event.key, 128),
        event.type.value,
        plain(event.reject_reason, 16),
        event.verdict.value,
        plain(event.code, 40),
        message.pk if message else None,
        plain(event.provider_id, 200),
        index,
        EMPTY if message and message.contact_id is None else json.dumps(event.payload, default=str),
        min(event.at, at),
        at,
        at if is_lost else None,
    )


def is_about(recipient: str, message: Message) -> bool:
    """Whether a report names the very address the message went to, or none at all.

    A mail that was passed on comes back from elsewhere, and a signature need not cover the address.
    """
    if not recipient:
        return True
    if message.address_index is None:
        return False
    channel = Channel(message.channel)
    try:
        return keyed_hash(channel.value, normalise(channel, recipient)) == bytes(message.address_index)
    except AddressError:
        return False


def plain(text: str, length: int) -> str:
    """Return a text no database refuses."""
    return text.replace("\0", "").encode(errors="replace").decode()[:length]


def _insert(rows: dict[str, Row]) -> list[int | None]:
    """Insert what is not there; return the messages of what was not, one for each row.

    In the order of their keys: of two who store the same reports, the second waits, and neither locks the other out.
    """
    new: list[int | None] = []
    ordered = [rows[key] for key in sorted(rows)]
    for start in range(0, len(ordered), ROWS):
        new += _insert_some(ordered[start : start + ROWS])
    return new


def _insert_some(rows: Sequence[Row]) -> Iterable[int | None]:
    fields: list[Any] = [ProviderEvent._meta.get_field(name) for name in COLUMNS]
    names = ", ".join(field.column for field in fields)
    marks = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(rows))
    values = [prep.get_db_prep_save(value, connection) for row in rows for prep, value in zip(fields, row, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ProviderEvent._meta.db_table} ({names}) VALUES {marks} "  # noqa: S608 - names of our own
            "ON CONFLICT DO NOTHING RETURNING message_id",
            values,
        )
        return [message for (message,) in cursor.fetchall()]
