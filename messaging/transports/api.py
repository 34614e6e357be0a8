"""What providers have in common that take a mail as one HTTP request: Anymail's request, a connection of our own."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from anymail.message import AnymailRecipientStatus
from django.core.mail import EmailMessage

from messaging.transports.base import Outcome, TransportError
from messaging.transports.http import Answer, KeptOpen, refusal

LONGEST_ID = 200  # what the ledger keeps
CODE = re.compile(r"\w{1,40}", re.ASCII)  # no address looks like that
BAD_REQUESTS = frozenset({400, 422})


class KeepsOpen:
    """Goes before a backend of Anymail's: one connection of our own, until it is closed."""

    api_url: str
    session: KeptOpen | None

    def open(self) -> bool:
        """Get ready to connect; return whether that was new, in which case the caller closes."""
        if self.session is not None:
            return False
        self.session = KeptOpen(self.api_url)
        return True

    def close(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session = None


class OneRequest(KeepsOpen):
    """Goes before a backend of Anymail's: asks once, and says itself what the answer means."""

    payload: ClassVar[type[Any]]
    id_field: ClassVar[str]  # of a good answer; of a refusal, the next two
    code_field: ClassVar[str]
    message_field: ClassVar[str] = "message"
    stop_codes: ClassVar[frozenset[str]] = frozenset()
    the_address: ClassVar[re.Pattern[str]]  # how a message begins that finds fault with the address
    the_sender: ClassVar[re.Pattern[str]]

    esp_name: str

    def build_message_payload(self, message: EmailMessage, defaults: Any) -> Any:
        return self.payload(message, defaults, self)

    def post_to_esp(self, payload: Any, message: EmailMessage) -> str:
        """Return the provider's id for the mail. Raises TransportError."""
        request = payload.get_request_params(self.api_url)
        body: str | bytes = request["data"]
        body = body.encode() if isinstance(body, str) else body
        assert self.session is not None
        answer = self.session.request(request["method"], request["url"], body=body, headers=request["headers"])
        if not answer.is_good:
            raise self.refused(answer)
        return self.accepted(answer)

    def accepted(self, answer: Answer) -> str:
        """Return the id in a good answer. Raises TransportError: UNKNOWN where there is none."""
        identifier = said(answer, self.id_field)
        if not 0 < len(identifier) <= LONGEST_ID:
            raise TransportError(Outcome.UNKNOWN, "unreadable answer")
        return identifier

    def refused(self, answer: Answer) -> TransportError:
        """Sort an answer that is none of the good ones; what a provider's code or message adds to its status."""
        name = self.name_of(answer)
        if answer.status in BAD_REQUESTS:
            message = said(answer, self.message_field)  # it may quote the address: compared with, and never shown
            if self.the_address.match(message):
                return TransportError(Outcome.REFUSED, name, suppress="invalid")
            if self.the_sender.match(message):
                return TransportError(Outcome.STOP, name)
        if answer.status < 500 and self.code_of(answer) in self.stop_codes:
            return TransportError(Outcome.STOP, name)
        return refusal(answer, name)

    def code_of(self, answer: Answer) -> str:
        """Return the provider's own code, or an empty string."""
        code = said(answer, self.code_field)
        return code if CODE.fullmatch(code) else ""

    def name_of(self, answer: Answer) -> str:
        """`brevo not_enough_credits`, or `brevo 500`."""
        return f"{self.esp_name.lower()} {self.code_of(answer) or answer.status}"

    def parse_recipient_status(self, response: str, payload: Any, message: EmailMessage) -> dict[str, Any]:
        return {message.to[0]: AnymailRecipientStatus(message_id=response, status="queued")}


def said(answer: Answer, name: str) -> str:
    """Return a word or a number of the answer's JSON object; an empty string where there is none."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return ""
    value = found.get(name) if isinstance(found, dict) else None
    return str(value) if isinstance(value, str | int) else ""
