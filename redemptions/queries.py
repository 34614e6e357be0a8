"""Questions about offers, codes and scans that read more than one table."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet

from contacts.fields import keyed_hash
from contacts.models import Business, Contact
from redemptions import hours, rules
from redemptions.codes import is_token, is_typed
from redemptions.models import Code, Device, Location, Offer, OfferTally, Redemption, Scan

GUESSES_ALLOWED = 10
GUESS_WINDOW = timedelta(minutes=10)
ASKED = Q(decision__in=("", Scan.Decision.UNDECIDED))  # the server decides, so its answer tells something
USED = Q(is_use=True) & ~Q(kind=Redemption.Kind.VOIDED)
TAKEN_BACK = Q(kind=Redemption.Kind.VOIDED, reverses__is_use=True)


def find_code(code: str) -> Code | None:
    """Return the code whose token or typed form this is, normalised already, with its offer. One query at most."""
    if is_token(code):
        wanted = {"token_index": keyed_hash("code", code)}
    elif is_typed(code):
        wanted = {"typed_index": keyed_hash("typed", code)}
    else:
        return None
    return _with_offer().defer("token", "typed").filter(**wanted).first()  # to decrypt them takes longer than to look


def find_by_token(token: str) -> Code | None:
    """Return the code of a token, normalised already, with its offer.

    The public page asks this: the short typed form could be guessed there.
    """
    return _with_offer().filter(token_index=keyed_hash("code", token)).first()


def _with_offer() -> QuerySet[Code]:
    return Code.objects.select_related("offer__tally").order_by()


# --- Rules: what `redemptions.rules` wants to know --------------------------------------------------------------------


def terms_of(offer: Offer) -> rules.Terms:
    """Return the rules of an offer. One query, and one more where it has hours."""
    windows = hours.parse(offer.hours)
    return rules.Terms(
        type=offer.type,
        status=offer.status,
        zone=Business.load().zone if windows else ZoneInfo("UTC"),  # only hours ask for it
        value=offer.value,
        max_discount=offer.max_discount,
        min_spend=offer.min_spend,
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        hours=windows,
        locations=frozenset(offer.locations.order_by().values_list("pk", flat=True)),
        max_per_person=offer.max_per_person,
        max_total=offer.max_total,
        budget=offer.budget,
    )


def use_of(code: Code, *, at: datetime) -> rules.Use:
    """Return what is used up for this code. One query where the offer has a limit for each person, none otherwise."""
    tally = tally_of(code.offer)
    return rules.Use(
        used=code.used,
        max_uses=code.max_uses,
        is_test=code.is_test,
        is_revoked=code.revoked_at is not None and code.revoked_at <= at,
        used_by_person=0 if code.offer.max_per_person is None else used_by_person(code),
        used_in_all=tally.used,
        given_in_all=tally.given,
    )


def tally_of(offer: Offer) -> OfferTally:
    """Return the tally of an offer, an empty one before its first redemption."""
    try:
        return offer.tally
    except OfferTally.DoesNotExist:
        return OfferTally(offer=offer)


def used_by_person(code: Code) -> int:
    """Return how often the person of this code had its offer, what was taken back left out. One query.

    Nobody is known of a code without a contact: it counts for itself alone.
    """
    whose = {"code__contact": code.contact_id} if code.contact_id else {"code": code.pk}
    lines = Redemption.objects.filter(offer=code.offer_id, **whose)
    return _still_given(lines)


def _still_given(lines: QuerySet[Redemption], taken_back: Q = TAKEN_BACK) -> int:
    """Count the uses less those that were taken back. A conflict that found nothing left is on record, and no use."""
    counts: dict[str, int] = lines.order_by().aggregate(
        given=Count("pk", filter=USED), back=Count("pk", filter=taken_back)
    )
    return counts["given"] - counts["back"]


def refusal(
    code: Code,
    *,
    at: datetime,
    location_id: int | None = None,
    order_value: Decimal | None = None,
    asks_order: bool = False,
    leeway: timedelta = rules.ALWAYS_IN_TIME,
    terms: rules.Terms | None = None,
) -> Scan.Reason | None:
    """Return the first reason why this code is not good, or None; see `rules.refusal`. `terms` saves their queries."""
    reason = rules.refusal(
        terms or terms_of(code.offer),
        use_of(code, at=at),
        at=at,
        location=location_id,
        order_value=order_value,
        asks_order=asks_order,
        leeway=leeway,
    )
    return Scan.Reason(reason) if reason else None


def overrides(offer: Offer, *, device: Device, at: datetime, cost: Decimal) -> Redemption.Override | str:
    """Return how giving this deal without network goes beyond what it allows; empty: it does not. One query."""
    if offer.offline == Offer.Offline.REFUSE:
        return Redemption.Override.NOT_ALLOWED
    if offer.offline_max_value is not None and cost > offer.offline_max_value:
        return Redemption.Override.TOO_DEAR
    day = at.astimezone(Business.load().zone).replace(hour=0, minute=0, second=0, microsecond=0)
    given = Redemption.objects.filter(
        offer=offer, device=device, scan__decision=Scan.Decision.HONOURED, at__gte=day, at__lt=day + timedelta(days=1)
    )
    return Redemption.Override.TOO_MANY if given.count() >= offer.offline_per_day else ""


# --- Devices ----------------------------------------------------------------------------------------------------------


def is_locked(device: Device, *, at: datetime) -> bool:
    """Say whether a device has named so many unknown codes lately that it must be guessing. One query.

    Refusals for being locked do not count, so the lock ends by itself when the guesses grow old. Neither do typing
    errors, nor what staff decided without network: many of a whole evening come at once.
    """
    return _guesses(at).filter(ASKED, device=device).count() >= GUESSES_ALLOWED


def _guesses(at: datetime) -> QuerySet[Scan]:
    return Scan.objects.filter(reason=Scan.Reason.UNKNOWN_CODE, is_mistyped=False, at__gt=at - GUESS_WINDOW)


def locked_devices(*, at: datetime) -> list[tuple[Device, int]]:
    """Return the devices that are locked for guessing, and how many unknown codes each named. Two queries."""
    named = dict(_guesses(at).filter(ASKED).order_by().values_list("device").annotate(Count("pk")))
    locked = [pk for pk, count in named.items() if count >= GUESSES_ALLOWED]
    return [(device, named[device.pk]) for device in Device.objects.filter(pk__in=locked).order_by("name")]


def unknown_uploads(device: Device, *, at: datetime) -> int:
    """Return how many unknown codes that staff decided on without network a device uploaded lately. One query."""
    return _guesses(at).exclude(ASKED).filter(device=device).count()


# --- Scans and redemptions --------------------------------------------------------------------------------------------


def find_scan(*, device: Device, key: str) -> Scan | None:
    """Return the attempt a device made under this idempotency key, with all its answer needs. One query."""
    return _with_answer().filter(device=device, key=key).first()


def find_redemption(public_id: str) -> Redemption | None:
    """Return a line of the ledger by its public id, whichever device made it. One query."""
    lines = Redemption.objects.select_related("code__offer", "location", "device", "reversal").order_by()
    return lines.defer("code__token", "code__typed").filter(public_id=public_id).first()


def _with_answer() -> QuerySet[Scan]:
    scans = Scan.objects.select_related("code__offer", "redemption", "location").order_by()
    return scans.defer("code__token", "code__typed")


def previous_redemption(code: Code, *, at: datetime) -> Redemption | None:
    """Return the redemption in whose favour an attempt at that time was refused.

    Of two at the same moment the winner's clock may read later: then its redemption is the only one there is.
    """
    given = code.redemptions.select_related("location").filter(USED)
    return given.filter(at__lte=at).order_by("-entry_no").first() or given.order_by("entry_no").first()


def uses_when(redemption: Redemption) -> int:
    """Return how many uses the code had, this one included, at the moment it was made. One query.

    Entries of one code are numbered in the order they were committed: the code's row was locked before the number was
    taken.
    """
    until = Redemption.objects.filter(code=redemption.code_id, entry_no__lte=redemption.entry_no)
    return _still_given(until, TAKEN_BACK & Q(is_burned=False))


def display_name(code: Code) -> str:
    """Return what staff may call the guest: `Maria K.`, or nothing where no name is known. One query."""
    if code.contact_id is None:
        return ""
    names = Contact.objects.filter(pk=code.contact_id).values_list("first_name", "last_name").first()
    first, last = names or (None, None)
    return " ".join(part for part in (first, f"{last[0]}." if last else "") if part)


def count_scans(*, device: Device, start: datetime, end: datetime) -> dict[str, int]:
    """Count what a device scanned from `start` up to `end`. One query.

    To ask what the order costs is no refusal; `voided` are those of the redeemed that were taken back since.
    """
    asked = Q(reason=Scan.Reason.ORDER_VALUE_REQUIRED)
    counts: dict[str, int] = Scan.objects.filter(device=device, at__gte=start, at__lt=end).aggregate(
        redeemed=Count("pk", filter=Q(result=Scan.Result.ACCEPTED)),
        refused=Count("pk", filter=Q(result=Scan.Result.REFUSED) & ~asked),
        conflicts=Count("pk", filter=Q(result=Scan.Result.CONFLICT)),
        voided=Count("pk", filter=Q(result=Scan.Result.ACCEPTED, redemption__reversal__isnull=False)),
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
