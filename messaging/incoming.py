"""What providers report, brought into one form. Pure: webhooks and the bounce mailbox make it, `services.events` acts.

The words are Anymail's (https://anymail.dev/en/stable/sending/tracking/), for texts too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class EventType(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    REJECTED = "rejected"  # never sent: the provider would not
    FAILED = "failed"  # never sent: the provider could not
    BOUNCED = "bounced"
    DEFERRED = "deferred"  # the provider goes on trying
    DELIVERED = "delivered"
    AUTORESPONDED = "autoresponded"
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    SUBSCRIBED = "subscribed"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """Whose fault a failure is; the values of `ProviderEvent.Verdict`."""

    NONE = ""
    HARD = "hard"
    SOFT = "soft"
    SENDER = "sender"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Incoming:
    """One report about one message.

    `key` is the provider's id of the event, or the hash of it: the same report again has the same key. `reference` is
    our message's, as it travelled with it; None where the provider did not return it. `recipient` is held against the
    message's own address and not kept. `code` is the enhanced status or error code: `5.1.1`, `30005`.
    """

    key: str
    type: EventType
    at: datetime
    reference: UUID | None = None
    provider_id: str = ""
    recipient: str = ""
    verdict: Verdict = Verdict.NONE
    code: str = ""
    reject_reason: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
