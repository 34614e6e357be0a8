"""Resend: Anymail's request, over a connection of our own; to one person, or to many at once.

The reference travels as its idempotency key: for 24 hours the same request is answered with the id of the first, and
nobody gets a second mail (https://resend.com/docs/dashboard/emails/idempotency-keys). A person who sends again what is
not known risks nothing; nothing is repeated by itself here either. The key of a request for many is made of all their
references, so it knows the same request alone.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import urljoin

from anymail.backends import resend

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.api import WHOLE_MAILS, ManyInOne, fields_of, part_of, written
from messaging.transports.base import MergedEmail, OutboundEmail, Outcome, TransportError
from messaging.transports.http import Answer, retry_after_s
from messaging.transports.merging import mails_of

BATCH_LIMIT = WHOLE_MAILS  # which is all that Resend takes
INVALID = 422

DAILY_QUOTA = "daily_quota_exceeded"
DAILY_QUOTA_WAIT_S = 3600  # it does not say when the day is over; its Retry-After is of the limit a second


class Payload(with_quick_addresses(resend.ResendPayload)):  # type: ignore[misc]  # Anymail carries no types
    def set_metadata(self, metadata: dict[str, Any]) -> None:
        super().set_metadata(metadata)
        self.headers["Idempotency-Key"] = metadata["message"]


class Backend(ManyInOne, resend.EmailBackend):  # type: ignore[misc]
    payload = Payload
    id_field = "id"
    code_field = "name"  # https://resend.com/docs/api-reference/errors; with 409 the key was seen before: all is open
    stop_codes = frozenset({"invalid_access", "invalid_from_address", "monthly_quota_exceeded", "security_error"})
    the_address = re.compile(r"Invalid .to. field")
    the_sender = re.compile(r"Invalid .from. field")
    batch_bytes = 40_000_000  # what it takes for one mail; for a request it names no other limit

    def refused(self, answer: Answer) -> TransportError:
        if self.code_of(answer) == DAILY_QUOTA:
            wait_s = max(retry_after_s(answer.headers), DAILY_QUOTA_WAIT_S)
            return TransportError(Outcome.BUSY, self.name_of(answer), retry_after_s=wait_s)
        return super().refused(answer)

    def batch_request(self, payload: Any, merged: MergedEmail) -> dict[str, Any]:
        request: dict[str, Any] = payload.get_request_params(self.api_url)
        mails = [{**payload.data, **_own(mail, payload)} for mail in mails_of(merged)]
        references = " ".join(person.reference for person in merged.recipients)
        headers = {
            **request["headers"],
            "Idempotency-Key": hashlib.sha256(references.encode()).hexdigest(),
            "x-batch-validation": "permissive",  # one mail refused is no fault of the others
        }
        return {"url": urljoin(self.api_url, "emails/batch"), "data": written(mails), "headers": headers}

    def results(self, answer: Answer, people: int) -> list[str | TransportError]:
        """Return the ids of those taken, which come in a row, with the refusals, which say whose they are, between."""
        found = fields_of(answer)
        taken, refused = found.get("data"), found.get("errors") or []
        if not isinstance(taken, list) or not isinstance(refused, list):
            return []
        errors = {index: error for error in refused if (index := _index(error)) in range(people)}
        if len(errors) != len(refused):
            return []
        parts = [part_of(answer, one) for one in taken]
        for index in sorted(errors):
            parts.insert(index, part_of(answer, errors[index], status=INVALID))
        return [self.result(part) for part in parts]


def _index(error: Any) -> int:
    """Return whose mail was refused; -1: it does not say."""
    index = error.get("index") if isinstance(error, dict) else None
    return index if isinstance(index, int) else -1


def _own(mail: OutboundEmail, payload: Payload) -> dict[str, Any]:
    """Return what is one person's own in a mail."""
    metadata = payload.serialize_json({"message": mail.reference})
    return {
        "to": [mail.to],
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "headers": {**mail.headers, "X-Metadata": metadata},
    }
