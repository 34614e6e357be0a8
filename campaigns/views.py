"""What campaigns show to everybody: the pictures in their mails."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.http import require_safe

from campaigns.models import Picture

TYPES = {"jpg": "image/jpeg", "png": "image/png"}
A_YEAR_S = 365 * 24 * 3600


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
