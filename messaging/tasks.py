"""What the worker runs. A task is a nudge: it carries nothing, may run twice and may never run."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.utils import timezone
from django_q.tasks import queue_size

from contacts.stopping import asked_to_stop
from messaging.services import (
    PumpRun,
    asking,
    confirm_due,
    events,
    finish_done,
    look_up_unknown,
    mailbox,
    next_start,
    plan_due,
    pumps_alive,
    recover,
    wake,
)
from messaging.services.bookkeeping import send_monthly_report
from messaging.services.control import beat
from messaging.services.numbers import note_numbers

BUDGET_S = 20.0  # of a run: imports and exports wait in the same queue
TURN_S = 2.0  # of sending; then it is looked for what people wait for, and for what is to be planned
LOOK_S = 1.0  # at what people wait for, while a start is waited for
TICK_S = 60.0  # after its begin, a tick begins nothing more: the next one does, and the queue ends what lasts too long


def work() -> None:
    """Plan and send what is due for up to 20 seconds, first what people are waiting for; where more is left, ask to be
    called again. Ends within a second or two where the worker is to stop, but for calls under way.
    """
    deadline = time.monotonic() + BUDGET_S
    beat(at=timezone.now())
    recover(at=timezone.now())
    with PumpRun(clock=timezone.now) as pump:
        while not asked_to_stop():
            asked = confirm_due(clock=timezone.now)
            planned = plan_due(at=timezone.now())
            sent = pump.run(until=min(deadline, time.monotonic() + TURN_S))
            if time.monotonic() > deadline:
                finish_done(at=timezone.now())
                if queue_size() < settings.WORKERS:  # else enough wait already
                    wake()
                return
            if pump.has_more_than_it_can and not queue_size() and pumps_alive() < settings.WORKERS:
                wake()  # another worker, if one is free
            if not (asked or planned or sent or pump.is_busy):
                finish_done(at=timezone.now())
                if not _wait_for_a_start(deadline):
                    return


def _wait_for_a_start(deadline: float) -> bool:
    """Wait a moment where a campaign starts soon, and return whether one does: the clock's minute would be late."""
    start = next_start(at=timezone.now())
    if start is None or asked_to_stop():
        return False
    left_s = (start - timezone.now()).total_seconds()
    if left_s > deadline - time.monotonic():
        return False
    time.sleep(max(0.0, min(LOOK_S, left_s)))
    return True


def tick() -> None:
    """Run every minute: show that the worker lives, settle what dead workers left, and start what is due.

    What came back from providers is looked at after that: no mail waits for it.
    """
    until = time.monotonic() + TICK_S
    beat(at=timezone.now())
    work()
    looks: tuple[Callable[[], object], ...] = (
        lambda: events.apply_waiting(at=timezone.now()),
        lambda: look_up_unknown(clock=timezone.now),
        lambda: mailbox.read_due(clock=timezone.now),
        lambda: asking.ask_about_silent(clock=timezone.now),
        lambda: events.forget_payloads(at=timezone.now()),
        lambda: send_monthly_report(at=timezone.now()),
        lambda: note_numbers(at=timezone.now()),
    )
    for look in looks:
        if time.monotonic() < until and not asked_to_stop():
            look()
