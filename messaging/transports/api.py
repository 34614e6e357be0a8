"""What providers have in common that take a mail as one HTTP request: Anymail's request, a connection of our own."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from anymail.message import AnymailRecipientStatus
from django.core.mail import EmailMessage

from messaging.transports.addresses import is_plain
from messaging.transports.base import MergedEmail, MergedRecipient, NotForBatch, Outcome, TransportError
from messaging.transports.http import Answer, KeptOpen, refusal

LONGEST_ID = 200  # what the ledger keeps
CODE = re.compile(r"\w{1,40}", re.ASCII)  # no address looks like that
BAD_REQUESTS = frozenset({400, 422})
# Where each person's whole mail is in the request: at two hundred kilobytes for a mail, no provider's limit is reached.
WHOLE_MAILS = 100


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
        return usable(said(answer, self.id_field))

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


class ManyInOne(OneRequest):
    """The same, with requests for many people."""

    send_defaults: Any
    batch_bytes: ClassVar[int]  # of the request as a whole

    def fits(self, person: MergedRecipient) -> bool:
        """Whether this person may be in a request for many. An address that takes a parser goes alone."""
        return is_plain(person.to)

    def send_batch(self, merged: MergedEmail, like: EmailMessage) -> list[str | TransportError]:
        """Ask once for people who all fit; return each one's id or refusal. Raises TransportError.

        `like` is what the first of them would get alone: what all have in common is taken from it.
        """
        request = self.batch_request(self.build_message_payload(like, self.send_defaults), merged)
        if len(request["data"]) > self.batch_bytes:
            raise NotForBatch
        assert self.session is not None
        answer = self.session.request("POST", request["url"], body=request["data"], headers=request["headers"])
        if not answer.is_good:
            raise of_all(self.refused(answer))
        results = self.results(answer, len(merged.recipients))
        if len(results) != len(merged.recipients):
            raise TransportError(Outcome.UNKNOWN, "unreadable answer")
        return results

    def batch_request(self, payload: Any, merged: MergedEmail) -> dict[str, Any]:
        """Return the request for all; `payload` is of the first one's mail. Raises NotForBatch."""
        raise NotImplementedError

    def results(self, answer: Answer, people: int) -> list[str | TransportError]:
        """Return what a good answer says of each of so many people; any other number means it cannot be read."""
        raise NotImplementedError

    def result(self, part: Answer) -> str | TransportError:
        """Return what one person's part of an answer says, as if it were an answer of its own."""
        try:
            return self.accepted(part) if part.is_good else self.refused(part)
        except TransportError as error:
            return error


def part_of(answer: Answer, content: Any, *, status: int = 200) -> Answer:
    """Return one person's part of an answer for many as an answer of its own."""
    return Answer(status, answer.headers, json.dumps(content).encode())


def of_all(error: TransportError) -> TransportError:
    """Return the refusal of a request for many: whose address it finds fault with, nobody knows."""
    return TransportError(error.outcome, error.code, retry_after_s=error.retry_after_s)


def usable(identifier: object) -> str:
    """Return a provider's id. Raises TransportError: UNKNOWN where it is none."""
    if not isinstance(identifier, str) or not 0 < len(identifier) <= LONGEST_ID:
        raise TransportError(Outcome.UNKNOWN, "unreadable answer")
    return identifier


def said(answer: Answer, name: str) -> str:
    """Return a word or a number of the answer's JSON object; an empty string where there is none."""
    value = fields_of(answer).get(name)
    return str(value) if isinstance(value, str | int) else ""


def fields_of(answer: Answer) -> dict[str, Any]:
    """Return the answer's JSON object; an empty one where it is something else."""
    found = read(answer)
    return found if isinstance(found, dict) else {}


def read(answer: Answer) -> Any:
    """Return the answer's JSON; None where it has none."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def written(content: Any) -> bytes:
    """Return JSON for a request."""
    return json.dumps(content, ensure_ascii=False).encode()
