"""An outcome in the words and shapes of the API."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from rest_framework import status
from rest_framework.response import Response

from contacts.models import Business
from redemptions.api.problems import problem
from redemptions.api.serializers import PreviousSerializer, RedemptionSerializer
from redemptions.models import Code, Device, Offer, Redemption, Scan
from redemptions.queries import display_name, previous_redemption, uses_when
from redemptions.services import Outcome

VOID_WITHIN = timedelta(minutes=15)

DETAILS = {
    Scan.Reason.UNKNOWN_CODE: "There is no such code. Check it and try again.",
    Scan.Reason.TEST_CODE: "This code came from a test message. It is never valid.",
    Scan.Reason.CODE_REVOKED: "This code was withdrawn.",
    Scan.Reason.OFFER_PAUSED: "This deal is paused at the moment.",
    Scan.Reason.OFFER_ENDED: "This deal is over.",
    Scan.Reason.DEVICE_LOCKED: "Too many unknown codes from this device. It reads codes again in ten minutes.",
}
MISTYPED = "Typing error, check the code."


def answer(outcome: Outcome, *, device: Device) -> Response:
    """Return 201 for a deal given now, 200 for one given before or a dry run, 409 for a refusal."""
    if outcome.reason is not None:
        return _refusal(outcome, outcome.reason, device)
    if outcome.code is None:
        raise ValueError("An outcome without a reason has a code.")
    body = RedemptionSerializer(_redemption(outcome, outcome.code, device)).data
    first = outcome.redemption is not None and not outcome.replayed
    return Response(body, status=status.HTTP_201_CREATED if first else status.HTTP_200_OK)


def _redemption(outcome: Outcome, code: Code, device: Device) -> dict[str, Any]:
    redemption = outcome.redemption
    return {
        "id": f"rd_{redemption.public_id}" if redemption else None,
        "result": "redeemed" if redemption else "valid",
        "replayed": outcome.replayed,
        "redeemed_at": redemption.at if redemption else None,
        "deal": _deal(code.offer),
        "discount": _money(outcome.discount, code.offer.currency),
        "customer": {"display": "" if device.profile == Device.Profile.KIOSK else display_name(code)},
        "uses": {"used": uses_when(redemption) if redemption else code.used, "max": code.max_uses},
        "void_until": redemption.at + VOID_WITHIN if redemption else None,
        "receipt": redemption.receipt if redemption else None,
    }


def _deal(offer: Offer) -> dict[str, Any]:
    return {
        "title": offer.name,
        "type": offer.type,
        "value": _value(offer),
        "currency": offer.currency,
        "min_spend": None,
        "max_discount": None,
        "instructions": offer.instructions,
    }


def _value(offer: Offer) -> str | None:
    """Return `20` for 20 %, `5.00` for money, None for an item."""
    if offer.value is None:
        return None
    return f"{offer.value.normalize():f}" if offer.type == Offer.Type.PERCENT else f"{offer.value:.2f}"


def _money(amount: Decimal | None, currency: str) -> dict[str, Any] | None:
    return None if amount is None else {"amount": amount, "currency": currency}


def _refusal(outcome: Outcome, reason: Scan.Reason, device: Device) -> Response:
    zone = Business.load().zone
    more: dict[str, Any] = {
        "attempt": f"at_{outcome.scan.public_id}" if outcome.scan else None,
        "retryable": False,
        "replayed": outcome.replayed,
    }
    previous = None
    if reason == Scan.Reason.ALREADY_REDEEMED and outcome.code:
        previous = previous_redemption(outcome.code, at=outcome.at)
    if previous:
        more["previous"] = PreviousSerializer(_previous(previous, outcome.at, device)).data
    return problem(
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
        return MISTYPED
    if reason in DETAILS:
        return DETAILS[reason]
    if previous:
        return f"Used {_when(previous.at, outcome.at, zone)} at {previous.location.name}."
    return _detail_of_offer(outcome.code.offer, reason, outcome.at, zone) if outcome.code else ""


def _detail_of_offer(offer: Offer, reason: Scan.Reason, at: datetime, zone: ZoneInfo) -> str:
    if reason == Scan.Reason.NOT_YET_VALID and offer.starts_at:
        return f"Valid from {_when(offer.starts_at, at, zone)}."
    if reason == Scan.Reason.EXPIRED and offer.ends_at:
        return f"Expired {_when(offer.ends_at, at, zone)}."
    if reason == Scan.Reason.WRONG_LOCATION:
        return f"Valid at: {', '.join(offer.locations.values_list('name', flat=True))}."
    return f"{reason.label}."


def _when(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    today = local.date() == now.astimezone(zone).date()
    return f"{'today' if today else date_format(local, 'M j, Y')} at {date_format(local, 'g:i A')}"
