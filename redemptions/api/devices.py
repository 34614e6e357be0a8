"""Endpoints of the device itself: letting it in, who it is, its token, who holds it."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.models import Business
from redemptions.api.answers import when
from redemptions.api.endpoint import Endpoint, device_of, key_of, refused, validated
from redemptions.api.schema import CORRECTION_REFUSAL, OF_ALL, OF_BODIES, OF_DEVICES, idempotency_key, problems
from redemptions.api.serializers import (
    DeviceSerializer,
    EnrolmentRequestSerializer,
    EnrolmentSerializer,
    SignedInSerializer,
    SignInRequestSerializer,
    TokenSerializer,
)
from redemptions.models import Device, Offer
from redemptions.services import (
    EnrolmentRefused,
    SignInRefused,
    complete_enrolment,
    release_device,
    rotate_token,
    sign_in,
)
from redemptions.services.voiding import VOID_WITHIN

FEATURES = ["amend", "batch", "offline_pack", "rotate", "staff", "void"]
MINUTE_S = 60


def describe(device: Device, now: datetime) -> dict[str, Any]:
    business = Business.load()
    return {
        "device_id": device.pk,
        "name": device.name,
        "location": device.location.name,
        "profile": device.profile,
        "policy": policy_of(device),
        "business": business.name,
        "time_zone": business.timezone,
        "server_time": now,
        "min_app_version": settings.MIN_APP_VERSION,
        "features": FEATURES,
    }


def policy_of(device: Device) -> dict[str, Any]:
    is_kiosk = device.profile == Device.Profile.KIOSK
    is_manager = device.profile == Device.Profile.MANAGER
    opted_in = Offer.objects.filter(status=Offer.Status.ACTIVE).exclude(offline=Offer.Offline.REFUSE)
    return {
        "offline": opted_in.exists(),
        "asks_pin": device.asks_pin,
        "shows_names": not is_kiosk,
        "voids": not is_kiosk,
        "void_minutes": None if is_manager else int(VOID_WITHIN.total_seconds()) // MINUTE_S,
    }


class EnrolView(Endpoint):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    calls_a_minute = 60

    @extend_schema(
        operation_id="enrol_device",
        summary="Trade a one-time enrolment token for a device token",
        description="The same Idempotency-Key gets the same token again for ten minutes. "
        "A token that a rotation has ended is not given again. "
        "Refusals: `enrol_used`, `enrol_expired`, `enrol_unknown`.",
        parameters=[idempotency_key(required=False)],
        request=EnrolmentRequestSerializer,
        responses={201: EnrolmentSerializer, **CORRECTION_REFUSAL, **problems(*OF_BODIES, *OF_ALL)},
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
            raise refused(
                code=error.reason.value, title=str(error.reason.label), detail=_("Ask the owner for a new link.")
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

    @extend_schema(
        operation_id="release_device",
        summary="Give up: forget this device's token",
        description="What it scanned stays. A new link makes it the same device again.",
        responses={204: None, **problems(*OF_DEVICES)},
    )
    def delete(self, request: Request) -> Response:
        release_device(device=device_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RotateView(Endpoint):
    @extend_schema(
        operation_id="rotate_token",
        summary="A new token",
        description="The one it is called with works until the new one is used, however long that takes. "
        "The same Idempotency-Key gets the same new token again.",
        parameters=[idempotency_key(required=True)],
        request=None,
        responses={200: TokenSerializer, **problems(400, 413, *OF_DEVICES)},
    )
    def post(self, request: Request) -> Response:
        key = key_of(request)
        token = rotate_token(device=device_of(request), token=cast(str, request.auth), key=key)
        return Response({"token": token})


class SignInView(Endpoint):
    calls_a_minute = 60

    @extend_schema(
        operation_id="sign_in_staff",
        summary="Who holds this device, by their PIN",
        description="Send the id along as `staff` from then on; after 14 days it names nobody. Refusals: `pin_wrong`, "
        "and `pin_locked` after five wrong ones on this device within 15 minutes, until the first is that old.",
        request=SignInRequestSerializer,
        responses={200: SignedInSerializer, **CORRECTION_REFUSAL, **problems(*OF_BODIES, *OF_DEVICES)},
    )
    def post(self, request: Request) -> Response:
        data, now = validated(SignInRequestSerializer, request), timezone.now()
        try:
            staff = sign_in(device=device_of(request), pin=data["pin"], at=now)
        except SignInRefused as error:
            raise refused(code=error.reason.value, title=str(error.reason.label), detail=_again(error, now)) from error
        return Response({"staff": {"id": f"st_{staff.pk}", "name": staff.name}})


def _again(error: SignInRefused, now: datetime) -> str:
    if error.until is None:
        return _("Try again.")
    return _("Try again %(when)s.") % {"when": when(error.until, now, Business.load().zone)}
