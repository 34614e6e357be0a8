"""The report of one campaign: each number counts what happened within its days, and all are read here once.

The page, its charts, their tables and the files show the same object, so that they cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, TruncDate, TruncHour

from campaigns.models import Campaign
from messaging.models import Click, Message
from messaging.queries import accounting
from messaging.queries.accounting import Figures
from messaging.queries.clicks import BY_PEOPLE, Clicks, clicks_of
from messaging.queries.latest import DELIVERED, SENT
from messaging.queries.results import by_variant, lines_of, withdrawals
from messaging.queries.spans import Span, days_between, hours_between

Status = Message.Status
STEPS = ("sent", "delivered", "clicked", "redeemed")
TRUNC: dict[str, Any] = {"day": TruncDate, "hour": TruncHour}
LONGEST_BY_HOUR = 14  # days; of more, a chart by hour shows nothing
Moment = date | datetime


@dataclass(slots=True)
class Point:
    """What happened in a day or an hour of the shop's clock. Who clicks counts once, at the first click."""

    moment: Moment
    sent: int = 0
    delivered: int = 0
    clicked: int = 0
    redeemed: int = 0


@dataclass(slots=True)
class VariantResult:
    """What came of one wording."""

    name: str
    sent: int = 0
    delivered: int = 0
    clicked: int = 0
    redeemed: int = 0
    unsubscribed: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a campaign brought within a span. `money` has a line for each currency."""

    campaign: Campaign
    span: Span
    audience: int
    sent: int
    delivered: int
    clicks: Clicks
    bounced: int
    complained: int
    failed: int
    unsubscribed: int
    money: list[Figures]
    points: list[Point] = field(default_factory=list)
    locations: list[Figures] = field(default_factory=list)
    variants: list[VariantResult] = field(default_factory=list)

    @property
    def clicked(self) -> int:
        return self.clicks.people

    @property
    def redeemed(self) -> int:
        return sum(figures.given for figures in self.money)

    @property
    def is_reported(self) -> bool:
        """Whether anything is known of deliveries: SMTP and the outbox never report."""
        return bool(self.delivered) or not self.sent


def report_of(campaign: Campaign, span: Span, *, by: str = "day") -> Report:
    """Return the report of a campaign, its points by `day` or `hour`. About fifteen queries."""
    messages = Message.objects.filter(campaign=campaign).order_by()
    lines = span.cut(lines_of([campaign.pk]))
    own = withdrawals(span).filter(campaign_id=campaign.pk).order_by()
    left = {(variant, bytes(address)) for variant, address in own.values_list("variant_name", "address_index")}
    points = _points(campaign, messages, lines, span, by)
    money, clicks = accounting.totals(lines), clicks_of(campaign, span)
    whole = VariantResult(
        name="",
        sent=sum(point.sent for point in points),
        delivered=sum(point.delivered for point in points),
        clicked=clicks.people,
        redeemed=sum(figures.given for figures in money),
        unsubscribed=len({address for _variant, address in left}),
    )
    ended = dict(span.cut(messages, "status_at").values_list("status").annotate(Count("pk")))
    return Report(
        campaign=campaign,
        span=span,
        audience=messages.count(),
        sent=whole.sent,
        delivered=whole.delivered,
        clicks=clicks,
        bounced=ended.get(Status.BOUNCED, 0),
        complained=ended.get(Status.COMPLAINED, 0),
        failed=ended.get(Status.FAILED, 0),
        unsubscribed=whole.unsubscribed,
        money=money,
        points=points,
        locations=_by_place(lines, span),
        variants=_variants(campaign, messages, lines, left, span, whole),
    )


def sent_in(messages: QuerySet[Any], span: Span) -> QuerySet[Any]:
    """Keep the messages a provider took within a span."""
    taken = messages.filter(status__in=SENT).annotate(sent_at=Coalesce("handed_at", "status_at"))
    return span.cut(taken, "sent_at")


# --- By day and by hour -----------------------------------------------------------------------------------------------


def _points(campaign: Campaign, messages: QuerySet[Any], lines: QuerySet[Any], span: Span, by: str) -> list[Point]:
    delivered = span.cut(messages.filter(status__in=DELIVERED), "status_at")
    clicks = span.cut(Click.objects.filter(BY_PEOPLE, link__variant__campaign=campaign)).order_by()
    counted = {
        "sent": _counted(sent_in(messages, span), "sent_at", by, span),
        "delivered": _counted(delivered, "status_at", by, span),
        "clicked": _first_clicks(clicks, by, span),
        "redeemed": _redeemed(lines, by, span),
    }
    found: dict[Moment, Point] = {}
    for step, moments in counted.items():
        for moment, count in moments.items():
            point = found.setdefault(moment, Point(moment))
            setattr(point, step, getattr(point, step) + count)
    return [found.get(moment) or Point(moment) for moment in _moments(found, by, span)]


def _counted(rows: QuerySet[Any], name: str, by: str, span: Span) -> dict[Moment, int]:
    moment = TRUNC[by](name, tzinfo=span.zone)
    return {_plain(found): count for found, count in rows.values_list(moment).annotate(Count("pk"))}


def _first_clicks(clicks: QuerySet[Any], by: str, span: Span) -> dict[Moment, int]:
    """Count people by when they first clicked: their clicks before which there is none of these."""
    same = clicks.filter(message=OuterRef("message"))
    earlier = same.filter(Q(at__lt=OuterRef("at")) | Q(at=OuterRef("at"), pk__lt=OuterRef("pk")))
    return _counted(clicks.filter(~Exists(earlier)), "at", by, span)


def _redeemed(lines: QuerySet[Any], by: str, span: Span) -> dict[Moment, int]:
    counts: dict[Moment, int] = {}
    for figures in accounting.grouped(lines, by, span.zone):
        moment = _plain(figures.group)
        counts[moment] = counts.get(moment, 0) + figures.given
    return counts


def _plain(moment: Moment) -> Moment:
    """Return an hour as the shop's clock shows it, without its zone; a day stays a day."""
    return moment.replace(tzinfo=None, fold=0) if isinstance(moment, datetime) else moment


