"""Providers on this machine that cost little and take their time: SendGrid, SES, Twilio over HTTP, and SMTP.

`python -m benchmarks.provider` prints its two ports, HTTP and SMTP. `PUT /control`, `{"delay_ms": 50, "keep": true}`,
forgets everything, and sets how long each answer takes and whether bodies are kept for the digest. `GET /summary` tells
how many messages came, a digest over what they say and one of them, and how many were under way at once at most.

Over SMTP each reply takes the delay: a mail is four of them, as it is on a real line.
"""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import hashlib
import json
import re
import sys
from collections.abc import Callable, Set
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

HEADER_END, DATA_END = b"\r\n\r\n", b"\r\n.\r\n"
CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
NUMBERS = count(1)


class State:
    """What all connections share."""

    def __init__(self) -> None:
        self.reset(delay_ms=0, keep=True)

    def reset(self, *, delay_ms: float, keep: bool) -> None:
        self.delay_s, self.keep = delay_ms / 1000, keep
        self.bodies: list[tuple[str, bytes]] = []
        self.messages = self.under_way = self.most = 0

    def took(self, kind: str, body: bytes) -> None:
        self.messages += 1
        if self.keep:
            self.bodies.append((kind, body))

    def summary(self) -> dict[str, object]:
        said = sorted(CANONICAL[kind](body) for kind, body in self.bodies)
        digest = hashlib.sha256("\n".join(said).encode()).hexdigest()
        return {"messages": self.messages, "digest": digest, "most": self.most, "example": "".join(said[:1])}


STATE = State()


class Connection(asyncio.Protocol):
    """One connection: bytes in, answers out after the delay, in their order."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""
        self.greet()

    def greet(self) -> None:
        """Say nothing first: that is HTTP."""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self.take_one():
            pass

    def take_one(self) -> bool:
        raise NotImplementedError

    def answer(self, data: bytes) -> None:
        STATE.under_way += 1
        STATE.most = max(STATE.most, STATE.under_way)
        if STATE.delay_s:
            asyncio.get_running_loop().call_later(STATE.delay_s, self.write, data)
        else:
            self.write(data)

    def write(self, data: bytes) -> None:
        STATE.under_way -= 1
        self.transport.write(data)


class Http(Connection):
    def take_one(self) -> bool:
        end = self.buffer.find(HEADER_END)
        if end < 0:
            return False
        head = self.buffer[:end]
        length = CONTENT_LENGTH.search(head)
        size = end + len(HEADER_END) + (int(length[1]) if length else 0)
        if len(self.buffer) < size:
            return False
        body, self.buffer = self.buffer[end + len(HEADER_END) : size], self.buffer[size:]
        self.handle(head.split(b" ", 2)[1].decode(), body)
        return True

    def handle(self, path: str, body: bytes) -> None:
        if path == "/control":
            STATE.reset(**json.loads(body))
            self.transport.write(http_answer("200 OK", b""))
        elif path == "/summary":
            self.transport.write(http_answer("200 OK", json.dumps(STATE.summary()).encode()))
        else:
            kind = next(name for name, end in ENDPOINTS.items() if path.endswith(end))
            STATE.took(kind, body)
            self.answer(HTTP_ANSWERS[kind]())


def http_answer(status: str, body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


ENDPOINTS = {"sendgrid": "/mail/send", "ses": "/outbound-emails", "twilio": "/Messages.json"}
HTTP_ANSWERS: dict[str, Callable[[], bytes]] = {
    "sendgrid": lambda: http_answer("202 Accepted", b"", f"X-Message-Id: benchmark-{next(NUMBERS)}\r\n"),
    "ses": lambda: http_answer("200 OK", json.dumps({"MessageId": f"benchmark-{next(NUMBERS)}"}).encode()),
    "twilio": lambda: http_answer(
        "201 Created",
        json.dumps({"sid": f"SM{next(NUMBERS):032x}", "status": "queued", "error_code": None}).encode(),
        "Content-Type: application/json\r\n",
    ),
}


class Smtp(Connection):
    in_data = False

    def greet(self) -> None:
        self.answer(b"220 benchmark\r\n")

    def take_one(self) -> bool:
        end_mark = DATA_END if self.in_data else b"\r\n"
        end = self.buffer.find(end_mark)
        if end < 0:
            return False
        line, self.buffer = self.buffer[:end], self.buffer[end + len(end_mark) :]
        if self.in_data:
            self.in_data = False
            STATE.took("smtp", line)
            self.answer(b"250 OK\r\n")
        else:
            self.command(line[:4].upper())
        return True

    def command(self, verb: bytes) -> None:
        self.in_data = verb == b"DATA"
        replies = {b"DATA": b"354 Go on\r\n", b"EHLO": b"250-benchmark\r\n250 8BITMIME\r\n", b"QUIT": b"221 Bye\r\n"}
        self.answer(replies.get(verb, b"250 OK\r\n"))


# --- What a message says, without what differs by chance --------------------------------------------------------------


def sendgrid_mail(body: bytes) -> str:
    mail: dict[str, Any] = json.loads(body)
    for holder in (mail, *mail["personalizations"]):
        holder.get("custom_args", {}).pop("anymail_id", None)
    (person,) = mail["personalizations"]
    for name in ("custom_args", "headers"):  # those of the one person, or those of the mail: the same
        if common := {**mail.pop(name, {}), **person.pop(name, {})}:
            mail[name] = common
    return json.dumps(mail, sort_keys=True)


def ses_mail(body: bytes) -> str:
    request: dict[str, Any] = json.loads(body)
    raw = request["Content"].pop("Raw", None)
    mime = mime_mail(base64.b64decode(raw["Data"]), {"Message-ID"}) if raw else ""  # SES puts one of its own there
    return json.dumps(request, sort_keys=True) + mime


def mime_mail(data: bytes, replaced: Set[str] = frozenset()) -> str:
    """Return headers and parts, however they are encoded and folded on the way."""
    mail = email.message_from_bytes(data, policy=email.policy.default)
    passing = {"Date", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"} | replaced
    headers = sorted(f"{name}: {' '.join(str(value).split())}" for name, value in mail.items() if name not in passing)
    parts = [
        [part.get_content_type(), part.get("Content-ID", ""), str(part.get_content()).strip()]
        for part in mail.walk()
        if not part.is_multipart()
    ]
    return json.dumps([headers, parts])


def twilio_text(body: bytes) -> str:
    """Return the fields; how long a text may wait counts down with the clock, so only that it is said stands here."""
    said = dict(parse_qsl(body.decode()))
    return json.dumps(sorted((said | {"ValidityPeriod": "ValidityPeriod" in said}).items()))


CANONICAL: dict[str, Callable[[bytes], str]] = {
    "sendgrid": sendgrid_mail,
    "ses": ses_mail,
    "smtp": mime_mail,
    "twilio": twilio_text,
}


async def main() -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(kind, "127.0.0.1", 0, backlog=256) for kind in (Http, Smtp)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started it is gone


if __name__ == "__main__":
    asyncio.run(main())
