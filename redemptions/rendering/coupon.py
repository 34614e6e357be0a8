"""A coupon in words, as its owner sees it, and what the deal is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from redemptions import hours
from redemptions.models import Offer, Redemption, Scan

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Reason = Scan.Reason
HEADLINES: dict[Scan.Reason | None, _StrPromise] = {
    None: gettext_lazy("Show this at the till"),
    Reason.TEST_CODE: gettext_lazy("Test, not valid"),
    Reason.CODE_REVOKED: gettext_lazy("Withdrawn"),
    Reason.ALREADY_REDEEMED: gettext_lazy("Already used"),
    Reason.NOT_YET_VALID: gettext_lazy("Not valid yet"),
    Reason.EXPIRED: gettext_lazy("Expired"),
    Reason.OUTSIDE_HOURS: gettext_lazy("Not at this time"),
    Reason.OFFER_PAUSED: gettext_lazy("Paused"),
    Reason.OFFER_ENDED: gettext_lazy("This deal is over"),
    Reason.OFFER_LIMIT: gettext_lazy("All given out"),
    Reason.CUSTOMER_LIMIT: gettext_lazy("Used up"),
}
EXPLANATIONS = {
    Reason.TEST_CODE: gettext_lazy("This coupon came with a test message. The till will refuse it."),
    Reason.CODE_REVOKED: gettext_lazy("This coupon can no longer be used."),
    Reason.OFFER_PAUSED: gettext_lazy("This deal is paused at the moment. Keep this page and try again later."),
    Reason.OFFER_ENDED: gettext_lazy("Thank you for your interest. Watch out for the next one."),
    Reason.OFFER_LIMIT: gettext_lazy("There were only so many, and all of them are gone."),
    Reason.CUSTOMER_LIMIT: gettext_lazy("You have had this deal as often as one person may."),
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
        headline=str(HEADLINES[reason]),
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
        used = {"when": _moment(previous.at, zone), "location": previous.location.name}
        return _("Used on %(when)s at %(location)s.") % used
    if reason == Reason.NOT_YET_VALID and offer.starts_at:
        return _("Valid from %(when)s. Keep this page.") % {"when": _moment(offer.starts_at, zone)}
    if reason == Reason.EXPIRED and offer.ends_at:
        return _("It was valid until %(when)s.") % {"when": offer.valid_until(zone)}
    if reason == Reason.OUTSIDE_HOURS:
        return _next_time(offer, at, zone)
    return str(EXPLANATIONS.get(reason, "")) if reason else ""


def _next_time(offer: Offer, at: datetime, zone: ZoneInfo) -> str:
    opens = hours.next_open(hours.parse(offer.hours), at, zone)
    if offer.ends_at and opens >= offer.ends_at:
        return _("Its hours are over: it was valid until %(when)s.") % {"when": offer.valid_until(zone)}
    return _("Good again on %(when)s. Keep this page.") % {"when": _moment(opens, zone)}


def facts_of(offer: Offer, zone: ZoneInfo, places: Sequence[str], *, used: int = 0, max_uses: int = 1) -> list[str]:
    """Return when, where and for which orders a deal is good, a sentence each."""
    windows = hours.parse(offer.hours)
    found = (
        (offer.ends_at, _("Valid until %(when)s") % {"when": offer.valid_until(zone)}),
        (windows, _("Days and hours: %(hours)s") % {"hours": hours.words(windows)}),
        (offer.min_spend, _for_orders(offer)),
        (offer.max_discount, _("At most %(amount)s off") % {"amount": money(offer.max_discount, offer.currency)}),
        (places, _("Valid at: %(places)s") % {"places": ", ".join(places)}),
        (
            max_uses > 1,
            _("Good for %(left)s more of %(visits)s visits.") % {"left": max_uses - used, "visits": max_uses},
        ),
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
        return _("%(percent)s %% off") % {"percent": f"{offer.value.normalize():f}"}
    if offer.type == Offer.Type.AMOUNT:
        return _("%(amount)s off") % {"amount": money(offer.value, offer.currency)}
    return offer.get_type_display()


def terms_in_short(offer: Offer) -> list[str]:
    """Return what a deal is worth and for which orders, as the scanner says it: `20 % off, at most 15.00 USD`."""
    words = worth(offer)
    if offer.max_discount:
        most = money(offer.max_discount, offer.currency)
        words = _("%(worth)s, at most %(amount)s") % {"worth": words, "amount": most}
    return [words, _for_orders(offer)] if offer.min_spend else [words]


def _for_orders(offer: Offer) -> str:
    return _("For orders from %(amount)s") % {"amount": money(offer.min_spend, offer.currency)}


def money(amount: Decimal | None, currency: str) -> str:
    """`1,500.00 USD`; nothing for no amount."""
    return "" if amount is None else f"{amount:,.2f} {currency}"


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return date_format(local, pgettext("date", "l, F j, Y, g:i A")) + f" {local.tzname() or ''}"
