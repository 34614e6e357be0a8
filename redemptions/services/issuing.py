"""Making codes and taking them back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from contacts.fields import keyed_hash
from redemptions.codes import new_token, new_typed_code
from redemptions.models import Code, Offer


def issue_codes(*, offer: Offer, contact_ids: Iterable[int]) -> dict[int, int]:
    """Give each contact their one code of the offer; return contact id -> code id, codes issued before included.

    Three queries, however many contacts (SQLite splits a large insert). Whoever issues the same codes at the same
    time gets the same ids: `code_once_per_contact` lets one insert in, and both read back what is there.
    """
    wanted = set(contact_ids)
    issued = _issued(offer, wanted)
    # Again for the few that collide with another typed code, which the insert skips too: 45 bits are not unique for
    # ever (some 1 in 70 that it happens at all among a million codes).
    while missing := wanted - issued.keys():
        Code.objects.bulk_create(
            [_new_code(offer, contact_id=contact_id) for contact_id in sorted(missing)], ignore_conflicts=True
        )
        issued |= _issued(offer, missing)
    return issued


def _issued(offer: Offer, contact_ids: set[int]) -> dict[int, int]:
    codes = Code.objects.real().filter(offer=offer, contact_id__in=contact_ids).order_by()
    return dict(codes.values_list("contact_id", "pk"))


def _new_code(offer: Offer, *, contact_id: int | None, is_test: bool = False) -> Code:
    token, typed = new_token(), new_typed_code()
    return Code(
        offer=offer,
        contact_id=contact_id,
        token=token,
        token_index=keyed_hash("code", token),
        typed=typed,
        typed_index=keyed_hash("typed", typed),
        max_uses=offer.max_uses,
        is_test=is_test,
    )


def issue_test_code(*, offer: Offer) -> Code:
    """Make a code that looks and scans like a real one and is never honoured."""
    code = _new_code(offer, contact_id=None, is_test=True)
    code.save()
    return code


def revoke_code(*, code: Code, at: datetime) -> Code:
    """Withdraw a code; the first withdrawal's time stays."""
    Code.objects.filter(pk=code.pk, revoked_at=None).update(revoked_at=at)
    code.refresh_from_db(fields=["revoked_at"])
    return code
