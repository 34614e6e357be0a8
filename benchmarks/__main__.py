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
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Comparison, Report, machine, markdown

ROOT = Path(__file__).resolve().parent.parent


def environment(scratch: Path) -> dict[str, str]:
    """Return an environment in which nothing of this shell, of .env or of any provider is left."""
    named = set(re.findall(r"(?m)^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text()))
    kept = {name: value for name, value in os.environ.items() if name not in named | {"PORT", "WEB_CONCURRENCY"}}
    server = os.environ.get("BENCH_DATABASE_URL") or os.environ.get("TEST_DATABASE_URL")
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
    return Report(found["database"], comparisons, found["notes"])


@contextmanager
def provider() -> Iterator[str]:
    """Run the mail provider of this machine; yield the base address of its API."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.provider"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v3/"
    finally:
        process.terminate()
        process.wait()


def measure_import(quick: bool, rows: int | None = None) -> list[Report]:
    if rows:
        return [child("whole_import", {"rows": rows})]
    sizes = (1_000, 5_000) if quick else (20_000, 100_000)
    report = child("importing", {"rows": sizes[0], "rounds": 2 if quick else 3})
    return [report, *(child("whole_import", {"rows": size}) for size in sizes)]


def measure_send(quick: bool) -> list[Report]:
    options = {"people": 200 if quick else 2_000, "rounds": 2 if quick else 3}
    with provider() as api_url:
        return [
            child("sending", options, EMAIL_PROVIDER="outbox"),
            child("sending", options, EMAIL_PROVIDER="sendgrid", SENDGRID_API_KEY="none", EMAIL_API_URL=api_url),
        ]


def measure_redeem(quick: bool) -> list[Report]:
    return [child("redeeming", {"redemptions": 80 if quick else 1_200, "rounds": 2 if quick else 5})]


def measure_segments(quick: bool, rows: int | None = None) -> list[Report]:
    return [child("segments", {"rows": rows or (5_000 if quick else 100_000), "rounds": 2 if quick else 5})]


MEASUREMENTS: dict[str, Callable[[bool], list[Report]]] = {
    "import": measure_import,
    "send": measure_send,
    "redeem": measure_redeem,
    "segments": measure_segments,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(MEASUREMENTS), help="what to measure; default: all")
    parser.add_argument("--quick", action="store_true", help="try it out in seconds; the numbers mean nothing")
    rows = "rows of the one file to import; contacts the segments are counted over"
    parser.add_argument("--rows", type=int, metavar="N", help=rows)
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON instead of a table")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(MEASUREMENTS):
        parser.error(f"there is no measurement '{unknown.pop()}': choose from {', '.join(MEASUREMENTS)}")
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    reports: list[Report] = []
    sized = {
        "import": partial(measure_import, rows=chosen.rows),
        "segments": partial(measure_segments, rows=chosen.rows),
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
