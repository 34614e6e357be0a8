"""A real HTTP server that plays the providers of mail and texts: it records what it gets, and answers as it is told.

In a test: `with provider("ok") as server`. As a process of its own: `python -m tests.wire.provider --port 0` prints its
port; `POST /control/faults` and `GET /control/arrived` are for whoever drives it (see `Control`).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import socket
import socketserver
import ssl
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from email.utils import format_datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

JSON = {"Content-Type": "application/json"}
METADATA = re.compile(r'X-Metadata: \{"message": "([^"]+)"\}')
TO = re.compile(r"(?im)^To: (.*?)\r?$")
WORD = re.compile(r"([1-5]\d\d)(?::(\w+))?(?:@(.+))?")
HANG_S = 3.0

# What can be answered: (status, headers, body), or a word.
#   ok                      as the provider does
#   400  400:21610  400:MessageRejected  422:406  402:not_enough_credits  429@17  429:20429@3
#                           refused: status, the provider's own code, Retry-After (seconds, or a date)
#   hang, drop              taken, then never an answer, or the connection is closed
#   bad-json                taken, then rubbish
#   slow:50                 ok, after so many milliseconds
#   lose                    read whole and forgotten; the connection is closed
#   drop-unread             the connection is closed before anything was read
#   bye                     ok, and the connection is closed a moment later, as an idle one is
Response = tuple[int, dict[str, str], bytes]
Answer = Response | str
TAKEN = ("ok", "hang", "drop", "bad-json", "slow", "bye")
KINDS = {  # by a path's end
    "/smtp/email": "brevo",
    "/email": "postmark",
    "/email/batch": "postmark",
    "/emails": "resend",
    "/emails/batch": "resend",
    "/messages": "mailgun",
}


@dataclass
class Received:
    """One request. `is_taken`: the provider keeps it, whatever it answers, or whether it does."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    answered: str = ""
    is_taken: bool = False
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    sid: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        if "multipart" in self.headers.get("Content-Type", ""):
            return {n: part.get_payload(decode=True).decode() for n, part in self.parts if not part.get_filename()}
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def batch(self) -> list[dict[str, Any]] | None:
        """What a request for many says of each, in the form of a request for one; None: it is one for one."""
        return BATCHES[self.kind](self) if self.kind in BATCHES else None

    @property
    def parts(self) -> list[tuple[str, Any]]:
        """The parts of a form by their names, which may come more than once."""
        form: Message = message_from_bytes(f"Content-Type: {self.headers['Content-Type']}\n\n".encode() + self.body)
        return [(str(part.get_param("name", header="Content-Disposition")), part) for part in form.walk()][1:]

    @property
    def kind(self) -> str:
        if "/v2/email/" in self.path:
            return "ses"
        if "/Messages" in self.path:
            return "twilio"
        return next((kind for end, kind in KINDS.items() if self.path.endswith(end)), "sendgrid")

    @property
    def mail(self) -> dict[str, Any]:
        """The fields of a request for one."""
        return self.form if self.kind == "mailgun" else self.json

    @property
    def ids(self) -> list[str]:
        """The ids that a good answer gives the people of a request for many."""
        return [f"{self.sid[2:]}-{number}" for number in range(len(self.people))]

    @cached_property
    def mime(self) -> bytes:
        """The mail inside a request to SES."""
        return b64decode(self.json["Content"]["Raw"]["Data"])

    @cached_property
    def people(self) -> list[tuple[str, str]]:
        """Our reference and the address of each person. Twilio learns no reference: there it is empty."""
        if self.kind == "twilio":
            return [("", self.form.get("To", ""))]
        if self.kind == "ses":
            found = METADATA.search(self.mime.decode())
            return [(found[1] if found else "", self.json["Destination"]["ToAddresses"][0])]
        if self.kind in KINDS.values():
            mails = self.batch
            return [PEOPLE[self.kind](mail) for mail in ([self.mail] if mails is None else mails)]
        common = self.json.get("custom_args", {}).get("message", "")
        return [
            (person.get("custom_args", {}).get("message", common), person["to"][0]["email"])
            for person in self.json["personalizations"]
        ]


PEOPLE: dict[str, Callable[[dict[str, Any]], tuple[str, str]]] = {
    "brevo": lambda mail: (json.loads(mail["headers"]["X-Mailin-custom"])["message"], mail["to"][0]["email"]),
    "mailgun": lambda mail: (mail["v:message"], mail["to"]),
    "postmark": lambda mail: (mail["Metadata"]["message"], mail["To"]),
    "resend": lambda mail: (json.loads(mail["headers"]["X-Metadata"])["message"], mail["to"][0]),
}
MARK = re.compile(r"%recipient\.([^%\s]+)%")


def versions(request: Received) -> list[dict[str, Any]] | None:
    """Return Brevo's versions of a mail, each with what it has in common with the others."""
    mail = request.json
    found = mail.pop("messageVersions", None)
    return None if found is None else [{**mail, **version} for version in found]


