"""Scans made without network: what a phone takes along, and what it brings back."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import models
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from redemptions.models import Code, Device, EntryCounter, Location, Offer, Redemption, Scan, Staff
from redemptions.queries import find_scan, is_locked, tally_of, unknown_uploads
from redemptions.services.redeeming import Attempt, CurrencyMismatch, KeyReused, Outcome, settle
from redemptions.services.staff import staff_who_signed_in

logger = logging.getLogger(__name__)

# Ten a minute, as with network (see queries.GUESSES_ALLOWED); an evening's queue of them comes in at once.
UNKNOWN_UPLOADS_ALLOWED = 100
OLDEST = timedelta(days=366)
OPEN_FOR = timedelta(days=7)  # what was left open longer ago is judged by today
HASH_BYTES = 8
# What began before a pack was made and was committed after it comes with the next one.
OVERLAP = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineScan:
    """One scan of a phone's queue. `reason` is why the phone refused, where it says."""

    key: str
    code_text: str
    scanned_at: datetime
    decision: Scan.Decision
    entry: str = Scan.Entry.QR
    sequence: int | None = None
    uptime_ms: int | None = None
    order_value: Decimal | None = None
    currency: str = ""
    receipt_no: str = ""
    staff_id: int | None = None
    reason: Scan.Reason | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of one scan: an outcome, or why there is none; then the phone keeps it.

    A scan that staff refused is on record as such: its outcome's reason is no answer to anybody.
    """

    class Problem(models.TextChoices):
        KEY_REUSED = "idempotency_key_reused", _("The key was used for another code")
        CURRENCY = "currency_mismatch", _("The order's currency is not the deal's")
        LOCKED = "device_locked", _("Too many unknown codes at once; the rest may come later")
        FAILED = "server_error", _("Something went wrong on the server")

    key: str
    outcome: Outcome | None = None
    problem: Problem | None = None


class ClockWarning(models.TextChoices):
    SKEWED = "skewed", _("The phone's clock was off by more than five minutes")
    FUTURE = "future", _("Scanned after it was sent, says the phone's clock")
    OLD = "old", _("More than seven days old when it was sent")


# --- Up ---------------------------------------------------------------------------------------------------------------


def upload(*, device: Device, items: Sequence[OfflineScan], sent_at: datetime, at: datetime) -> list[Uploaded]:
    """Put scans made without network on record; return what became of each, in their order.

    Each has a transaction of its own, may come again and in any order, and keeps no other from its record. They are
    taken in the order they were made. `sent_at` is the phone's clock when it sent them: the difference to `at` sets
    each right.

    Given is given: it is redeemed, or a conflict where a rule was against it. Refused is a scan and no more. Left open
    is redeemed as if it came now, but judged by the time it was made, a week ago at most.
    """
    named = {item.staff_id for item in items if item.staff_id is not None}
    people = staff_who_signed_in(device=device, ids=named, at=at)
    results: dict[int, Uploaded] = {}
    for place, item in sorted(enumerate(items), key=lambda pair: (pair[1].scanned_at, pair[1].sequence or 0)):
        results[place] = _upload(_attempt(item, device, people.get(item.staff_id or 0), sent_at, at))
    return [results[place] for place in range(len(items))]


def _upload(attempt: Attempt) -> Uploaded:
    if _guesses_too_much(attempt):
        return Uploaded(attempt.key, problem=Uploaded.Problem.LOCKED)
    try:
        return Uploaded(attempt.key, settle(attempt))
    except KeyReused:
        return Uploaded(attempt.key, problem=Uploaded.Problem.KEY_REUSED)
    except CurrencyMismatch:
        return Uploaded(attempt.key, problem=Uploaded.Problem.CURRENCY)
    except Exception:  # one scan that cannot be recorded must not keep the others from it
        logger.exception("A scan made without network could not be recorded, of device %s.", attempt.device.pk)
        return Uploaded(attempt.key, problem=Uploaded.Problem.FAILED)


def _guesses_too_much(attempt: Attempt) -> bool:
    if find_scan(device=attempt.device, key=attempt.key) is not None:
        return False
    if attempt.decision == Scan.Decision.UNDECIDED:
        return is_locked(attempt.device, at=attempt.at)
    return unknown_uploads(attempt.device, at=attempt.at) >= UNKNOWN_UPLOADS_ALLOWED


def _attempt(item: OfflineScan, device: Device, staff: Staff | None, sent_at: datetime, at: datetime) -> Attempt:
    skew = at - sent_at
    happened_at = corrected(item.scanned_at, skew, at=at)
    if item.decision == Scan.Decision.UNDECIDED and at - happened_at > OPEN_FOR:
        happened_at = at
    return Attempt(
        text=item.code_text,
        device=device,
        key=item.key,
        at=at,
        happened_at=happened_at,
        entry=item.entry,
        scanned_at=item.scanned_at,
        staff=staff if staff and staff.worked_here(corrected(item.scanned_at, skew, at=at)) else None,
        order_value=item.order_value,
        currency=item.currency,
        receipt_no=item.receipt_no,
        decision=item.decision,
        said=item.reason,
        skew_ms=skew // timedelta(milliseconds=1),
        sequence=item.sequence,
        uptime_ms=item.uptime_ms,
    )


def corrected(scanned_at: datetime, skew: timedelta, *, at: datetime) -> datetime:
    """Return when a scan was made by the server's clock: not after it came in, and not longer ago than a year."""
    try:
        moment = scanned_at + skew
    except OverflowError:  # a clock at the end of time
        moment = at
    return min(max(moment, at - OLDEST), at)


