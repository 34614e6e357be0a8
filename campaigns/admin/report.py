"""What a campaign brought: from sent to redeemed, by day and by place."""

from __future__ import annotations

import csv
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import formats, timezone
from django.utils.dateparse import parse_date

from campaigns.admin.pages import CampaignPages, count_numbers, status_badge, unreported
from campaigns.queries import audience_words
from contacts.admin.base import Bar, bars
from contacts.sheets import guard
from messaging.queries import (
    Progress,
    clicks_of,
    progress,
    redemptions_by_day,
    redemptions_by_location,
    redemptions_of,
    unsubscribed_after,
)


class ReportPages(CampaignPages):
    """The report of one campaign, as a page and as a file."""

    def report_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/report/", wrap(self.report_view), name="campaigns_campaign_report"),
            path("<int:pk>/report.csv", wrap(self.report_csv), name="campaigns_campaign_report_csv"),
        ]

    def report_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        campaign = self._campaign(request, pk, view_only=True)
        now = progress(campaign)
        context: dict[str, Any] = {
            "title": f"Report: {campaign.name}",
            "campaign": campaign,
            "status": status_badge(campaign),
            "audience": audience_words(campaign),
            "progress": now,
            "funnel": funnel(now),
            "numbers": count_numbers(now),
            "unreported": unreported(now),
            "days": bars([(_day(day), count) for day, count in redemptions_by_day(campaign)]),
            "locations": bars(redemptions_by_location(campaign)),
            "clicks": clicks_of(campaign),
            "unsubscribed": unsubscribed_after(campaign),
        }
        return self._page(request, "report", context)

    def report_csv(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the redemptions, a line each, without a word about the guest."""
        campaign = self._campaign(request, pk, view_only=True)
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="campaign-{campaign.pk}-redemptions.csv"'
        writer = csv.writer(response)
        writer.writerow(["entry", "date", "time", "deal", "location", "order value", "discount", "currency"])
        for line in redemptions_of(campaign).order_by("entry_no"):
            at = timezone.localtime(line.at)
            writer.writerow(
                [
                    line.entry_no,
                    f"{at:%Y-%m-%d}",
                    f"{at:%H:%M}",
                    guard(line.deal),
                    guard(line.location.name),
                    line.order_value if line.order_value is not None else "",
                    line.discount if line.discount is not None else "",
                    line.currency,
                ]
            )
        return response


def funnel(now: Progress) -> list[Bar]:
    """Return sent, delivered (where that is reported) and redeemed, each with its share of the step before."""
    delivered = [] if unreported(now) else [("Delivered", now.delivered)]
    steps = [("Audience", now.audience), ("Sent", now.sent), *delivered, ("Redeemed", now.redeemed)]
    result, before = [], 0
    for label, count in steps:
        share = f"{100 * count / before:.1f} %" if before else ""
        result.append(Bar(label, count, 100 * count / now.audience if now.audience else 0, share))
        before = count
    return result


def _day(text: str) -> str:
    day = parse_date(text)
    return formats.date_format(day, "D, N j") if day else text
