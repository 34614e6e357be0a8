"""Keep a cluster running: start it, watch it, stop it in order, and start another where it died or fell silent."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import Error, connection, connections

from config.worker.cluster import serve
from config.worker.leash import GUARDING, WORKING, Leash
from messaging.models import Heartbeat

logger = logging.getLogger(__name__)

TURN_S = 0.2
SHORT_PAUSE_S, LONG_PAUSE_S = 1.0, 60.0
STEADY_S = 60.0  # a cluster that ran so long did not die of its start


class Supervisor:
    """SIGTERM and SIGINT stop the worker: tasks end at their next step, and nobody is killed before `stop_within_s`.

    A cluster in which no task has begun for `silent_after_s` is replaced: the clock gives it one every minute.
    """

    def __init__(self, *, clock: Callable[[], datetime], silent_after_s: float, stop_within_s: float) -> None:
        self._clock = clock
        self._silent_after_s = silent_after_s
        self._stop_within_s = stop_within_s
        self._is_asked = False

    def run(self) -> None:
        """Return once a signal has come and everybody is gone."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        pause_s = SHORT_PAUSE_S
        while not self._is_asked:
            started = time.monotonic()
            cluster = Cluster(self._stop_within_s)
            why = self._watch(cluster)
            cluster.end()
            if self._is_asked:
                return
            if time.monotonic() - started > STEADY_S:
                pause_s = SHORT_PAUSE_S
            logger.error("The worker's cluster %s; another one starts in %d s.", why, pause_s)
            self._rest(pause_s)
            pause_s = min(pause_s * 2, LONG_PAUSE_S)

    def _ask(self, number: int, frame: object) -> None:
        self._is_asked = True  # no more: whatever takes a lock here may wait for itself

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_asked and time.monotonic() < until:
            time.sleep(TURN_S)

    def _watch(self, cluster: Cluster) -> str:
        """Return why the cluster has to go, once it has to."""
        while not self._is_asked:
            cluster.listen()
            if not cluster.guard.is_alive():
                return f"ended by itself (exit code {cluster.guard.exitcode})"
            if cluster.silence_s(GUARDING) > self._silent_after_s:
                return f"was without its guard for {self._silent_after_s:.0f} s"
            if cluster.silence_s(WORKING) > self._silent_after_s:
                if not self._another_works():
                    return f"began no task for {self._silent_after_s:.0f} s"
                cluster.heard[WORKING] = time.monotonic()
        return "was asked to stop"

    def _another_works(self) -> bool:
        """Whether the clock's tasks are taken by the worker of another machine, or nobody can say.

        A cluster that is started anew mends no database.
        """
        # Less than the whole while: the heartbeat is written a moment after its task has begun.
        since = self._clock() - timedelta(seconds=0.9 * self._silent_after_s)
        try:
            return Heartbeat.objects.filter(at__gte=since).exists()
        except Error:
            return True
        finally:
            with contextlib.suppress(Error):
                connection.close()


class Cluster:
    """One cluster in a session of its own, and the supervisor's end of its leash."""

    def __init__(self, stop_within_s: float) -> None:
        self._stop_within_s = stop_within_s
        self._end, other = socket.socketpair()
        leash = Leash(other, leave_within_s=0.9 * stop_within_s)
        connections.close_all()  # a connection is not shared by two processes
        self.guard = multiprocessing.get_context("fork").Process(target=begin, args=(self._end, leash), name="guard")
        self.guard.start()
        other.close()
        self._end.setblocking(False)
        self.heard = dict.fromkeys((GUARDING, WORKING), time.monotonic())

    def listen(self) -> bool:
        """Note who is heard within a fifth of a second; return whether anybody is left at all."""
        if not select.select([self._end], [], [], TURN_S)[0]:
            return True
        try:
            signs = self._end.recv(4096)
        except ConnectionError:
            signs = b""
        for sign in self.heard:
            if sign in signs:
                self.heard[sign] = time.monotonic()
        if not signs:
            time.sleep(TURN_S)
        return bool(signs)

    def silence_s(self, sign: bytes) -> float:
        return time.monotonic() - self.heard[sign]

    def end(self) -> None:
        """Let go, wait until everybody has left, and kill who has not."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + self._stop_within_s
        while self.listen():
            if time.monotonic() > deadline:
                logger.error("The worker's cluster did not stop within %d s and is killed.", self._stop_within_s)
                break
        self._kill()
        self._end.close()

    def _kill(self) -> None:
        group = self.guard.pid
        assert group is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        self.guard.kill()
        self.guard.join()
        # The first process of a container inherits what a dead guard leaves.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-group, os.WNOHANG)[0]:
                pass


def begin(end: socket.socket, leash: Leash) -> None:
    """Become the guard: in a session of its own, so that Ctrl-C and a kill of the group reach the supervisor alone."""
    end.close()  # held by the supervisor alone, it goes with the supervisor
    os.setsid()
    serve(leash)
