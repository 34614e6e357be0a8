"""One request and its answer on an open socket, at a third of what http.client takes, which makes a mail of answers."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException, IncompleteRead

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from requests.structures import CaseInsensitiveDict

READ = 16 * 1024  # bytes at a time
UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # would begin another header, or another request
HAS_BODY = frozenset({"PATCH", "POST", "PUT"})


class UnreadableAnswer(HTTPException):
    """What came is no answer by HTTP/1.1 (RFC 9112), or one that leaves it."""


def request_bytes(method: str, target: str, *, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Return a request, head and body, for one write: one packet where it is small, and one wake-up of the server.

    Raises ValueError where a header or the target holds what none may.
    """
    own = {"Host": host, "Accept-Encoding": "identity"}
    if body is not None or method in HAS_BODY:
        own["Content-Length"] = str(len(body or b""))
    given = {name.lower() for name in headers}
    lines = [f"{name}: {value}" for name, value in own.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if UNFIT.search("".join(lines)) or UNFIT.search(target) or " " in target:
        raise ValueError("a header or an address holds a control character")
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1") + (body or b"")


class Reply:
    """An answer as it is read; the parser calls what begins with `on_`. Names of headers are found in any case."""

    def __init__(self) -> None:
        self.headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        self.status = 0
        self.keeps_open = False  # whether the connection may be used again
        self._parts: list[bytes] = []
        self._has_head = self._is_whole = False
        self._parser = HttpResponseParser(self)

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)

    def read_from(self, connection: socket.socket) -> None:
        """Read up to the end of the answer, once. Raises IncompleteRead, UnreadableAnswer and OSError."""
        try:
            while not self._is_whole:
                if data := connection.recv(READ):
                    self._take(data)
                else:
                    self._end()
                    return
        finally:
            del self._parser  # it knows this answer, and each would keep the other alive

    def _take(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if not self._is_whole:
                raise UnreadableAnswer from None
            self.keeps_open = False  # there is more than was asked for: whose it is, nobody knows

    def _end(self) -> None:
        """Take the connection's end for the answer's, where nothing else says how long it is (RFC 9112, 6.3)."""
        if not self._has_head or "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            raise IncompleteRead(b"")

    def on_message_begin(self) -> None:
        if self._is_whole:
            raise ValueError("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # behind a body in chunks, where they would take the place of those before it
        self.headers[name.decode("latin-1")] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = True

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        if self.status < 200:  # "Continue", and the like: the answer itself is still to come
            self.headers.clear()
            self._has_head = False
            return
        self._is_whole = True
        self.keeps_open = self._parser.should_keep_alive()


def exchange(connection: socket.socket, request: bytes) -> Reply:
    """Send a request and read its answer. Raises IncompleteRead, UnreadableAnswer and OSError."""
    with suppress(BrokenPipeError):  # a server may refuse a body half read, and its answer is there to be read
        connection.sendall(request)
    reply = Reply()
    reply.read_from(connection)
    return reply
