"""What the campaigns of some days have brought, and some of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_safe

from campaigns.models import Campaign
from contacts.admin.base import thousands
from contacts.admin.charts import Chart, Period, Preset, Row, chart_file, csv_file, latest, preset
from contacts.models import Business
from messaging.queries import CampaignResult, Span, begun_in, results_of
from messaging.queries.accounting import Figures
from messaging.queries.trends import given_by_day
from redemptions.rendering import money

REPORTS_PERMISSION = "campaigns.view_campaign"
LEDGER_PERMISSION = "redemptions.view_redemption"
PERIODS = (7, 30, 90, 365)
MOST = 200  # campaigns of a page; the file has as many
COMPARED = 6
HEADER = (
    *("id", "campaign", "channel", "begun", "audience", "sent", "delivered", "clicked", "redeemed", "bounced"),
    *("complained", "unsubscribed", "order value", "discount", "currency"),
)
View = Callable[[HttpRequest], HttpResponse]


def reports_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the pages, which belong to no table."""

    def view(page: Callable[[HttpRequest, AdminSite], HttpResponse]) -> View:
        def checked(request: HttpRequest) -> HttpResponse:
            if not request.user.has_perm(REPORTS_PERMISSION):
                raise PermissionDenied
            return page(request, site)

        wrapped: View = site.admin_view(require_safe(checked))
        return wrapped

    return [
        path("reports/", view(reports_view), name="messaging_reports"),
        path("reports/campaigns.csv", view(reports_file), name="messaging_reports_file"),
        path("reports/compare/", view(compare_view), name="messaging_reports_compare"),
    ]


# --- Overview ---------------------------------------------------------------------------------------------------------


def reports_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the campaigns that began in some days, with what they have brought until now."""
    period, span = _asked(request)
    results = results_of(begun_in(span, MOST), in_full=True)
    charts = [chart for chart in _charts(request, results, span) if chart.has_any]
    context = {
        **site.each_context(request),
        "title": _("Reports"),
        "period": period,
        "presets": _presets(period),
        "tiles": _tiles(results),
        "charts": charts,
        "results": [_line(result) for result in results],
        "most": MOST if len(results) == MOST else 0,
        "any_campaign": Campaign.objects.filter(begun_at__isnull=False).exists(),
    }
    return TemplateResponse(request, "admin/messaging/reports.html", context)


def reports_file(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Return the page's table, or one of its charts, as a file."""
    _period, span = _asked(request)
    results = results_of(begun_in(span, MOST), in_full=True)
    what = request.GET.get("what", "")
    for chart in _charts(request, results, span):
        if chart.what == what:
            return chart_file(chart, "reports")
    return csv_file("campaigns", HEADER, [row for result in results for row in _rows(result)])


def _asked(request: HttpRequest) -> tuple[Period, Span]:
    """Return what was asked; at first the last 30 days."""
    first, last = latest(30, timezone.localdate())
    period = Period(request.GET if {"first", "last"} & request.GET.keys() else {"first": first, "last": last})
    del period.fields["by"]
    period.is_valid()
    first_day, last_day, _by = period.chosen
    return period, Span(Business.load().zone, first_day, last_day)


def _presets(period: Period) -> list[Preset]:
    today = timezone.localdate()
    shown = [preset(_("%(count)s days") % {"count": days}, period, *latest(days, today)) for days in PERIODS]
    return [*shown, Preset(_("All"), "first=&last=", period.chosen == (None, None, "day"))]


def _tiles(results: Sequence[CampaignResult]) -> list[dict[str, str]]:
    sent = sum(result.sent for result in results)
    counts = (
        (_("Redeemed"), sum(result.redeemed for result in results), "good"),
        (_("Clicked"), sum(result.clicked for result in results), ""),
        (_("Delivered"), sum(result.delivered for result in results), ""),
        (_("Unsubscribed"), sum(result.unsubscribed for result in results), ""),
    )
    tiles = [
        {"label": label, "text": thousands(count), "note": _of(count, sent), "kind": kind}
        for label, count, kind in counts
    ]
    orders = [
        {"label": _("Revenue"), "text": money(value, currency), "note": _("orders typed at the till")}
        for currency, value in _orders(results).items()
    ]
    whole = [{"label": _("Sent"), "text": thousands(sent)}, {"label": _("Campaigns"), "text": thousands(len(results))}]
    return [tiles[0], *orders, *tiles[1:], *whole]


