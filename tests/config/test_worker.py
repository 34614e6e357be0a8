"""The worker as it runs: whoever is killed, nobody is left behind, and another cluster takes over."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command, get_commands
from django.utils import timezone
from django_q.models import OrmQ, Task
from django_q.tasks import async_task

from messaging.models import Heartbeat
from messaging.services.control import beat
from tests.config.queue_tasks import deaf, note, until_asked
from tests.journeys.conftest import wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in Linux's /proc"),
]
TASKS = "tests.config.queue_tasks"
QUICK_S = 10  # far above the second it takes, far below what a kill would wait for


# --- Processes ---


class Tree(NamedTuple):
    guard: int
    workers: list[int]
    monitor: int
    pusher: int


def children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Worker:
    """`manage.py qcluster` in a session of its own; all it starts is known by a mark in the environment."""

    def __init__(self, environment: dict[str, str], folder: Path, *options: str) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "qcluster", *options],
            cwd=settings.BASE_DIR,
            env=environment | {"TEST_MARK": self.mark},
            start_new_session=True,
            stdout=self.log,
            stderr=self.log,
        )

    def living(self) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def tree(self) -> Tree | None:
        """Return who is there, in the order in which they are started; None before the last one is."""
        for guard in children(self.process.pid):
            if len(pids := children(guard)) == settings.WORKERS + 2:
                return Tree(guard, pids[:-2], pids[-2], pids[-1])
        return None

    def follower(self, tree: Tree) -> Tree | None:
        """Return the next cluster, once nobody of the last one is left."""
        new = self.tree()
        if new is None or new.guard == tree.guard:
            return None
        return None if {tree.guard, *tree.workers, tree.monitor, tree.pusher} & set(self.living()) else new

    def ask(self, task: Callable[[str], None], times: int = 1, **options: object) -> None:
        for _ in range(times):
            async_task(f"{TASKS}.{task.__name__}", str(self.folder), **options)

    def files(self, kind: str) -> list[Path]:
        return list(self.folder.glob(f"{kind}-*"))

    def kill(self, *pids: int, number: int = signal.SIGKILL) -> None:
        for pid in pids:
            os.kill(pid, number)

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def clean_up(self) -> None:
        for pid in self.living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


@pytest.fixture
def start(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    started = []

    def start(*options: str, **environment: str) -> Worker:
        started.append(Worker(process_environment | environment, tmp_path, *options))
        return started[-1]

    yield start
    for worker in started:
        worker.clean_up()


@pytest.fixture
def running(start: Callable[..., Worker]) -> tuple[Worker, Tree]:
    """Return a worker that has begun, and has nothing to do."""
    worker = start()
    tree = wait_for(worker.tree)
    worker.ask(note)
    wait_for(lambda: worker.files("noted"))
    wait_for(lambda: not OrmQ.objects.exists())
    worker.files("noted")[0].unlink()
    return worker, tree


def assert_works(worker: Worker) -> None:
    worker.ask(note)
    wait_for(lambda: worker.files("noted"))


# --- Start ---


def test_is_the_command_of_that_name():
    assert get_commands()["qcluster"] == "config"


@pytest.mark.parametrize("option", ["--run-once", "--name=other"])
def test_refuses_what_the_queues_own_command_would_take(option):
    with pytest.raises(CommandError, match="unrecognized arguments"):
        call_command("qcluster", option)


def test_is_heard_at_once(start):
    Heartbeat.objects.all().delete()

    start()

    wait_for(Heartbeat.objects.exists, seconds=20)  # the first look at the schedules would be half a minute away


def test_waits_for_a_database_that_is_away(start):
    worker = start(TEST_DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")
    wait_for(lambda: "another one starts in 2 s" in worker.said())

    worker.kill(worker.process.pid, number=signal.SIGTERM)

    assert worker.process.wait(QUICK_S) == 0


# --- Stop ---


@pytest.mark.parametrize("everybody", [False, True], ids=["the first process", "everybody"])
def test_finishes_the_tasks_at_hand_and_begins_no_other(running, everybody):
    worker, _ = running
    worker.ask(until_asked, times=settings.WORKERS * 3)
    wait_for(lambda: len(worker.files("begun")) == settings.WORKERS)

    worker.kill(*(worker.living() if everybody else [worker.process.pid]), number=signal.SIGTERM)

    assert worker.process.wait(QUICK_S) == 0
    assert len(worker.files("finished")) == len(worker.files("begun")) == settings.WORKERS
    assert OrmQ.objects.count() == settings.WORKERS * 2  # acknowledged; the others are handed out again
    assert not worker.living()


def test_stops_at_ctrl_c_while_there_is_nothing_to_do(running):
    worker, _ = running

    worker.kill(worker.process.pid, number=signal.SIGINT)

    assert worker.process.wait(QUICK_S) == 0
    assert not worker.living()
    assert "killed" not in worker.said()


def test_kills_a_task_that_does_not_listen(start):
    worker = start("--stop-within", "2")
    worker.ask(deaf)
    wait_for(lambda: worker.files("begun"))

    worker.kill(worker.process.pid, number=signal.SIGTERM)

    assert worker.process.wait(QUICK_S) == 0
    assert not worker.living()


# --- Kill ---


@pytest.mark.parametrize("role", ["guard", "workers", "monitor", "pusher"])
def test_starts_anew_where_somebody_was_killed(running, role):
    """Idle workers wait inside the queue's lock: one that is killed leaves it locked for ever."""
    worker, tree = running
    killed = getattr(tree, role)

    worker.kill(*(killed if isinstance(killed, list) else [killed]))

    wait_for(lambda: worker.follower(tree))
    assert_works(worker)


