"""Resend: Anymail's request, over a connection of our own.

The reference travels as its idempotency key: for 24 hours the same request is answered with the id of the first, and
nobody gets a second mail (https://resend.com/docs/dashboard/emails/idempotency-keys). A person who sends again what is
not known risks nothing; nothing is repeated by itself here either.
"""

from __future__ import annotations

import re
from typing import Any

from anymail.backends import resend

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.api import OneRequest
from messaging.transports.base import Outcome, TransportError
from messaging.transports.http import Answer, retry_after_s

DAILY_QUOTA = "daily_quota_exceeded"
DAILY_QUOTA_WAIT_S = 3600  # it does not say when the day is over; its Retry-After is of the limit a second


class Payload(with_quick_addresses(resend.ResendPayload)):  # type: ignore[misc]  # Anymail carries no types
    def set_metadata(self, metadata: dict[str, Any]) -> None:
        super().set_metadata(metadata)
        self.headers["Idempotency-Key"] = metadata["message"]


class Backend(OneRequest, resend.EmailBackend):  # type: ignore[misc]
    payload = Payload
    id_field = "id"
    code_field = "name"  # https://resend.com/docs/api-reference/errors; with 409 the key was seen before: all is open
    stop_codes = frozenset({"invalid_access", "invalid_from_address", "monthly_quota_exceeded", "security_error"})
    the_address = re.compile(r"Invalid .to. field")
    the_sender = re.compile(r"Invalid .from. field")

    def refused(self, answer: Answer) -> TransportError:
        if self.code_of(answer) == DAILY_QUOTA:
            wait_s = max(retry_after_s(answer.headers), DAILY_QUOTA_WAIT_S)
            return TransportError(Outcome.BUSY, self.name_of(answer), retry_after_s=wait_s)
        return super().refused(answer)
