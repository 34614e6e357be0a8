"""Postmark: one event a call, with a name and a password."""

from __future__ import annotations

from anymail.webhooks.postmark import PostmarkTrackingWebhookView

from messaging.incoming import Incoming
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
    return incoming(NAME, event, raw=raw, at=call.at, identity=event.event_id)
