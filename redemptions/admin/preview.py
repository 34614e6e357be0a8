"""What a deal will look like: the coupon as guests see it, and what the scanner says, as staff see it.

The scanner's own words are in its `result.js` and `texts.js`; of a deal it knows what `api.answers` describes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from csp.constants import SELF
from csp.decorators import csp_replace
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from contacts.models import Business
from redemptions import hours, rules
from redemptions.codes import SAMPLE_TOKEN, SAMPLE_TYPED, display
from redemptions.links import qr_payload
from redemptions.models import Offer, Scan
from redemptions.qr import png
from redemptions.rendering import Coupon, coupon_of, money, terms_in_short

AN_ORDER = Decimal(40)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the scanner says to a code of this deal now; `state` is its colour."""

    state: str
    headline: str
    lines: tuple[str, ...]


def preview_page(model_admin: admin.ModelAdmin[Offer], request: HttpRequest, offer: Offer | None) -> HttpResponse:
    """Return a page for a frame of this site. Raises PermissionDenied."""
    if not model_admin.has_view_permission(request, offer):
        raise PermissionDenied

    @xframe_options_sameorigin
    @csp_replace({"frame-ancestors": [SELF]})
    def framed(request: HttpRequest) -> HttpResponse:
        return _page(request, model_admin, offer)

    page: HttpResponse = framed(request)  # type: ignore[assignment]  # the decorators say less than they return
    return page


def _page(request: HttpRequest, model_admin: admin.ModelAdmin[Offer], offer: Offer | None) -> HttpResponse:
    places: list[str] = []
    if request.method == "POST":
        form: Any = model_admin.get_form(request, offer, change=offer is not None)(request.POST, instance=offer)
        if not form.is_valid():
            return TemplateResponse(request, "redemptions/preview.html", {"errors": _errors(form)})
        offer = form.save(commit=False)
        places = [place.name for place in form.cleaned_data.get("locations", ())]
    elif offer is not None:
        places = list(offer.locations.values_list("name", flat=True))
    if offer is None:
        return TemplateResponse(request, "redemptions/preview.html", {})
    shown = {"coupon": sample(offer, places, timezone.now()), "answers": answers(offer, timezone.now())}
    return TemplateResponse(request, "redemptions/preview.html", shown)


def _errors(form: Any) -> list[str]:
    def label(name: str) -> str:
        return f"{form.fields[name].label}: " if name in form.fields else ""

    return [f"{label(name)}{text}" for name, texts in form.errors.items() for text in texts]


def _terms(offer: Offer) -> rules.Terms:
    """Return the rules of a deal that may not be saved yet: without its places."""
    return rules.Terms(
        type=offer.type,
        status=offer.status,
        zone=Business.load().zone,
        value=offer.value,
        max_discount=offer.max_discount,
        min_spend=offer.min_spend,
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        hours=hours.parse(offer.hours),
        budget=offer.budget,
    )


def _reason(offer: Offer, at: datetime) -> Scan.Reason | None:
    """Return why a fresh code would be refused, if it would: what is used up belongs to no sample."""
    reason = rules.refusal(_terms(offer), rules.Use(), at=at, asks_order=False)
    return Scan.Reason(reason) if reason else None


def sample(offer: Offer, places: list[str], at: datetime) -> Coupon:
    """Return the coupon page of a code that is nobody's and that no till takes."""
    business = Business.load()
    image = base64.b64encode(png(qr_payload(SAMPLE_TOKEN))).decode()
    return coupon_of(
        offer,
        reason=_reason(offer, at),
        business=business.name,
        zone=business.zone,
        at=at,
        places=places,
        max_uses=offer.max_uses,
        image=f"data:image/png;base64,{image}",
        typed=display(SAMPLE_TYPED),
    )


def answers(offer: Offer, at: datetime) -> list[Answer]:
    """Return what staff are told, one after the other: the question, where there is one; then good, or why not."""
    if reason := _reason(offer, at):
        return [Answer("bad", str(reason.label), (offer.name, *terms_in_short(offer)))]
    asks = Answer("closed", str(Scan.Reason.ORDER_VALUE_REQUIRED.label), (offer.name, *terms_in_short(offer)))
    uses = _("Use %(used)s of %(limit)s") % {"used": 1, "limit": offer.max_uses} if offer.max_uses > 1 else ""
    lines = (offer.name, *_given(offer), offer.instructions, uses)
    good = Answer("good", _("Redeemed"), tuple(filter(None, lines)))
    return [asks, good] if _terms(offer).needs_order_value else [good]


def _given(offer: Offer) -> list[str]:
    """Return what is given: for an order the money, and otherwise what the deal is worth."""
    order = offer.min_spend or AN_ORDER
    discount = rules.discount(_terms(offer), order) if _terms(offer).needs_order_value else None
    if discount is None:
        return terms_in_short(offer)
    amounts = {"discount": money(discount, offer.currency), "order": money(order, offer.currency)}
    return [_("%(discount)s off, where the order is %(order)s") % amounts]
