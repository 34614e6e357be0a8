"""Counting many people at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

# Left to itself, PostgreSQL expects few rows where it is asked who has no tag, and then looks a million of them up one
# by one; or it builds hash tables that do not fit its memory. Over a million contacts merging took 0.1 to 0.8 s for
# every kind of question, where its own choice took up to 2.6 s.
OFF = ("enable_hashjoin", "enable_nestloop", "jit")


@contextmanager
def merged_joins() -> Iterator[None]:
    """Have PostgreSQL join by reading each table once, in the order of its contacts. Elsewhere this does nothing."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        for name in OFF:
            cursor.execute(f"SET LOCAL {name} = off")
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        yield
        for name in (*OFF, "max_parallel_workers_per_gather"):
            cursor.execute(f"SET LOCAL {name} TO DEFAULT")


def count_people(contacts: QuerySet[Any]) -> int:
    """Count the contacts of an audience."""
    with merged_joins():
        return contacts.count()
