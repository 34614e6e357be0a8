"""What Twilio says became of a text, in the form of all providers: whether it reports it or is asked.

https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from messaging.incoming import EventType, Incoming, Verdict
from messaging.texts import Fault, fault_of

TYPES = {
    "accepted": EventType.QUEUED,
    "scheduled": EventType.QUEUED,
    "queued": EventType.QUEUED,
    "sending": EventType.QUEUED,
    "sent": EventType.SENT,  # to the carrier
    "delivered": EventType.DELIVERED,
    "read": EventType.DELIVERED,
    "canceled": EventType.FAILED,
}
FAILED = {"failed", "undelivered"}  # the code says why
# What the code of a text that did not arrive makes of it: type, whose fault, and the reason in Anymail's words.
FAILURES = {
    Fault.OPTED_OUT: (EventType.REJECTED, Verdict.HARD, "unsubscribed"),
    Fault.INVALID: (EventType.BOUNCED, Verdict.HARD, "invalid"),
    Fault.UNREACHABLE: (EventType.BOUNCED, Verdict.SOFT, "bounced"),
    Fault.BLOCKED: (EventType.BOUNCED, Verdict.SOFT, "blocked"),
    Fault.ELSEWHERE: (EventType.REJECTED, Verdict.SENDER, "other"),
    Fault.CONTENT: (EventType.REJECTED, Verdict.SENDER, "other"),
    Fault.ACCOUNT: (EventType.REJECTED, Verdict.SENDER, "other"),
    Fault.SENDER: (EventType.REJECTED, Verdict.SENDER, "blocked"),
    Fault.BUSY: (EventType.FAILED, Verdict.SENDER, "other"),
    Fault.EXPIRED: (EventType.FAILED, Verdict.EXPIRED, "timed_out"),
}
# A code that is not known says nothing against the person. Without any, it is what Twilio's "unknown error" is.
UNKNOWN_FAILURE = (EventType.FAILED, Verdict.SENDER, "other")
NO_CODE = "30008"


def report(
    *, sid: str, status: str, code: str, to: str, reference: UUID, at: datetime, payload: Mapping[str, Any]
) -> Incoming:
    """Return what became of one text. The key is the text and its status: said twice, it is one event."""
    status, code = status.lower(), code.strip()[:40]
    event, verdict, reason = TYPES.get(status, EventType.UNKNOWN), Verdict.NONE, ""
    if status in FAILED:
        code = code if code.strip("0") else NO_CODE
        event, verdict, reason = failure_of(code)
    return Incoming(
        key=f"{sid[:64]} {status[:32]}",
        type=event,
        at=at,
        reference=reference,
        provider_id=sid[:200],
        recipient=to,
        verdict=verdict,
        code=code,
        reject_reason=reason,
        payload=payload,
    )


def failure_of(code: str) -> tuple[EventType, Verdict, str]:
    """Return type, verdict and reason of an error code."""
    fault = fault_of(int(code)) if code.isdecimal() else None
    return FAILURES[fault] if fault else UNKNOWN_FAILURE
