"""Brevo: Anymail's request, over a connection of our own.

It takes no inline images, so a QR code is always hosted, and headers in ASCII alone.
"""

from __future__ import annotations

import re

from anymail.backends import brevo

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.api import OneRequest
from messaging.transports.base import Outcome, TransportError
from messaging.transports.http import Answer, retry_after_s

RESET = "x-sib-ratelimit-reset"  # seconds; https://developers.brevo.com/docs/limit-headers


class Backend(OneRequest, brevo.EmailBackend):  # type: ignore[misc]  # Anymail carries no types
    payload = with_quick_addresses(brevo.BrevoPayload)
    id_field = "messageId"
    code_field = "code"
    stop_codes = frozenset(  # some of them come with 400
        {
            "account_under_validation",
            "not_enough_credits",
            "permission_denied",
            "reseller_permission_denied",
            "unauthorized",
        }
    )
    the_address = re.compile(r"email is not valid in to\b")
    the_sender = re.compile(r".*\bsender\b", re.IGNORECASE)

    def refused(self, answer: Answer) -> TransportError:
        error = super().refused(answer)
        if error.outcome == Outcome.BUSY and not error.retry_after_s:
            error.retry_after_s = retry_after_s({"Retry-After": answer.headers.get(RESET, "")})
        return error
