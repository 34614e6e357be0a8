"""One measurement in a process of its own, with a database of its own: settings are read once, when a process starts.

`python -m benchmarks.child NAME OPTIONS` prints a report as JSON; started by `python -m benchmarks`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from urllib.parse import quote

import django
from django.db import connection


@contextmanager
def scratch_database() -> Iterator[None]:
    """Make an empty, migrated database the way tests get theirs, and drop it afterwards."""
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def scratch_url() -> str:
    """Return the address of the scratch database, for the driver alone and for processes started from here."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    user, password = quote(database["USER"] or "", safe=""), quote(database["PASSWORD"] or "", safe="")
    secret = f":{password}" if password else ""
    place = quote(database["HOST"] or "localhost", safe="")
    return f"postgres://{user}{secret}@{place}:{database['PORT'] or 5432}/{database['NAME']}"


def describe_database() -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sqlite_version()")
            return f"SQLite {cursor.fetchone()[0]}"
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0].split()[0]}"


def main() -> None:
    name, options = sys.argv[1], json.loads(sys.argv[2])
    django.setup()
    with scratch_database():
        report = import_module(f"benchmarks.{name}").run(**options)
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()
