"""SendGrid: up to a thousand events a call, signed with a key pair (ECDSA)."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from anymail.webhooks.sendgrid import SendGridTrackingWebhookView
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from messaging.incoming import Incoming
from messaging.webhooks.checked import Call, Refused, Unreadable, has_password_instead, keys, need_fresh
from messaging.webhooks.reading import Raw, each, incoming, parser

NAME = "sendgrid"
KEY = "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY"
SIGNATURE, TIME = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
FRESH_FOR = timedelta(hours=25)  # it repeats for a day; each event is stored once, so a repeat does no harm

VIEW = parser(SendGridTrackingWebhookView)
DROPPED = {"unsubscribed address": "unsubscribed", "spam reporting address": "spam"}


def prove(call: Call) -> None:
    """Check the signature over time and body. Raises Refused."""
    if has_password_instead(KEY, call):
        return
    wanted, time = keys(KEY), call.headers.get(TIME, "")
    need_fresh(time, call, for_=FRESH_FOR)
    try:
        signature = base64.b64decode(call.headers.get(SIGNATURE, ""), validate=True)
    except ValueError:
        raise Refused("no signature") from None
    if not any(_is_signed(key, signature, time.encode() + call.body) for key in wanted):
        raise Refused("wrong signature")


def _is_signed(key: str, signature: bytes, signed: bytes) -> bool:
    public = load_der_public_key(base64.b64decode(key))
    assert isinstance(public, EllipticCurvePublicKey)
    try:
        public.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def read(call: Call) -> list[Incoming]:
    """Raises Unreadable."""
    events: Any = call.json
    if not isinstance(events, list):
        raise Unreadable
    return each(NAME, events, lambda raw: [_read(raw, call)])


def _read(raw: Raw, call: Call) -> Incoming:
    event = VIEW.esp_to_anymail_event(raw)
    dropped = DROPPED.get(str(raw.get("reason", "")).lower()) if raw["event"] == "dropped" else None
    return incoming(NAME, event, raw=raw, at=call.at, identity=event.event_id, reject_reason=dropped)
