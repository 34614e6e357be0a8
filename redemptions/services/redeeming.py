"""The one place where a deal is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.db import IntegrityError, transaction
from django.db.models import F

from contacts.fields import keyed_hash
from contacts.services import note_redeemed
from redemptions.codes import SAMPLE_TOKEN, SAMPLE_TYPED, BadCheckCharacter, normalise, parse
from redemptions.models import Code, Device, EntryCounter, Offer, Redemption, Scan
from redemptions.queries import find_code, find_scan, is_locked, refusal

CENT = Decimal("0.01")
SAMPLES = {SAMPLE_TOKEN, SAMPLE_TYPED}


class KeyReused(Exception):
    """The device used this idempotency key for another code before."""


class CurrencyMismatch(Exception):
    """The order was paid in another currency than the offer's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a device is told. No `reason`: the deal is given, or would be in a dry run, which has no `scan`."""

    code: Code | None
    reason: Scan.Reason | None
    at: datetime
    scan: Scan | None = None
    redemption: Redemption | None = None
    discount: Decimal | None = None
    replayed: bool = False
    mistyped: bool = False


@dataclass(frozen=True, slots=True)
class _Attempt:
    code: str
    mistyped: bool
    device: Device
    key: str
    at: datetime
    entry: Scan.Entry
    scanned_at: datetime | None
    order_value: Decimal | None
    currency: str
    receipt_no: str

    @property
    def fingerprint(self) -> bytes:
        return keyed_hash("scan", self.code)


def redeem(
    *,
    code_text: str,
    device: Device,
    key: str,
    at: datetime,
    entry: str = Scan.Entry.QR,
    scanned_at: datetime | None = None,
    order_value: Decimal | None = None,
    currency: str = "",
    receipt_no: str = "",
) -> Outcome:
    """Give the deal of a code once, or refuse it with a reason; either way the attempt is on record.

    The same device and key get the first outcome again, for as long as the record lives, whatever happened to the
    offer since. `currency` is that of `order_value`; empty means the offer's.

    Raises KeyReused where the key belongs to another code, and CurrencyMismatch; neither leaves a trace.
    """
    attempt = _Attempt(
        code=normalise(code_text),
        mistyped=_is_mistyped(code_text),
        device=device,
        key=key,
        at=at,
        entry=Scan.Entry(entry),
        scanned_at=scanned_at,
        order_value=order_value,
        currency=currency,
        receipt_no=receipt_no,
    )
    try:
        return _redeem_once(attempt)
    except IntegrityError:
        # The same key came twice at once and the other one was first: all of this attempt is rolled back, and the
        # second look finds the winner.
        return _redeem_once(attempt)


def _is_mistyped(code_text: str) -> bool:
    try:
        parse(code_text)
    except BadCheckCharacter:
        return True
    return False


@transaction.atomic
def _redeem_once(attempt: _Attempt) -> Outcome:
    # 1. A repeat gets its old answer, before any rule can say otherwise.
    if scan := find_scan(device=attempt.device, key=attempt.key):
        if scan.fingerprint != attempt.fingerprint:
            raise KeyReused
        return replace(recall(scan), mistyped=attempt.mistyped)

    # 2. The rules.
    code = None if attempt.mistyped else find_code(attempt.code)
    if code and attempt.currency and attempt.currency != code.offer.currency:
        raise CurrencyMismatch
    reason = _judge(attempt.device, attempt.code, code, attempt.at)

    # 3. The claim. It alone decides a race; the rules above were a look.
    if code and not reason:
        reason = _claim(code)

    # 4. The records. The entry number comes last: its row stays locked until the commit.
    if code and not reason and code.contact_id:
        note_redeemed(code.contact_id, at=attempt.at, order_value=attempt.order_value)
    redemption = None if reason or code is None else _write_line(attempt, code)
    scan = _write_scan(attempt, code, reason, redemption)
    return Outcome(
        code=code,
        reason=reason,
        at=attempt.at,
        scan=scan,
        redemption=redemption,
        discount=redemption.discount if redemption else None,
        mistyped=attempt.mistyped,
    )


