"""What the public pages share: who asks, and an answer that is kept nowhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from contacts.models import Business
from contacts.services.origin import address_of
from contacts.services.signup import Visitor

USER_AGENT_LENGTH = 300


def visitor_of(request: HttpRequest) -> Visitor:
    """Return where a request came from."""
    return Visitor(address_of(request), request.headers.get("User-Agent", "")[:USER_AGENT_LENGTH] or None)


def page(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Return a public page; neither caches nor search engines nor the next site learn its address."""
    response = render(
        request, f"contacts/{template}.html", {"business": Business.load().name, **context}, status=status
    )
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    response["Cache-Control"] = "no-store"
    return response
