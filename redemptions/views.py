"""Pages without a login: the coupon, its image, and the web scanner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from contacts.models import Business
from redemptions.codes import SAMPLE_TYPED, display, is_token, normalise
from redemptions.links import qr_payload
from redemptions.models import Code, Scan
from redemptions.qr import png
from redemptions.queries import find_by_token, previous_redemption, refusal

A_YEAR_S = 365 * 24 * 3600

HEADLINES = {
    None: "Show this at the till",
    Scan.Reason.TEST_CODE: "Test, not valid",
    Scan.Reason.CODE_REVOKED: "Withdrawn",
    Scan.Reason.ALREADY_REDEEMED: "Already used",
    Scan.Reason.NOT_YET_VALID: "Not valid yet",
    Scan.Reason.EXPIRED: "Expired",
    Scan.Reason.OFFER_PAUSED: "Paused",
    Scan.Reason.OFFER_ENDED: "This deal is over",
}
# A code that may still become good is shown, so that a screenshot taken today works tomorrow.
SHOWN = {None, Scan.Reason.TEST_CODE, Scan.Reason.NOT_YET_VALID, Scan.Reason.OFFER_PAUSED}


@dataclass(frozen=True, slots=True)
class Coupon:
    """A code as its owner sees it: words and no rows."""

    business: str
    deal: str
    terms: str
    places: str
    headline: str
    explanation: str
    validity: str
    uses_left: int
    max_uses: int
    is_good: bool
    image: str
    typed: str


@require_safe
def coupon(request: HttpRequest, token: str) -> HttpResponse:
    """Show a coupon. Mail scanners and previews fetch links, so looking changes nothing."""
    business = Business.load()
    normal = normalise(token)
    code = find_by_token(normal) if is_token(normal) else None
    if code is None:
        page = render(request, "redemptions/unknown.html", {"business": business.name}, status=404)
    else:
        shown = _describe(code, business, timezone.now())
        page = render(request, "redemptions/coupon.html", {"coupon": shown})
    page.headers["X-Robots-Tag"] = "noindex, nofollow"
    page.headers["Referrer-Policy"] = "no-referrer"
    page.headers["Cache-Control"] = "no-store"
    return page


def _describe(code: Code, business: Business, at: datetime) -> Coupon:
    offer, reason = code.offer, refusal(code, at=at)
    return Coupon(
        business=business.name,
        deal=offer.name,
        terms=offer.terms,
        places=", ".join(offer.locations.values_list("name", flat=True)),
        headline=HEADLINES[reason],
        explanation=_explain(code, reason, at, business.zone),
        validity=f"Valid until {offer.valid_until(business.zone)}" if offer.ends_at else "",
        uses_left=code.max_uses - code.used,
        max_uses=code.max_uses,
        is_good=reason is None,
        image=f"/q/{code.image_reference}.png" if reason in SHOWN else "",
        typed=code.typed_display if reason in SHOWN else "",
    )


def _explain(code: Code, reason: Scan.Reason | None, at: datetime, zone: ZoneInfo) -> str:
    offer = code.offer
    if reason == Scan.Reason.ALREADY_REDEEMED and (previous := previous_redemption(code, at=at)):
        return f"Used on {_moment(previous.at, zone)} at {previous.location.name}."
    if reason == Scan.Reason.NOT_YET_VALID and offer.starts_at:
        return f"Valid from {_moment(offer.starts_at, zone)}. Keep this page."
    if reason == Scan.Reason.EXPIRED and offer.ends_at:
        return f"It was valid until {offer.valid_until(zone)}."
    return (
        {
            Scan.Reason.TEST_CODE: "This coupon came with a test message. The till will refuse it.",
            Scan.Reason.CODE_REVOKED: "This coupon can no longer be used.",
            Scan.Reason.OFFER_PAUSED: "This deal is paused at the moment. Keep this page and try again later.",
            Scan.Reason.OFFER_ENDED: "Thank you for your interest. Watch out for the next one.",
        }.get(reason, "")
        if reason
        else ""
    )


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return date_format(local, "l, F j, Y, g:i A ") + (local.tzname() or "")


@require_safe
def qr_image(request: HttpRequest, reference: str) -> HttpResponse:
    """Draw a code's QR image. It never changes, so caches may keep it for ever; fetching it proves nothing."""
    code = Code.objects.only("token").filter(image_reference=reference).first()
    if code is None:
        return HttpResponseNotFound("There is no such image.", content_type="text/plain")
    image = HttpResponse(png(qr_payload(code.token)), content_type="image/png")
    image.headers["ETag"] = f'"{reference}"'
    image.headers["Cache-Control"] = f"public, max-age={A_YEAR_S}, immutable"
    image.headers["X-Robots-Tag"] = "noindex"
    return get_conditional_response(request, etag=image.headers["ETag"], response=image) or image


@require_safe
def scanner(request: HttpRequest) -> HttpResponse:
    """The web scanner. It knows nobody: the device's token lives in the browser."""
    shown = {"business": Business.load().name, "sample": display(SAMPLE_TYPED)}
    page = render(request, "redemptions/scanner.html", shown)
    page.headers["Referrer-Policy"] = "no-referrer"
    page.headers["Cache-Control"] = "no-cache"
    return page
