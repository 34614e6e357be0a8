"""Postmark: one event a call, with a name and a password."""

from __future__ import annotations

from anymail.webhooks.postmark import PostmarkTrackingWebhookView

from messaging.incoming import EventType, Incoming
from messaging.webhooks.checked import Call, need_password
from messaging.webhooks.reading import Raw, each, incoming, parser

NAME = "postmark"

VIEW = parser(PostmarkTrackingWebhookView)

prove = need_password


def read(call: Call) -> list[Incoming]:
    """Raises Unreadable."""
    return each(NAME, [call.fields], lambda raw: [_read(raw, call)])


def _read(raw: Raw, call: Call) -> Incoming:
    """Only bounces and complaints have an id; the rest is what it says."""
    metadata = raw.get("Metadata")
    event = VIEW.esp_to_anymail_event({**raw, "Metadata": metadata if isinstance(metadata, dict) else {}})
    kind = _kind(raw)
    reason = "blocked" if kind == EventType.BOUNCED else None
    return incoming(NAME, event, raw=raw, at=call.at, identity=event.event_id, kind=kind, reject_reason=reason)


def _kind(raw: Raw) -> EventType | None:
    """Return what Anymail does not tell apart; None: as it says."""
    if raw.get("RecordType") == "Bounce" and raw.get("Type") == "SpamNotification":
        return EventType.BOUNCED  # a filter's word on the content; a person's is a SpamComplaint
    if raw.get("SuppressSending") and raw.get("Origin") in {"Customer", "Admin"}:
        return EventType.UNKNOWN  # the owner's own doing at Postmark is nobody's withdrawal
    return None
