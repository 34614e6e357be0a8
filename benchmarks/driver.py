"""The database by its driver alone, for the loops written by hand: sqlite3 or psycopg, one spelling for both."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg

# Those of the product, so that the disk has the same to do.
PRAGMAS = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536; "
    "PRAGMA mmap_size=134217728; PRAGMA temp_store=MEMORY;"
)


class Database:
    """One connection. Placeholders are `%s`."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite:///")
        self._connection: Any
        if self.is_sqlite:
            self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20, isolation_level=None)
            self._connection.executescript(PRAGMAS)
        else:
            self._connection = psycopg.connect(url, autocommit=True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run one statement; return what it returns."""
        cursor = self._connection.execute(self._spell(sql), values)
        return cursor.fetchall() if cursor.description else []

    def rows_in(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Run a statement with `IN (%s)`, the list in place of the `%s`."""
        return self.rows(sql % ", ".join(["%s"] * len(values)), values) if values else []

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        cursor = self._connection.cursor()
        cursor.executemany(self._spell(sql), rows)

    def moment(self, at: datetime) -> Any:
        """Return a time as Django keeps it in this database."""
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if self.is_sqlite else at

    def close(self) -> None:
        self._connection.close()

    def _spell(self, sql: str) -> str:
        return sql.replace("%s", "?") if self.is_sqlite else sql
