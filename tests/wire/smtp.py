"""A real SMTP server on this machine, as strict as it is told to be."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.wire.loopback import serving


@dataclass
class SmtpServer:
    """After `mails_per_connection` it answers 421 and hangs up, as many hosts do; `refused` are unknown mailboxes.

    `says` gives another answer to a command or a stage: `{"RCPT TO": "450 Later"}`, `{"DATA": ...}`, `{"CONTENT": ...}`
    (after the mail), `{"GREETING": ...}`, `{"EHLO": ...}`; the words `hang` and `drop` are answers too. It is used
    `says_times`. What was answered `hang` or `drop` at CONTENT was received all the same.
    """

    mails_per_connection: int = 1000
    refused: frozenset[str] = frozenset()
    hang_up_silently: bool = False
    says: dict[str, str] = field(default_factory=dict)
    says_times: int = 1_000_000
    hang_s: float = 3.0
    port: int = 0
    connections: int = 0
    received: list[bytes] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)  # of the envelopes
    lock: threading.Lock = field(default_factory=threading.Lock)

    def said(self, stage: str) -> str:
        with self.lock:
            if stage not in self.says or not self.says_times:
                return ""
            self.says_times -= 1
            return self.says[stage]


@contextmanager
def smtp_server(state: SmtpServer) -> Iterator[SmtpServer]:
    """Serve on a free loopback port until the block ends."""
    with serving(_handler(state)) as state.port:
        yield state


def _handler(state: SmtpServer) -> type[socketserver.StreamRequestHandler]:
    class Handler(_Handler):
        server_state = state

    return Handler


class _Gone(Exception):
    """The connection ends here."""


class _Handler(socketserver.StreamRequestHandler):
    server_state: SmtpServer

    def handle(self) -> None:
        with self.server_state.lock:
            self.server_state.connections += 1
        self.taken = 0
        try:
            self.say("220 test", "GREETING")
            while (line := self.rfile.readline().decode().strip()) and self.answer(verb_of(line), line):
                pass
        except (_Gone, ConnectionError):
            return

    def answer(self, verb: str, line: str) -> bool:
        """Answer one command; return whether the connection goes on."""
        state = self.server_state
        if verb == "MAIL FROM":
            state.senders.append(line.partition("<")[2].partition(">")[0])
        if verb == "MAIL FROM" and self.taken >= state.mails_per_connection:
            if not state.hang_up_silently:
                self.say("421 Too many mails on this connection")
            return False
        if verb == "RCPT TO" and any(address in line for address in state.refused):
            self.say("550 No such mailbox")
        elif verb == "DATA":
            self.take_mail()
        elif verb == "EHLO":
            self.say("250-test\r\n250 AUTH PLAIN", verb)
        else:
            self.say("221 Bye" if verb == "QUIT" else "250 OK", verb)
        return verb != "QUIT"

    def take_mail(self) -> None:
        if not self.say("354 Go on", "DATA").startswith("354"):
            return
        content = b""
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise _Gone
            content += line
        with self.server_state.lock:
            self.server_state.received.append(content)
        self.taken += 1
        self.say("250 Queued", "CONTENT")

    def say(self, line: str, stage: str = "") -> str:
        line = self.server_state.said(stage) or line
        if line == "hang":
            time.sleep(self.server_state.hang_s)
        if line in {"hang", "drop"}:
            raise _Gone
        self.wfile.write(f"{line}\r\n".encode())
        if line.startswith("421"):
            raise _Gone
        return line


def verb_of(line: str) -> str:
    """Return what a command is about: `MAIL FROM`, `RCPT TO`, `EHLO`."""
    start = line.partition(":")[0].upper()
    return start if start in {"MAIL FROM", "RCPT TO"} else start.split()[0]
