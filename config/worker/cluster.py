"""django-q's cluster on a leash: it stops in seconds, leaves no orphans, and gives up where it cannot trust its queues.

Nobody here obeys a signal: SIGTERM to the whole group, systemd's default, would end a task half way. What counts is the
leash, and that everybody leaves it in time.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

from django_q.cluster import Sentinel, get_mp_context
from django_q.models import Schedule
from django_q.monitor import monitor
from django_q.tasks import async_task
from django_q.worker import worker

from config.worker.leash import WORKING, Leash
from contacts.stopping import ask_to_stop, asked_to_stop

logger = logging.getLogger(__name__)

STOP = "STOP"  # django-q's word for the end of a queue
LAST_WORDS_S = 5.0  # in which a task that ran out of time hands in its result
LOOK_EVERY_S = 0.1


class Broken(Exception):
    """A process ended in the middle of something; the locks of its queues may have died with it."""


def serve(leash: Leash) -> NoReturn:
    """Be the guard until the leash is let go; then end this process, without waiting for anybody else."""
    code = 1
    try:
        Guard(leash).start()
        code = 0
    except Broken as reason:
        logger.error("%s: the others finish what they do, and all start anew.", reason)
    except Exception:
        logger.exception("The queue's guard failed.")
    finally:
        os._exit(code)


class Guard(Sentinel):  # type: ignore[misc]  # django-q carries no types
    """django-q's sentinel, without the traps: the clock of schedules, and whoever starts the others."""

    def __init__(self, leash: Leash) -> None:
        super().__init__(leash, threading.Event(), uuid.uuid4(), start=False)
        self.leash = leash
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def spawn_process(self, target: Callable[..., None], *args: Any) -> BaseProcess:
        process: Any = get_mp_context().Process(
            target=run_on_leash, args=(self.leash, target, args), name=f"Process-{uuid.uuid4().hex}", daemon=True
        )
        if target is worker:
            process.timer = args[2]
            self.pool.append(process)
        process.start()
        assert isinstance(process, BaseProcess)
        return process

    def guard(self) -> None:
        # The first look at the schedules is half a minute away: what runs every minute runs now.
        for function in Schedule.objects.filter(schedule_type=Schedule.MINUTES).values_list("func", flat=True):
            async_task(function, broker=self.broker)
        super().guard()

    def reincarnate(self, process: Any) -> None:
        """Start the next one of its kind. Raises Broken where it did not leave in order.

        Whoever waits for a task holds the queue's lock: killed, it takes the lock along, and its successor waits for
        ever while all looks well (django-q2 issue 23). So one that was killed ends the cluster.
        """
        if process.is_alive():  # a worker that is out of time
            process.join(LAST_WORDS_S)
        if process.is_alive():
            process.kill()
            process.join()
        if process.exitcode:
            raise Broken(f"A process of the queue ended by itself (exit code {process.exitcode})")
        super().reincarnate(process)

    def stop(self) -> None:
        """Wait until all have left the leash; the monitor last, with everything acknowledged."""
        for process in (*self.pool, self.pusher):
            process.join()
        self.result_queue.put(STOP)
        self.monitor.join()


def run_on_leash(leash: Leash, target: Callable[..., None], args: tuple[Any, ...]) -> None:
    """Run one of django-q's processes; let go, it leaves as soon as it may, and in any case in time."""
    guard = os.getppid()
    may_leave: Callable[[], bool] = lambda: True  # noqa: E731 - the pusher; a task it drops is handed out again
    if target is worker:
        tasks = Tasks(args[0], leash)
        args, may_leave = (tasks, *args[1:]), tasks.are_idle
    elif target is monitor:
        may_leave = lambda: os.getppid() != guard  # noqa: E731 - with a guard, it waits for the last result
    threading.Thread(target=leave_in_time, args=(leash, may_leave), daemon=True).start()
    target(*args)


def leave_in_time(leash: Leash, may_leave: Callable[[], bool]) -> NoReturn:
    leash.wait_until_let_go()
    ask_to_stop()
    deadline = time.monotonic() + leash.leave_within_s
    while time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)  # first, so that the last result is on its way
        if may_leave():
            os._exit(0)
    os._exit(1)


class Tasks:
    """The queue as a worker sees it: at its end once everybody is to stop.

    What was taken out of the broker and not begun is dropped. A task is a nudge: the ORM broker hands it out again,
    Redis has forgotten it, and the clock calls either way.
    """

    def __init__(self, queue: Any, leash: Leash) -> None:
        self._queue = queue
        self._leash = leash
        self._is_idle = False

    def get(self) -> Any:
        # `leave_in_time` asks to stop and then looks whether this is idle; here it is the other way round, so that no
        # task begins that is ended at once.
        self._is_idle = not asked_to_stop()
        if not self._is_idle:
            return STOP
        task = self._queue.get()
        self._is_idle = False
        if asked_to_stop():
            return STOP
        self._leash.say(WORKING)
        return task

    def are_idle(self) -> bool:
        return self._is_idle
