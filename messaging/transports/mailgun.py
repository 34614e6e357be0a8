"""Mailgun: Anymail's request, as a form, over a connection of our own; to one person, or to many at once.

For many it fills the marks itself, in headers and in our reference too, and finds a person's values by the address
(https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/batch-sending). All get one id: what it
reports of a person is told apart by our reference.
"""

from __future__ import annotations

import json
import re
from typing import Any

from anymail.backends import mailgun
from urllib3.filepost import encode_multipart_formdata
from urllib3.util import make_headers

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.api import ManyInOne, said
from messaging.transports.base import MergedEmail, MergedRecipient, NotForBatch, Outcome, TransportError
from messaging.transports.http import Answer, retry_after_s
from messaging.transports.merging import cutter, filled

BATCH_LIMIT = 500  # Mailgun takes 1,000 people; the half loses half as much when no answer comes
MARK = "%recipient"  # how all of its marks for people begin
LIMITED = frozenset({400, 403, 420, 429})  # 420 is its own, for the limits of a domain
LIMIT = re.compile(r".* limit .*exceeded(?:.*try again after (?P<time>.+))?")
NOT_THE_API = b"Mailgun Magnificent API"  # how it answers a wrong path: with 200


class Payload(with_quick_addresses(mailgun.MailgunPayload)):  # type: ignore[misc]  # Anymail carries no types
    def get_request_params(self, api_url: str) -> dict[str, Any]:
        """Return Anymail's request with the form written out, as requests would do it."""
        request: dict[str, Any] = super().get_request_params(api_url)
        fields: list[tuple[str, Any]] = []
        for name, values in request["data"].items():
            fields += [(name, value) for value in (values if isinstance(values, list) else [values])]
        body, content_type = encode_multipart_formdata([*fields, *request["files"]])
        headers = {**make_headers(basic_auth=":".join(request["auth"])), "Content-Type": content_type}
        return {**request, "data": body, "headers": headers}


class Backend(ManyInOne, mailgun.EmailBackend):  # type: ignore[misc]
    payload = Payload
    id_field = "id"
    code_field = ""  # it has sentences alone: https://documentation.mailgun.com/docs/mailgun/quickstart-guide/responses
    the_address = re.compile(r"'?to'? parameter is not a valid address")
    the_sender = re.compile(r"'?from'? parameter is not a valid address|.* is not allowed to send|.*test purposes only")
    batch_bytes = 25_000_000

    def accepted(self, answer: Answer) -> str:
        if NOT_THE_API in answer.body:
            raise TransportError(Outcome.STOP, "not the address of the API")
        if not said(answer, "message").startswith("Queued"):
            raise TransportError(Outcome.UNKNOWN, "unreadable answer")
        return super().accepted(answer)

    def refused(self, answer: Answer) -> TransportError:
        limit = LIMIT.match(said(answer, "message"))
        if answer.status in LIMITED and limit:
            wait_s = retry_after_s({"Retry-After": limit["time"] or ""}) or retry_after_s(answer.headers)
            return TransportError(Outcome.BUSY, self.name_of(answer), retry_after_s=wait_s)
        return super().refused(answer)

    def fits(self, person: MergedRecipient) -> bool:
        """Whether it is sure to find this person's values, and no mark of its own in them."""
        values = [*person.values.values(), *person.headers.values()]
        return super().fits(person) and person.to == person.to.lower() and not any(map(_has_mark, values))

    def batch_request(self, payload: Any, merged: MergedEmail) -> dict[str, Any]:
        people = merged.recipients
        names = {name for person in people for name in person.headers}
        own = {name for name in names if len({person.headers.get(name) for person in people}) > 1}
        rows = {person.to: _row(person, own) for person in people}
        if len(rows) < len(people) or any(map(_has_mark, (merged.subject, merged.text, merged.html))):
            raise NotForBatch
        cut, marks = cutter(merged), {mark: _mark(_key(mark)) for person in people for mark in person.values}
        payload.data |= {
            "to": list(rows),
            "subject": filled(cut(merged.subject), marks),
            "text": filled(cut(merged.text), marks),
            "html": filled(cut(merged.html), marks),
            "recipient-variables": json.dumps(rows),
            **{header: _mark(header) for header in map(_header, own)},
        }
        payload.metadata = {"message": _mark("v:message")}
        request: dict[str, Any] = payload.get_request_params(self.api_url)
        return request

    def results(self, answer: Answer, people: int) -> list[str | TransportError]:
        return [self.accepted(answer)] * people


def _has_mark(text: str) -> bool:
    return MARK in text.lower()


def _mark(key: str) -> str:
    return f"{MARK}.{key}%"


def _key(mark: str) -> str:
    """Return our mark `-3-` as the name of a value: `m3`."""
    return f"m{mark.strip('-')}"


def _header(name: str) -> str:
    return f"h:{name.title()}"  # as Anymail names the field


def _row(person: MergedRecipient, own: set[str]) -> dict[str, str]:
    """Return what fills the marks for one person: words, headers, and our reference."""
    return {
        **{_key(mark): value for mark, value in person.values.items()},
        **{_header(name): person.headers.get(name, "") for name in own},
        "v:message": person.reference,
    }
