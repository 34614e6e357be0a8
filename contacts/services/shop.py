"""The shop's own row, and the proof that the keys in the environment are the right ones."""

from __future__ import annotations

from datetime import datetime

from contacts.fields import DecryptionError, key_id
from contacts.models import Business, Canary, Look
from contacts.queries import look_at

CANARY = "regulars canary"


class WrongKey(Exception):
    """The keys in the environment are not those the database was written with. The message says which."""


def ensure_canary() -> None:
    """Write the canary into a database that has none."""
    Canary.objects.get_or_create(pk=1, defaults={"secret": CANARY, "index_key_id": key_id()})


def verify_canary() -> None:
    """Prove that ENCRYPTION_KEY and INDEX_KEY are the keys of this database; a database without canary passes.

    Raises WrongKey.
    """
    try:
        canary = Canary.objects.filter(pk=1).first()
    except DecryptionError as error:
        raise WrongKey(
            "ENCRYPTION_KEY is not the key this database was written with. Put the old key back, "
            "alone or after a comma behind the new one."
        ) from error
    if canary and canary.index_key_id != key_id():
        raise WrongKey(
            "INDEX_KEY is not the key this database was written with: no address would be found, and people "
            "who opted out would be written to. Put the old key back."
        )


def save_business(business: Business) -> Business:
    business.save()
    return business


def save_look(*, accent: str, logo: str, logo_size: tuple[int, int], at: datetime) -> Look | None:
    """Let mails look so from now on: those of drafts, and of what is launched later. None where nothing changes."""
    values = {"accent": accent, "logo": logo, "logo_width": logo_size[0], "logo_height": logo_size[1]}
    before = look_at(None)
    if before and all(getattr(before, name) == value for name, value in values.items()):
        return None
    return Look.objects.create(since=at, **values)
