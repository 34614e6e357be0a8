"""What the public pages share: who asks, and an answer that is kept nowhere."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from contacts.models import Business
from contacts.services.signup import Visitor

USER_AGENT_LENGTH = 300


def visitor_of(request: HttpRequest) -> Visitor:
    """Return where a request came from."""
    return Visitor(_ip_address(request), request.headers.get("User-Agent", "")[:USER_AGENT_LENGTH] or None)


def _ip_address(request: HttpRequest) -> str | None:
    """Return the visitor's address. Where https is spoken by a proxy in front, it wrote the last one of the list.

    What stands before the last one was sent by the visitor, who may write anything.
    """
    told = request.headers.get("X-Forwarded-For", "") if settings.SECURE_PROXY_SSL_HEADER else ""
    for text in (told.rpartition(",")[2].strip(), request.META.get("REMOTE_ADDR") or ""):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            continue
    return None


def page(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Return a public page; neither caches nor search engines nor the next site learn its address."""
    response = render(
        request, f"contacts/{template}.html", {"business": Business.load().name, **context}, status=status
    )
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    response["Cache-Control"] = "no-store"
    return response
