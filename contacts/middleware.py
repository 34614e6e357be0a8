"""Show times in the shop's own zone."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from contacts.models import Business


class BusinessTimezoneMiddleware:
    """Activate the business time zone for the admin, where people read and type local times. One query."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        with timezone.override(Business.load().zone):
            return self.get_response(request)
