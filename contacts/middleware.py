"""The admin's requests: who asks and from where, how long they stay signed in, and the shop's own clock."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
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


class LanguageMiddleware(LocaleMiddleware):
    """Answer in the language that was chosen, or in the browser's.

    A picture and a style sheet are the same in each: caches keep one.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.headers.get("Content-Type", "").startswith(("image/", "text/css")):
            return response
        return super().process_response(request, response)


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
        elif now - seen > NOTE_EVERY_S and not _asks_by_itself(request):
            session[SEEN_AT] = now


def _asks_by_itself(request: HttpRequest) -> bool:
    """Say whether an open page asks how far something is: nobody has to sit in front of it."""
    return request.method == "GET" and request.headers.get("Accept") == "application/json"
