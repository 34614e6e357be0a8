"""A real DNS server on loopback, over UDP and TCP: `with dns_server({"example.org": ["v=spf1 ~all"]}) as server`.

Names map to their TXT records, or to the name they are an alias of; what is not there does not exist. `faults` map a
name, or `*` for all, to `servfail`, `hang`, or `empty`: the name is there, without such a record.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

LONGEST_DATAGRAM = 512


@dataclass
class DnsServer:
    records: dict[str, Sequence[str] | str]
    faults: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  # each name, and udp or tcp
    address: str = ""

    def answer(self, wire: bytes, over: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, over))
        response = dns.message.make_response(query)
        fault = self.faults.get(name) or self.faults.get("*")
        if fault == "hang":
            return None
        if fault == "servfail":
            response.set_rcode(dns.rcode.SERVFAIL)
        elif fault != "empty":
            self._fill(response, name)
        answer = response.to_wire()
        if over == "udp" and len(answer) > LONGEST_DATAGRAM:
            response.answer.clear()
            response.flags |= dns.flags.TC
            answer = response.to_wire()
        return answer

    def _fill(self, response: dns.message.Message, name: str) -> None:
        found = self.records.get(name)
        while isinstance(found, str):
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{found}."))
            name, found = found, self.records.get(found)
        if found is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif found:
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", *map(_quoted, found)))


def _quoted(text: str) -> str:
    """Cut a record into strings of 255 letters, as a long key has to be."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))


@contextmanager
def dns_server(
    records: Mapping[str, Sequence[str] | str], faults: Mapping[str, str] | None = None
) -> Iterator[DnsServer]:
    """Serve on a free port of 127.0.0.1, the same for UDP and TCP."""
    server = DnsServer(dict(records), dict(faults or {}))

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, place = self.request
            if (answer := server.answer(wire, "udp")) is not None:
                place.sendto(answer, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size = int.from_bytes(self.rfile.read(2), "big")
            if (answer := server.answer(self.rfile.read(size), "tcp")) is not None:
                self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    udp, tcp = _bound(Udp, Tcp)
    server.address = f"127.0.0.1:{tcp.server_address[1]}"
    threads = [threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True) for one in (udp, tcp)]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        for one in (udp, tcp):
            one.shutdown()
            one.server_close()
        for thread in threads:
            thread.join()


def _bound(udp: type, tcp: type) -> tuple[socketserver.ThreadingUDPServer, socketserver.ThreadingTCPServer]:
    """Take a port that is free for both."""
    while True:
        stream = socketserver.ThreadingTCPServer(("127.0.0.1", 0), tcp)
        try:
            return socketserver.ThreadingUDPServer(("127.0.0.1", stream.server_address[1]), udp), stream
        except OSError:
            stream.server_close()
