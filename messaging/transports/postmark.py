"""Postmark: Anymail's request, over a connection of our own, into a broadcast stream; to one person, or to many.

Of many it answers for each (https://postmarkapp.com/developer/api/email-api#send-batch-emails): a mail refused is no
fault of the others.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

from anymail.backends import postmark

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.api import WHOLE_MAILS, ManyInOne, part_of, read, written
from messaging.transports.base import MergedEmail, OutboundEmail, Outcome, TransportError
from messaging.transports.http import TOO_MANY, Answer
from messaging.transports.merging import mails_of

BATCH_LIMIT = WHOLE_MAILS  # Postmark takes 500
REFUSED = 422  # the status with which a code comes
STATUSES = {"429": TOO_MANY, "500": 500}  # in the answer for many, a code stands where the status would
MAINTENANCE = "100"
INACTIVE = "406"  # after "a hard bounce, a spam complaint, or a manual suppression": it is not tried again


class Backend(ManyInOne, postmark.EmailBackend):  # type: ignore[misc]  # Anymail carries no types
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
    batch_bytes = 50_000_000

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

    def batch_request(self, payload: Any, merged: MergedEmail) -> dict[str, Any]:
        request: dict[str, Any] = payload.get_request_params(self.api_url)
        mails = [{**payload.data, **_own(mail)} for mail in mails_of(merged)]
        return {**request, "url": urljoin(self.api_url, "email/batch"), "data": written(mails)}

    def results(self, answer: Answer, people: int) -> list[str | TransportError]:
        found = read(answer)
        return [self._result(answer, one) for one in found] if isinstance(found, list) else []

    def _result(self, answer: Answer, one: Any) -> str | TransportError:
        part = part_of(answer, one)
        code = self.code_of(part)
        return self.result(part_of(answer, one, status=STATUSES.get(code, REFUSED)) if code else part)


def _own(mail: OutboundEmail) -> dict[str, Any]:
    """Return what is one person's own in a mail."""
    return {
        "To": mail.to,
        "Subject": mail.subject,
        "TextBody": mail.text,
        "HtmlBody": mail.html,
        "Headers": [{"Name": name, "Value": value} for name, value in mail.headers.items()],
        "Metadata": {"message": mail.reference},
    }
