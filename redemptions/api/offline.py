"""Endpoints for times without network: what a device takes along, and what it brings back."""

from __future__ import annotations

import logging
import re
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from redemptions.api.answers import Answer, answer, describe_deal, money
from redemptions.api.endpoint import Endpoint, device_of, order_of, staff_number, validated
from redemptions.api.problems import invalid, problem_body
from redemptions.api.schema import KEY_PATTERN, OF_BODIES, OF_DEVICES, problems
from redemptions.api.serializers import (
    BatchEnvelopeSerializer,
    BatchItemSerializer,
    BatchRequestSerializer,
    BatchSerializer,
    OfflinePackSerializer,
)
from redemptions.models import Device, Offer, Scan
from redemptions.services import OfflinePack, OfflineScan, Uploaded, offline_pack, upload

logger = logging.getLogger(__name__)

STATUSES = {
    Uploaded.Problem.KEY_REUSED: status.HTTP_422_UNPROCESSABLE_ENTITY,
    Uploaded.Problem.CURRENCY: status.HTTP_400_BAD_REQUEST,
    Uploaded.Problem.LOCKED: status.HTTP_429_TOO_MANY_REQUESTS,
    Uploaded.Problem.FAILED: status.HTTP_500_INTERNAL_SERVER_ERROR,
}


class BatchView(Endpoint):
    calls_a_minute = 120
    body_limit = 256 * 1024

    @extend_schema(
        operation_id="upload_scans",
        summary="Bring in scans that were made without network",
        description="Each item has a record and an answer of its own, whatever became of the others, and may be sent "
        "again, in any order. A 2xx or a 409 settles an item; with anything else it is kept, and sent again with the "
        "same key. What was `honoured` is always recorded: against a rule it is a conflict, 409 with `honoured`.",
        request=BatchRequestSerializer,
        responses={200: BatchSerializer, **problems(*OF_BODIES, *OF_DEVICES)},
    )
    def post(self, request: Request) -> Response:
        device, now = device_of(request), timezone.now()
        batch = validated(BatchEnvelopeSerializer, request)
        checked = [_checked(item) for item in batch["items"]]
        good = [item for item in checked if isinstance(item, OfflineScan)]
        uploads = iter(upload(device=device, items=good, sent_at=batch["sent_at"], at=now))
        answers = [_answer(next(uploads), device) if isinstance(item, OfflineScan) else item for item in checked]
        results = [
            {"key": _key(item), "status": one.status, "body": one.body}
            for item, one in zip(batch["items"], answers, strict=True)
        ]
        return Response(BatchSerializer({"server_time": now, "results": results}).data)


def _key(item: Any) -> str | None:
    key = item.get("key") if isinstance(item, dict) else None
    return key if isinstance(key, str) and re.fullmatch(KEY_PATTERN, key) else None


def _checked(item: Any) -> OfflineScan | Answer:
    serializer = BatchItemSerializer(data=item)
    if not serializer.is_valid():
        return Answer(status.HTTP_400_BAD_REQUEST, invalid(serializer.errors))
    data = serializer.validated_data
    said = data.get("reason")
    return OfflineScan(
        key=data["key"],
        code_text=data["code"],
        scanned_at=data["scanned_at"],
        decision=Scan.Decision(data["decision"]),
        entry=data["entry"],
        sequence=data.get("seq"),
        uptime_ms=data.get("uptime_ms"),
        receipt_no=data["receipt_no"],
        staff_id=staff_number(data),
        reason=Scan.Reason(said) if said in Scan.Reason.values else None,
        **order_of(data),
    )


def _answer(done: Uploaded, device: Device) -> Answer:
    why = done.problem or Uploaded.Problem.FAILED
    if done.outcome is not None:
        try:
            return answer(done.outcome, device=device)
        except Exception:  # one scan that cannot be told of must not keep the others' answers back
            logger.exception("A scan of device %s is on record, and could not be answered.", device.pk)
    words = problem_body(status=STATUSES[why], code=why.value, title=_("Not recorded"), detail=f"{why.label}.")
    return Answer(STATUSES[why], words)


class OfflinePackView(Endpoint):
    calls_a_minute = 60

    @extend_schema(
        operation_id="get_offline_pack",
        summary="What a device needs to judge codes without network",
        description="The deals that may be given then, here, and short hashes of their codes that are good.",
        parameters=[OpenApiParameter("since", str, description="The cursor of the pack before: only what changed.")],
        responses={200: OfflinePackSerializer, **problems(*OF_DEVICES)},
    )
    def get(self, request: Request) -> Response:
        since = request.query_params.get("since", "")
        pack = offline_pack(location=device_of(request).location, at=timezone.now(), since=since)
        return Response(OfflinePackSerializer(_described(pack)).data)


def _described(pack: OfflinePack) -> dict[str, Any]:
    return {
        "as_of": pack.as_of,
        "cursor": pack.cursor,
        "full": pack.is_full,
        "deals": [_deal(offer) for offer in pack.offers],
        "codes": {str(offer_id): hashes for offer_id, hashes in pack.codes.items()},
        "typed": {str(offer_id): hashes for offer_id, hashes in pack.typed.items()},
        "removed": pack.removed,
    }


def _deal(offer: Offer) -> dict[str, Any]:
    return describe_deal(offer) | {
        "id": offer.pk,
        "starts_at": offer.starts_at,
        "ends_at": offer.ends_at,
        "hours": offer.hours,
        "offline": offer.offline,
        "offline_per_day": offer.offline_per_day,
        "offline_max_value": money(offer.offline_max_value, offer.currency),
    }
