"""The numbers on top of the front page, each with how it went in thirty days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import formats
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from contacts.models import Business
from contacts.queries import totals
from messaging.queries import last_days
from messaging.queries.trends import days_before, given_by_day, given_in, noted, trend

DAYS = 30
CHART_HEIGHT = 60
COLUMN_WIDTH = 10
SPARK_WIDTH, SPARK_HEIGHT = 120, 28
MINUS = "\N{MINUS SIGN}"
Series = list[tuple[date, int]]


@dataclass(frozen=True, slots=True)
class Card:
    """A number, where its list is, and its trend: in words, whether that is good, and as the path of a line."""

    label: str
    value: int
    url: str = ""
    trend: str = ""
    kind: str = ""
    spark: str = ""

    @property
    def text(self) -> str:
        return thousands(self.value)


def thousands(count: int) -> str:
    """Return a count as people write it in the language of the page: `2,500`."""
    return formats.number_format(count, force_grouping=True)


class Column(NamedTuple):
    """One day of the chart, drawn from the bottom up."""

    day: str
    value: int
    x: int
    y: float
    height: float


def contact_cards(*, at: datetime) -> list[Card]:
    """Return the five cards of contacts. Four queries; the counts read an index over all contacts."""
    now, days = totals(), last_days(DAYS + 1, Business.load().zone, at=at)
    assert days.last
    notes, people = noted(days), reverse("admin:contacts_contact_changelist")
    shown = (
        ("contacts", _("Total contacts"), "", "good"),
        ("email_subscribed", _("E-mail subscribed"), "email_status__exact=subscribed", "good"),
        ("email_unsubscribed", _("E-mail unsubscribed"), "email_status__exact=unsubscribed", "poor"),
        ("sms_subscribed", _("SMS subscribed"), "sms_status__exact=subscribed", "good"),
        ("sms_unsubscribed", _("SMS unsubscribed"), "sms_status__exact=unsubscribed", "poor"),
    )
    cards = []
    for name, label, query, more_is in shown:
        series = trend(name, notes, now, days.last)
        url = f"{people}?{query}" if query else people
        words, kind = _change(series, more_is)
        cards.append(Card(label, getattr(now, name), url, words, kind, spark(series)))
    return cards


def _change(series: Series, more_is: str) -> tuple[str, str]:
    """Return how a count changed since the first day it is known of, and whether that is good."""
    (first, before), (last, now) = series[0], series[-1]
    if first == last:
        return _("The trend begins tomorrow"), ""
    since = _("in %(days)s days") % {"days": DAYS}
    if (last - first).days < DAYS:
        since = _("since %(day)s") % {"day": formats.date_format(first, pgettext("date", "N j"))}
    change = now - before
    if not change:
        return _("No change %(since)s") % {"since": since}, ""
    less_is = "poor" if more_is == "good" else "good"
    sign = "+" if change > 0 else MINUS
    return f"{sign}{thousands(abs(change))} {since}", more_is if change > 0 else less_is


def deals_card(days: Series, zone: ZoneInfo, *, at: datetime) -> Card:
    """Return the deals given in the days of the chart, beside those of as many days before. One query."""
    span, value = last_days(DAYS, zone, at=at), sum(count for _day, count in days)
    before = given_in(days_before(span))
    asked = urlencode({"first": str(span.first), "last": str(span.last), "by": "day"})
    url = f"{reverse('admin:redemptions_report')}?{asked}"
    words, kind = _("in %(days)s days") % {"days": DAYS}, ""
    if before > 0 and value != before:
        kind = "good" if value > before else "poor"
        change = f"{100 * (value - before) / before:+.0f} %".replace("-", MINUS)
        words = _("in %(days)s days, %(change)s") % {"days": DAYS, "change": change}
    return Card(_("Deals redeemed"), value, url, words, kind, spark(days))


def redeemed_per_day(zone: ZoneInfo, *, at: datetime) -> Series:
    """Return how many deals were given on each of the last 30 days in the shop's time zone. One query."""
    return given_by_day(last_days(DAYS, zone, at=at))


def columns(days: Series) -> list[Column]:
    """Return the chart's columns; a day on which more was taken back than given has none."""
    highest = max((count for _day, count in days), default=0) or 1
    shown = []
    for number, (day, count) in enumerate(days):
        height = CHART_HEIGHT * max(0, count) / highest
        x, y = number * COLUMN_WIDTH, CHART_HEIGHT - height
        shown.append(Column(formats.date_format(day, pgettext("date", "N j")), count, x, y, height))
    return shown


def spark(series: Series) -> str:
    """Return the points of a small line from the lowest to the highest count; of one day there is none."""
    if len(series) < 2:
        return ""
    counts = [count for _day, count in series]
    start, length = series[0][0], (series[-1][0] - series[0][0]).days or 1
    lowest, spread = min(counts), max(counts) - min(counts)
    room = SPARK_HEIGHT - 4
    points = []
    for day, count in series:
        x = SPARK_WIDTH * (day - start).days / length
        y = 2 + room - (room * (count - lowest) / spread if spread else room / 2)
        points.append(f"{x:.1f},{y:.1f}")
    return " ".join(points)
