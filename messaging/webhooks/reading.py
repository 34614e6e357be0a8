"""From a provider's own report to `Incoming`, with Anymail's tables of what each provider's words mean."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from messaging.bounces import classify
from messaging.incoming import EventType, Incoming, Verdict

logger = logging.getLogger(__name__)

FAILURES = frozenset({EventType.BOUNCED, EventType.REJECTED, EventType.FAILED})
REFERENCE = "message"  # under this name our reference travels as metadata
SINCE = datetime(2010, 1, 1, tzinfo=UTC)  # a time before that is a provider's slip: milliseconds read as seconds

Raw = dict[str, Any]


def parser(view: type[Any]) -> Any:
    """Return one of Anymail's webhook views to translate with; its own start-up wants keys, checked elsewhere."""
    return object.__new__(view)


def each(provider: str, raws: Iterable[Any], read: Callable[[Any], Iterable[Incoming]]) -> list[Incoming]:
    """Return what each report says. One that cannot be read costs only itself; it is named by its kind of error."""
    found: list[Incoming] = []
    for raw in raws:
        try:
            found += read(raw)
        except Exception as error:  # whatever a stranger's JSON can do; the text of the error may quote it
            logger.warning("a report of %s could not be read: %s", provider, type(error).__name__)
    return found


def incoming(
    provider: str,
    event: Any,
    *,
    raw: Mapping[str, Any],
    at: datetime,
    identity: object = None,
    kind: EventType | None = None,
    reject_reason: str | None = None,
) -> Incoming:
    """Return one report in our form. `event` is Anymail's; what is given beside it stands in its place.

    `identity` is what the provider names the report by; without one, the report itself is what makes it the same.
    """
    kind = kind or _kind(event.event_type)
    to = _text(event.recipient)
    judgement = classify(provider, raw, recipient=to) if kind in FAILURES else None
    return Incoming(
        key=key_of(identity or raw, kind, to),
        type=kind,
        at=_moment(event.timestamp, at),
        reference=reference_in(event.metadata),
        provider_id=_text(event.message_id),
        recipient=to,
        verdict=judgement.verdict if judgement else Verdict.NONE,
        code=judgement.code if judgement else "",
        reject_reason=reject_reason if reject_reason is not None else _text(event.reject_reason),
        payload=raw,
    )


def key_of(*parts: object) -> str:
    """Return one key for the same parts, whatever the order of their fields."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def reference_in(metadata: object) -> UUID | None:
    """Return our message's reference from a provider's metadata, which may be anything."""
    found = metadata.get(REFERENCE) if isinstance(metadata, Mapping) else None
    try:
        return UUID(found) if isinstance(found, str) else None
    except ValueError:
        return None


def _kind(name: object) -> EventType:
    return EventType(name) if isinstance(name, str) and name in set(EventType) else EventType.UNKNOWN


def _moment(found: object, received: datetime) -> datetime:
    """Return when it happened; when it came where that is missing, impossible, or in the future."""
    if not isinstance(found, datetime) or found.tzinfo is None:
        return received
    return found if SINCE <= found <= received else received


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""
