"""Endpoints of the home screen, and of every address there is not."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.models import Business
from redemptions.api.endpoint import Endpoint, device_of
from redemptions.api.schema import OF_DEVICES, problems
from redemptions.api.serializers import TodaySerializer
from redemptions.queries import count_scans


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
        raise NotFound(_("There is no such address. The API's addresses end without a slash."))
