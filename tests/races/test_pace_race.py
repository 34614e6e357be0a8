"""Four processes ask for slots at once. The control asks without the lock, and shows what it keeps from happening."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from django.conf import settings
from django.db import connection

from contacts.channels import Channel
from messaging.models import Pace
from messaging.rates import parse
from messaging.services import pacing

PROCESSES = 4
RATE = 100
FOR_S = 1.6


@pytest.fixture(autouse=True)
def several_writers(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")


def ask(begin_at: float, *, locks: bool) -> list[float]:
    """Ask for small lots all the time; return when each slot is, by the clock the processes of a machine share."""
    if not locks:
        Pace.objects.select_for_update = Pace.objects.all  # type: ignore[method-assign, assignment]
    connection.ensure_connection()
    time.sleep(max(0.0, begin_at - time.monotonic()))
    slots: list[float] = []
    while time.monotonic() < begin_at + FOR_S:
        got = pacing.reserve(Channel.EMAIL, 3, horizon_s=0.1, limits=parse(f"{RATE}/s"))
        now = time.monotonic()
        slots += [now + wait for wait in got.waits]
        time.sleep(0 if got.waits else min(0.01, got.retry_in_s))
    return slots


PROGRAM = """
import json, sys
import django
django.setup()
from tests.races.test_pace_race import ask
print("ready", flush=True)
print(json.dumps(ask(float(sys.stdin.readline()), locks=sys.argv[1] == "locks")))
"""


def all_ask(environment: dict[str, str], how: str) -> list[float]:
    """Return the slots of all processes, in the order of time."""
    Pace.objects.get_or_create(pk=pacing.provider_key(Channel.EMAIL))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, how],
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * PROCESSES
        begin_at = time.monotonic() + 0.5
        for process in processes:
            process.stdin.write(f"{begin_at}\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=30)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    of_each = [json.loads(answer) for answer in answers]
    assert all(of_each), "one of them never had its turn"
    return sorted(slot for slots in of_each for slot in slots)


def most_in_a_second(slots: list[float]) -> int:
    return max(sum(first <= slot < first + 1 for slot in slots) for first in slots)


def test_all_of_them_together_stay_below_the_limit(process_environment):
    slots = all_ask(process_environment, "locks")

    assert most_in_a_second(slots) <= RATE
    # Each process counts from its own reading of a shared clock; the tolerance is far above the difference.
    assert min(late - soon for soon, late in pairwise(slots)) > 0.001
    assert len(slots) >= 0.9 * RATE * FOR_S


def test_without_the_lock_they_do_not(process_environment):
    slots = all_ask(process_environment, "does not lock")

    assert most_in_a_second(slots) > RATE
