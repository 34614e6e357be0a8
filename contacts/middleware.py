"""The admin's requests: who asks and from where, how long they stay signed in, and the shop's own clock."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from contacts.models import Business
from contacts.services import SEEN_AT, SIGNED_IN_AT
from contacts.services.origin import Origin, address_of, coming_from, network_of

Response = Callable[[HttpRequest], HttpResponse]

NOTE_EVERY_S = 300  # a session is written once in so many seconds, not with every page


class BusinessTimezoneMiddleware:
    """Activate the business time zone for the admin, where people read and type local times. One query."""

    def __init__(self, get_response: Response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        with timezone.override(Business.load().zone):
            return self.get_response(request)


class OriginMiddleware:
    """Tell the audit who asks, and from which network."""

    def __init__(self, get_response: Response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        with coming_from(Origin(request.user, network_of(address_of(request)))):
            return self.get_response(request)


class SessionLimitsMiddleware:
    """Sign people out who have been away for long, or signed in for long: a phone is lost, a laptop is sold."""

    def __init__(self, get_response: Response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/admin/") and request.user.is_authenticated:
            self._limit(request, time.time())
        return self.get_response(request)

    def _limit(self, request: HttpRequest, now: float) -> None:
        session = request.session
        began, seen = session.setdefault(SIGNED_IN_AT, now), session.setdefault(SEEN_AT, now)
        is_old = now - began > settings.SESSION_HOURS * 3600
        is_idle = now - seen > settings.SESSION_IDLE_MINUTES * 60
        if is_old or is_idle:
            logout(request)
        elif now - seen > NOTE_EVERY_S:
            session[SEEN_AT] = now
