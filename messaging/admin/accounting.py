"""The redemptions report: what was given at the till, by time and place, and the same as a file for the accountant."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from campaigns.models import Campaign
from contacts.models import AuditEvent, Business
from contacts.services import audit
from messaging.models import Fact
from messaging.queries.accounting import PERIODS, PLACES, Figures, Question, count, grouped, names, recorded_in, totals
from messaging.services.bookkeeping import XLSX_TYPE, bookkeeper, file_name, ledger_file, month_file
from redemptions.admin import RedemptionAdmin
from redemptions.models import Device, Location, Offer
from redemptions.rendering import money

LIMITS = {"csv": 500_000, "xlsx": 20_000}  # lines; longer files take longer than a web server waits
TOO_MANY = gettext_lazy("These are too many lines. Choose fewer days.")
ROWS_SHOWN = 400
BY = {
    "day": gettext_lazy("Day"),
    "hour": gettext_lazy("Hour"),
    "week": gettext_lazy("Week"),
    "month": gettext_lazy("Month"),
    "location": gettext_lazy("Location"),
    "deal": gettext_lazy("Deal"),
    "device": gettext_lazy("Device"),
    "staff": gettext_lazy("Staff"),
}
LABELS = {"csv": "CSV", "xlsx": "Excel"}
TYPES = {"csv": "text/csv; charset=utf-8", "xlsx": XLSX_TYPE}
SENT_WORDS = gettext_lazy("The report of %(month)s was sent on %(day)s.")
NOT_SENT_WORDS = {
    "open": gettext_lazy(
        "The report of %(month)s is being sent, or was cut off on the way: look into the bookkeeper's inbox before you "
        "send it by hand."
    ),
    "again": gettext_lazy(
        "The report of %(month)s was not accepted by the mail provider; it is tried again every half hour."
    ),
    "unknown": gettext_lazy(
        "The report of %(month)s had no answer: look into the bookkeeper's inbox before you send it by hand."
    ),
    "refused": gettext_lazy(
        "The report of %(month)s was refused by the mail provider: the bookkeeper's address is not taken."
    ),
}


class NamedChoice(forms.ModelChoiceField[Any]):
    """A choice among rows of which several may have the same name."""

    names: dict[int, str]

    def label_from_instance(self, obj: Any) -> str:
        return self.names[obj.pk]


class Filters(forms.Form):
    """What the report is about, read from the address of the page."""

    first = forms.DateField(
        label=pgettext_lazy("first day", "From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    last = forms.DateField(
        label=pgettext_lazy("last day", "To"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    campaign = NamedChoice(
        Campaign.objects.exclude(offer=None).order_by("-pk"),
        label=gettext_lazy("Campaign"),
        required=False,
        empty_label=gettext_lazy("All"),
    )
    deal = NamedChoice(
        Offer.objects.order_by("name", "pk"),
        label=gettext_lazy("Deal"),
        required=False,
        empty_label=gettext_lazy("All"),
    )
    location = forms.ModelChoiceField(
        Location.objects.all(), label=gettext_lazy("Location"), required=False, empty_label=gettext_lazy("All")
    )
    device = NamedChoice(
        Device.objects.order_by("name", "location__name", "pk"),
        label=gettext_lazy("Device"),
        required=False,
        empty_label=gettext_lazy("All"),
    )
    by = forms.ChoiceField(label=gettext_lazy("A line for each"), choices=list(BY.items()), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if isinstance(field, NamedChoice):
                field.names = names(name)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and first > last:
            self.add_error("last", _("The last day is before the first."))
        return cleaned

    def question(self) -> Question:
        chosen = {name: self.cleaned_data[name] for name in ("campaign", "deal", "location", "device")}
        keys = {name: row.pk if row else None for name, row in chosen.items()}
        return Question(first=self.cleaned_data["first"], last=self.cleaned_data["last"], **keys)


def report_urls(model_admin: RedemptionAdmin) -> list[URLPattern]:
    """Return the addresses of the report, beside those of the ledger."""

    def page(request: HttpRequest) -> HttpResponse:
        return report_view(model_admin, request)

    def file(request: HttpRequest, file_format: str) -> HttpResponse | StreamingHttpResponse:
        return report_file(model_admin, request, file_format)

    def mailed(request: HttpRequest, month: str) -> HttpResponse:
        return mailed_file(model_admin, request, month)

    wrap = model_admin.admin_site.admin_view
    return [
        path("report/", wrap(page), name="redemptions_report"),
        path("report.<str:file_format>", wrap(file), name="redemptions_report_file"),
        path("report-mail/<str:month>.xlsx", wrap(mailed), name="redemptions_report_mailed"),
    ]


RedemptionAdmin.more_urls.append(report_urls)


def report_view(model_admin: RedemptionAdmin, request: HttpRequest) -> HttpResponse:
    """Show what the chosen lines come to. Raises PermissionDenied."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    zone = Business.load().zone
    filters = _filters(request, zone)
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("Redemptions report"),
        "form": filters,
        "zone": zone.key,
        "mail": _mail_note(),
    }
    if filters.is_valid():
        context |= _figures(filters, zone)
    return TemplateResponse(request, "admin/redemptions/redemption/report.html", context)


