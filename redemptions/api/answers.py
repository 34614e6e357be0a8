"""An outcome in the words and shapes of the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from rest_framework import status
from rest_framework.response import Response

from contacts.models import Business
from redemptions import hours
from redemptions.api.problems import problem, problem_body
from redemptions.api.serializers import DealSerializer, PreviousSerializer, RedemptionSerializer
from redemptions.models import Code, Device, Offer, Redemption, Scan
from redemptions.queries import display_name, previous_redemption, uses_when
from redemptions.rendering.coupon import money as words_of_money
from redemptions.services import Outcome, void_until

DETAILS = {
    Scan.Reason.UNKNOWN_CODE: gettext_lazy("There is no such code. Check it and try again."),
    Scan.Reason.TEST_CODE: gettext_lazy("This code came from a test message. It is never valid."),
    Scan.Reason.CODE_REVOKED: gettext_lazy("This code was withdrawn."),
    Scan.Reason.OFFER_PAUSED: gettext_lazy("This deal is paused at the moment."),
    Scan.Reason.OFFER_ENDED: gettext_lazy("This deal is over."),
    Scan.Reason.CUSTOMER_LIMIT: gettext_lazy("This guest has had the deal as often as it may be had."),
    Scan.Reason.OFFER_LIMIT: gettext_lazy("There was a limited number of this deal, and all of them are given out."),
    Scan.Reason.ORDER_VALUE_REQUIRED: gettext_lazy("Type what the order costs."),
    Scan.Reason.DEVICE_LOCKED: gettext_lazy(
        "Too many unknown codes from this device. It reads codes again in ten minutes."
    ),
}
MISTYPED = gettext_lazy("Typing error, check the code.")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]

    def response(self) -> Response:
        if self.status >= status.HTTP_400_BAD_REQUEST:
            return problem(self.body)
        return Response(self.body, status=self.status)


def answer(outcome: Outcome, *, device: Device) -> Answer:
    """Return 201 for a deal given now, 200 for one given before or a dry run, 409 for a refusal.

    Of a scan that staff refused without network there is nothing to tell but that it is on record.
    """
    if outcome.scan and outcome.scan.decision == Scan.Decision.REFUSED:
        body = {"result": "recorded", "attempt": _attempt_id(outcome), "replayed": outcome.replayed}
        return Answer(status.HTTP_200_OK, body)
    if outcome.reason is not None:
        return Answer(status.HTTP_409_CONFLICT, _refusal(outcome, outcome.reason, device))
    first = outcome.redemption is not None and not outcome.replayed
    body = describe_redemption(
        outcome.redemption, code=outcome.code, discount=outcome.discount, replayed=outcome.replayed, device=device
    )
    return Answer(status.HTTP_201_CREATED if first else status.HTTP_200_OK, body)


def describe_redemption(
    line: Redemption | None, *, code: Code | None, discount: Decimal | None, replayed: bool, device: Device
) -> dict[str, Any]:
    """Return a line of the ledger for a device; without a line, what a dry run of the code found."""
    offer = code.offer if code else None
    currency = line.currency if line else offer.currency if offer else ""
    values = {
        "id": redemption_id(line) if line else None,
        "result": line.kind if line else "valid",
        "replayed": replayed,
        "redeemed_at": line.at if line else None,
        "deal": describe_deal(offer) if offer else None,
        "discount": money(discount, currency),
        "customer": {"display": display_name(code) if code and device.profile != Device.Profile.KIOSK else ""},
        "uses": {"used": uses_when(line) if line else code.used, "max": code.max_uses} if code else None,
        "void_until": void_until(line) if line else None,
        "voided_at": voided_at(line) if line and replayed else None,
        "receipt": line.receipt if line else None,
        "order_value": money(line.order_value if line else None, currency),
        "receipt_no": line.receipt_no if line else "",
        "note": line.note if line else "",
    }
    return dict(RedemptionSerializer(values).data)


def redemption_id(line: Redemption) -> str:
    return f"rd_{line.public_id}"


def voided_at(line: Redemption) -> datetime | None:
    """Return when a line was taken back. One query."""
    return Redemption.objects.filter(reverses=line).values_list("at", flat=True).first()


def describe_deal(offer: Offer) -> dict[str, Any]:
    return {
        "title": offer.name,
        "type": offer.type,
        "value": _value(offer),
        "currency": offer.currency,
        "min_spend": money(offer.min_spend, offer.currency),
        "max_discount": money(offer.max_discount, offer.currency),
        "instructions": offer.instructions,
    }


def _value(offer: Offer) -> str | None:
    """Return `20` for 20 %, `5.00` for money, None for an item."""
    if offer.value is None:
        return None
    return f"{offer.value.normalize():f}" if offer.type == Offer.Type.PERCENT else f"{offer.value:.2f}"


def money(amount: Decimal | None, currency: str) -> dict[str, Any] | None:
    return None if amount is None else {"amount": amount, "currency": currency}


def _attempt_id(outcome: Outcome) -> str | None:
    return f"at_{outcome.scan.public_id}" if outcome.scan else None


def _refusal(outcome: Outcome, reason: Scan.Reason, device: Device) -> dict[str, Any]:
    zone = Business.load().zone
    more: dict[str, Any] = {
        "attempt": _attempt_id(outcome),
        "retryable": False,
        "replayed": outcome.replayed,
    }
    previous = None
    if reason == Scan.Reason.ALREADY_REDEEMED and outcome.code:
        previous = previous_redemption(outcome.code, at=outcome.at)
    if previous:
        more["previous"] = PreviousSerializer(_previous(previous, outcome.at, device)).data
    if outcome.code and reason in {Scan.Reason.ORDER_VALUE_REQUIRED, Scan.Reason.MIN_SPEND_NOT_MET}:
        more["deal"] = DealSerializer(describe_deal(outcome.code.offer)).data
    if line := outcome.redemption:
        more |= {"honoured": True, "id": redemption_id(line), "receipt": line.receipt}
    return problem_body(
        status=status.HTTP_409_CONFLICT,
        code=reason.value,
        title=str(reason.label),
        detail=_detail(outcome, reason, previous, zone),
        **more,
    )


def _previous(redemption: Redemption, at: datetime, device: Device) -> dict[str, Any]:
    return {
        "redeemed_at": redemption.at,
        "location": redemption.location.name,
        "this_device": redemption.device_id == device.pk,
        "seconds_ago": max(0, int((at - redemption.at).total_seconds())),
    }


def _detail(outcome: Outcome, reason: Scan.Reason, previous: Redemption | None, zone: ZoneInfo) -> str:
    if outcome.mistyped and reason == Scan.Reason.UNKNOWN_CODE:
        return str(MISTYPED)
    if reason in DETAILS:
        return str(DETAILS[reason])
    if previous:
        used = {"when": when(previous.at, outcome.at, zone), "location": previous.location.name}
        return _("Used %(when)s at %(location)s.") % used
    return _detail_of_offer(outcome.code.offer, reason, outcome.at, zone) if outcome.code else ""


def _detail_of_offer(offer: Offer, reason: Scan.Reason, at: datetime, zone: ZoneInfo) -> str:
    if reason == Scan.Reason.NOT_YET_VALID and offer.starts_at:
        return _("Valid from %(when)s.") % {"when": when(offer.starts_at, at, zone)}
    if reason == Scan.Reason.EXPIRED and offer.ends_at:
        return _("Expired %(when)s.") % {"when": when(offer.ends_at, at, zone)}
    if reason == Scan.Reason.WRONG_LOCATION:
        return _("Valid at: %(locations)s.") % {"locations": ", ".join(offer.locations.values_list("name", flat=True))}
    if reason == Scan.Reason.OUTSIDE_HOURS:
        return _("Valid %(hours)s.") % {"hours": hours.words(hours.parse(offer.hours))}
    if reason == Scan.Reason.MIN_SPEND_NOT_MET:
        least = words_of_money(offer.min_spend, offer.currency)
        return _("The order must be at least %(amount)s.") % {"amount": least}
    return f"{reason.label}."


def when(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    today = local.date() == now.astimezone(zone).date()
    clock = date_format(local, pgettext("time", "g:i A"))
    if today:
        return _("today at %(time)s") % {"time": clock}
    return _("%(day)s at %(time)s") % {"day": date_format(local, pgettext("date", "M j, Y")), "time": clock}
