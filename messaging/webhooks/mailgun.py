"""Mailgun: one event a call. The signature covers a time and a token, and not the event."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from typing import Any

from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from django.utils.crypto import constant_time_compare

from messaging.incoming import EventType, Incoming
from messaging.webhooks.checked import Call, Refused, Unreadable, has_password_instead, keys, need_fresh
from messaging.webhooks.reading import Raw, each, incoming, key_of, parser

NAME = "mailgun"
KEY = "MAILGUN_WEBHOOK_SIGNING_KEY"
# It repeats for eight hours, with the signature of the first call.
FRESH_FOR = timedelta(hours=9)

VIEW = parser(MailgunTrackingWebhookView)
SUPPRESSED = {"suppress-unsubscribe": "unsubscribed", "suppress-complaint": "spam", "suppress-bounce": "bounced"}


def prove(call: Call) -> None:
    """Check the signature over time and token. Raises Refused and Unreadable."""
    if has_password_instead(KEY, call):
        return
    wanted = keys(KEY)
    block = call.fields.get("signature")
    if not isinstance(block, dict):
        raise Refused("no signature")
    time, token, signature = (str(block.get(name, "")) for name in ("timestamp", "token", "signature"))
    if not token:
        raise Refused("no signature")
    need_fresh(time, call, for_=FRESH_FOR)
    signed = f"{time}{token}".encode()
    made = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in wanted]
    if not any(constant_time_compare(signature, right) for right in made):
        raise Refused("wrong signature")


def read(call: Call) -> list[Incoming]:
    """Raises Unreadable."""
    if not isinstance(call.fields.get("event-data"), dict):
        raise Unreadable
    return each(NAME, [call.fields], lambda raw: [_read(raw, call)])


def _read(raw: Raw, call: Call) -> Incoming:
    data: dict[str, Any] = raw["event-data"]
    event = VIEW.esp_to_anymail_event(raw)
    suppressed = SUPPRESSED.get(str(data.get("reason", ""))) if data.get("event") == "failed" else None
    found = incoming(
        NAME,
        event,
        raw=raw,
        at=call.at,
        kind=EventType.REJECTED if suppressed else None,
        reject_reason=suppressed,
    )
    # A token is good once, whatever comes with it: whoever has seen a call cannot use its signature for another event.
    return replace(found, key=key_of(raw["signature"]["token"]))
