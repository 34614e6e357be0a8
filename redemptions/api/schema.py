"""What drf-spectacular cannot see by itself."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer

from redemptions.api.problems import PROBLEM_TYPE
from redemptions.api.serializers import (
    CorrectionRefusalSerializer,
    ProblemSerializer,
    RecordedSerializer,
    RedemptionSerializer,
    RefusalSerializer,
)

KEY_PATTERN = "^[A-Za-z0-9_-]{8,64}$"


class DeviceTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "redemptions.api.authentication.DeviceTokenAuthentication"
    name = "deviceToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token <device token>`",
        }


def idempotency_key(*, required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        name="Idempotency-Key",
        type={"type": "string", "pattern": KEY_PATTERN},
        location=OpenApiParameter.HEADER,
        required=required,
        description="One per physical act, made and kept before the first try; repeat it until there is an answer.",
    )


def problems(*statuses: int) -> dict[Any, Any]:
    return {(status, PROBLEM_TYPE): ProblemSerializer for status in statuses}


REFUSAL: dict[Any, Any] = {(409, PROBLEM_TYPE): RefusalSerializer}
CORRECTION_REFUSAL: dict[Any, Any] = {(409, PROBLEM_TYPE): CorrectionRefusalSerializer}
# What a key gets again: staff may have refused its scan without network.
GIVEN_OR_RECORDED = PolymorphicProxySerializer(
    component_name="GivenOrRecorded",
    serializers=[RedemptionSerializer, RecordedSerializer],
    resource_type_field_name=None,
)
OF_ALL = (426, 429)
OF_DEVICES = (401, 403, *OF_ALL)
OF_BODIES = (400, 411, 413, 415)
