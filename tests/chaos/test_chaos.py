"""Whatever is killed, nobody is lost, nobody gets it twice, and whoever is unknown is listed.

The short form runs with the other tests, the long one with `make chaos`. Each run prints what was done, and its seed:
`make chaos SEED=...` does the same again, as far as the machine's own timing allows.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.chaos.chaos import Run
from tests.chaos.judge import Verdict, Violation

PEOPLE = int(os.environ.get("CHAOS_PEOPLE") or 400)
KILLS = int(os.environ.get("CHAOS_KILLS") or 4)
SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
# Of one claim, what is handed over and not recorded. On a busy machine a pump that lives is now and then taken for dead
# after the three seconds of these tests: what it had in flight is unknown for a moment, and it hands over the next.
IN_FLIGHT = 2 * settings.SEND_CONCURRENCY

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc"),
]


def judged(run: Run) -> Verdict:
    """Run it, and tell of it, however it ends."""
    try:
        verdict = run()
    finally:
        print(f"\nCHAOS_SEED={run.seed} CHAOS_PEOPLE={run.people} CHAOS_KILLS={run.kills}")
        print("\n".join(f"- {note}" for note in run.notes))
    print(f"{verdict.states}, {verdict.ambiguous} answers said nothing; not known, for which reason, taken or not:")
    print("\n".join(f"- {pk}, {reason}, {taken}" for pk, reason, taken in verdict.unknown))
    return verdict


def test_nobody_is_lost_or_doubled_by_kills(process_environment: dict[str, str], tmp_path: Path) -> None:
    run = Run(people=PEOPLE, kills=KILLS, seed=SEED, environment=process_environment, folder=tmp_path)

    verdict = judged(run)

    assert verdict.states.keys() <= {"accepted", "unknown"}
    assert 0 < run.in_flight_of_one <= IN_FLIGHT


def test_two_clusters_keep_to_what_people_decide_meanwhile(process_environment: dict[str, str], tmp_path: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("two machines share no SQLite file")
    run = Run(
        people=PEOPLE,
        kills=KILLS,
        seed=SEED,
        environment=process_environment,
        folder=tmp_path,
        clusters=2,
        with_people=True,
    )

    verdict = judged(run)

    assert verdict.states["skipped"] > 0, "nobody who waited opted out"
    assert run.pauses
    assert run.in_flight_of_one <= IN_FLIGHT


def test_an_engine_that_forgets_what_it_handed_over_is_found_out(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    if connection.vendor != "sqlite" and "CHAOS_PEOPLE" not in os.environ:
        pytest.skip("once is enough")
    run = Run(
        people=100,
        kills=1,
        seed=SEED,
        environment=process_environment,
        folder=tmp_path,
        with_sabotage=True,
        kinds=["everything"],
        latency_s=(0.1, 0.3),
    )

    with pytest.raises(Violation, match=r"was taken [2-9] times"):
        judged(run)
