"""Brevo: one event a call, or several in a list, with a name and a password. Its events have no id."""

from __future__ import annotations

import json

from anymail.webhooks.brevo import BrevoTrackingWebhookView

from messaging.incoming import Incoming
from messaging.webhooks.checked import Call, Unreadable, need_password
from messaging.webhooks.reading import Raw, each, incoming, parser

NAME = "brevo"

VIEW = parser(BrevoTrackingWebhookView)
METADATA = "X-Mailin-custom"

prove = need_password


def read(call: Call) -> list[Incoming]:
    """Raises Unreadable."""
    if isinstance(call.json, list):  # "batched" is a choice of the webhook's settings
        return each(NAME, call.json, lambda raw: [_read(raw, call)])
    if not isinstance(call.fields.get("event"), str):
        raise Unreadable
    return each(NAME, [call.fields], lambda raw: [_read(raw, call)])


def _read(raw: Raw, call: Call) -> Incoming:
    return incoming(NAME, VIEW.esp_to_anymail_event(_with_our_metadata(raw)), raw=raw, at=call.at)


def _with_our_metadata(raw: Raw) -> Raw:
    """Return the event without metadata that cannot be ours: Anymail wants JSON there."""
    try:
        json.loads(raw[METADATA])
    except KeyError:
        return raw
    except (ValueError, TypeError):
        return {**raw, METADATA: None}
    return raw
