"""What the worker's tests let it do. Each leaves a file behind."""

import os
import signal
import time
import uuid
from pathlib import Path

from contacts.stopping import asked_to_stop


def note(folder: str) -> None:
    (Path(folder) / f"noted-{os.getpid()}").touch()


def until_asked(folder: str) -> None:
    """Run until this process is asked to stop; then write that it could finish."""
    (Path(folder) / f"begun-{uuid.uuid4()}").touch()
    deadline = time.monotonic() + 60
    while not asked_to_stop() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # what is on its way
    (Path(folder) / f"finished-{uuid.uuid4()}").touch()


def deaf(folder: str) -> None:
    """Listen to nobody, the queue's time limit included."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    (Path(folder) / "begun-deaf").touch()
    time.sleep(60)
