"""Redeem: the scanner API against a WSGI application by hand, each under gunicorn with the product's settings for it.

Some clients, a device each, every request with a code of its own, all of one deal: its tally is a row they all wait
for. Sync workers close each connection, so every request opens one. The clients share the processors with the server,
which narrows the gap between the two.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median

from django.conf import settings
from django.utils import timezone

from benchmarks.child import describe_database, scratch_url
from benchmarks.measuring import Report, Sample, compare, percentile
from benchmarks.sending import add_people
from contacts.models import Contact
from redemptions.links import qr_payload
from redemptions.models import Code, Device, EntryCounter, Offer, Redemption, Scan
from redemptions.services import complete_enrolment, create_offer, enrol_device_start, issue_codes

WORKERS = 2
WARM_REQUESTS = 100
HOST = "127.0.0.1"
START_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Burst:
    sample: Sample
    latencies_ms: list[float]


def run(*, redemptions: int, rounds: int, clients: int) -> Report:
    add_people(0, redemptions)
    tokens = [enrol(number) for number in range(clients)]
    EntryCounter.objects.get_or_create(pk=1)
    with server("config.wsgi") as product, server("benchmarks.bare_redeem") as by_hand:
        for warm in (product, by_hand):
            one_burst(warm, tokens, WARM_REQUESTS)
        pairs = [
            (one_burst(product, tokens, redemptions), one_burst(by_hand, tokens, redemptions)) for _ in range(rounds)
        ]
        apart = [one_burst(product, tokens, redemptions, deals=clients) for _ in range(rounds)]
    notes = [
        f"{clients} clients, gunicorn with {WORKERS} sync workers; half and 99 of 100 of the answers within "
        f"{latencies([product for product, _ in pairs])}, by hand {latencies([hand for _, hand in pairs])}",
        f"with a deal for each client, not one for all: {median(burst.sample.rate for burst in apart):.0f} requests/s, "
        f"within {latencies(apart)}",
    ]
    samples = [(product.sample, hand.sample) for product, hand in pairs]
    return Report(describe_database(), [compare(f"Redeem over HTTP, {clients} at once", "requests", samples, notes)])


def latencies(bursts: list[Burst]) -> str:
    """`40 and 121 ms`: the 50th and the 99th percentile."""
    values = [latency for burst in bursts for latency in burst.latencies_ms]
    return f"{percentile(values, 0.50):.0f} and {percentile(values, 0.99):.0f} ms"


def enrol(number: int) -> str:
    """Return the token of a new device."""
    at = timezone.now()
    _, enrol_token = enrol_device_start(
        name=f"Phone {number}", location_name="Main Street", profile=Device.Profile.SCANNER, at=at
    )
    return complete_enrolment(enrol_token=enrol_token, key=secrets.token_hex(16), at=at)[1]


def fresh_codes(count: int, deals: int) -> list[str]:
    """Return what `count` QR codes say, of so many new offers by turns."""
    people = list(Contact.objects.order_by("pk").values_list("pk", flat=True)[:count])
    codes: dict[int, str] = {}
    for turn in range(deals):
        offer = create_offer(name="20 % off lunch", type=Offer.Type.PERCENT, value=Decimal(20))
        issue_codes(offer=offer, contact_ids=people[turn::deals])
        mine = Code.objects.filter(offer=offer).order_by("pk")
        codes |= {turn + number * deals: qr_payload(code.token) for number, code in enumerate(mine)}
    return [codes[number] for number in range(count)]


# --- Servers ----------------------------------------------------------------------------------------------------------


@contextmanager
def server(application: str) -> Iterator[Server]:
    """Run an application under gunicorn, with the configuration that the product is served with."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    log = Path(settings.SCRATCH_DIR) / f"{application}.log"
    command = [sys.executable, "-m", "gunicorn", "--bind", f"{HOST}:{port}", "--workers", str(WORKERS), application]
    environment = os.environ | {"DATABASE_URL": scratch_url()}
    with log.open("w") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        try:
            wait_for(port, process, log)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"gunicorn did not start:\n{log.read_text()}")


def cpu_s(parent: int) -> float | None:
    """Return the processor time of a process and its children, in seconds; None where there is no /proc."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:  # ended since the look
            continue
        fields = rest.split()
        if int(name.split()[0]) == parent or int(fields[1]) == parent:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else None


# --- Clients ----------------------------------------------------------------------------------------------------------


def one_burst(target: Server, tokens: list[str], count: int, *, deals: int = 1) -> Burst:
    """Redeem `count` fresh codes; make sure that each was answered with 201 and stands in the ledger once."""
    clients = len(tokens)
    count -= count % clients
    codes = fresh_codes(count, deals)
    requests = [request(code, tokens[number % clients], target.port) for number, code in enumerate(codes)]
    before, cpu_before = Redemption.objects.count(), cpu_s(target.pid)
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        mine = [requests[number::clients] for number in range(clients)]
        answers = [answer for some in pool.map(lambda some: ask_all(target.port, some), mine) for answer in some]
    wall_s = time.perf_counter() - start
    cpu_after = cpu_s(target.pid)
    statuses = {status for status, _ in answers}
    assert statuses == {"201"}, statuses
    after = Redemption.objects.count()
    assert after - before == count, (before, after, count)
    assert after == Scan.objects.count() == EntryCounter.objects.get(pk=1).last_entry_no
    cpu = cpu_after - cpu_before if cpu_after and cpu_before else None
    return Burst(Sample(count, wall_s, cpu), [latency for _, latency in answers])


def request(code: str, token: str, port: int) -> bytes:
    body = f'{{"code": "{code}", "entry": "qr"}}'
    return (
        f"POST /api/v1/redemptions HTTP/1.1\r\nHost: {HOST}:{port}\r\nAuthorization: Token {token}\r\n"
        f"Idempotency-Key: {secrets.token_hex(16)}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()


def ask_all(port: int, requests: list[bytes]) -> list[tuple[str, float]]:
    return [ask(port, one) for one in requests]


def ask(port: int, content: bytes) -> tuple[str, float]:
    """Send one request; return the status and the milliseconds until the whole answer was there."""
    start = time.perf_counter()
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(content)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer[9:12].decode("latin-1"), (time.perf_counter() - start) * 1000
