"""What everybody may see: the pictures in mails, and how the shop looks on the pages guests open."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe

from campaigns.models import Picture
from campaigns.rendering import Look
from contacts.queries import look_at

TYPES = {"jpg": "image/jpeg", "png": "image/png"}
A_DAY_S = 24 * 3600
A_YEAR_S = 365 * A_DAY_S
PAGE_STYLE = """\
:root {{ --accent: {accent}; --on-accent: {on_accent}; --link: {link}; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --accent: {dark_accent}; --on-accent: {on_dark_accent}; --link: {dark_link}; }}
}}
"""


class PageLook(NamedTuple):
    """What the pages guests open take of the shop's look: the address of its colours, and of its logo."""

    style: str
    logo: str
    logo_width: int
    logo_height: int


def shop_look(_request: HttpRequest) -> dict[str, Any]:
    """Tell templates how the shop looks, as `shop_look`. One query, where a template asks."""
    return {"shop_look": SimpleLazyObject(_page_look)}


def _page_look() -> PageLook:
    look = look_at(None)
    if look is None:
        return PageLook("", "", 0, 0)
    style = reverse("page_style", args=[look.accent.removeprefix("#")])
    name, _, kind = look.logo.partition(".")
    logo = reverse("campaign_picture", args=[name, kind]) if look.logo else ""
    return PageLook(style, logo, look.logo_width, look.logo_height)


@require_safe
def page_style(_request: HttpRequest, digits: str) -> HttpResponse:
    """Return the colours of the pages guests open. They follow from the address alone, so caches may keep them."""
    response = HttpResponse(PAGE_STYLE.format(**Look(f"#{digits}").page_colors), content_type="text/css")
    response["Cache-Control"] = f"public, max-age={A_DAY_S}"
    return response


@require_safe
def picture(_request: HttpRequest, reference: str, kind: str) -> HttpResponse:
    """Return a picture. What stands at an address never changes, so whoever fetched it may keep it."""
    found = Picture.objects.filter(reference=reference, format=kind).values_list("data", flat=True).first()
    if found is None:
        return HttpResponseNotFound("There is no such picture.", content_type="text/plain")
    response = HttpResponse(bytes(found), content_type=TYPES[kind])
    response["Cache-Control"] = f"public, max-age={A_YEAR_S}, immutable"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"  # web mail shows it
    return response
