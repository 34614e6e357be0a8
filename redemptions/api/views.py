"""The scanner API. Each view reads the request and the clock, calls one service, and answers."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, time, timedelta
from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from contacts.models import Business
from redemptions.api.answers import answer
from redemptions.api.problems import Problem
from redemptions.api.schema import KEY_PATTERN, OF_BODIES, OF_DEVICES, REFUSAL, idempotency_key, problems
from redemptions.api.serializers import (
    DeviceSerializer,
    EnrolmentRequestSerializer,
    EnrolmentSerializer,
    Money,
    RedemptionRequestSerializer,
    RedemptionSerializer,
    TodaySerializer,
    ValidationRequestSerializer,
)
from redemptions.api.throttles import ValidationThrottle
from redemptions.models import Device, Scan
from redemptions.queries import count_scans, find_redemption_scan, find_scan
from redemptions.services import (
    CurrencyMismatch,
    EnrolmentRefused,
    KeyReused,
    complete_enrolment,
    recall,
    redeem,
    validate,
)

# The longest body an endpoint has a use for is below 2 kB.
BODY_LIMIT = 128 * 1024


# Reads small bodies only, and its answers are not kept by anything on the way. A docstring would be published as the
# description of every operation without one of its own.
class Endpoint(APIView):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Nothing is read beyond what this header says; without it, or where it is no number, nothing at all.
        length = request.META.get("CONTENT_LENGTH") or ""
        if length.isdecimal() and int(length) > BODY_LIMIT:
            raise Problem(
                status=status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
                code="too_large",
                title="Too large",
                detail=f"A body has at most {BODY_LIMIT // 1024} kB.",
            )
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Cache-Control"] = "no-store"
        return final


def device_of(request: Request) -> Device:
    return cast(Device, request.user)


def validated(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return the checked body. Raises ValidationError, and ParseError where it is no JSON of a sane depth."""
    try:
        checked = serializer(data=request.data)
        checked.is_valid(raise_exception=True)
    except RecursionError as error:
        raise ParseError("The body is nested too deeply.") from error
    return cast(dict[str, Any], checked.validated_data)


def key_of(request: Request) -> str:
    """Return the Idempotency-Key. Raises Problem where there is none or it is malformed."""
    key = request.headers.get("Idempotency-Key", "")
    if not re.fullmatch(KEY_PATTERN, key):
        raise Problem(
            status=status.HTTP_400_BAD_REQUEST,
            code="idempotency_key_invalid" if key else "idempotency_key_required",
            detail="Send an Idempotency-Key header: 8 to 64 letters, digits, - or _, new for each scan.",
        )
    return key


def order_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return the order's value as the services take it."""
    money: Money | None = data.get("order_value")
    return {"order_value": money.amount, "currency": money.currency} if money else {}


def currency_mismatch() -> Problem:
    return Problem(
        status=status.HTTP_400_BAD_REQUEST,
        code="currency_mismatch",
        detail="The order's currency is not the deal's.",
    )


def describe(device: Device, now: datetime) -> dict[str, Any]:
    business = Business.load()
    return {
        "device_id": device.pk,
        "name": device.name,
        "location": device.location.name,
        "profile": device.profile,
        "business": business.name,
        "time_zone": business.timezone,
        "server_time": now,
    }


class EnrolView(Endpoint):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="enrol_device",
        summary="Trade a one-time enrolment token for a device token",
        description="The same Idempotency-Key gets the same token again for ten minutes. "
        "Refusals: `enrol_used`, `enrol_expired`, `enrol_unknown`.",
        parameters=[idempotency_key(required=False)],
        request=EnrolmentRequestSerializer,
        responses={201: EnrolmentSerializer, **problems(*OF_BODIES, 409)},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        # Without a key of the caller's own, the answer cannot be had a second time.
        key = key_of(request) if "Idempotency-Key" in request.headers else secrets.token_hex(16)
        data = validated(EnrolmentRequestSerializer, request)
        now = timezone.now()
        try:
            device, token = complete_enrolment(key=key, at=now, **data)
        except EnrolmentRefused as error:
            raise Problem(
                status=status.HTTP_409_CONFLICT,
                code=error.reason.value,
                title=str(error.reason.label),
                detail="Ask the owner for a new link.",
            ) from error
        body = EnrolmentSerializer(describe(device, now) | {"token": token}).data
        return Response(body, status=status.HTTP_201_CREATED)


