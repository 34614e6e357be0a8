"""What all endpoints of the scanner API have in common: the caller, the body, the key, the limits."""

from __future__ import annotations

import re
from typing import Any, ClassVar, cast

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from redemptions.api.problems import AnyTextRenderer, Problem
from redemptions.api.schema import KEY_PATTERN
from redemptions.api.serializers import Money
from redemptions.api.throttles import CallThrottle
from redemptions.models import Device, Staff
from redemptions.services import find_staff

# The longest body most endpoints have a use for is below 2 kB.
BODY_LIMIT = 128 * 1024


class JSONAlways(DefaultContentNegotiation):
    """There is nothing but JSON to choose from, whatever a client accepts; an answer it can read beats none."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


# Reads small bodies only, and its answers are not kept by anything on the way. A docstring would be published as the
# description of every operation without one of its own.
class Endpoint(APIView):
    content_negotiation_class = JSONAlways
    renderer_classes = (AnyTextRenderer,)
    throttle_classes = (CallThrottle,)
    calls_a_minute: ClassVar[int] = 600  # far more than hands can scan, far less than a server minds
    body_limit: ClassVar[int] = BODY_LIMIT

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Nothing is read beyond what this header says; without it, or where it is no number, nothing at all.
        length = request.META.get("CONTENT_LENGTH") or ""
        if length.isdecimal() and int(length) > self.body_limit:
            raise Problem(
                status=status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
                code="too_large",
                title=_("Too large"),
                detail=_("A body has at most %(size)s kB.") % {"size": self.body_limit // 1024},
            )
        check_app_version(request)
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Cache-Control"] = "no-store"
        return final


def check_app_version(request: Request) -> None:
    """Raise Problem where an app says to be older than is good. One that says nothing readable is let in."""
    said, wanted = _version(request.headers.get("X-App-Version", "")), _version(settings.MIN_APP_VERSION)
    if said is not None and wanted is not None and said < wanted:
        raise Problem(
            status=status.HTTP_426_UPGRADE_REQUIRED,
            code="app_too_old",
            title=_("Update the app"),
            detail=_("This app is too old for the server, which wants version %(version)s.")
            % {"version": settings.MIN_APP_VERSION},
            min_app_version=settings.MIN_APP_VERSION,
        )


def _version(text: str) -> tuple[int, ...] | None:
    """Return `1.4` as (1, 4, 0), whatever follows the numbers left out."""
    if not (found := re.match(r"([0-9]{1,6})(?:\.([0-9]{1,6}))?(?:\.([0-9]{1,6}))?", text)):
        return None
    return tuple(int(part or 0) for part in found.groups())


def device_of(request: Request) -> Device:
    return cast(Device, request.user)


def validated(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return the checked body. Raises ValidationError, Problem, and ParseError where it is no JSON of a sane depth."""
    # A body in chunks is not read at all: taken for an empty one, a good scan would be called faulty.
    if "Transfer-Encoding" in request.headers and not request.META.get("CONTENT_LENGTH"):
        raise Problem(
            status=status.HTTP_411_LENGTH_REQUIRED,
            code="length_required",
            title=_("Length required"),
            detail=_("Send the body in one piece, with a Content-Length header."),
        )
    try:
        checked = serializer(data=request.data)
        checked.is_valid(raise_exception=True)
    except RecursionError as error:
        raise ParseError(_("The body is nested too deeply.")) from error
    return cast(dict[str, Any], checked.validated_data)


def key_of(request: Request) -> str:
    """Return the Idempotency-Key. Raises Problem where there is none or it is malformed."""
    key = request.headers.get("Idempotency-Key", "")
    if not re.fullmatch(KEY_PATTERN, key):
        raise Problem(
            status=status.HTTP_400_BAD_REQUEST,
            code="idempotency_key_invalid" if key else "idempotency_key_required",
            detail=_("Send an Idempotency-Key header: 8 to 64 letters, digits, - or _, new for each act."),
        )
    return key


def order_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return the order's value as the services take it."""
    money: Money | None = data.get("order_value")
    return {"order_value": money.amount, "currency": money.currency} if money else {}


def staff_of(data: dict[str, Any], device: Device) -> Staff | None:
    """Return who holds the device, where the body says so, they signed in on it and still may.

    Anybody else is nobody: a scan with their name is a scan, and must not wait for ever.
    """
    number = staff_number(data)
    return find_staff(device=device, staff_id=number, at=timezone.now()) if number else None


def staff_number(data: dict[str, Any]) -> int | None:
    staff_id: str | None = data.get("staff")
    return int(staff_id.removeprefix("st_")) if staff_id else None


def currency_mismatch() -> Problem:
    return Problem(
        status=status.HTTP_400_BAD_REQUEST,
        code="currency_mismatch",
        detail=_("The order's currency is not the deal's."),
    )


def key_reused() -> Problem:
    return Problem(
        status=status.HTTP_422_UNPROCESSABLE_ENTITY,
        code="idempotency_key_reused",
        detail=_("This Idempotency-Key was used for something else. Make a new one for each scan, and for each act."),
    )


def refused(*, code: str, title: str, detail: str) -> Problem:
    """Return a no that repeating does not change, in the shape of a refused scan."""
    return Problem(
        status=status.HTTP_409_CONFLICT,
        code=code,
        title=title,
        detail=detail,
        attempt=None,
        retryable=False,
        replayed=False,
    )
