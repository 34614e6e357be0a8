"""Making codes and taking them back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from contacts.fields import encrypt_many, key_id, keyed_hash
from redemptions.codes import new_token, new_typed_code
from redemptions.models import Code, CodeSheet, Offer, image_reference

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What differs between codes that are made together, and how PostgreSQL reads it from a text.
COLUMNS = {
    "token": "token",
    "token_index": "decode(token_index, 'hex')",
    "typed": "typed",
    "typed_index": "decode(typed_index, 'hex')",
    "image_reference": "image_reference",
    "contact_id": "contact_id::bigint",
}


def issue_codes(*, offer: Offer, contact_ids: Iterable[int]) -> dict[int, int]:
    """Give each contact their one code of the offer; return contact id -> code id, codes issued before included.

    Three queries, however many contacts. Whoever issues the same codes at the same time gets the same ids:
    `code_once_per_contact` lets one insert in, and both read back what is there.
    """
    wanted = set(contact_ids)
    issued = _issued(offer, wanted)
    # Again for the few that collide with another typed code, which the insert skips too: 45 bits are not unique for
    # ever (some 1 in 70 that it happens at all among a million codes).
    while missing := wanted - issued.keys():
        _insert_codes(offer, len(missing), contact_ids=sorted(missing))
        issued |= _issued(offer, missing)
    return issued


def _issued(offer: Offer, contact_ids: set[int]) -> dict[int, int]:
    # As one value: a parameter for each, put together by the ORM, takes as long as making the code.
    if connection.vendor == "postgresql":
        people = RawSQL("SELECT unnest(string_to_array(%s, ' ')::bigint[])", [" ".join(map(str, contact_ids))])
    else:
        people = RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(contact_ids))])
    codes = Code.objects.real().filter(offer=offer, contact_id__in=people).order_by()
    return dict(codes.values_list("contact_id", "pk"))


def _insert_codes(offer: Offer, count: int, *, contact_ids: Sequence[int] = (), sheet: CodeSheet | None = None) -> None:
    """Make so many codes, one for each contact or for nobody yet; those whose typed code is taken are left out, and
    contacts who got one meanwhile.

    By hand: an object for each, encrypted one by one, takes five times as long.
    """
    tokens, typed = [new_token() for _ in range(count)], [new_typed_code() for _ in range(count)]
    columns: dict[str, Sequence[Any]] = {
        "token": encrypt_many(tokens),
        "token_index": [keyed_hash("code", token) for token in tokens],
        "typed": encrypt_many(typed),
        "typed_index": [keyed_hash("typed", code) for code in typed],
        "image_reference": [image_reference() for _ in range(count)],
    }
    if contact_ids:
        columns["contact_id"] = contact_ids
    names = ", ".join(columns)
    same: list[Any] = [offer.pk, offer.max_uses, key_id(), sheet.pk if sheet else None]
    into = f"INSERT INTO {Code._meta.db_table} (offer_id, max_uses, index_key_id, sheet_id, used, is_test, {names})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A text for each column: none of the values has a space in it, and arrays of them take psycopg long.
            texts = ", ".join(["string_to_array(%s, ' ')"] * len(columns))
            read = ", ".join(COLUMNS[name] for name in columns)
            cursor.execute(
                f"{into} SELECT %s, %s, %s, %s::bigint, 0, false, {read} "  # noqa: S608 - names of our own
                f"FROM unnest({texts}) AS made({names}) ON CONFLICT DO NOTHING",
                [*same, *(" ".join(map(_text, column)) for column in columns.values())],
            )
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(
                f"{into} VALUES (%s, %s, %s, %s, 0, false, {marks}) ON CONFLICT DO NOTHING",
                [(*same, *row) for row in zip(*columns.values(), strict=True)],
            )


def _text(value: int | str | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


@transaction.atomic
def issue_sheet(*, offer: Offer, count: int, name: str, by: User | None = None) -> CodeSheet:
    """Make codes for nobody yet, 1 to 5,000 of them, to be printed together. Raises ValidationError."""
    sheet = CodeSheet(offer=offer, name=name, count=count, created_by=by)
    sheet.full_clean()
    sheet.save()
    while missing := count - sheet.codes.count():  # again for those whose typed code was taken
        _insert_codes(offer, missing, sheet=sheet)
    return sheet


def issue_test_code(*, offer: Offer) -> Code:
    """Make a code that looks and scans like a real one and is never honoured."""
    token, typed = new_token(), new_typed_code()
    return Code.objects.create(
        offer=offer,
        token=token,
        token_index=keyed_hash("code", token),
        typed=typed,
        typed_index=keyed_hash("typed", typed),
        max_uses=offer.max_uses,
        is_test=True,
    )


def revoke_code(*, code: Code, at: datetime) -> Code:
    """Withdraw a code; the first withdrawal's time stays."""
    Code.objects.filter(pk=code.pk, revoked_at=None).update(revoked_at=at)
    code.refresh_from_db(fields=["revoked_at"])
    return code
