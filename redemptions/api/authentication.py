"""Who is calling: a device, by the token it got when it was enrolled.

A module of its own: the framework loads this class while it defines APIView.
"""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from redemptions.models import Device
from redemptions.services import find_device, touch_device

KEYWORD = "Token"


class DeviceTokenAuthentication(BaseAuthentication):
    """`Authorization: Token <device token>`. An unknown token is 401, a withdrawn device 403.

    The first call with a new token ends the one before. `request.auth` is the token.
    """

    def authenticate(self, request: Request) -> tuple[Device, str] | None:
        keyword, _space, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if keyword.lower() != KEYWORD.lower():
            return None
        now, token = timezone.now(), token.strip()
        device = find_device(token=token)
        if device is None:
            raise AuthenticationFailed(_("This device is not known. Enrol it again."), code="device_unknown")
        if device.revoked_at is not None:
            raise PermissionDenied(
                _("This device was withdrawn. Ask the owner to enrol it again."), code="device_revoked"
            )
        touch_device(device=device, at=now)
        return device, token

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD
