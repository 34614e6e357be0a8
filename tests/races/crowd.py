"""Many at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

TILLS = 12
T = TypeVar("T")


def all_at_once(do: Callable[[int], T], tills: int = TILLS) -> list[T]:
    """Run `do(number)` in threads that start together, each with a connection of its own."""
    barrier = Barrier(tills, timeout=60)

    def run(number: int) -> T:
        try:
            connection.ensure_connection()
            barrier.wait()
            return do(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(tills) as pool:
        return list(pool.map(run, range(tills)))
