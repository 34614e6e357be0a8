"""What is encrypted, and whether anything still needs a key that is to be taken away."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import connection, models

from contacts.fields import EncryptedMixin

SAMPLE = 100  # rows at each end of a table


def encrypted_columns() -> Iterator[tuple[type[models.Model], models.Field[Any, Any]]]:
    """Yield every encrypted column of the project."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedMixin):
                yield model, field


def newest_key_id() -> str:
    """Return what the first encryption key is known by; nothing of the key can be told from it."""
    return sha256(b"encryption key" + str(settings.FIELD_ENCRYPTION_KEY[0]).encode()).hexdigest()[:12]


def written_with_older_keys() -> tuple[int, int]:
    """Return how many values of a sample an older key wrote, and how many were looked at.

    The oldest and the newest rows of each table: a rotation goes from one end to the other. Two queries to a table.
    """
    newest = Fernet(settings.FIELD_ENCRYPTION_KEY[0])
    older = looked_at = 0
    for token in _sample():
        looked_at += 1
        try:
            newest.decrypt(token)
        except InvalidToken:
            older += 1
    return older, looked_at


def _sample() -> Iterator[str]:
    quote = connection.ops.quote_name
    by_model: dict[type[models.Model], list[str]] = {}
    for model, field in encrypted_columns():
        by_model.setdefault(model, []).append(quote(str(field.column)))
    for model, columns in by_model.items():
        assert model._meta.pk is not None
        table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
        for direction in ("ASC", "DESC"):
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT {', '.join(columns)} FROM {table} "  # noqa: S608 - names of our own
                    f"ORDER BY {key} {direction} LIMIT {SAMPLE}"
                )
                rows = cursor.fetchall()
            yield from (token for row in rows for token in row if token)
