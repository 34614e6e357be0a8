"""Whether this process was asked to stop: long tasks look here between two steps, and end early."""

from __future__ import annotations

import threading

_asked = threading.Event()


def ask_to_stop() -> None:
    """Let the task that runs end at its next step. May be called from a signal handler or another thread."""
    _asked.set()


def asked_to_stop() -> bool:
    return _asked.is_set()


def forget() -> None:
    """Start anew: for tests, and for a process that lives on."""
    _asked.clear()
