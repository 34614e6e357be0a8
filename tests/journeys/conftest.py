"""The product as it runs: its own processes, its own commands, its own HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Shop:
    """A running installation: `manage` runs a command, `url` is where it answers."""

    environment: dict[str, str]
    url: str
    outbox: Path

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *map(str, arguments)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def manage(self, *arguments: object) -> Any:
        """Run a command with --json; return its answer."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shop(process_environment: dict[str, str], live_server: Any, settings: Any) -> Shop:
    environment = process_environment | {"TEST_PUBLIC_BASE_URL": live_server.url}
    return Shop(environment, live_server.url, Path(settings.OUTBOX_DIR))


@pytest.fixture
def worker(shop: Shop) -> Iterator[subprocess.Popen[bytes]]:
    """A real `qcluster` on the test's database, stopped as a platform stops it: SIGTERM to its main process."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "qcluster"],
        cwd=ROOT,
        env=shop.environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=30)
    finally:
        with_children(process.pid)


def with_children(group: int) -> None:
    """End whatever is left of a process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_for(condition: Callable[[], Any], *, seconds: float = 45) -> Any:
    """Return what the condition returns once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.2)
    raise AssertionError(f"not so within {seconds} s")
