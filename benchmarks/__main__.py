"""Measure what the product costs beside a loop by hand that does the same work: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bounces
from benchmarks.measuring import Comparison, Report, Timing, machine, markdown

ROOT = Path(__file__).resolve().parent.parent


def server_url() -> str | None:
    """Return the address of a PostgreSQL server to measure on, where one is named."""
    return os.environ.get("BENCH_DATABASE_URL") or os.environ.get("TEST_DATABASE_URL")


def environment(scratch: Path) -> dict[str, str]:
    """Return an environment in which nothing of this shell, of .env or of any provider is left."""
    named = set(re.findall(r"(?m)^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text()))
    kept = {name: value for name, value in os.environ.items() if name not in named | {"PORT", "WEB_CONCURRENCY"}}
    server = server_url()
    return kept | {
        "ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "BENCH_SCRATCH_DIR": str(scratch),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "INDEX_KEY": secrets.token_urlsafe(32),
        "PUBLIC_BASE_URL": "http://127.0.0.1:8000",
        "DATABASE_URL": server or f"sqlite:///{scratch / 'app.sqlite3'}",
        "BUSINESS_NAME": "The Corner Bar",
        "BUSINESS_ADDRESS": "1 Bench Street, Springfield, IL 62701",
        "BUSINESS_TIMEZONE": "America/Chicago",
        "FROM_EMAIL": "hello@corner-bar.internal",
        "PYTHONWARNINGS": "ignore",
    }


def child(name: str, options: dict[str, Any], **more: str) -> Report:
    """Run one measurement in a process and a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="regulars-bench-") as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.child", name, json.dumps(options)],
            cwd=ROOT,
            env=environment(Path(scratch)) | more,
            stdout=subprocess.PIPE,
            text=True,
        )
    if done.returncode:
        sys.exit(f"The measurement '{name}' failed; what it said stands above.")
    found = json.loads(done.stdout)
    comparisons = [Comparison(**comparison) for comparison in found["comparisons"]]
    timings = [Timing(**timing) for timing in found["timings"]]
    return Report(found["database"], comparisons, found["notes"], timings)


