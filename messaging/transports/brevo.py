"""Brevo: Anymail's request, over a connection of our own; to one person, or to many at once.

It takes no inline images, so a QR code is always hosted, and headers in ASCII alone.
"""

from __future__ import annotations

import re
from typing import Any

from anymail.backends import brevo

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.api import WHOLE_MAILS, ManyInOne, fields_of, usable, written
from messaging.transports.base import MergedEmail, MergedRecipient, OutboundEmail, Outcome, TransportError
from messaging.transports.http import Answer, retry_after_s
from messaging.transports.merging import mails_of

BATCH_LIMIT = WHOLE_MAILS  # Brevo takes 1,000

RESET = "x-sib-ratelimit-reset"  # seconds; https://developers.brevo.com/docs/limit-headers


class Backend(ManyInOne, brevo.EmailBackend):  # type: ignore[misc]  # Anymail carries no types
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
    batch_bytes = 20_000_000  # what it takes for one mail; for a request it names no other limit

    def refused(self, answer: Answer) -> TransportError:
        error = super().refused(answer)
        if error.outcome == Outcome.BUSY and not error.retry_after_s:
            error.retry_after_s = retry_after_s({"Retry-After": answer.headers.get(RESET, "")})
        return error

    def fits(self, person: MergedRecipient) -> bool:
        return super().fits(person) and all(value.isascii() for value in person.headers.values())

    def batch_request(self, payload: Any, merged: MergedEmail) -> dict[str, Any]:
        """Return each person's mail as a version of one that is sent to nobody, and so keeps the marks."""
        request: dict[str, Any] = payload.get_request_params(self.api_url)
        common = {name: value for name, value in payload.data.items() if name not in {"to", "headers"}}
        content = {
            **common,
            "subject": merged.subject,
            "textContent": merged.text,
            "htmlContent": merged.html,
            "messageVersions": [_own(mail, payload) for mail in mails_of(merged)],
        }
        return {**request, "data": written(content)}

    def results(self, answer: Answer, people: int) -> list[str | TransportError]:
        found = fields_of(answer)
        ids = found.get("messageIds") or [found.get("messageId")]  # of one version, it may say one
        return [self._result(one) for one in ids] if isinstance(ids, list) else []

    @staticmethod
    def _result(identifier: Any) -> str | TransportError:
        try:
            return usable(identifier)
        except TransportError as error:
            return error


def _own(mail: OutboundEmail, payload: Any) -> dict[str, Any]:
    """Return what is one person's own in a mail."""
    metadata = payload.serialize_json({"message": mail.reference})
    return {
        "to": [{"email": mail.to}],
        "subject": mail.subject,
        "textContent": mail.text,
        "htmlContent": mail.html,
        "headers": {**mail.headers, "X-Mailin-custom": metadata},
    }
