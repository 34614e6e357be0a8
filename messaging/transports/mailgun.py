"""Mailgun: Anymail's request, as a form, over a connection of our own."""

from __future__ import annotations

import re
from typing import Any

from anymail.backends import mailgun
from urllib3.filepost import encode_multipart_formdata
from urllib3.util import make_headers

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.api import OneRequest, said
from messaging.transports.base import Outcome, TransportError
from messaging.transports.http import Answer, retry_after_s

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


class Backend(OneRequest, mailgun.EmailBackend):  # type: ignore[misc]
    payload = Payload
    id_field = "id"
    code_field = ""  # it has sentences alone: https://documentation.mailgun.com/docs/mailgun/quickstart-guide/responses
    the_address = re.compile(r"'?to'? parameter is not a valid address")
    the_sender = re.compile(r"'?from'? parameter is not a valid address|.* is not allowed to send|.*test purposes only")

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
