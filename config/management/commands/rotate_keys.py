"""Write everything that is encrypted with the first key of ENCRYPTION_KEY."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection, models
from django.utils import timezone
from encrypted_model_fields.fields import CRYPTER

from contacts.management.console import ConsoleCommand
from contacts.queries.keys import encrypted_columns, newest_key_id
from messaging.services.facts import note

BATCH = 500


class Command(ConsoleCommand):
    help = (
        "Re-encrypt what an older key wrote. Put the new key first in ENCRYPTION_KEY, the old one after a comma, "
        "restart, run this, then take the old key away. May be stopped and run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts = {"rewritten": 0, "current": 0}
        for model, field in encrypted_columns():
            before = counts["rewritten"]
            self._rotate_column(model, field, counts)
            if counts["rewritten"] > before:
                self.remark(f"{model._meta.label}.{field.name}: {counts['rewritten'] - before:,} rewritten")
        note("keys.rotated", True, {"key": newest_key_id()}, at=timezone.now())
        words = f"{counts['rewritten']:,} values rewritten, {counts['current']:,} had the newest key already."
        self.answer(options, counts, words)

    def _rotate_column(self, model: type[models.Model], field: models.Field[Any, Any], counts: dict[str, int]) -> None:
        newest = Fernet(settings.FIELD_ENCRYPTION_KEY[0])
        for pk, token in _tokens(model, field):
            try:
                newest.decrypt(token)
                counts["current"] += 1
                continue
            except InvalidToken:
                counts["rewritten"] += self._rewrite(model, field, pk, token)

    def _rewrite(self, model: type[models.Model], field: models.Field[Any, Any], pk: int, token: str) -> int:
        """Replace one token, unless somebody saved another value meanwhile: that one has the newest key."""
        try:
            rotated = CRYPTER.rotate(token).decode()
        except InvalidToken as error:
            raise CommandError(
                f"{model._meta.label} {pk} was written with a key that is not in ENCRYPTION_KEY. Add it, after a comma."
            ) from error
        quote = connection.ops.quote_name
        table, column, key = quote(model._meta.db_table), quote(str(field.column)), quote(_pk_column(model))
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET {column} = %s WHERE {key} = %s AND {column} = %s",  # noqa: S608 - names of our own
                [rotated, pk, token],
            )
        return 1


def _tokens(model: type[models.Model], field: models.Field[Any, Any]) -> Iterator[tuple[int, str]]:
    """Yield key and ciphertext of every row that has a value, in small pages: no long read blocks a writer."""
    quote = connection.ops.quote_name
    table, column, key = quote(model._meta.db_table), quote(str(field.column)), quote(_pk_column(model))
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {key}, {column} FROM {table} "  # noqa: S608 - names of our own
                f"WHERE {key} > %s AND {column} IS NOT NULL ORDER BY {key} LIMIT {BATCH}",
                [last],
            )
            page = cursor.fetchall()
        yield from page
        if len(page) < BATCH:
            return
        last = page[-1][0]


def _pk_column(model: type[models.Model]) -> str:
    assert model._meta.pk is not None
    return str(model._meta.pk.column)
