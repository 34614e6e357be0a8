"""`manage.py run`: from an empty database to a page, and back to nothing at Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from django.conf import settings


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def running(process_environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run", "--port", str(port)],
        cwd=settings.BASE_DIR,
        env=process_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(30)
    assert process.stdout is not None
    process.stdout.close()


def read_until(process: subprocess.Popen[str], sign: str) -> str:
    assert process.stdout is not None
    seen: str = ""
    for line in process.stdout:
        seen += str(line)
        if sign in line:
            return seen
    raise AssertionError(f"{sign!r} is missing in:\n{seen}")


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads the tree of processes from Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_serves_until_it_is_stopped_and_leaves_no_process_behind(running, port, number):
    read_until(running, "Ctrl-C stops it")
    page = requests.get(f"http://127.0.0.1:{port}/admin/login/", timeout=10)
    started = descendants(running.pid)

    os.kill(running.pid, number)
    code = running.wait(30)

    assert page.status_code == 200
    assert len(started) >= 4  # server, its workers, worker, its helpers
    assert code == 0
    assert not [pid for pid in started if is_alive(pid)]


def test_says_in_one_sentence_that_the_port_is_taken(process_environment, port):
    with socket.create_server(("127.0.0.1", port)):
        done = subprocess.run(
            [sys.executable, "manage.py", "run", "--port", str(port)],
            cwd=settings.BASE_DIR,
            env=process_environment,
            capture_output=True,
            text=True,
        )

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"Port {port} cannot be used" in done.stderr
    assert done.stderr.count("\n") == 1
