"""A real HTTP server that plays the parts of Twilio that tell of an account: `with account({path: json}) as server`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = dict[str, Any] | int | bytes  # what stands there, a status, or rubbish


@dataclass
class Account:
    """What is not in `answers` is not there: 404."""

    answers: dict[str, Answer]
    asked: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)  # path, query, login
    url: str = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        found = self.answers.get(path, self.answers.get("*", 404))
        if isinstance(found, int):
            return found, b'{"code": 20404, "message": "as told"}'
        return 200, found if isinstance(found, bytes) else json.dumps(found).encode()


@contextmanager
def account(answers: Mapping[str, Answer]) -> Iterator[Account]:
    played = Account(dict(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            played.asked.append((address.path, parse_qs(address.query), self.headers.get("Authorization", "")))
            status, body = played.answer(address.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    played.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield played
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