def _filters(request: HttpRequest, zone: ZoneInfo) -> Filters:
    """Return what was asked; at first this month, day by day."""
    if request.GET:
        return Filters(request.GET)
    today = timezone.localdate(timezone=zone)
    return Filters({"first": today.replace(day=1).isoformat(), "last": today.isoformat(), "by": "day"})


def _figures(filters: Filters, zone: ZoneInfo) -> dict[str, Any]:
    lines, by = filters.question().lines(zone), filters.cleaned_data["by"] or "day"
    sums, rows = totals(lines), grouped(lines, by, zone)
    number = count(sums)
    return {
        "totals": [_shown(one) for one in sums],
        "rows": [_shown(one) for one in rows[:ROWS_SHOWN]],
        "left_out": max(0, len(rows) - ROWS_SHOWN),
        "by": BY[by],
        "number": number,
        "files": [(name, LABELS[name]) for name, most in LIMITS.items() if number <= most],
        "limits": LIMITS,
        "query": urlencode({name: filters.data.get(name, "") for name in filters.fields}),
    }


def _shown(figures: Figures) -> dict[str, Any]:
    """Return a row of the page; the discount says what is missing in it."""
    return {
        "label": figures.label,
        "redeemed": figures.redeemed,
        "conflicts": figures.conflicts,
        "taken_back": figures.taken_back,
        "given": figures.given,
        "order_value": money(figures.order_value, figures.currency),
        "discount": money(figures.discount, figures.currency),
        "unrecorded": figures.unrecorded,
    }


def _mail_note() -> dict[str, str]:
    """Return how the monthly mail stands, in a sentence, and the address of its file."""
    if not bookkeeper():
        return {
            "words": _("Nobody gets this by mail. With BOOKKEEPER_EMAIL set, the month before goes out on the 2nd.")
        }
    last = Fact.objects.filter(name__startswith="report.").order_by("-name").first()
    if last is None:
        return {"words": _("The month before goes to %(address)s on the 2nd.") % {"address": bookkeeper()}}
    name = last.name.removeprefix("report.")
    state = last.detail.get("state", "")
    month = date_format(date.fromisoformat(f"{name}-01"), "YEAR_MONTH_FORMAT")
    day = date_format(timezone.localtime(last.at), "MONTH_DAY_FORMAT")
    return {
        "words": NOT_SENT_WORDS.get(state, SENT_WORDS) % {"month": month, "day": day},
        "file": reverse("admin:redemptions_report_mailed", args=[name]),
    }


def report_file(
    model_admin: RedemptionAdmin, request: HttpRequest, file_format: str
) -> HttpResponse | StreamingHttpResponse:
    """Return the chosen lines as a file. Raises PermissionDenied."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    zone = Business.load().zone
    filters = _filters(request, zone)
    if file_format not in TYPES or not filters.is_valid():
        return HttpResponse(_("This cannot be written to a file."), status=400, content_type="text/plain")
    lines = filters.question().lines(zone)
    number = lines.count()
    if number > LIMITS[file_format]:
        return HttpResponse(TOO_MANY, status=400, content_type="text/plain")
    audit(AuditEvent.Action.EXPORTED_LEDGER, detail=f"{number:,} lines, {file_format}")
    file = StreamingHttpResponse(ledger_file(lines, zone, file_format), content_type=TYPES[file_format])
    file.headers["Content-Disposition"] = f'attachment; filename="{_name(filters)}.{file_format}"'
    return file


def mailed_file(model_admin: RedemptionAdmin, request: HttpRequest, month: str) -> HttpResponse:
    """Return the file of a month's mail, which was sent or tried. Raises PermissionDenied and Http404."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    get_object_or_404(Fact, name=f"report.{month}")
    first = date.fromisoformat(f"{month}-01")
    zone = Business.load().zone
    number = sum(lines.count() for lines in recorded_in(first, zone))
    if number > LIMITS["xlsx"]:
        return HttpResponse(TOO_MANY, status=400, content_type="text/plain")
    audit(AuditEvent.Action.EXPORTED_LEDGER, detail=f"{number:,} lines, mail of {month}")
    file = HttpResponse(month_file(first, zone), content_type=XLSX_TYPE)
    file.headers["Content-Disposition"] = f'attachment; filename="{file_name(first)}"'
    return file


def _name(filters: Filters) -> str:
    days = [filters.cleaned_data[end] for end in ("first", "last") if filters.cleaned_data[end]]
    return "-".join(["redemptions", *(day.isoformat() for day in days)])


assert BY.keys() == {*PERIODS, *PLACES}