def _moments(found: Iterable[Moment], by: str, span: Span) -> list[Moment]:
    """Return all days or hours from the first in which something happened to the last."""
    known = sorted(found, key=lambda moment: moment.isoformat())
    if not known:
        return []
    if by == "day":
        return list(days_between(known[0], known[-1]))
    first, last = known[0], known[-1]
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    if (last - first).days >= LONGEST_BY_HOUR:
        return list(known)
    first, last = (moment.replace(tzinfo=span.zone) for moment in (first, last))
    return list(dict.fromkeys([*hours_between(first, last, span.zone), known[-1]]))


# --- By place and by wording ------------------------------------------------------------------------------------------


def _by_place(lines: QuerySet[Any], span: Span) -> list[Figures]:
    places = accounting.grouped(lines, "location", span.zone)
    return sorted(places, key=lambda figures: -figures.given)


def _variants(
    campaign: Campaign,
    messages: QuerySet[Any],
    lines: QuerySet[Any],
    left: Collection[tuple[str, bytes]],
    span: Span,
    whole: VariantResult,
) -> list[VariantResult]:
    """Return what came of each wording; of the only one, it is what came of the campaign."""
    found = {name: VariantResult(name) for name in campaign.variants.order_by("name").values_list("name", flat=True)}
    if len(found) == 1:
        return [replace(whole, name=name) for name in found]
    delivered = span.cut(messages.filter(status__in=DELIVERED), "status_at")
    clicks = span.cut(Click.objects.filter(BY_PEOPLE, link__variant__campaign=campaign)).order_by()
    name = "variant__name"
    counted = {
        "sent": dict(sent_in(messages, span).values_list(name).annotate(Count("pk"))),
        "delivered": dict(delivered.values_list(name).annotate(Count("pk"))),
        "clicked": dict(clicks.values_list(f"message__{name}").annotate(Count("message", distinct=True))),
        "unsubscribed": Counter(name for name, _address in left),
    }
    for step, counts in counted.items():
        for variant, count in counts.items():
            setattr(found[variant], step, count)
    for figures in accounting.grouped_by(by_variant(lines), "variant_name"):
        found[figures.group].redeemed += figures.given
    return list(found.values())
