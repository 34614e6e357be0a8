"""Empty the database after a test that wrote for good, without writing anew what every database holds.

Django empties all tables and then makes the permissions, the roles and the clock's schedules once more, which takes
longer than most of the tests. Here that is done once; from then on the tables they stand in are looked at, and only the
others are emptied. Where a test has changed one of these, Django's own way is taken again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase

Rows = list[tuple[Any, ...]]


def rows_of(table: str) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
        rows: Rows = cursor.fetchall()
        return rows


class Emptying:
    """What is done after a test, in the place of `TransactionTestCase._fixture_teardown`."""

    def __init__(self, in_full: Callable[[TransactionTestCase], None]) -> None:
        self.in_full = in_full
        self.standing: dict[str, Rows] = {}
        self.others: list[str] = []

    def __call__(self, case: TransactionTestCase) -> None:
        if self.standing and all(rows_of(table) == rows for table, rows in self.standing.items()):
            with transaction.atomic(), connection.cursor() as cursor:
                for table in self.others:
                    cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
            return
        self.in_full(case)
        rows = {
            table: rows_of(table)
            for table in connection.introspection.django_table_names(only_existing=True, include_views=False)
        }
        self.standing = {table: found for table, found in rows.items() if found}
        self.others = [table for table, found in rows.items() if not found]
