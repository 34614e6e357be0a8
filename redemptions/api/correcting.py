"""Endpoints of one redemption: what it is, what the order cost, and taking it back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.models import Business
from redemptions.api.answers import describe_redemption, redemption_id, when
from redemptions.api.endpoint import (
    Endpoint,
    currency_mismatch,
    device_of,
    key_of,
    key_reused,
    order_of,
    refused,
    staff_of,
    validated,
)
from redemptions.api.problems import Problem
from redemptions.api.schema import CORRECTION_REFUSAL, OF_BODIES, OF_DEVICES, idempotency_key, problems
from redemptions.api.serializers import (
    AmendmentRequestSerializer,
    RedemptionSerializer,
    VoidedSerializer,
    VoidRequestSerializer,
)
from redemptions.models import Code, Device, Redemption
from redemptions.queries import find_redemption
from redemptions.services import (
    CorrectionRefused,
    CurrencyMismatch,
    KeyReused,
    TakenBack,
    VoidReason,
    amend,
    void,
    void_until,
)

DETAILS = {
    CorrectionRefused.Reason.ALREADY_VOIDED: gettext_lazy("It was taken back already."),
    CorrectionRefused.Reason.NOT_YOURS: gettext_lazy("Another device made this redemption."),
    CorrectionRefused.Reason.NOT_VOIDABLE: gettext_lazy("There is nothing to take back. The owner can look into it."),
    CorrectionRefused.Reason.AMEND_TOO_LATE: gettext_lazy("It could be changed for a day. The owner still can."),
}


def line_of(public_id: str) -> Redemption:
    """Return a redemption by the id in an address, whichever device made it. Raises NotFound."""
    public_id = public_id.removeprefix("rd_")
    # PostgreSQL refuses to look for a NUL character.
    line = find_redemption(public_id) if public_id.isalnum() else None
    if line is None or line.kind == Redemption.Kind.VOIDED:
        raise NotFound(_("There is no such redemption."))
    return line


def _shown(line: Redemption, device: Device) -> Response:
    body = describe_redemption(line, code=line.code, discount=line.discount, replayed=True, device=device)
    return Response(body)


def _refused(error: CorrectionRefused, line: Redemption, now: datetime) -> Problem:
    until = when(void_until(line), now, Business.load().zone)
    too_late = _("It could be taken back until %(when)s. The owner still can.") % {"when": until}
    detail = str(DETAILS.get(error.reason, too_late))
    return refused(code=error.reason.value, title=str(error.reason.label), detail=detail)


class RedemptionView(Endpoint):
    @extend_schema(
        operation_id="get_redemption",
        summary="A redemption this device made",
        responses={200: RedemptionSerializer, **problems(*OF_DEVICES, 404)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        device, line = device_of(request), line_of(public_id)
        if line.device_id != device.pk:
            raise NotFound(_("This device made no such redemption."))
        return _shown(line, device)

    @extend_schema(
        operation_id="amend_redemption",
        summary="Add what the order cost, the receipt's number, a note",
        description="By the device that made it, for a day; the discount follows the order. "
        "Refusals: `not_your_redemption`, `already_voided`, `amend_window_passed`.",
        request=AmendmentRequestSerializer,
        responses={200: RedemptionSerializer, **CORRECTION_REFUSAL, **problems(*OF_BODIES, *OF_DEVICES, 404)},
    )
    def patch(self, request: Request, public_id: str) -> Response:
        device, now, line = device_of(request), timezone.now(), line_of(public_id)
        data = validated(AmendmentRequestSerializer, request)
        changes: dict[str, Any] = {name: data[name] for name in ("receipt_no", "note") if name in data}
        try:
            amended = amend(redemption=line, device=device, at=now, **changes, **order_of(data))
        except CorrectionRefused as error:
            raise _refused(error, line, now) from error
        except CurrencyMismatch as error:
            raise currency_mismatch() from error
        return _shown(amended, device)


class VoidView(Endpoint):
    @extend_schema(
        operation_id="void_redemption",
        summary="Take a redemption back",
        description="The code is good again. By the device that made it within 15 minutes, by a manager's device any, "
        "at any time; by a kiosk never (403 `not_permitted`). The same Idempotency-Key gets the same answer again. "
        "Refusals: `void_window_passed`, `already_voided`, `not_your_redemption`, `not_voidable`.",
        parameters=[idempotency_key(required=True)],
        request=VoidRequestSerializer,
        responses={200: VoidedSerializer, **CORRECTION_REFUSAL, **problems(*OF_BODIES, *OF_DEVICES, 404, 422)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        device, key, now = device_of(request), key_of(request), timezone.now()
        if device.profile == Device.Profile.KIOSK:
            raise Problem(
                status=status.HTTP_403_FORBIDDEN,
                code="not_permitted",
                detail=_("A kiosk takes nothing back. Ask staff."),
            )
        data, line = validated(VoidRequestSerializer, request), line_of(public_id)
        try:
            done = void(
                redemption=line,
                reason=VoidReason(data["reason"]),
                at=now,
                device=device,
                key=key,
                staff=staff_of(data, device),
                note=data.get("note", ""),
            )
        except CorrectionRefused as error:
            raise _refused(error, line, now) from error
        except KeyReused as error:
            raise key_reused() from error
        return Response(_taken_back(line, done))


def _taken_back(line: Redemption, done: TakenBack) -> dict[str, Any]:
    code = line.code  # none where it was given without network, and nobody knows it
    uses = Code.objects.filter(pk=code.pk).values("used", "max_uses").get() if code else None
    body = {
        "id": redemption_id(line),
        "result": "voided",
        "replayed": done.replayed,
        "voided_at": done.reversal.at,
        "receipt": done.reversal.receipt,
        "uses": {"used": uses["used"], "max": uses["max_uses"]} if uses else None,
    }
    return dict(VoidedSerializer(body).data)