def _orders(results: Sequence[CampaignResult]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for figures in (figures for result in results for figures in result.money):
        if figures.order_value:
            found[figures.currency] = found.get(figures.currency, 0) + figures.order_value
    return found


def _of(count: int, sent: int) -> str:
    return _("%(share)s %% of sent") % {"share": _percent(count, sent)} if sent else ""


def _percent(count: int, whole: int) -> str:
    return formats.number_format(100 * count / whole if whole else 0, 1)


def _charts(request: HttpRequest, results: Sequence[CampaignResult], span: Span) -> list[Chart]:
    """Return the deals redeemed by day, of all campaigns and none, and the campaigns beside each other."""
    found = []
    if span.first and span.last and request.user.has_perm(LEDGER_PERMISSION):
        shown = pgettext("date", "D, N j")
        rows = [Row(formats.date_format(day, shown), day.isoformat(), (count,)) for day, count in given_by_day(span)]
        title = _("Deals redeemed in these days, also of older campaigns")
        found.append(Chart("redeemed", title, "bar", _("Day"), (_("Redeemed"),), rows, ("--chart-4",)))
    newest = [Row(result.campaign.name, result.campaign.name, (result.redeemed,)) for result in results[:12]]
    title = _("Redeemed by campaign")
    found.append(Chart("campaigns", title, "rows", _("Campaign"), (_("Redeemed"),), newest, ("--chart-4",)))
    return found


def _line(result: CampaignResult) -> dict[str, Any]:
    return {
        "result": result,
        "orders": [money(figures.order_value, figures.currency) for figures in result.money if figures.order_value],
    }


def _rows(result: CampaignResult) -> list[tuple[Any, ...]]:
    """Return a line for each currency, and one where there is none; the counts stand in the first."""
    campaign = result.campaign
    begun = timezone.localtime(campaign.begun_at) if campaign.begun_at else None
    counts = (
        *(result.audience, result.sent, result.delivered, result.clicked),
        *(result.redeemed, result.bounced, result.complained, result.unsubscribed),
    )
    about = (campaign.pk, campaign.name, campaign.channel, begun)
    rows: list[tuple[Any, ...]] = []
    for figures in result.money or [Figures()]:
        amounts = (figures.order_value, figures.discount, figures.currency) if figures.currency else (None, None, "")
        rows.append((*about, *(counts if not rows else (None,) * len(counts)), *amounts))
    return rows


# --- Side by side -----------------------------------------------------------------------------------------------------


def compare_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show some campaigns side by side; more are added by a choice."""
    asked = [int(text) for text in request.GET.getlist("id") if text.isdecimal() and len(text) < 19]
    chosen = Campaign.objects.filter(pk__in=asked, begun_at__isnull=False).order_by("begun_at")[:COMPARED]
    results = results_of(list(chosen), in_full=True)
    keys = [result.campaign.pk for result in results]
    others = Campaign.objects.filter(begun_at__isnull=False).exclude(pk__in=keys).order_by("-begun_at")
    chart = _compared(results)
    if request.GET.get("what"):
        return chart_file(chart, "reports")
    context = {
        **site.each_context(request),
        "title": _("Compare campaigns"),
        "results": results,
        "rows": _side_by_side(results),
        "chart": chart,
        "others": others[:50] if len(results) < COMPARED else [],
        "query": "&".join(f"id={pk}" for pk in keys),
        "without": [
            (result.campaign, "&".join(f"id={pk}" for pk in keys if pk != result.campaign.pk)) for result in results
        ],
    }
    return TemplateResponse(request, "admin/messaging/compare.html", context)


def _compared(results: Sequence[CampaignResult]) -> Chart:
    """Return the counts of each campaign, those of guests alone: what was sent would dwarf them."""
    rows = [
        Row(result.campaign.name, result.campaign.name, (result.clicked, result.redeemed, result.unsubscribed))
        for result in results
    ]
    names = (_("Clicked"), _("Redeemed"), _("Unsubscribed"))
    return Chart(
        "compare", _("Side by side"), "bar", _("Campaign"), names, rows, ("--chart-3", "--chart-4", "--chart-5")
    )


def _side_by_side(results: Sequence[CampaignResult]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return a line for each number: what it is, and for each campaign the count and its share of what was sent."""

    def counted(name: str) -> list[tuple[str, str]]:
        return [
            (thousands(getattr(one, name)), f"{_percent(getattr(one, name), one.sent)} %" if one.sent else "")
            for one in results
        ]

    shares = (
        (_("Redeemed"), "redeemed"),
        (_("Clicked"), "clicked"),
        (_("Delivered"), "delivered"),
        (_("Unsubscribed"), "unsubscribed"),
        (_("Bounced"), "bounced"),
        (_("Marked as spam"), "complained"),
    )
    orders = [
        (", ".join(money(figures.order_value, figures.currency) for figures in one.money if figures.order_value), "")
        for one in results
    ]
    lines = [(label, counted(name)) for label, name in shares]
    lines.insert(1, (_("Revenue"), [(text or "—", note) for text, note in orders]))
    lines.append((_("Sent"), [(thousands(one.sent), "") for one in results]))
    lines.append((_("Began"), [(_day(one.campaign), "") for one in results]))
    return lines


def _day(campaign: Campaign) -> str:
    return formats.date_format(timezone.localtime(campaign.begun_at), "DATE_FORMAT") if campaign.begun_at else "—"
