"""Questions about offers, codes and scans that read more than one table."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from contacts.fields import keyed_hash
from contacts.models import Contact
from redemptions.codes import is_token, is_typed
from redemptions.models import Code, Device, Location, Offer, Redemption, Scan

GUESSES_ALLOWED = 10
GUESS_WINDOW = timedelta(minutes=10)


def find_code(code: str) -> Code | None:
    """Return the code whose token or typed form this is, normalised already, with its offer. One query at most."""
    if is_token(code):
        return find_by_token(code)
    if is_typed(code):
        return _with_offer().filter(typed_index=keyed_hash("typed", code)).first()
    return None


def find_by_token(token: str) -> Code | None:
    """Return the code of a token, normalised already, with its offer.

    The public page asks this: the short typed form could be guessed there.
    """
    return _with_offer().filter(token_index=keyed_hash("code", token)).first()


def _with_offer() -> QuerySet[Code]:
    return Code.objects.select_related("offer").order_by()


def refusal(code: Code, *, at: datetime, location_id: int | None = None) -> Scan.Reason | None:
    """Return the first reason why this code is not good, or None. Without a location, every place is a good one."""
    if reason := _not_open(code, at):
        return reason
    if location_id is not None and not valid_at(code.offer, location_id):
        return Scan.Reason.WRONG_LOCATION
    return Scan.Reason.ALREADY_REDEEMED if code.used >= code.max_uses else None


def _not_open(code: Code, at: datetime) -> Scan.Reason | None:
    offer = code.offer
    rules = (
        (code.is_test, Scan.Reason.TEST_CODE),
        (code.revoked_at is not None, Scan.Reason.CODE_REVOKED),
        (offer.status == Offer.Status.PAUSED, Scan.Reason.OFFER_PAUSED),
        (offer.status == Offer.Status.ENDED, Scan.Reason.OFFER_ENDED),
        (offer.starts_at is not None and at < offer.starts_at, Scan.Reason.NOT_YET_VALID),
        (offer.ends_at is not None and at >= offer.ends_at, Scan.Reason.EXPIRED),
    )
    return next((reason for broken, reason in rules if broken), None)


def valid_at(offer: Offer, location_id: int) -> bool:
    """Say whether the offer is good at a location. One query."""
    allowed = set(offer.locations.values_list("pk", flat=True))
    return not allowed or location_id in allowed


def is_locked(device: Device, *, at: datetime) -> bool:
    """Say whether a device has named so many unknown codes lately that it must be guessing. One query.

    Refusals for being locked do not count, so the lock ends by itself when the guesses grow old.
    """
    guesses = Scan.objects.filter(device=device, reason=Scan.Reason.UNKNOWN_CODE, at__gt=at - GUESS_WINDOW)
    return guesses.count() >= GUESSES_ALLOWED


def find_scan(*, device: Device, key: str) -> Scan | None:
    """Return the attempt a device made under this idempotency key, with all its answer needs. One query."""
    return _with_answer().filter(device=device, key=key).first()


def find_redemption_scan(*, device: Device, public_id: str) -> Scan | None:
    """Return the attempt of this device that made a redemption. One query."""
    return _with_answer().filter(device=device, redemption__public_id=public_id).first()


def _with_answer() -> QuerySet[Scan]:
    return Scan.objects.select_related("code__offer", "redemption", "location").order_by()


def previous_redemption(code: Code, *, at: datetime) -> Redemption | None:
    """Return the redemption in whose favour an attempt at that time was refused.

    Of two at the same moment the winner's clock may read later: then its redemption is the only one there is.
    """
    given = code.redemptions.select_related("location").filter(kind=Redemption.Kind.REDEEMED)
    return given.filter(at__lte=at).order_by("-entry_no").first() or given.order_by("entry_no").first()


def uses_when(redemption: Redemption) -> int:
    """Return how many uses the code had, this one included, at the moment it was made. One query.

    Entries of one code are numbered in the order they were committed: the code's row was locked before the number was
    taken.
    """
    until = Redemption.objects.filter(code=redemption.code_id, entry_no__lte=redemption.entry_no)
    kinds = list(until.order_by().values_list("kind", flat=True))
    return kinds.count(Redemption.Kind.REDEEMED) - kinds.count(Redemption.Kind.VOIDED)


def display_name(code: Code) -> str:
    """Return what staff may call the guest: `Maria K.`, or nothing where no name is known. One query."""
    if code.contact_id is None:
        return ""
    names = Contact.objects.filter(pk=code.contact_id).values_list("first_name", "last_name").first()
    first, last = names or (None, None)
    return " ".join(part for part in (first, f"{last[0]}." if last else "") if part)


def count_scans(*, device: Device, start: datetime, end: datetime) -> dict[str, int]:
    """Count what a device redeemed and what it refused from `start` up to `end`. One query."""
    counts: dict[str, int] = Scan.objects.filter(device=device, at__gte=start, at__lt=end).aggregate(
        redeemed=Count("pk", filter=Q(result=Scan.Result.ACCEPTED)),
        refused=Count("pk", filter=Q(result=Scan.Result.REFUSED)),
    )
    return counts


def ledger(
    *, start: datetime | None = None, end: datetime | None = None, location: Location | None = None
) -> QuerySet[Redemption]:
    """Return the lines of the ledger from `start` up to `end`, in the order of their numbers, ready to be written."""
    lines = Redemption.objects.select_related("code", "offer", "location", "device", "reverses").order_by("entry_no")
    if start is not None:
        lines = lines.filter(at__gte=start)
    if end is not None:
        lines = lines.filter(at__lt=end)
    if location is not None:
        lines = lines.filter(location=location)
    return lines
