"""What holds the worker's processes together: a pair of sockets, one end here, one shared by all that are on the leash.

The supervisor lets go by closing its end, or by dying: then everybody else reads an end of file, which means stop. When
the last of them is gone, the supervisor reads one. What is sent meanwhile are signs of life.
"""

from __future__ import annotations

import contextlib
import select
import socket

GUARDING = b"g"  # the guard went its round
WORKING = b"w"  # a worker took a task


class Leash:
    """The end of those who are on the leash. It is the stop event of django-q's sentinel as well."""

    def __init__(self, end: socket.socket, *, leave_within_s: float) -> None:
        self.end = end
        self.leave_within_s = leave_within_s

    def is_set(self) -> bool:
        return self._is_let_go(0)

    def wait(self, timeout: float) -> bool:
        """Wait up to so many seconds; return whether everybody is to stop. The guard does so between its rounds."""
        self.say(GUARDING)
        return self._is_let_go(timeout)

    def wait_until_let_go(self) -> None:
        # A supervisor that was killed with signs unread resets the line for one of those who listen.
        with contextlib.suppress(ConnectionError):
            self.end.recv(1)

    def say(self, sign: bytes) -> None:
        # Nobody waits for a supervisor that is slow, or gone.
        with contextlib.suppress(OSError):
            self.end.send(sign, socket.MSG_DONTWAIT)

    def _is_let_go(self, timeout: float) -> bool:
        # The supervisor sends nothing: what can be read is the end.
        return bool(select.select([self.end], [], [], timeout)[0])
