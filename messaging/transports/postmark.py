"""Postmark: Anymail's request, over a connection of our own, into a broadcast stream."""

from __future__ import annotations

import re

from anymail.backends import postmark

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.api import OneRequest
from messaging.transports.base import Outcome, TransportError
from messaging.transports.http import Answer

MAINTENANCE = "100"
INACTIVE = "406"  # after "a hard bounce, a spam complaint, or a manual suppression": it is not tried again


class Backend(OneRequest, postmark.EmailBackend):  # type: ignore[misc]  # Anymail carries no types
    payload = with_quick_addresses(postmark.PostmarkPayload)
    id_field = "MessageID"
    code_field = "ErrorCode"  # https://postmarkapp.com/developer/api/overview#error-codes
    message_field = "Message"
    stop_codes = frozenset(
        {
            "10",  # the server token
            "400",  # no such sender signature
            "401",  # the sender signature is not confirmed
            "405",  # no credits left
            "412",  # the account waits for approval
            "413",  # the account may not send
            "1235",  # no such message stream
            "1236",  # a stream for incoming mail
        }
    )
    the_address = re.compile(r"(Invalid|Error parsing) 'To'", re.IGNORECASE)
    the_sender = re.compile(r"(Invalid|Error parsing) '(From|Reply-?To)'", re.IGNORECASE)

    def code_of(self, answer: Answer) -> str:
        """Return Postmark's code; a good answer has 0, or none where delivery may take longer."""
        return super().code_of(answer).removeprefix("0")

    def accepted(self, answer: Answer) -> str:
        if self.code_of(answer):
            raise self.refused(answer)
        return super().accepted(answer)

    def refused(self, answer: Answer) -> TransportError:
        code = self.code_of(answer)
        if code == INACTIVE:
            return TransportError(Outcome.REFUSED, self.name_of(answer), suppress="bounced")
        if code == MAINTENANCE:
            return TransportError(Outcome.BUSY, self.name_of(answer))
        return super().refused(answer)
