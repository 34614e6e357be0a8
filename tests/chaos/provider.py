"""SendGrid's mail/send on loopback, as a process that can be killed.

`python -m tests.chaos.provider PORT LOG SEED MIN_S MAX_S` answers within MIN_S to MAX_S seconds. Each message of each
request is a line of the log, `SECONDS REFERENCE TAKEN ANSWER`, written before the answer goes out, so that the log
outlives a SIGKILL, which what `tests.wire.provider` remembers does not.

`POST /faults` with `{"answer": "drop", "count": 5}` spoils the next answers:

429: not taken, come back in a second. 500 and drop (the connection is closed without an answer): taken or not, nobody
can tell. hang: taken, and no answer ever.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from typing import Any

HANG_S = 60
PHRASES = {202: "Accepted", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


class Provider:
    """`faults` are used up one by one."""

    def __init__(self, log: str, seed: str, latency_s: tuple[float, float]) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.random = random.Random(seed)
        self.latency_s = latency_s
        self.faults: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side went away, which is what this is about
        finally:
            writer.close()

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
        if head[0].startswith("POST /faults "):
            self.faults += [body["answer"]] * body["count"]
            writer.write(answer(202))
            return True
        if not head[0].startswith("POST "):  # asked what became of a message, it cannot say
            writer.write(answer(404))
            return True
        return await self.mail(references(body), writer)

    async def mail(self, messages: list[str], writer: asyncio.StreamWriter) -> bool:
        fault = self.faults.pop() if self.faults else "202"
        taken = fault in {"202", "hang"} or (fault != "429" and self.random.random() < 0.5)
        latency_s = self.random.uniform(*self.latency_s)
        before = self.random.random()
        await asyncio.sleep(latency_s * before)
        self.write_down(messages, taken, fault)
        await asyncio.sleep(HANG_S if fault == "hang" else latency_s * (1 - before))
        if fault in {"hang", "drop"}:
            return False
        writer.write(answer(int(fault)))
        await writer.drain()
        return True

    def write_down(self, messages: list[str], taken: bool, fault: str) -> None:
        lines = [f"{time.time():.6f} {reference} {taken:d} {fault}\n" for reference in messages]
        os.write(self.log, "".join(lines).encode())


def references(body: dict[str, Any]) -> list[str]:
    """Return the product's reference of each message, whether it stands with the person or with the mail."""
    common = body.get("custom_args", {})
    return [(common | person.get("custom_args", {}))["message"] for person in body["personalizations"]]


def answer(status: int) -> bytes:
    more = "Retry-After: 1\r\n" if status == 429 else f"X-Message-Id: chaos-{time.monotonic_ns()}\r\n"
    return f"HTTP/1.1 {status} {PHRASES[status]}\r\n{more}Content-Length: 0\r\n\r\n".encode()


async def main(port: str, log: str, seed: str, min_s: str, max_s: str) -> None:
    provider = Provider(log, seed, (float(min_s), float(max_s)))
    server = await asyncio.start_server(provider.serve, "127.0.0.1", int(port), limit=2**24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