def clock_warnings(scan: Scan) -> list[ClockWarning]:
    """Return what is odd about the clock of a scan made without network."""
    if not scan.is_offline or scan.scanned_at is None or scan.skew_ms is None:
        return []
    sent_at = scan.at - timedelta(milliseconds=scan.skew_ms)
    rules = (
        (abs(scan.skew_ms) > 5 * 60 * 1000, ClockWarning.SKEWED),
        (scan.scanned_at > sent_at, ClockWarning.FUTURE),
        (sent_at - scan.scanned_at > timedelta(days=7), ClockWarning.OLD),
    )
    return [warning for is_so, warning in rules if is_so]


# --- Down -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OfflinePack:
    """What a phone needs to judge without network. `codes` holds hashes by offer, `removed` those no longer good.

    Typed codes are not in it: 45 bits are found from a hash within hours by whoever holds the phone.
    """

    as_of: datetime
    cursor: str
    is_full: bool  # it starts anew: what the phone holds is to be forgotten
    offers: list[Offer]
    codes: dict[int, list[str]] = field(default_factory=dict)
    typed: dict[int, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a pack ended: its time, the ledger's last number then, and the offers whose codes it held."""

    as_of: datetime
    entry_no: int
    offer_ids: frozenset[int]

    def __str__(self) -> str:
        return f"{int(self.as_of.timestamp())}-{self.entry_no}-{'.'.join(map(str, sorted(self.offer_ids)))}"


def offline_pack(*, location: Location, at: datetime, since: str = "") -> OfflinePack:
    """Return the deals that may be given here without network, and hashes of their codes that are good.

    With the cursor of an earlier pack, only what has changed since: codes that are new or good again, and those to
    forget. The deals are always all of them: the codes of others are to be forgotten. An unknown cursor is none.
    """
    last_entry_no = EntryCounter.objects.filter(pk=1).values_list("last_entry_no", flat=True).first() or 0
    offers = [offer for offer in _offers(location, at) if _has_room(offer)]
    known = [offer for offer in offers if offer.offline == Offer.Offline.KNOWN]
    before = _read_cursor(since, last_entry_no)
    codes: dict[int, list[str]] = {}
    removed: list[str] = []
    for offer in known:
        is_news = before is not None and offer.pk in before.offer_ids
        changed = _changed(offer, before) if is_news and before else offer.codes.filter(_good())
        codes[offer.pk] = _hashes(changed.filter(_good()))
        removed += _hashes(changed.exclude(_good())) if is_news else []
    cursor = _Cursor(at, last_entry_no, frozenset(offer.pk for offer in known))
    return OfflinePack(
        as_of=at, cursor=str(cursor), is_full=before is None, offers=offers, codes=codes, removed=removed
    )


def _offers(location: Location, at: datetime) -> QuerySet[Offer]:
    """Return the offers with a policy that are open, or will be, at a place."""
    open_ended = Q(ends_at=None) | Q(ends_at__gt=at)
    here = Q(locations=None) | Q(locations=location)
    allowed = Offer.objects.exclude(offline=Offer.Offline.REFUSE).filter(open_ended, here, status=Offer.Status.ACTIVE)
    return allowed.select_related("tally").distinct().order_by("pk")


def _has_room(offer: Offer) -> bool:
    tally = tally_of(offer)
    return (offer.max_total is None or tally.used < offer.max_total) and (
        offer.budget is None or tally.given < offer.budget
    )


def _good() -> Q:
    return Q(is_test=False, revoked_at=None, used__lt=F("max_uses"))


def _changed(offer: Offer, before: _Cursor) -> QuerySet[Code]:
    """Return the codes of an offer that were made, used, taken back or withdrawn since a pack."""
    early = before.as_of - OVERLAP
    used = Redemption.objects.filter(offer=offer, entry_no__gt=before.entry_no).values("code")
    return offer.codes.filter(Q(created_at__gte=early) | Q(revoked_at__gte=early) | Q(pk__in=used))


def _hashes(codes: QuerySet[Code]) -> list[str]:
    tokens: Iterable[str] = codes.order_by("pk").values_list("token", flat=True).iterator(chunk_size=5000)
    return [hashlib.sha256(token.encode()).digest()[:HASH_BYTES].hex() for token in tokens]


def _read_cursor(text: str, last_entry_no: int) -> _Cursor | None:
    """Return the cursor of an earlier pack; None for one that says nothing, or more than this ledger holds."""
    if not re.fullmatch(r"[0-9]{1,11}-[0-9]{1,18}-[0-9.]*", text):
        return None
    try:
        seconds, entry_no, offers = text.split("-")
        ids = frozenset(int(number) for number in offers.split(".") if number)
        cursor = _Cursor(datetime.fromtimestamp(int(seconds), UTC), int(entry_no), ids)
    except (ValueError, OverflowError, OSError):
        return None
    return cursor if cursor.entry_no <= last_entry_no else None
