"""Who is calling: a device, by the token it got when it was enrolled.

A module of its own: the framework loads this class while it defines APIView.
"""

from __future__ import annotations

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from redemptions.models import Device
from redemptions.services import touch_device
from redemptions.services.devices import sha256

KEYWORD = "Token"


class DeviceTokenAuthentication(BaseAuthentication):
    """`Authorization: Token <device token>`. An unknown token is 401, a withdrawn device 403."""

    def authenticate(self, request: Request) -> tuple[Device, None] | None:
        keyword, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if keyword.lower() != KEYWORD.lower():
            return None
        device = Device.objects.select_related("location").filter(token_hash=sha256(token.strip())).first()
        if device is None:
            raise AuthenticationFailed("This device is not known. Enrol it again.", code="device_unknown")
        if device.revoked_at is not None:
            raise PermissionDenied("This device was withdrawn. Ask the owner to enrol it again.", code="device_revoked")
        touch_device(device=device, at=timezone.now())
        return device, None

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD
