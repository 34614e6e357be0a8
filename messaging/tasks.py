"""What the worker runs. A task is a nudge: it carries nothing, may run twice and may never run."""

from __future__ import annotations

import time

from django.utils import timezone

from messaging.services import confirm_due, finish_done, plan_due, recover, send_due, wake
from messaging.services.control import beat

BUDGET_S = 20  # far below the queue's timeout (60 s), and what a graceful stop waits for at most


def work() -> None:
    """Plan and send what is due for up to 20 seconds, first what people are waiting for; where more is left, ask to be
    called again.
    """
    deadline = time.monotonic() + BUDGET_S
    while True:
        asked = confirm_due(clock=timezone.now)
        planned = plan_due(at=timezone.now())
        sent = send_due(clock=timezone.now)
        if not (asked or planned or sent):
            finish_done(at=timezone.now())
            return
        if time.monotonic() > deadline:
            wake()
            return


def tick() -> None:
    """Run every minute: show that the worker lives, settle what dead workers left, and start what is due."""
    beat(at=timezone.now())
    recover(at=timezone.now())
    work()
