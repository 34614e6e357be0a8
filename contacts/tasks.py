"""What the worker does for contacts. A task is a nudge: it carries nothing, may run twice and may never run."""

from __future__ import annotations

import time

from django.utils import timezone

from contacts.importing import advance_imports, sweep
from contacts.services import wake
from contacts.services.jobs import advance_jobs, delete_old_exports
from contacts.stopping import asked_to_stop

BUDGET_S = 20  # far below the queue's timeout; a worker that is to stop ends after the chunk at hand
TURN_S = 5  # imports and jobs take turns: a long one of a kind does not keep the other waiting


def work() -> None:
    """Do what waits, for up to 20 seconds; where more is left, ask to be called again."""
    deadline = time.monotonic() + BUDGET_S
    delete_old_exports(at=timezone.now())
    sweep(at=timezone.now())
    more = True
    while more:
        more = False
        for advance in (advance_imports, advance_jobs):
            turn_ends = min(deadline, time.monotonic() + TURN_S)
            more = advance(clock=timezone.now, deadline=turn_ends) or more
        if more and (time.monotonic() > deadline or asked_to_stop()):
            wake()
            return
