"""Resend: one event a call, signed as Svix does (https://docs.svix.com/receiving/verifying-payloads/how-manual)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from anymail.webhooks.resend import ResendTrackingWebhookView
from django.utils.crypto import constant_time_compare

from messaging.incoming import EventType, Incoming
from messaging.webhooks.checked import Call, Refused, Unreadable, has_password_instead, keys, need_fresh
from messaging.webhooks.reading import Raw, each, incoming, parser

NAME = "resend"
KEY = "RESEND_WEBHOOK_SECRET"
PREFIX = "whsec_"
FRESH_FOR = timedelta(minutes=5)  # a repeat is signed anew

VIEW = parser(ResendTrackingWebhookView)
NEWER = {"email.failed": EventType.FAILED, "email.suppressed": EventType.REJECTED}  # than Anymail's table


def prove(call: Call) -> None:
    """Check the signature over id, time and body. Raises Refused."""
    if has_password_instead(KEY, call):
        return
    wanted = keys(KEY)
    name, time = call.headers.get("svix-id", ""), call.headers.get("svix-timestamp", "")
    if not name:
        raise Refused("no signature")
    need_fresh(time, call, for_=FRESH_FOR)
    signed = f"{name}.{time}.".encode() + call.body
    # While a secret is being changed, one call carries several signatures: "v1,... v1,...".
    given = [part[3:] for part in call.headers.get("svix-signature", "").split() if part.startswith("v1,")]
    if not any(constant_time_compare(one, _signature(key, signed)) for key in wanted for one in given):
        raise Refused("wrong signature")


def _signature(key: str, signed: bytes) -> str:
    secret = base64.b64decode(key.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def read(call: Call) -> list[Incoming]:
    """Raises Unreadable."""
    if not isinstance(call.fields.get("type"), str):
        raise Unreadable
    return each(NAME, [call.fields], lambda raw: [_read(raw, call)])


def _read(raw: Raw, call: Call) -> Incoming:
    data = raw["data"]
    known = {**raw, "data": {**data, "headers": _headers(data.get("headers"))}}
    event = VIEW.esp_to_anymail_event(known, SimpleNamespace(headers=call.headers))
    return incoming(NAME, event, raw=raw, at=call.at, identity=event.event_id, kind=NEWER.get(raw["type"]))


def _headers(found: Any) -> list[dict[str, str]]:
    """Return the mail's headers, where they are in the form Anymail looks for our metadata in."""
    pairs = [header for header in found if isinstance(header, dict)] if isinstance(found, list) else []
    return [pair for pair in pairs if isinstance(pair.get("name"), str) and "value" in pair]
