"""Real processes that can be killed: clusters with all that belongs to them, and the provider."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent.parent
MARK = "CHAOS_CLUSTER"  # in the environment of a cluster's processes: orphans of other groups and sessions keep it
STOP_S = 20


@dataclass
class Cluster:
    """`manage.py qcluster`, started again when its first process is gone, as a platform does."""

    environment: dict[str, str]
    log: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    starts: int = 0

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as output:
            self.first = subprocess.Popen(
                [sys.executable, "manage.py", "qcluster"],
                cwd=ROOT,
                env=self.environment | {MARK: self.mark},
                start_new_session=True,
                stdout=output,
                stderr=output,
            )

    def pids(self) -> list[int]:
        """Return every living process of this cluster, whoever its parent is by now."""
        mark = f"{MARK}={self.mark}\0".encode()
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if mark in _environ(path)]

    def kill_first(self) -> str:
        self.first.kill()
        return f"the cluster's first process, {self.first.pid}"

    def kill_another(self, chance: random.Random) -> str:
        """Kill any other process of the tree; where there is none yet, the first."""
        others = sorted(set(self.pids()) - {self.first.pid})
        if not others:
            return self.kill_first()
        pid = chance.choice(others)
        name = _command(pid)
        _kill(pid)
        return f"{pid}, {name}"

    def revive(self) -> None:
        if self.first.poll() is not None:
            self.start()

    def stop(self) -> None:
        """Stop as a platform does: SIGTERM to the first process; then end whatever is left."""
        if not hasattr(self, "first"):
            return
        self.first.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.first.wait(timeout=STOP_S)
        self.kill_everything()
        self.first.wait()

    def kill_everything(self) -> str:
        """End whatever there is of this cluster, at one blow and for good, as a machine that loses power does."""
        count = 0
        while pids := self.pids():
            count += len(pids)
            for pid in pids:
                _kill(pid)
            time.sleep(0.05)
        return f"everything, {count} processes"


@dataclass
class ProviderProcess:
    """The provider, on one port for as long as the test lasts; its log goes on where it ended."""

    log: Path
    seed: int
    port: int
    latency_s: tuple[float, float]
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        arguments = map(str, [self.port, self.log, self.seed, *self.latency_s])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.provider", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        _output(self.process).readline()  # once it listens

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            _output(self.process).close()

    def spoil(self, answer: str, count: int) -> None:
        """Have the next `count` messages answered badly; where the provider is away, so be it."""
        body = json.dumps({"answer": answer, "count": count}).encode()
        try:
            urllib.request.urlopen(f"{self.url}/faults", data=body, timeout=2).close()
        except OSError:
            return

    def lines(self) -> int:
        """Return how many messages came in so far."""
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _environ(path: Path) -> bytes:
    try:
        return (path / "environ").read_bytes()
    except OSError:  # ended meanwhile, or somebody else's
        return b""


def _command(pid: int) -> str:
    """Return what a process does, as far as its name and threads tell."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return "gone already"
    return f"{b' '.join(words[1:4]).decode(errors='replace')} with {threads} threads"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
