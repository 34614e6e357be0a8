"""What a campaign brought: from sent to redeemed, by day and hour, place, link and wording; as a page and as files."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from campaigns.admin.pages import CampaignPages, count_numbers, status_badge
from campaigns.models import Campaign
from campaigns.queries import audience_words
from contacts.admin.base import Bar, bars, thousands
from contacts.admin.charts import Chart, Period, Preset, Row, chart_file, csv_file, latest, preset
from contacts.models import Business
from messaging.queries import Figures, Point, Report, Span, VariantResult, lines_of, progress, report_of
from redemptions.models import Redemption
from redemptions.rendering import money

FIRST_DAYS = 3  # by hour
REDEMPTIONS = ("entry", "date", "time", "deal", "location", "order value", "discount", "currency", "event", "given")


class Tile(NamedTuple):
    """A number on top of the report; `note` says what it is a share of."""

    label: str
    text: str
    note: str = ""
    kind: str = ""


class ReportPages(CampaignPages):
    """The report of one campaign, as a page and as a file for each of its charts."""

    def report_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/report/", wrap(self.report_view), name="campaigns_campaign_report"),
            path("<int:pk>/report.csv", wrap(self.report_csv), name="campaigns_campaign_report_csv"),
        ]

    def report_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        campaign = self._campaign(request, pk, view_only=True)
        period = Period(request.GET or None)
        report, by = _report(campaign, period)
        now = progress(campaign)
        context: dict[str, Any] = {
            "title": _("Report: %(campaign)s") % {"campaign": campaign.name},
            "campaign": campaign,
            "status": status_badge(campaign),
            "audience": audience_words(campaign),
            "period": period,
            "presets": _presets(campaign, period),
            "report": report,
            "tiles": tiles(report),
            "funnel": funnel(report),
            "unreported": not report.is_reported,
            "charts": charts_of(report, by),
            "locations": bars([(place.label, place.given) for place in _together(report.locations)]),
            "variants": report.variants if len(report.variants) > 1 else [],
            "clicks": report.clicks,
            "money": [_shown(figures) for figures in report.money],
            "ledger_url": _ledger_url(request, campaign, report.span),
            "compare_url": f"{reverse('admin:messaging_reports_compare')}?{urlencode({'id': campaign.pk})}",
            "progress": now,
            "numbers": count_numbers(now),
        }
        return self._page(request, "report", context)

    def report_csv(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return one chart of the report as a file; by itself, the lines of the ledger, without a word about guests."""
        campaign = self._campaign(request, pk, view_only=True)
        period, what, name = Period(request.GET), request.GET.get("what", "redemptions"), f"campaign-{campaign.pk}"
        if what == "redemptions":
            return csv_file(f"{name}-redemptions", REDEMPTIONS, _lines(campaign, _span(period)))
        report, by = _report(campaign, period)
        found = [chart for chart in files_of(report, by) if chart.what == what]
        if not found:
            raise Http404
        return chart_file(found[0], name)


def _report(campaign: Campaign, period: Period) -> tuple[Report, str]:
    by = period.chosen[2]
    return report_of(campaign, _span(period), by=by), by


def _span(period: Period) -> Span:
    first, last, _by = period.chosen
    return Span(Business.load().zone, first, last)


def _presets(campaign: Campaign, period: Period) -> list[Preset]:
    today = timezone.localdate()
    week, month = latest(7, today), latest(30, today)
    found = [preset(_("All days"), period, None, None)]
    if begun := campaign.begun_at or campaign.launched_at:
        first = timezone.localdate(begun)
        last = first + timedelta(days=FIRST_DAYS - 1)
        found.append(preset(_("First 3 days, by hour"), period, first, last, "hour"))
    return [*found, preset(_("Last 7 days"), period, *week), preset(_("Last 30 days"), period, *month)]


def _ledger_url(request: HttpRequest, campaign: Campaign, span: Span) -> str:
    """Return where the same redemptions are listed for accounting, for those who may see them."""
    if not request.user.has_perm("redemptions.view_redemption"):
        return ""
    asked = {"campaign": str(campaign.pk), "first": str(span.first or ""), "last": str(span.last or ""), "by": "day"}
    return f"{reverse('admin:redemptions_report')}?{urlencode(asked)}"


# --- Numbers ----------------------------------------------------------------------------------------------------------


def tiles(report: Report) -> list[Tile]:
    """Return the numbers on top, what counts most first."""
    of_sent = _("of sent")
    found = [Tile(_("Redeemed"), thousands(report.redeemed), _share(report.redeemed, report.sent, of_sent), "good")]
    for figures in report.money:
        if figures.order_value:
            found.append(Tile(_("Revenue"), money(figures.order_value, figures.currency), _revenue_note(figures)))
    if report.clicks.links:
        found.append(Tile(_("Clicked"), thousands(report.clicked), _share(report.clicked, report.sent, of_sent)))
    if report.is_reported:
        found.append(Tile(_("Delivered"), thousands(report.delivered), _share(report.delivered, report.sent, of_sent)))
    found.append(Tile(_("Sent"), thousands(report.sent)))
    for label, count in (
        (_("Unsubscribed"), report.unsubscribed),
        (_("Bounced"), report.bounced),
        (_("Marked as spam"), report.complained),
    ):
        found.append(Tile(label, thousands(count), _share(count, report.sent, of_sent), "poor" if count else ""))
    return found


def _share(count: int, whole: int, words: str) -> str:
    return f"{formats.number_format(100 * count / whole, 1)} % {words}" if whole else ""