class DeviceView(Endpoint):
    @extend_schema(
        operation_id="get_device",
        summary="This device",
        responses={200: DeviceSerializer, **problems(*OF_DEVICES)},
    )
    def get(self, request: Request) -> Response:
        return Response(DeviceSerializer(describe(device_of(request), timezone.now())).data)


class ValidationsView(Endpoint):
    throttle_classes = (ValidationThrottle,)

    @extend_schema(
        operation_id="validate_code",
        summary="Dry run: what redeeming would answer now",
        description="Redeems nothing and records nothing.",
        request=ValidationRequestSerializer,
        responses={200: RedemptionSerializer, **REFUSAL, **problems(*OF_BODIES, *OF_DEVICES, 429)},
    )
    def post(self, request: Request) -> Response:
        device = device_of(request)
        data = validated(ValidationRequestSerializer, request)
        try:
            outcome = validate(code_text=data["code"], device=device, at=timezone.now(), **order_of(data))
        except CurrencyMismatch as error:
            raise currency_mismatch() from error
        return answer(outcome, device=device)


class RedemptionsView(Endpoint):
    @extend_schema(
        operation_id="redeem_code",
        summary="Redeem a code",
        description="The same Idempotency-Key gets the same outcome again, for the life of the record. Only a 2xx "
        "with a `result` or a 409 problem with a `code` is an answer; after anything else, repeat with the same key.",
        parameters=[idempotency_key(required=True)],
        request=RedemptionRequestSerializer,
        responses={
            201: RedemptionSerializer,
            200: RedemptionSerializer,
            **REFUSAL,
            **problems(*OF_BODIES, *OF_DEVICES, 422),
        },
    )
    def post(self, request: Request) -> Response:
        device, key = device_of(request), key_of(request)
        data = validated(RedemptionRequestSerializer, request)
        try:
            outcome = redeem(
                code_text=data["code"],
                device=device,
                key=key,
                at=timezone.now(),
                entry=data["entry"],
                scanned_at=data.get("scanned_at"),
                receipt_no=data["receipt_no"],
                **order_of(data),
            )
        except KeyReused as error:
            raise Problem(
                status=status.HTTP_422_UNPROCESSABLE_ENTITY,
                code="idempotency_key_reused",
                detail="This Idempotency-Key was used for another code. Make a new one for each scan.",
            ) from error
        except CurrencyMismatch as error:
            raise currency_mismatch() from error
        return answer(outcome, device=device)


def stored_answer(scan: Scan | None, *, device: Device) -> Response:
    """Return the outcome on record. Raises NotFound where there is none."""
    if scan is None:
        raise NotFound("This device sent no such redemption.")
    return answer(recall(scan), device=device)


class RedemptionView(Endpoint):
    @extend_schema(
        operation_id="get_redemption",
        summary="A redemption this device made",
        responses={200: RedemptionSerializer, **problems(*OF_DEVICES, 404)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        device, public_id = device_of(request), public_id.removeprefix("rd_")
        # PostgreSQL refuses to look for a NUL character.
        scan = find_redemption_scan(device=device, public_id=public_id) if public_id.isalnum() else None
        return stored_answer(scan, device=device)


class RedemptionByKeyView(Endpoint):
    @extend_schema(
        operation_id="get_redemption_by_key",
        summary="Did it land? The outcome of a scan, by its Idempotency-Key",
        responses={200: RedemptionSerializer, **REFUSAL, **problems(*OF_DEVICES, 404)},
    )
    def get(self, request: Request, key: str) -> Response:
        device = device_of(request)
        scan = find_scan(device=device, key=key) if re.fullmatch(KEY_PATTERN, key) else None
        return stored_answer(scan, device=device)


class TodayView(Endpoint):
    @extend_schema(
        operation_id="get_today",
        summary="What this device redeemed and refused today",
        responses={200: TodaySerializer, **problems(*OF_DEVICES)},
    )
    def get(self, request: Request) -> Response:
        business = Business.load()
        today = timezone.localdate(timezone=business.zone)
        start, end = (
            datetime.combine(day, time.min, tzinfo=business.zone) for day in (today, today + timedelta(days=1))
        )
        counts = count_scans(device=device_of(request), start=start, end=end)
        body = {"date": today, "time_zone": business.timezone, **counts}
        return Response(TodaySerializer(body).data)


class UnknownAddressView(Endpoint):
    """Every address that is no other endpoint's, whoever asks and by whatever method."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("There is no such address. The API's addresses end without a slash.")
