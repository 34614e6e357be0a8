"""Whether a deal is given, and what it is worth. Pure: the till, the dry run and the coupon page ask the same.

The values of `Refusal` are those of `Scan.Reason`, and the API's codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from redemptions.hours import Window, is_open

CENT = Decimal("0.01")
ALWAYS_IN_TIME = timedelta(0)


class Refusal(StrEnum):
    TEST_CODE = "test_code"
    CODE_REVOKED = "code_revoked"
    OFFER_PAUSED = "offer_paused"
    OFFER_ENDED = "offer_ended"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    OUTSIDE_HOURS = "outside_hours"
    WRONG_LOCATION = "wrong_location"
    ALREADY_REDEEMED = "already_redeemed"
    CUSTOMER_LIMIT = "customer_limit"
    OFFER_LIMIT = "offer_limit"
    ORDER_VALUE_REQUIRED = "order_value_required"
    MIN_SPEND_NOT_MET = "min_spend_not_met"


@dataclass(frozen=True, slots=True)
class Terms:
    """A deal's rules. `type` and `status` are those of Offer; a limit that is None is none; no locations: all."""

    type: str
    status: str
    zone: ZoneInfo
    value: Decimal | None = None
    max_discount: Decimal | None = None
    min_spend: Decimal | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    hours: tuple[Window, ...] = ()
    locations: frozenset[int] = frozenset()
    max_per_person: int | None = None
    max_total: int | None = None
    budget: Decimal | None = None

    @property
    def needs_order_value(self) -> bool:
        """Whether it cannot be given without knowing what the order costs."""
        return self.min_spend is not None or (self.budget is not None and self.type == "percent")


@dataclass(frozen=True, slots=True)
class Use:
    """One code, and what is used up already: of itself, by its person, and of the deal."""

    used: int = 0
    max_uses: int = 1
    is_test: bool = False
    is_revoked: bool = False
    used_by_person: int = 0
    used_in_all: int = 0
    given_in_all: Decimal = Decimal(0)


def refusal(
    terms: Terms,
    use: Use,
    *,
    at: datetime,
    location: int | None = None,
    order_value: Decimal | None = None,
    asks_order: bool = True,
    leeway: timedelta = ALWAYS_IN_TIME,
) -> Refusal | None:
    """Return the first reason why the deal is not given, or None.

    Without a location every place is a good one; `asks_order=False` leaves out what the order must be, for whoever only
    looks. `leeway` is how far the clock behind `at` may be off: near the edge of a time span it is taken to be within.
    """
    return (
        _of_status(terms, use)
        or _of_time(terms, at, leeway)
        or _of_place(terms, location)
        or _of_use(terms, use)
        or (_of_order(terms, order_value) if asks_order else None)
        or _of_limits(terms, use, order_value)
    )


def _of_status(terms: Terms, use: Use) -> Refusal | None:
    rules = (
        (use.is_test, Refusal.TEST_CODE),
        (use.is_revoked, Refusal.CODE_REVOKED),
        (terms.status == "paused", Refusal.OFFER_PAUSED),
        (terms.status == "ended", Refusal.OFFER_ENDED),
    )
    return next((reason for broken, reason in rules if broken), None)


def _of_time(terms: Terms, at: datetime, leeway: timedelta) -> Refusal | None:
    if terms.starts_at is not None and at + leeway < terms.starts_at:
        return Refusal.NOT_YET_VALID
    if terms.ends_at is not None and at - leeway >= terms.ends_at:
        return Refusal.EXPIRED
    is_good = any(is_open(terms.hours, moment, terms.zone) for moment in {at - leeway, at, at + leeway})
    return None if is_good else Refusal.OUTSIDE_HOURS


def _of_place(terms: Terms, location: int | None) -> Refusal | None:
    is_good = location is None or not terms.locations or location in terms.locations
    return None if is_good else Refusal.WRONG_LOCATION


def _of_use(terms: Terms, use: Use) -> Refusal | None:
    if use.used >= use.max_uses:
        return Refusal.ALREADY_REDEEMED
    if terms.max_per_person is not None and use.used_by_person >= terms.max_per_person:
        return Refusal.CUSTOMER_LIMIT
    return None


def _of_order(terms: Terms, order_value: Decimal | None) -> Refusal | None:
    if order_value is None:
        return Refusal.ORDER_VALUE_REQUIRED if terms.needs_order_value else None
    if terms.min_spend is not None and order_value < terms.min_spend:
        return Refusal.MIN_SPEND_NOT_MET
    return None


def _of_limits(terms: Terms, use: Use, order_value: Decimal | None) -> Refusal | None:
    if terms.max_total is not None and use.used_in_all >= terms.max_total:
        return Refusal.OFFER_LIMIT
    if terms.budget is not None and use.given_in_all + (cost(terms, order_value) or CENT) > terms.budget:
        return Refusal.OFFER_LIMIT
    return None


def discount(terms: Terms, order_value: Decimal | None) -> Decimal | None:
    """Return the money an order of this value saves, in whole cents; None where it cannot be known."""
    if order_value is None or terms.value is None:
        return None
    if terms.type == "amount":
        return min(terms.value, order_value)
    off = (order_value * terms.value / 100).quantize(CENT, ROUND_HALF_UP)
    return off if terms.max_discount is None else min(off, terms.max_discount)


def cost(terms: Terms, order_value: Decimal | None) -> Decimal:
    """Return what giving the deal takes of its budget: the discount, or all of the money off an unknown order."""
    if (known := discount(terms, order_value)) is not None:
        return known
    return terms.value or Decimal(0) if terms.type == "amount" else Decimal(0)