def personal_forms(request: Received) -> list[dict[str, str]] | None:
    """Return Mailgun's form for each person, filled with their values."""
    common = request.form
    if "recipient-variables" not in common:
        return None
    rows = json.loads(common.pop("recipient-variables"))
    to = [part.get_payload(decode=True).decode() for name, part in request.parts if name == "to"]
    return [personal(common, rows.get(one, {})) | {"to": one} for one in to]


def personal(form: dict[str, str], row: dict[str, str]) -> dict[str, str]:
    return {name: MARK.sub(lambda mark: str(row.get(mark[1], mark[0])), value) for name, value in form.items()}


BATCHES: dict[str, Callable[[Received], list[dict[str, Any]] | None]] = {
    "brevo": versions,
    "mailgun": personal_forms,
    "postmark": lambda request: request.json if request.path.endswith("/batch") else None,
    "resend": lambda request: request.json if request.path.endswith("/batch") else None,
}


@dataclass
class Provider:
    """`answers` are used up one by one; then `shares` are drawn, if any; else `default` for ever."""

    default: Answer = "ok"
    answers: list[Answer] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_answer(self) -> Answer:
        with self.lock:
            if self.answers:
                return self.answers.pop(0)
            drawn = self.chance.random() if self.shares else 1.0
            for word, share in self.shares.items():
                drawn -= share
                if drawn < 0:
                    return word
            return self.default

    def record(self, request: Received) -> None:
        with self.lock:
            self.received.append(request)

    def taken(self) -> list[Received]:
        """What the provider has and would deliver."""
        with self.lock:
            return [request for request in self.received if request.is_taken]

    def arrivals(self) -> Counter[str]:
        """How often each person was sent to, by our reference; for Twilio by number. More than once is a repeat."""
        return Counter(reference or to for request in self.taken() for reference, to in request.people)


@contextmanager
def provider(default: Answer = "ok", *, tls: ssl.SSLContext | None = None) -> Iterator[Provider]:
    """Serve on a free loopback port until the block ends."""
    state = Provider(default)
    server = _Server(("127.0.0.1", 0), state)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        state.url = state.url.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], state: Provider) -> None:
        super().__init__(address, _Handler)
        self.state = state
        state.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Gone(Exception):
    """The connection ends here."""


