"""Pacing: how near two processes that send all the time come to a limit, and whether they ever go above it.

Each asks for slots as the worker does, and sleeps until each slot; what a provider would see is when it woke up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from benchmarks.child import describe_database, scratch_url
from benchmarks.measuring import Report
from messaging.models import Pace
from messaging.rates import SECONDS, Limits, parse, words

PROCESSES = 2
LIMITS = ("14/s", "200/s", "600/m")
AT_A_TIME = 16
AHEAD_S = 0.5

PROGRAM = """
import sys
import django
django.setup()
from benchmarks.pacing import send
send(sys.argv[1], float(sys.argv[2]))
"""


def run(*, seconds: float) -> Report:
    return Report(describe_database(), [], [measure(parse(text), seconds) for text in LIMITS])


def measure(limits: Limits, seconds: float) -> str:
    Pace.objects.all().delete()
    sent, late = together(limits, seconds)
    unit, count = next(iter(limits))
    per_second = count / SECONDS[unit]
    rate = (len(sent) - 1) / (sent[-1] - sent[0])
    return (
        f"{words(limits)}, {PROCESSES} processes, {seconds:g} s: {rate / per_second:.1%} of the limit; "
        f"at most {most_in(sent, 1.0)} in any second, where the limit is {per_second:g}; "
        f"{late} of {len(sent) + late} slots were lost because a process woke up too late"
    )


def together(limits: Limits, seconds: float) -> tuple[list[float], int]:
    """Run the processes; return when they sent, in order, and how many slots they lost."""
    environment = os.environ | {"DATABASE_URL": scratch_url()}
    command = [sys.executable, "-c", PROGRAM, str(limits), str(seconds)]
    processes = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    begin = f"{time.monotonic() + 0.2}\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(begin)
        process.stdin.flush()
    answers = [json.loads(process.communicate()[0]) for process in processes]
    return sorted(at for answer in answers for at in answer["sent"]), sum(answer["late"] for answer in answers)


def send(limits: str, seconds: float) -> None:
    """Use slots until the time is over; print when, by the clock all processes of a machine share."""
    from contacts.channels import Channel
    from messaging.services import pacing

    pacing.blocked_for(Channel.EMAIL)  # connects
    print("ready", flush=True)
    begin = float(sys.stdin.readline())
    time.sleep(max(0.0, begin - time.monotonic()))
    sent: list[float] = []
    late = 0
    while time.monotonic() < begin + seconds:
        slots = pacing.reserve(Channel.EMAIL, AT_A_TIME, horizon_s=AHEAD_S, limits=parse(limits))
        asked_at = time.monotonic()
        for wait in slots.waits:
            time.sleep(max(0.0, asked_at + wait - time.monotonic()))
            woke_at = time.monotonic()
            if woke_at > asked_at + wait + slots.tolerance_s:
                late += 1
            else:
                sent.append(woke_at)
        if not slots.waits:
            time.sleep(slots.retry_in_s)
    print(json.dumps({"sent": sent, "late": late}))


def most_in(times: list[float], window_s: float) -> int:
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most