@contextmanager
def provider() -> Iterator[tuple[str, int]]:
    """Run the provider of this machine; yield the address of its API and the port of its mail server."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.provider"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        http_port, smtp_port = process.stdout.readline().split()
        yield f"http://127.0.0.1:{http_port}", int(smtp_port)
    finally:
        process.kill()
        process.wait()


def measure_import(quick: bool, rows: int | None = None) -> list[Report]:
    if rows:
        return [child("whole_import", {"rows": rows})]
    sizes = (1_000, 5_000) if quick else (20_000, 100_000)
    report = child("importing", {"rows": sizes[0], "rounds": 2 if quick else 3})
    return [report, *(child("whole_import", {"rows": size}) for size in sizes)]


PROVIDERS: dict[str, dict[str, str]] = {
    "outbox": {"EMAIL_PROVIDER": "outbox"},
    "sendgrid": {"EMAIL_PROVIDER": "sendgrid", "SENDGRID_API_KEY": "none", "EMAIL_API_URL": "{url}/v3/"},
    "ses": {
        "EMAIL_PROVIDER": "ses",
        "EMAIL_API_URL": "{url}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    },
    "smtp": {
        "EMAIL_PROVIDER": "smtp",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": "{smtp_port}",
        "EMAIL_USE_TLS": "false",
    },
    "twilio": {
        "SMS_PROVIDER": "twilio",
        "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
        "TWILIO_AUTH_TOKEN": "none",
        "TWILIO_PHONE_NUMBER": "+12175550100",
        "TWILIO_API_URL": "{url}",
    },
}


@dataclass(frozen=True, slots=True)
class Sending:
    """How to measure sending; empty: what says most in a few minutes."""

    providers: list[str] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)
    people: int | None = None

    def reports(self, quick: bool) -> list[Report]:
        providers = self.providers or ["sendgrid", "ses", "smtp", "twilio"]
        return [self._report(name, quick, is_first=position == 0) for position, name in enumerate(providers)]

    def _report(self, name: str, quick: bool, *, is_first: bool) -> Report:
        in_full = is_first and not quick and name != "outbox"
        options = {
            "provider": name,
            "latencies_ms": (self.latencies_ms or ([0, 50, 150] if in_full else [0, 50])) if name != "outbox" else [0],
            "processes": self.processes or ([1, 2] if in_full else [1]),
            "people": self.people or (200 if quick else 2_000),
            "rounds": 1 if quick else 3,
        }
        with provider() as (url, smtp_port):
            return child("sending", options, **environment_of(name, url, smtp_port))


def environment_of(name: str, url: str, smtp_port: int) -> dict[str, str]:
    """Return what has the product send by this provider, played by the one of this machine; QR images are hosted."""
    filled = {key: value.format(url=url, smtp_port=smtp_port) for key, value in PROVIDERS[name].items()}
    return {"BENCH_PROVIDER_URL": url, "QR_IMAGES": "hosted", **filled}


def measure_claims(quick: bool, rows: int | None = None) -> list[Report]:
    return [child("sending.claims", {"rows": rows or (50_000 if quick else 1_000_000)})]


def measure_web(quick: bool, people: int | None = None) -> list[Report]:
    """Measure on SQLite and, where there is a server, on PostgreSQL in the same run."""
    options, reports = {"people": people or (300 if quick else 5_000)}, []
    with provider() as (url, smtp_port), tempfile.TemporaryDirectory(prefix="regulars-bench-") as scratch:
        sqlite = f"sqlite:///{scratch}/app.sqlite3"
        for database_url in [sqlite, *filter(None, [server_url()])]:
            sendgrid = environment_of("sendgrid", url, smtp_port)
            reports.append(child("sending.web", options, **sendgrid, DATABASE_URL=database_url))
    if len(reports) == 2:
        rates = [report.comparisons[0].product_rate for report in reports]
        reports[0].notes.append(f"With guests, SQLite sends at {rates[0] / rates[1]:.0%} of the rate of PostgreSQL.")
    return reports


def measure_redeem(quick: bool) -> list[Report]:
    """Measure on SQLite and, where there is a server, on PostgreSQL in the same run."""
    reports, options = [], {"redemptions": 100 if quick else 1_200, "rounds": 2 if quick else 3}
    with tempfile.TemporaryDirectory(prefix="regulars-bench-") as scratch:
        sqlite = f"sqlite:///{scratch}/app.sqlite3"
        for database_url in [sqlite, *filter(None, [server_url()])]:
            for clients in (8, 50):
                reports.append(child("redeeming", options | {"clients": clients}, DATABASE_URL=database_url))
    return reports


def measure_segments(quick: bool, rows: int | None = None) -> list[Report]:
    return [child("segments", {"rows": rows or (5_000 if quick else 100_000), "rounds": 2 if quick else 5})]


def measure_pages(quick: bool, rows: int | None = None) -> list[Report]:
    """Measure on SQLite and, where there is a server, on PostgreSQL in the same run."""
    options, reports = {"rows": rows or (2_000 if quick else 1_000_000), "rounds": 1 if quick else 3}, []
    with tempfile.TemporaryDirectory(prefix="regulars-bench-") as scratch:
        for database_url in [f"sqlite:///{scratch}/app.sqlite3", *filter(None, [server_url()])]:
            reports.append(child("pages", options, DATABASE_URL=database_url))
    return reports


def measure_planning(quick: bool, rows: int | None = None) -> list[Report]:
    return [child("planning", {"rows": rows or (5_000 if quick else 100_000), "rounds": 1 if rows else 2})]


def measure_pacing(quick: bool) -> list[Report]:
    return [child("pacing", {"seconds": 2 if quick else 12})]


def measure_bounces(quick: bool) -> list[Report]:
    return [bounces.run()]


MEASUREMENTS: dict[str, Callable[[bool], list[Report]]] = {
    "import": measure_import,
    "send": Sending().reports,
    "claims": measure_claims,
    "web": measure_web,
    "redeem": measure_redeem,
    "segments": measure_segments,
    "pages": measure_pages,
    "planning": measure_planning,
    "pacing": measure_pacing,
    "bounces": measure_bounces,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(MEASUREMENTS), help="what to measure; default: all")
    parser.add_argument("--quick", action="store_true", help="try it out in seconds; the numbers mean nothing")
    rows = "rows of the one file to import; contacts of the segments and pages; people to plan for; queued messages"
    parser.add_argument("--rows", type=int, metavar="N", help=rows)
    parser.add_argument("--provider", nargs="+", choices=PROVIDERS, default=[], help="send by these alone")
    parser.add_argument("--latency", nargs="+", type=float, metavar="MS", default=[], help="of the provider's answers")
    parser.add_argument("--processes", nargs="+", type=int, metavar="N", default=[], help="that send at once")
    parser.add_argument("--people", type=int, metavar="N", help="to send to")
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON instead of a table")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(MEASUREMENTS):
        parser.error(f"there is no measurement '{unknown.pop()}': choose from {', '.join(MEASUREMENTS)}")
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    reports: list[Report] = []
    sized: dict[str, Callable[[bool], list[Report]]] = {
        "import": partial(measure_import, rows=chosen.rows),
        "segments": partial(measure_segments, rows=chosen.rows),
        "pages": partial(measure_pages, rows=chosen.rows),
        "planning": partial(measure_planning, rows=chosen.rows),
        "claims": partial(measure_claims, rows=chosen.rows),
        "web": partial(measure_web, people=chosen.people),
        "send": Sending(chosen.provider, chosen.latency, chosen.processes, chosen.people).reports,
    }
    measurements = MEASUREMENTS | sized
    for name in chosen.names or measurements:
        print(f"Measuring {name} ...", file=sys.stderr, flush=True)
        reports += measurements[name](chosen.quick)
    if chosen.json:
        found = {"command": command, "machine": machine(), "reports": [asdict(report) for report in reports]}
        print(json.dumps(found, indent=2))
    else:
        print(markdown(reports, command=command))


if __name__ == "__main__":
    main()
