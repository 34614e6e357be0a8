"""Pages without a login: the coupon, its image, and the web scanner."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from csp.constants import NONCE, WASM_UNSAFE_EVAL
from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from contacts.models import Business
from redemptions.codes import SAMPLE_TYPED, display, is_token, normalise
from redemptions.links import coupon_url, qr_payload
from redemptions.models import Code, Scan
from redemptions.qr import png
from redemptions.queries import find_by_token, previous_redemption, refusal
from redemptions.rendering import Coupon, calendar_file, coupon_of
from redemptions.rendering.scanner import scanner_words
from redemptions.rendering.wallet import MIME_TYPE as WALLET_TYPE
from redemptions.rendering.wallet import BadPapers, Signer, wallet_pass

logger = logging.getLogger(__name__)

A_YEAR_S = 365 * 24 * 3600
PLAIN = "text/plain; charset=utf-8"
ICON = "redemptions/scanner/icon-192.png"


@require_safe
def coupon(request: HttpRequest, token: str) -> HttpResponse:
    """Show a coupon. Mail scanners and previews fetch links, so looking changes nothing."""
    business, at, code = Business.load(), timezone.now(), _find(token)
    if code is None:
        return _private(render(request, "redemptions/unknown.html", {"business": business.name}, status=404))
    shown = _describe(code, business, at)
    context = {
        "coupon": shown,
        "calendar_url": reverse("coupon_calendar", args=[token]) if shown.day else "",
        "wallet_url": reverse("coupon_wallet", args=[token]) if shown.image and _signer_at(at) else "",
    }
    return _private(render(request, "redemptions/coupon.html", context))


@require_safe
def coupon_calendar(request: HttpRequest, token: str) -> HttpResponse:
    """Return the coupon's day as a file for a calendar: the shop, the deal and the link, and nobody's name."""
    business, at, code = Business.load(), timezone.now(), _find(token)
    shown = _describe(code, business, at) if code else None
    if code is None or shown is None or shown.day is None:
        return _private(HttpResponseNotFound(_("There is no such day."), content_type=PLAIN))
    content = calendar_file(
        title=f"{shown.deal} · {business.name}",
        details="\n".join((*shown.facts, shown.terms)),
        url=coupon_url(code.token),
        day=shown.day,
        uid=f"{code.image_reference}@regulars",
        at=at,
    )
    file = HttpResponse(content, content_type="text/calendar; charset=utf-8")
    file.headers["Content-Disposition"] = 'attachment; filename="coupon.ics"'
    return _private(file)


@require_safe
def coupon_wallet(request: HttpRequest, token: str) -> HttpResponse:
    """Return the coupon as an Apple Wallet pass, where the shop has a certificate for them."""
    at = timezone.now()
    signer = _signer_at(at)
    code = _find(token) if signer else None
    shown = _describe(code, Business.load(), at) if code else None
    if signer is None or code is None or shown is None or not shown.image:
        return _private(HttpResponseNotFound(_("There is no such pass."), content_type=PLAIN))
    content = wallet_pass(
        shown,
        serial=code.image_reference,
        payload=qr_payload(code.token),
        expires_at=code.offer.ends_at,
        icons={name: (Path(__file__).parent / "static" / ICON).read_bytes() for name in ("icon.png", "icon@2x.png")},
        signer=signer,
    )
    file = HttpResponse(content, content_type=WALLET_TYPE)
    file.headers["Content-Disposition"] = 'attachment; filename="coupon.pkpass"'
    return _private(file)


def _signer_at(at: datetime) -> Signer | None:
    """Return who signs passes now; None where nobody does, or what they sign would be refused by phones."""
    signer = _signer(wallet_papers()) if settings.WALLET_PASS_TYPE_ID else None
    return signer if signer and signer.is_valid(at) else None


class WalletPapers(NamedTuple):
    """What `Signer.load` asks for."""

    pass_type_id: str
    team_id: str
    certificate: Path
    key: Path
    issuer: Path
    password: str


def wallet_papers() -> WalletPapers:
    """Return what the settings say of who signs passes."""
    return WalletPapers(
        pass_type_id=settings.WALLET_PASS_TYPE_ID,
        team_id=settings.WALLET_TEAM_ID,
        certificate=Path(settings.WALLET_CERTIFICATE),
        key=Path(settings.WALLET_KEY),
        issuer=Path(settings.WALLET_ISSUER_CERTIFICATE),
        password=settings.WALLET_KEY_PASSWORD,
    )


@cache
def _signer(papers: WalletPapers) -> Signer | None:
    """Read the files once. What is wrong with them is told at the start, by `config.checks`."""
    try:
        return Signer.load(**papers._asdict())
    except BadPapers as error:
        logger.error("no passes for Apple Wallet: %s", error)
        return None


def _find(token: str) -> Code | None:
    normal = normalise(token)
    return find_by_token(normal) if is_token(normal) else None


def _private(page: HttpResponse) -> HttpResponse:
    """Keep what a token opens out of search engines, caches, and the logs of other sites."""
    page.headers["X-Robots-Tag"] = "noindex, nofollow"
    page.headers["Referrer-Policy"] = "no-referrer"
    page.headers["Cache-Control"] = "no-store"
    return page


def _describe(code: Code, business: Business, at: datetime) -> Coupon:
    reason = refusal(code, at=at)
    return coupon_of(
        code.offer,
        reason=reason,
        business=business.name,
        zone=business.zone,
        at=at,
        places=list(code.offer.locations.values_list("name", flat=True)),
        used=code.used,
        max_uses=code.max_uses,
        image=f"/q/{code.image_reference}.png",
        typed=code.typed_display,
        previous=previous_redemption(code, at=at) if reason == Scan.Reason.ALREADY_REDEEMED else None,
    )


@require_safe
def qr_image(request: HttpRequest, reference: str) -> HttpResponse:
    """Draw a code's QR image. It never changes, so caches may keep it for ever; fetching it proves nothing."""
    code = Code.objects.only("token").filter(image_reference=reference).first()
    if code is None:
        return HttpResponseNotFound("There is no such image.", content_type=PLAIN)
    image = HttpResponse(png(qr_payload(code.token)), content_type="image/png")
    image.headers["ETag"] = f'"{reference}"'
    image.headers["Cache-Control"] = f"public, max-age={A_YEAR_S}, immutable"
    image.headers["X-Robots-Tag"] = "noindex"
    return get_conditional_response(request, etag=image.headers["ETag"], response=image) or image


