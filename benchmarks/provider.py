"""A mail provider on this machine: takes SendGrid's /v3/mail/send, answers 202, and can say what it was given.

`python -m benchmarks.provider` prints its port. `GET /v3/summary` tells the number of mails and a digest over their
contents since the last time it was asked.
"""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

BODIES: list[bytes] = []
NUMBERS = count(1)


def canonical(body: bytes) -> str:
    """Return a mail without what differs by chance."""
    mail: dict[str, Any] = json.loads(body)
    for people in mail["personalizations"]:
        people.get("custom_args", {}).pop("anymail_id", None)
        if not people.get("custom_args", True):
            del people["custom_args"]
    if "custom_args" in mail:
        mail["custom_args"].pop("anymail_id", None)
    return json.dumps(mail, sort_keys=True)


def summary() -> dict[str, object]:
    mails = sorted(map(canonical, BODIES))
    BODIES.clear()
    return {"mails": len(mails), "digest": hashlib.sha256("\n".join(mails).encode()).hexdigest()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        BODIES.append(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v3/mail/send"
        self.answer(202, b"", {"X-Message-Id": f"benchmark-{next(NUMBERS)}"})

    def do_GET(self) -> None:
        self.answer(200, json.dumps(summary()).encode(), {})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing: a line per mail would be measured too."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