def _revenue_note(figures: Figures) -> str:
    return _("orders typed at the till; %(discount)s given off") % {
        "discount": money(figures.discount, figures.currency)
    }


def funnel(report: Report) -> list[Bar]:
    """Return sent, delivered and clicked (where that is known) and redeemed, each with its share.

    What was sent is a share of the audience, and all else of what was sent: who comes by need not have clicked.
    """
    delivered = [(_("Delivered"), report.delivered)] if report.is_reported else []
    clicked = [(_("Clicked"), report.clicked)] if report.clicks.links else []
    steps = [
        (_("Audience"), report.audience),
        (_("Sent"), report.sent),
        *delivered,
        *clicked,
        (_("Redeemed"), report.redeemed),
    ]
    longest = max(count for _label, count in steps)
    result = []
    for number, (label, count) in enumerate(steps):
        whole = (0, report.audience)[number] if number < 2 else report.sent
        share = f"{formats.number_format(100 * count / whole, 1)} %" if whole else ""
        result.append(Bar(label, count, max(0.0, 100 * count / longest) if longest else 0, share))
    return result


def _shown(figures: Figures) -> dict[str, Any]:
    return {
        "figures": figures,
        "order_value": money(figures.order_value, figures.currency),
        "discount": money(figures.discount, figures.currency),
    }


def _together(places: list[Figures]) -> list[Figures]:
    """Return one line for each place, whatever the currencies, the busiest first."""
    found: dict[str, Figures] = {}
    for place in places:
        one = found.setdefault(place.label, Figures(place.label))
        one.redeemed += place.redeemed
        one.conflicts += place.conflicts
        one.taken_back += place.taken_back
    return sorted(found.values(), key=lambda place: -place.given)


# --- Charts and files -------------------------------------------------------------------------------------------------


def charts_of(report: Report, by: str) -> list[Chart]:
    """Return what is drawn: what went out, and what guests did. Their scales are too far apart for one chart."""
    head = _("Hour") if by == "hour" else _("Day")
    sent, delivered = (_("Sent"), "--chart-1"), (_("Delivered"), "--chart-2")
    clicked, redeemed = (_("Clicked"), "--chart-3"), (_("Redeemed"), "--chart-4")
    out = [(sent, "sent"), *([(delivered, "delivered")] if report.is_reported else [])]
    done = [*([(clicked, "clicked")] if report.clicks.links else []), (redeemed, "redeemed")]
    return [
        _timeline("guests", _("What guests did"), head, report.points, done),
        _timeline("messages", _("What went out"), head, report.points, out),
    ]


def _timeline(
    what: str, title: str, head: str, points: list[Point], series: list[tuple[tuple[str, str], str]]
) -> Chart:
    rows = [
        Row(
            _moment(point.moment),
            point.moment.isoformat(*([" ", "minutes"] if isinstance(point.moment, datetime) else [])),
            tuple(getattr(point, step) for _column, step in series),
        )
        for point in points
    ]
    names, colors = zip(*(column for column, _step in series), strict=True)
    return Chart(what, title, "bar", head, names, rows, colors)


def _moment(moment: date | datetime) -> str:
    form = pgettext("date", "D, N j, H:i") if isinstance(moment, datetime) else pgettext("date", "D, N j")
    return formats.date_format(moment, form)


def files_of(report: Report, by: str) -> list[Chart]:
    """Return every chart of the page, those that lie too: a file each."""
    places = [
        Row(place.label, place.label, (place.given,), (str(place.order_value), str(place.discount), place.currency))
        for place in report.locations
    ]
    links = [Row(link.url, link.url, (link.people, link.clicks)) for link in report.clicks.links]
    steps = [Row(bar.label, bar.label, (bar.value,)) for bar in funnel(report)]
    columns = (_("Sent"), _("Delivered"), _("Clicked"), _("Redeemed"), _("Unsubscribed"))
    colors = ("", "", "", "", "")
    more = (_("Order value"), _("Discount"), _("Currency"))
    return [
        *charts_of(report, by),
        Chart("funnel", _("From sent to redeemed"), "rows", _("Step"), (_("People"),), steps, ("",)),
        Chart("locations", _("By location"), "rows", _("Location"), (_("Redeemed"),), places, ("",), more),
        Chart("links", _("Links clicked"), "rows", _("Link"), (_("People"), _("Clicks")), links, ("", "")),
        Chart("variants", _("By variant"), "rows", _("Variant"), columns, _variant_rows(report.variants), colors),
    ]


def _variant_rows(variants: list[VariantResult]) -> list[Row]:
    return [
        Row(one.name, one.name, (one.sent, one.delivered, one.clicked, one.redeemed, one.unsubscribed))
        for one in variants
    ]


def _lines(campaign: Campaign, span: Span) -> list[tuple[Any, ...]]:
    """Return the ledger's lines of a campaign; the sum of the last column is what the report calls redeemed."""
    found = span.cut(lines_of([campaign.pk])).select_related("offer", "location", "reverses")
    return [_line(line, timezone.localtime(line.at)) for line in found.order_by("entry_no")]


def _line(line: Redemption, at: datetime) -> tuple[Any, ...]:
    given, source = (-1, line.reverses) if line.reverses else (1, line)
    order, discount = (None if amount is None else given * amount for amount in (source.order_value, source.discount))
    when = (f"{at:%Y-%m-%d}", f"{at:%H:%M}")
    return (line.entry_no, *when, line.deal, line.location.name, order, discount, line.currency, line.kind, given)