# The page's own modules, and the reader they load where the browser has none.
SCANNER_FILES = "redemptions/scanner", "redemptions/vendor"
SCANNER_TYPES = ".js", ".css", ".png", ".wasm"
SCANNER_CSP = {"script-src": [NONCE, WASM_UNSAFE_EVAL]}


@require_safe
@csp_update(SCANNER_CSP)
def scanner(request: HttpRequest) -> HttpResponse:
    """The web scanner. It knows nobody: the device's token lives in the browser."""
    page = render(request, "redemptions/scanner.html", _scanner_page(nonce=str(getattr(request, "csp_nonce", ""))))
    page.headers["Referrer-Policy"] = "no-referrer"
    page.headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=()"
    page.headers["Cache-Control"] = "no-cache"
    return page


def _scanner_page(nonce: str = "") -> dict[str, Any]:
    scripts = [name for name in scanner_files() if name.endswith(".js")]
    return {
        "business": Business.load().name,
        "sample": display(SAMPLE_TYPED),
        "nonce": nonce,
        "words": scanner_words(),
        # Modules name each other plainly; the map leads to the versioned files. A browser that knows no such maps
        # finds the plain ones.
        "modules": {f"{settings.STATIC_URL}{name}": static(name) for name in scripts},
    }


@require_safe
def scanner_worker(request: HttpRequest) -> HttpResponse:
    """The scanner's service worker. It is served beside the page, the only part of the site it may look after.

    It is asked for in the phone's language, and is another one in each: a phone that changes its language gets the page
    it keeps anew.
    """
    names = scanner_files()
    shown = {"page": reverse("scanner"), "files": [static(name) for name in names], "version": scanner_version(names)}
    worker = render(request, "redemptions/scanner_worker.js", shown, content_type="text/javascript")
    worker.headers["Cache-Control"] = "no-cache"
    return worker


@require_safe
def scanner_manifest(request: HttpRequest) -> JsonResponse:
    """What a phone needs to know to put the scanner on its home screen."""
    icons = [
        {"src": static(f"redemptions/scanner/{name}.png"), "sizes": f"{size}x{size}", "type": "image/png"} | purpose
        for name, size, purpose in (
            ("icon-192", 192, {}),
            ("icon-512", 512, {}),
            ("icon-maskable-512", 512, {"purpose": "maskable"}),
        )
    ]
    shown = {
        "id": reverse("scanner"),
        "lang": get_language(),
        "name": _("Scanner · %(business)s") % {"business": Business.load().name},
        "short_name": _("Scanner"),
        "start_url": reverse("scanner"),
        "scope": reverse("scanner"),
        "display": "standalone",
        "background_color": "#12110f",
        "theme_color": "#12110f",
        "icons": icons,
    }
    return JsonResponse(shown, content_type="application/manifest+json")


@cache
def scanner_files() -> list[str]:
    """Return the names of all static files of the scanner."""
    folders = [Path(__file__).parent / "static" / name for name in SCANNER_FILES]
    root = folders[0].parent.parent
    return sorted(
        str(path.relative_to(root)) for folder in folders for path in folder.iterdir() if path.suffix in SCANNER_TYPES
    )


def scanner_version(names: list[str]) -> str:
    """Return what changes with any of these files, or the page, or its language."""
    digest = sha256(render_to_string("redemptions/scanner.html", _scanner_page()).encode())
    root = Path(__file__).parent / "static"
    for name in names:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()[:16]
