"""What the pages of the till share: confirmation, words, filters, read-only tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from redemptions.models import Offer


def is_confirmed(request: HttpRequest) -> bool:
    return "confirmed" in request.POST


def ask(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, *, question: str, consequence: str, button: str
) -> TemplateResponse:
    """Return a page that repeats the action's form, once the person has read what it will do."""
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": question,
        "consequence": consequence,
        "button": button,
        "action": request.POST.get("action", ""),
        "select_across": request.POST.get("select_across", "0"),
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
    }
    return TemplateResponse(request, "redemptions/admin_confirm.html", context)


def in_two_lines(first: object, second: object) -> SafeString:
    return format_html('{}<br><span class="quiet">{}</span>', first, second)


def local_date(at: datetime) -> str:
    return formats.date_format(timezone.localtime(at), "DATE_FORMAT")


def valid_until(offer: Offer) -> str:
    """Return the end of a deal in words, in the time zone of the page."""
    zone = timezone.get_current_timezone()
    assert isinstance(zone, ZoneInfo)
    return offer.valid_until(zone)


class DealFilter(admin.RelatedOnlyFieldListFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("deal")


DEAL_FILTER = ("offer", DealFilter)


class ReadOnly:
    """Rows that are looked at here and written elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
