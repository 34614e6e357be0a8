"""A coupon in words, as its owner sees it, and what the deal is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils.formats import date_format

from redemptions import hours
from redemptions.models import Offer, Redemption, Scan

Reason = Scan.Reason
HEADLINES: dict[Scan.Reason | None, str] = {
    None: "Show this at the till",
    Reason.TEST_CODE: "Test, not valid",
    Reason.CODE_REVOKED: "Withdrawn",
    Reason.ALREADY_REDEEMED: "Already used",
    Reason.NOT_YET_VALID: "Not valid yet",
    Reason.EXPIRED: "Expired",
    Reason.OUTSIDE_HOURS: "Not at this time",
    Reason.OFFER_PAUSED: "Paused",
    Reason.OFFER_ENDED: "This deal is over",
    Reason.OFFER_LIMIT: "All given out",
    Reason.CUSTOMER_LIMIT: "Used up",
}
EXPLANATIONS = {
    Reason.TEST_CODE: "This coupon came with a test message. The till will refuse it.",
    Reason.CODE_REVOKED: "This coupon can no longer be used.",
    Reason.OFFER_PAUSED: "This deal is paused at the moment. Keep this page and try again later.",
    Reason.OFFER_ENDED: "Thank you for your interest. Watch out for the next one.",
    Reason.OFFER_LIMIT: "There were only so many, and all of them are gone.",
    Reason.CUSTOMER_LIMIT: "You have had this deal as often as one person may.",
}
# A code that may still become good is shown, so that a screenshot taken today works tomorrow.
SHOWN = {None, Reason.TEST_CODE, Reason.NOT_YET_VALID, Reason.OUTSIDE_HOURS, Reason.OFFER_PAUSED}


@dataclass(frozen=True, slots=True)
class Coupon:
    """What stands on the page: words and no rows. Without an image there is nothing to be scanned any more."""

    business: str
    deal: str
    worth: str
    terms: str
    headline: str
    explanation: str
    facts: tuple[str, ...]
    is_good: bool
    image: str
    typed: str
    day: date | None
    """The day to put into a calendar: the last one, or the first of a deal without an end."""


def coupon_of(
    offer: Offer,
    *,
    reason: Scan.Reason | None,
    business: str,
    zone: ZoneInfo,
    at: datetime,
    places: Sequence[str] = (),
    used: int = 0,
    max_uses: int = 1,
    image: str = "",
    typed: str = "",
    previous: Redemption | None = None,
) -> Coupon:
    """Return the page of a code of this deal. `reason` is why it is not good just now, `previous` when it was used."""
    is_shown = reason in SHOWN
    return Coupon(
        business=business,
        deal=offer.name,
        worth=worth(offer),
        terms=offer.terms,
        headline=HEADLINES[reason],
        explanation=_explain(offer, reason, at, zone, previous),
        facts=tuple(facts_of(offer, zone, places, used=used, max_uses=max_uses)) if is_shown else (),
        is_good=reason is None,
        image=image if is_shown else "",
        typed=typed if is_shown else "",
        day=_day(offer, at, zone) if is_shown else None,
    )


def _explain(
    offer: Offer, reason: Scan.Reason | None, at: datetime, zone: ZoneInfo, previous: Redemption | None
) -> str:
    if reason == Reason.ALREADY_REDEEMED and previous is not None:
        return f"Used on {_moment(previous.at, zone)} at {previous.location.name}."
    if reason == Reason.NOT_YET_VALID and offer.starts_at:
        return f"Valid from {_moment(offer.starts_at, zone)}. Keep this page."
    if reason == Reason.EXPIRED and offer.ends_at:
        return f"It was valid until {offer.valid_until(zone)}."
    if reason == Reason.OUTSIDE_HOURS:
        return _next_time(offer, at, zone)
    return EXPLANATIONS.get(reason, "") if reason else ""


def _next_time(offer: Offer, at: datetime, zone: ZoneInfo) -> str:
    opens = hours.next_open(hours.parse(offer.hours), at, zone)
    if offer.ends_at and opens >= offer.ends_at:
        return f"Its hours are over: it was valid until {offer.valid_until(zone)}."
    return f"Good again on {_moment(opens, zone)}. Keep this page."


def facts_of(offer: Offer, zone: ZoneInfo, places: Sequence[str], *, used: int = 0, max_uses: int = 1) -> list[str]:
    """Return when, where and for which orders a deal is good, a sentence each."""
    windows = hours.parse(offer.hours)
    found = (
        (offer.ends_at, f"Valid until {offer.valid_until(zone)}"),
        (windows, f"Days and hours: {hours.words(windows)}"),
        (offer.min_spend, f"For orders from {money(offer.min_spend, offer.currency)}"),
        (offer.max_discount, f"At most {money(offer.max_discount, offer.currency)} off"),
        (places, f"Valid at: {', '.join(places)}"),
        (max_uses > 1, f"Good for {max_uses - used} more of {max_uses} visits."),
    )
    return [words for holds, words in found if holds]


def _day(offer: Offer, at: datetime, zone: ZoneInfo) -> date | None:
    if offer.ends_at:
        end = offer.ends_at.astimezone(zone)
        return (end - timedelta(days=end.time() == time.min)).date()
    return offer.starts_at.astimezone(zone).date() if offer.starts_at and offer.starts_at > at else None


def worth(offer: Offer) -> str:
    """`20 % off`, `$5 off` in figures and currency, or the name of the kind."""
    if offer.type == Offer.Type.PERCENT and offer.value is not None:
        return f"{offer.value.normalize():f} % off"
    if offer.type == Offer.Type.AMOUNT:
        return f"{money(offer.value, offer.currency)} off"
    return offer.get_type_display()


def terms_in_short(offer: Offer) -> list[str]:
    """Return what a deal is worth and for which orders, as the scanner says it: `20 % off, at most 15.00 USD`."""
    cap = f", at most {money(offer.max_discount, offer.currency)}" if offer.max_discount else ""
    least = [f"For orders from {money(offer.min_spend, offer.currency)}"] if offer.min_spend else []
    return [f"{worth(offer)}{cap}", *least]


def money(amount: Decimal | None, currency: str) -> str:
    """`1,500.00 USD`; nothing for no amount."""
    return "" if amount is None else f"{amount:,.2f} {currency}"


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return date_format(local, "l, F j, Y, g:i A ") + (local.tzname() or "")