def recall(scan: Scan) -> Outcome:
    """Return the outcome of an attempt on record, to be given again."""
    return Outcome(
        code=scan.code,
        reason=Scan.Reason(scan.reason) if scan.reason else None,
        at=scan.at,
        scan=scan,
        redemption=scan.redemption,
        discount=scan.redemption.discount if scan.redemption else None,
        replayed=True,
    )


def validate(
    *, code_text: str, device: Device, at: datetime, order_value: Decimal | None = None, currency: str = ""
) -> Outcome:
    """Say what redeeming would answer now; write nothing. Raises CurrencyMismatch."""
    mistyped = _is_mistyped(code_text)
    code = None if mistyped else find_code(normalise(code_text))
    if code and currency and currency != code.offer.currency:
        raise CurrencyMismatch
    reason = _judge(device, normalise(code_text), code, at)
    discount = discount_for(code.offer, order_value) if code and not reason else None
    return Outcome(code=code, reason=reason, at=at, discount=discount, mistyped=mistyped)


def _judge(device: Device, code_text: str, code: Code | None, at: datetime) -> Scan.Reason | None:
    if code_text in SAMPLES:
        return Scan.Reason.TEST_CODE
    if is_locked(device, at=at):
        return Scan.Reason.DEVICE_LOCKED
    if code is None:
        return Scan.Reason.UNKNOWN_CODE
    return refusal(code, at=at, location_id=device.location_id)


def _claim(code: Code) -> Scan.Reason | None:
    """Use the code once more if that is still allowed; return the reason where someone else was faster."""
    usable = Code.objects.filter(pk=code.pk, used__lt=F("max_uses"), revoked_at=None)
    claimed = usable.update(used=F("used") + 1)
    code.refresh_from_db(fields=["used", "revoked_at"])
    if claimed:
        return None
    return Scan.Reason.CODE_REVOKED if code.revoked_at else Scan.Reason.ALREADY_REDEEMED


def _write_line(attempt: _Attempt, code: Code) -> Redemption:
    return Redemption.objects.create(
        entry_no=_next_entry_no(),
        code=code,
        offer=code.offer,
        location_id=attempt.device.location_id,
        device=attempt.device,
        at=attempt.at,
        order_value=attempt.order_value,
        discount=discount_for(code.offer, attempt.order_value),
        currency=code.offer.currency,
        receipt_no=attempt.receipt_no,
    )


def _next_entry_no() -> int:
    """Return the next number of the ledger. A rolled-back transaction gives it back, so there are no gaps."""
    counter = EntryCounter.objects.filter(pk=1)
    if not counter.update(last_entry_no=F("last_entry_no") + 1):
        EntryCounter.objects.bulk_create([EntryCounter(pk=1)], ignore_conflicts=True)
        counter.update(last_entry_no=F("last_entry_no") + 1)
    return counter.values_list("last_entry_no", flat=True).get()


def _write_scan(
    attempt: _Attempt, code: Code | None, reason: Scan.Reason | None, redemption: Redemption | None
) -> Scan:
    return Scan.objects.create(
        device=attempt.device,
        location_id=attempt.device.location_id,
        key=attempt.key,
        fingerprint=attempt.fingerprint,
        code=code,
        entry=attempt.entry,
        result=Scan.Result.REFUSED if reason else Scan.Result.ACCEPTED,
        reason=reason or "",
        redemption=redemption,
        scanned_at=attempt.scanned_at,
        at=attempt.at,
    )


def discount_for(offer: Offer, order_value: Decimal | None) -> Decimal | None:
    """Return the money an order of this value saves, in whole cents; None where it cannot be known."""
    if order_value is None or offer.value is None:
        return None
    if offer.type == Offer.Type.PERCENT:
        return (order_value * offer.value / 100).quantize(CENT, ROUND_HALF_UP)
    return min(offer.value, order_value)