class _Handler(socketserver.StreamRequestHandler):
    # As little of HTTP as it takes: the standard library's server needs longer for a request than what is tested.
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        state = self.server.state
        counted = False
        try:
            while line := self.rfile.readline():
                method, path, _ = line.decode().split(" ", 2)
                if path.startswith("/control/"):
                    self.reply(*control(state, method, path, self.body(self.head())))
                    continue
                if not counted:
                    counted = True
                    with state.lock:
                        state.connections += 1
                self.one(state, method, path)
        except (_Gone, ConnectionError):
            return

    def head(self) -> dict[str, str]:
        headers = {}
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name] = value.strip()
        return headers

    def body(self, headers: dict[str, str]) -> bytes:
        return self.rfile.read(int(headers.get("Content-Length", 0)))

    def one(self, state: Provider, method: str, path: str) -> None:
        answer = state.next_answer()
        if answer == "drop-unread":
            raise _Gone
        headers = self.head()
        request = Received(path, headers, self.body(headers), method, answered=str(answer) if answer else "")
        word = answer.partition(":")[0] if isinstance(answer, str) else ""
        request.is_taken = method == "POST" and (word in TAKEN or (not word and 200 <= int(answer[0]) < 300))
        request.sid = f"SM{uuid4().hex}"
        state.record(request)
        if word in {"drop", "lose"}:
            self.connection.shutdown(socket.SHUT_RDWR)
            raise _Gone
        if word == "hang":
            time.sleep(HANG_S)
            raise _Gone
        if word == "slow":
            time.sleep(float(str(answer).partition(":")[2]) / 1000)
        self.reply(*response_to(state, request, answer), word=word)

    def reply(self, status: int, headers: dict[str, str], content: bytes, *, word: str = "") -> None:
        content = b"<html>not json" if word == "bad-json" else content
        fields = {**headers, "Content-Length": str(len(content))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.wfile.write(f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode("latin-1") + content)
        if word == "bye":
            raise _Gone


def response_to(state: Provider, request: Received, answer: Answer) -> Response:
    if not isinstance(answer, str):
        return answer
    return good(state, request) if answer.partition(":")[0] in TAKEN else refusal(answer, request.kind)


def good(state: Provider, request: Received) -> Response:
    """Answer as each provider does when all is well."""
    if request.kind == "ses":
        return 200, JSON, json.dumps({"MessageId": f"0100{request.sid[2:]}-000000"}).encode()
    if request.kind == "sendgrid":
        return 202, {"X-Message-Id": request.sid}, b""
    if request.kind in GOOD:
        status, body = (GOOD if request.batch is None else GOOD_FOR_MANY)[request.kind](request)
        return status, JSON, json.dumps(body).encode()
    if request.method == "GET":
        return 200, JSON, json.dumps(listed(state, request.path)).encode()
    return 201, JSON, json.dumps(as_listed(request) | {"status": "accepted", "date_sent": None}).encode()


GOOD: dict[str, Callable[[Received], tuple[int, Any]]] = {
    "brevo": lambda mail: (201, {"messageId": f"<2026.{mail.sid}@smtp-relay.mailin.example>"}),
    "mailgun": lambda mail: (200, {"id": f"<2026.{mail.sid}@mg.example.com>", "message": "Queued. Thank you."}),
    "postmark": lambda mail: (
        200,
        {
            "To": mail.json["To"],
            "SubmittedAt": mail.at.isoformat(),
            "MessageID": str(UUID(mail.sid[2:])),
            "ErrorCode": 0,
            "Message": "OK",
        },
    ),
    "resend": lambda mail: (200, {"id": str(UUID(mail.sid[2:]))}),
}
GOOD_FOR_MANY: dict[str, Callable[[Received], tuple[int, Any]]] = {
    "brevo": lambda mail: (201, {"messageIds": mail.ids}),
    "mailgun": GOOD["mailgun"],
    "postmark": lambda mail: (
        200,
        [
            {"To": to, "MessageID": identifier, "ErrorCode": 0, "Message": "OK"}
            for (_, to), identifier in zip(mail.people, mail.ids, strict=True)
        ],
    ),
    "resend": lambda mail: (200, {"data": [{"id": identifier} for identifier in mail.ids]}),
}


def listed(state: Provider, path: str) -> dict[str, Any]:
    """Return Twilio's list of messages to one number, the newest first."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    created = [request for request in state.taken() if request.kind == "twilio"]
    messages = [as_listed(request) for request in reversed(created) if request.form["To"] == asked.get("To")]
    return {"messages": messages[: int(asked.get("PageSize", 50))], "next_page_uri": None, "page": 0}


def as_listed(request: Received) -> dict[str, Any]:
    form, at = request.form, format_datetime(request.at)
    return {
        "sid": request.sid,
        "to": form["To"],
        "from": form.get("From"),
        "messaging_service_sid": form.get("MessagingServiceSid"),
        "body": form["Body"],
        "direction": "outbound-api",
        "status": "sent",
        "date_created": at,
        "date_updated": at,
        "date_sent": at,
        "num_segments": "1",
        "error_code": None,
    }


def refusal(word: str, kind: str) -> Response:
    """Turn `429:20429@3` into an answer of this provider's shape."""
    match = WORD.fullmatch(word)
    assert match, f"{word} is no answer"
    status, code, wait = int(match[1]), match[2] or "", match[3]
    headers = dict(JSON)
    if wait:
        headers["Retry-After"] = wait
    if kind == "ses" and code:
        headers["x-amzn-ErrorType"] = f"{code}:http://internal.amazon.com/coral/"
    return status, headers, json.dumps(refused(kind, status, code)).encode()


def refused(kind: str, status: int, code: str) -> dict[str, Any]:
    number = int(code) if code.isdigit() else 0
    shapes: dict[str, dict[str, Any]] = {
        "brevo": {"code": code or "bad_request", "message": "no"},
        "mailgun": {"message": "no"},
        "postmark": {"ErrorCode": number or {401: 10, 429: 429}.get(status, 0), "Message": "no"},
        "resend": {"statusCode": status, "name": code or "application_error", "message": "no"},
        "sendgrid": {"errors": [{"field": None, "help": None, "message": "no"}]},
        "ses": {"message": "no"},
        "twilio": {"code": number or status, "message": "no", "more_info": "", "status": status},
    }
    return shapes[kind]


def control(state: Provider, method: str, path: str, body: bytes) -> Response:
    """Answer whoever drives this process.

    POST /control/faults    {"default": "ok", "answers": ["429@1", "drop"], "shares": {"hang": 0.01}}, each optional
    POST /control/clear     forget what arrived
    GET  /control/arrived   {"requests": 3, "connections": 1, "arrived": {reference or number: how often}};
                            ?reference=... for one: [{"path", "answered", "is_taken", "at", "body"}]
    """
    address = urlsplit(path)
    if method == "POST":
        wanted = json.loads(body or b"{}") or {}
        with state.lock:
            if address.path.endswith("/clear"):
                state.received.clear()
            for name in ("default", "answers", "shares"):
                if name in wanted:
                    setattr(state, name, wanted[name])
        return 200, JSON, b"{}"
    reference = parse_qs(address.query).get("reference", [""])[0]
    with state.lock:
        requests = [request for request in state.received if request.method == "POST"]
    if reference:
        found: Any = [
            {
                "path": request.path,
                "answered": request.answered,
                "is_taken": request.is_taken,
                "at": request.at.isoformat(),
                "body": request.body.decode(errors="replace"),
            }
            for request in requests
            if any(reference in person for person in request.people)
        ]
    else:
        found = {"requests": len(requests), "connections": state.connections, "arrived": state.arrivals()}
    return 200, JSON, json.dumps(found).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="Play a provider on this machine.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--default", default="ok", help="what is answered: ok, 429@1, drop, slow:50, ...")
    options = parser.parse_args()
    with _Server(("127.0.0.1", options.port), Provider(options.default)) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
