"""Endpoints of a scan: dry run, redeeming, and what became of it."""

from __future__ import annotations

import re

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from redemptions.api.answers import answer
from redemptions.api.endpoint import (
    Endpoint,
    currency_mismatch,
    device_of,
    key_of,
    key_reused,
    order_of,
    staff_of,
    validated,
)
from redemptions.api.schema import (
    GIVEN_OR_RECORDED,
    KEY_PATTERN,
    OF_BODIES,
    OF_DEVICES,
    REFUSAL,
    idempotency_key,
    problems,
)
from redemptions.api.serializers import (
    RedemptionRequestSerializer,
    RedemptionSerializer,
    ValidationRequestSerializer,
)
from redemptions.services import CurrencyMismatch, KeyReused, recall_by_key, redeem, validate


class ValidationsView(Endpoint):
    calls_a_minute = 240  # it leaves no scan behind that could count as a guess

    @extend_schema(
        operation_id="validate_code",
        summary="Dry run: what redeeming would answer now",
        description="Redeems nothing and records nothing.",
        request=ValidationRequestSerializer,
        responses={200: RedemptionSerializer, **REFUSAL, **problems(*OF_BODIES, *OF_DEVICES)},
    )
    def post(self, request: Request) -> Response:
        device = device_of(request)
        data = validated(ValidationRequestSerializer, request)
        try:
            outcome = validate(code_text=data["code"], device=device, at=timezone.now(), **order_of(data))
        except CurrencyMismatch as error:
            raise currency_mismatch() from error
        return answer(outcome, device=device).response()


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
            200: GIVEN_OR_RECORDED,
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
                staff=staff_of(data, device),
                **order_of(data),
            )
        except KeyReused as error:
            raise key_reused() from error
        except CurrencyMismatch as error:
            raise currency_mismatch() from error
        return answer(outcome, device=device).response()


class RedemptionByKeyView(Endpoint):
    @extend_schema(
        operation_id="get_redemption_by_key",
        summary="Did it land? The outcome of a scan, by its Idempotency-Key",
        responses={200: GIVEN_OR_RECORDED, **REFUSAL, **problems(*OF_DEVICES, 404)},
    )
    def get(self, request: Request, key: str) -> Response:
        device = device_of(request)
        outcome = recall_by_key(device=device, key=key) if re.fullmatch(KEY_PATTERN, key) else None
        if outcome is None:
            raise NotFound(_("This device sent no such redemption."))
        return answer(outcome, device=device).response()