def test_a_killed_guard_cuts_no_task_short(running):
    worker, tree = running
    worker.ask(until_asked)
    wait_for(lambda: worker.files("begun"))

    worker.kill(tree.guard)

    wait_for(lambda: worker.follower(tree))
    assert worker.files("finished")
    assert_works(worker)


@pytest.mark.parametrize("with_guard", [False, True], ids=["alone", "with its guard"])
def test_a_killed_supervisor_leaves_nobody_behind(running, with_guard):
    worker, tree = running
    worker.ask(until_asked)
    wait_for(lambda: worker.files("begun"))

    worker.kill(worker.process.pid, *([tree.guard] if with_guard else []))

    worker.process.wait()
    wait_for(lambda: not worker.living(), seconds=QUICK_S)
    assert worker.files("finished")


# --- Silence ---


@pytest.mark.parametrize("role", ["guard", "workers"])
def test_replaces_a_cluster_that_fell_silent(start, role):
    worker = start("--silent-after", "4", "--stop-within", "2")
    tree = wait_for(worker.tree)
    frozen = getattr(tree, role)

    worker.kill(*(frozen if isinstance(frozen, list) else [frozen]), number=signal.SIGSTOP)

    wait_for(lambda: worker.follower(tree))
    assert_works(worker)


def test_leaves_a_cluster_alone_whose_tasks_another_machine_takes(start):
    worker = start("--silent-after", "1")
    tree = wait_for(worker.tree)

    until = time.monotonic() + 4
    while time.monotonic() < until:
        beat(at=timezone.now())
        time.sleep(0.1)

    assert worker.tree() == tree


# --- Time limits ---


def test_a_task_out_of_time_costs_its_worker_and_no_more(running):
    worker, tree = running
    worker.ask(until_asked, timeout=1)

    wait_for(lambda: Task.objects.filter(func=f"{TASKS}.until_asked", success=False).exists())

    new = wait_for(lambda: (found := worker.tree()) and found.workers != tree.workers and found)
    assert new.guard == tree.guard
    assert_works(worker)


def test_a_task_that_ignores_its_time_limit_costs_the_cluster(running):
    worker, tree = running
    worker.ask(deaf, timeout=1)
    wait_for(lambda: worker.files("begun"))

    wait_for(lambda: worker.follower(tree))

    assert_works(worker)
