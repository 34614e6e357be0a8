"""The one place where a deal is given."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from contacts.fields import keyed_hash
from contacts.services import note_redeemed
from redemptions import rules
from redemptions.codes import SAMPLE_TOKEN, SAMPLE_TYPED, BadCheckCharacter, normalise, parse
from redemptions.models import Code, Device, Redemption, Scan, Staff
from redemptions.queries import find_code, find_scan, is_locked, overrides, refusal, terms_of, used_by_person
from redemptions.services import tallies

SAMPLES = {SAMPLE_TOKEN, SAMPLE_TYPED}
# How far a clock may be off whose scans come in later, after it was set right as well as can be.
OFFLINE_LEEWAY = timedelta(minutes=10)
ALWAYS = Q()


class KeyReused(Exception):
    """The device used this idempotency key for something else before."""


class CurrencyMismatch(Exception):
    """The order was paid in another currency than the offer's."""


class _Lost(Exception):
    """Somebody else was faster after the rules were looked at. Undoes what was claimed so far."""

    def __init__(self, reason: Scan.Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a device is told. No `reason`: the deal is given, or would be in a dry run, which has no `scan`.

    Both a reason and a redemption: given without network although a rule was against it.
    """

    code: Code | None
    reason: Scan.Reason | None
    at: datetime
    scan: Scan | None = None
    redemption: Redemption | None = None
    discount: Decimal | None = None
    replayed: bool = False
    mistyped: bool = False

    @property
    def is_conflict(self) -> bool:
        return self.reason is not None and self.redemption is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One scan. `at` is when it came to be known here, `happened_at` when it was made; online they are the same."""

    text: str
    device: Device
    key: str
    at: datetime
    happened_at: datetime
    entry: str = Scan.Entry.QR
    scanned_at: datetime | None = None
    staff: Staff | None = None
    order_value: Decimal | None = None
    currency: str = ""
    receipt_no: str = ""
    # Of scans without network: what staff did, why they say so, and what the device's clocks said.
    decision: str = ""
    said: Scan.Reason | None = None
    skew_ms: int | None = None
    sequence: int | None = None
    uptime_ms: int | None = None

    @property
    def is_offline(self) -> bool:
        return bool(self.decision)

    @property
    def code(self) -> str:
        return normalise(self.text)

    @property
    def fingerprint(self) -> bytes:
        return keyed_hash("scan", self.code)

    @property
    def is_mistyped(self) -> bool:
        try:
            parse(self.text)
        except BadCheckCharacter:
            return True
        return False


def redeem(
    *,
    code_text: str,
    device: Device,
    key: str,
    at: datetime,
    entry: str = Scan.Entry.QR,
    scanned_at: datetime | None = None,
    staff: Staff | None = None,
    order_value: Decimal | None = None,
    currency: str = "",
    receipt_no: str = "",
) -> Outcome:
    """Give the deal of a code once, or refuse it with a reason; either way the attempt is on record.

    The same device and key get the first outcome again, for as long as the record lives, whatever happened to the
    offer since. `currency` is that of `order_value`; empty means the offer's.

    Raises KeyReused where the key belongs to another code, and CurrencyMismatch; neither leaves a trace.
    """
    return settle(
        Attempt(
            text=code_text,
            device=device,
            key=key,
            at=at,
            happened_at=at,
            entry=entry,
            scanned_at=scanned_at,
            staff=staff,
            order_value=order_value,
            currency=currency,
            receipt_no=receipt_no,
        )
    )


def validate(
    *, code_text: str, device: Device, at: datetime, order_value: Decimal | None = None, currency: str = ""
) -> Outcome:
    """Say what redeeming would answer now; write nothing. Raises CurrencyMismatch."""
    attempt = Attempt(
        text=code_text, device=device, key="", at=at, happened_at=at, order_value=order_value, currency=currency
    )
    code = _find(attempt)
    reason = _shut_out(attempt, code)
    if reason is None:
        _check_currency(attempt, code)
    terms = terms_of(code.offer) if code else None
    reason = reason or _judge(attempt, code, terms)
    discount = rules.discount(terms, order_value) if terms and not reason else None
    return Outcome(code=code, reason=reason, at=at, discount=discount, mistyped=attempt.is_mistyped)


def recall_by_key(*, device: Device, key: str) -> Outcome | None:
    """Return what became of a key: of one that was refused and given all the same, that it was given."""
    scan = find_scan(device=device, key=_key_of_given(key)) or find_scan(device=device, key=key)
    return recall(scan) if scan else None


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


def settle(attempt: Attempt) -> Outcome:
    """Decide an attempt once and for all, and put it on record. Raises KeyReused and CurrencyMismatch."""
    try:
        return _settle(attempt)
    except IntegrityError:
        # The same key came twice at once and the other one was first: all of this attempt is rolled back, and the
        # second look finds the winner.
        return _settle(attempt)


def _settle(attempt: Attempt) -> Outcome:
    try:
        return _decide(attempt)
    except _Lost as lost:
        return _decide(attempt, lost.reason)


@transaction.atomic
def _decide(attempt: Attempt, lost: Scan.Reason | None = None) -> Outcome:
    # 1. A repeat gets its old answer, before any rule can say otherwise.
    attempt, scan = _on_record(attempt)
    if scan:
        return replace(recall(scan), mistyped=attempt.is_mistyped)

    # 2. The rules.
    code = _find(attempt)
    reason = lost or _shut_out(attempt, code)
    if reason is None:
        attempt = _check_currency(attempt, code)
    terms = terms_of(code.offer) if code else None
    reason = reason or _judge(attempt, code, terms)
    if attempt.decision == Scan.Decision.REFUSED:
        reason = reason or attempt.said or Scan.Reason.REFUSED_BY_STAFF

    # 3. The claim. It alone decides a race; the rules above were a look. The numbers all tills share come last.
    redemption = None
    if code and terms and not reason:
        _claim(attempt, code, terms)
        redemption = _write_line(attempt, code, terms)
    elif reason and attempt.decision == Scan.Decision.HONOURED:
        redemption = _write_conflict(attempt, code, terms, reason)

    # 4. The record.
    return Outcome(
        code=code,
        reason=reason,
        at=attempt.at,
        scan=_write_scan(attempt, code, reason, redemption),
        redemption=redemption,
        discount=redemption.discount if redemption else None,
        mistyped=attempt.is_mistyped,
    )


def _on_record(attempt: Attempt) -> tuple[Attempt, Scan | None]:
    """Return what the device sent under this key before. Raises KeyReused.

    What was refused with network, and given all the same because the answer never arrived, has happened: it gets a
    record of its own beside the refusal, under a key that follows from the first.
    """
    scan = find_scan(device=attempt.device, key=attempt.key)
    if scan and scan.fingerprint != attempt.fingerprint:
        raise KeyReused
    if scan and scan.result == Scan.Result.REFUSED and attempt.decision == Scan.Decision.HONOURED:
        attempt = replace(attempt, key=_key_of_given(attempt.key))
        scan = find_scan(device=attempt.device, key=attempt.key)
    return attempt, scan


def _key_of_given(key: str) -> str:
    return hashlib.sha256(f"{key}:honoured".encode()).hexdigest()


def _find(attempt: Attempt) -> Code | None:
    return None if attempt.is_mistyped else find_code(attempt.code)


def _check_currency(attempt: Attempt, code: Code | None) -> Attempt:
    if code is None or attempt.currency in {"", code.offer.currency}:
        return attempt
    if attempt.decision == Scan.Decision.HONOURED:  # it has happened; what it cost is not known in this currency
        return replace(attempt, order_value=None, currency="")
    raise CurrencyMismatch


def _shut_out(attempt: Attempt, code: Code | None) -> Scan.Reason | None:
    """Return why nothing more is said about a code. This comes first: a guesser learns nothing from what follows."""
    if attempt.code in SAMPLES:
        return Scan.Reason.TEST_CODE
    if not attempt.is_offline and is_locked(attempt.device, at=attempt.at):
        return Scan.Reason.DEVICE_LOCKED
    return Scan.Reason.UNKNOWN_CODE if code is None else None


def _judge(attempt: Attempt, code: Code | None, terms: rules.Terms | None) -> Scan.Reason | None:
    if code is None:
        return Scan.Reason.UNKNOWN_CODE
    return refusal(
        code,
        at=attempt.happened_at,
        location_id=attempt.device.location_id,
        order_value=attempt.order_value,
        asks_order=True,
        leeway=OFFLINE_LEEWAY if attempt.is_offline else rules.ALWAYS_IN_TIME,
        terms=terms,
    )


def _claim(attempt: Attempt, code: Code, terms: rules.Terms) -> None:
    """Use the code, the person's share and the deal's once more, as far as they go. Raises _Lost.

    The code's row stays locked from here on, and a person has one code of an offer: what they had is counted under it.
    """
    good = Q(revoked_at=None) | Q(revoked_at__gt=attempt.happened_at)
    if not _use(code, good):
        code.refresh_from_db(fields=["used", "max_uses", "revoked_at"])
        raise _Lost(Scan.Reason.ALREADY_REDEEMED if code.used >= code.max_uses else Scan.Reason.CODE_REVOKED)
    if terms.max_per_person is not None and used_by_person(code) >= terms.max_per_person:
        raise _Lost(Scan.Reason.CUSTOMER_LIMIT)
    _note(attempt, code)
    if not tallies.take(code.offer, rules.cost(terms, attempt.order_value)):
        raise _Lost(Scan.Reason.OFFER_LIMIT)
    code.used += 1


def _use(code: Code, good: Q = ALWAYS) -> bool:
    return bool(Code.objects.filter(good, pk=code.pk, used__lt=F("max_uses")).update(used=F("used") + 1))


def _note(attempt: Attempt, code: Code) -> None:
    if code.contact_id:
        note_redeemed(code.contact_id, at=attempt.happened_at, order_value=attempt.order_value)


def _write_line(attempt: Attempt, code: Code, terms: rules.Terms) -> Redemption:
    return Redemption.objects.create(
        entry_no=tallies.next_entry_no(),
        code=code,
        offer=code.offer,
        discount=rules.discount(terms, attempt.order_value),
        cost=rules.cost(terms, attempt.order_value),
        currency=code.offer.currency,
        override=_override(attempt, code, terms),
        **_of_line(attempt),
    )


def _write_conflict(attempt: Attempt, code: Code | None, terms: rules.Terms | None, reason: Scan.Reason) -> Redemption:
    """Write what was given against a rule: the goods are gone. What is left of the code and the deal is used up by it.

    No limit is passed: where nothing is left, nothing is used.
    """
    is_use, cost = False, None
    if code and terms and not code.is_test:
        is_use = _use(code)
        code.used += is_use
        _note(attempt, code)
        wanted = rules.cost(terms, attempt.order_value)
        cost = wanted if is_use and tallies.take(code.offer, wanted) else None
    return Redemption.objects.create(
        entry_no=tallies.next_entry_no(),
        kind=Redemption.Kind.CONFLICT,
        conflict=reason if code else Scan.Reason.UNKNOWN_CODE,
        is_use=is_use,
        cost=cost,
        override=_override(attempt, code, terms),
        code=code,
        offer=code.offer if code else None,
        discount=rules.discount(terms, attempt.order_value) if terms else None,
        currency=(code.offer.currency if code else attempt.currency) or "USD",
        **_of_line(attempt),
    )


def _override(attempt: Attempt, code: Code | None, terms: rules.Terms | None) -> str:
    if code is None or terms is None or attempt.decision != Scan.Decision.HONOURED:
        return ""
    cost = rules.cost(terms, attempt.order_value)
    return overrides(code.offer, device=attempt.device, at=attempt.happened_at, cost=cost)


def _of_line(attempt: Attempt) -> dict[str, object]:
    return {
        "location_id": attempt.device.location_id,
        "device": attempt.device,
        "staff": attempt.staff,
        "at": attempt.happened_at,
        "recorded_at": attempt.at,
        "is_offline": attempt.is_offline,
        "order_value": attempt.order_value,
        "receipt_no": attempt.receipt_no,
    }


def _write_scan(attempt: Attempt, code: Code | None, reason: Scan.Reason | None, redemption: Redemption | None) -> Scan:
    results = {
        (True, False): Scan.Result.REFUSED,
        (True, True): Scan.Result.CONFLICT,
        (False, True): Scan.Result.ACCEPTED,
    }
    return Scan.objects.create(
        device=attempt.device,
        location_id=attempt.device.location_id,
        staff=attempt.staff,
        key=attempt.key,
        fingerprint=attempt.fingerprint,
        code=code,
        entry=Scan.Entry(attempt.entry),
        is_mistyped=attempt.is_mistyped,
        result=results[reason is not None, redemption is not None],
        reason=reason or "",
        redemption=redemption,
        scanned_at=attempt.scanned_at,
        at=attempt.at,
        is_offline=attempt.is_offline,
        decision=attempt.decision,
        skew_ms=attempt.skew_ms,
        sequence=attempt.sequence,
        uptime_ms=attempt.uptime_ms,
    )
