"""A real HTTP server that plays SendGrid, Amazon SES and Twilio: it records what it gets, and answers as it is told.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

JSON = {"Content-Type": "application/json"}
METADATA = re.compile(r'X-Metadata: \{"message": "([^"]+)"\}')
TO = re.compile(r"(?im)^To: (.*?)\r?$")
WORD = re.compile(r"([1-5]\d\d)(?::(\w+))?(?:@(.+))?")
HANG_S = 3.0

# What can be answered: (status, headers, body), or a word.
#   ok                      as the provider does
#   400  400:21610  400:MessageRejected  429@17  429:20429@3
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
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def kind(self) -> str:
        return "ses" if "/email/" in self.path else "twilio" if "/Messages" in self.path else "sendgrid"

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
        common = self.json.get("custom_args", {}).get("message", "")
        return [
            (person.get("custom_args", {}).get("message", common), person["to"][0]["email"])
            for person in self.json["personalizations"]
        ]


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
        self.reply(*(good(state, request) if word in TAKEN else refusal(str(answer)) if word else answer), word=word)

    def reply(self, status: int, headers: dict[str, str], content: bytes, *, word: str = "") -> None:
        content = b"<html>not json" if word == "bad-json" else content
        fields = {**headers, "Content-Length": str(len(content))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.wfile.write(f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode("latin-1") + content)
        if word == "bye":
            raise _Gone


def good(state: Provider, request: Received) -> Response:
    """Answer as each provider does when all is well."""
    if request.kind == "ses":
        return 200, JSON, json.dumps({"MessageId": f"0100{request.sid[2:]}-000000"}).encode()
    if request.kind == "sendgrid":
        return 202, {"X-Message-Id": request.sid}, b""
    if request.method == "GET":
        return 200, JSON, json.dumps(listed(state, request.path)).encode()
    return 201, JSON, json.dumps(as_listed(request) | {"status": "accepted", "date_sent": None}).encode()


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


def refusal(word: str) -> Response:
    """Turn `429:20429@3` into an answer with all that any of the providers would put there."""
    match = WORD.fullmatch(word)
    assert match, f"{word} is no answer"
    status, code, wait = int(match[1]), match[2] or "", match[3]
    headers = dict(JSON)
    if wait:
        headers["Retry-After"] = wait
    if code and not code.isdigit():
        headers["x-amzn-ErrorType"] = f"{code}:http://internal.amazon.com/coral/"
    body = {"code": int(code) if code.isdigit() else status, "message": "no", "status": status}
    return status, headers, json.dumps(body).encode()


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
                "body": request.body.decode(),
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
