"""Many rows at once, without an object for each: what the ORM adds is most of the time an import takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import Model


def insert_rows(
    model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, ignore_conflicts: bool = False
) -> None:
    """Insert rows given as values of `columns` (field names; a foreign key's value is the key itself).

    Every column that has no default in the database must be named. Values pass through the fields, so they are
    encrypted and converted as by `save()`; what `pre_save` does (blind indexes, `auto_now`) is not done.
    """
    fields = [model._meta.get_field(name) for name in columns]
    prepare = [field.get_db_prep_save for field in fields]  # type: ignore[union-attr]
    values = [[prep(value, connection) for prep, value in zip(prepare, row, strict=True)] for row in rows]
    if not values:
        return
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in fields)  # type: ignore[union-attr]
    conflict = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    into = f"INSERT INTO {quote(model._meta.db_table)} ({names})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            types = ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields)
            columnwise = [list(column) for column in zip(*values, strict=True)]
            cursor.execute(f"{into} SELECT * FROM unnest({types}){conflict}", columnwise)  # noqa: S608 - names of our own
        else:
            marks = ", ".join(["%s"] * len(fields))
            cursor.executemany(f"{into} VALUES ({marks}){conflict}", values)
