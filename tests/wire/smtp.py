"""A real SMTP server on this machine, as strict as it is told to be."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class SmtpServer:
    """After `mails_per_connection` it answers 421 and hangs up, as many hosts do; `refused` are unknown mailboxes."""

    mails_per_connection: int = 1000
    refused: frozenset[str] = frozenset()
    hang_up_silently: bool = False
    port: int = 0
    connections: int = 0
    received: list[bytes] = field(default_factory=list)


@contextmanager
def smtp_server(state: SmtpServer) -> Iterator[SmtpServer]:
    """Serve on a free loopback port until the block ends."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler(state)) as server:
        server.daemon_threads = True
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def _handler(state: SmtpServer) -> type[socketserver.StreamRequestHandler]:
    class Handler(_Handler):
        server_state = state

    return Handler


class _Handler(socketserver.StreamRequestHandler):
    server_state: SmtpServer

    def handle(self) -> None:
        self.server_state.connections += 1
        self.taken = 0
        self.say("220 test")
        while (line := self.rfile.readline().decode().strip()) and self.answer(line.split(":")[0].upper(), line):
            pass

    def answer(self, verb: str, line: str) -> bool:
        """Answer one command; return whether the connection goes on."""
        state = self.server_state
        if verb == "MAIL FROM" and self.taken >= state.mails_per_connection:
            if not state.hang_up_silently:
                self.say("421 Too many mails on this connection")
            return False
        if verb == "RCPT TO" and any(address in line for address in state.refused):
            self.say("550 No such mailbox")
        elif verb == "DATA":
            self.take_mail()
        else:
            self.say("221 Bye" if verb == "QUIT" else "250 OK")
        return verb != "QUIT"

    def take_mail(self) -> None:
        self.say("354 Go on")
        content = b""
        while (line := self.rfile.readline()) != b".\r\n":
            content += line
        self.server_state.received.append(content)
        self.taken += 1
        self.say("250 Queued")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
