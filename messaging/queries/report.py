"""The report of one campaign: each number counts what happened within its days, and all are read here once.

The page, its charts, their tables and the files show the same object, so that they cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Coalesce

from campaigns.models import Campaign
from messaging.models import Click, Message
from messaging.queries import accounting, remembered
from messaging.queries.accounting import Figures
from messaging.queries.clicks import BY_PEOPLE, Clicks, clicks_of, first_clicks
from messaging.queries.latest import DELIVERED, SENT
from messaging.queries.results import by_variant, lines_of, withdrawals
from messaging.queries.spans import Moment, QuarterHour, Span, days_between, hours_between, local_moment

Status = Message.Status
STEPS = ("sent", "delivered", "clicked", "redeemed")
REMEMBERED_FROM, REMEMBERED_S = 20_000, 6 * 3600  # messages of a campaign; fewer are counted at once
Times = list[tuple[datetime, int]]
LONGEST_BY_HOUR = 14  # days; of more, a chart by hour shows nothing


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
    """Return the report of a campaign, its points by `day` or `hour`. About fifteen queries.

    The ledger is asked once, for it takes long to say which of its lines belong to a campaign.
    """
    messages = Message.objects.filter(campaign=campaign).order_by()
    variants = list(campaign.variants.order_by("name").values_list("name", flat=True))
    given = _given(campaign, span, several=len(variants) > 1)
    own = withdrawals(span).filter(campaign_id=campaign.pk).order_by()
    left = {(variant, bytes(address)) for variant, address in own.values_list("variant_name", "address_index")}
    states = dict(messages.values_list("status").annotate(Count("pk")))
    points = _points(campaign, _times(campaign, states), given, span, by)
    money, clicks = accounting.added(given, lambda _one: None), clicks_of(campaign, span)
    whole = VariantResult(
        name="",
        sent=sum(point.sent for point in points),
        delivered=sum(point.delivered for point in points),
        clicked=clicks.people,
        redeemed=sum(figures.given for figures in money),
        unsubscribed=len({address for _variant, address in left}),
    )
    badly = messages.filter(status__in=(Status.BOUNCED, Status.COMPLAINED, Status.FAILED))
    ended = dict(span.cut(badly, "status_at").values_list("status").annotate(Count("pk")))
    return Report(
        campaign=campaign,
        span=span,
        audience=sum(states.values()),
        sent=whole.sent,
        delivered=whole.delivered,
        clicks=clicks,
        bounced=ended.get(Status.BOUNCED, 0),
        complained=ended.get(Status.COMPLAINED, 0),
        failed=ended.get(Status.FAILED, 0),
        unsubscribed=whole.unsubscribed,
        money=money,
        points=points,
        locations=sorted(accounting.places(given, "location"), key=lambda figures: -figures.given),
        variants=_variants(campaign, variants, messages, given, left, span, whole),
    )


def _given(campaign: Campaign, span: Span, *, several: bool) -> list[Figures]:
    """Return what the lines of the ledger come to by quarter of an hour, wording and location."""

    def count() -> list[Figures]:
        lines = by_variant(span.cut(lines_of([campaign.pk])), several=several)
        return accounting.counted(lines, QuarterHour("at"), F("variant_name"), accounting.place_of("location"))

    return remembered.of_ledger("report", (campaign.pk, span.start, span.end, several), count)


def sent_in(messages: QuerySet[Any], span: Span) -> QuerySet[Any]:
    """Keep the messages a provider took within a span."""
    taken = messages.filter(status__in=SENT).annotate(sent_at=Coalesce("handed_at", "status_at"))
    return span.cut(taken, "sent_at")


# --- By day and by hour -----------------------------------------------------------------------------------------------


def _points(campaign: Campaign, times: dict[str, Times], given: Sequence[Figures], span: Span, by: str) -> list[Point]:
    counted: dict[str, Iterable[tuple[datetime, int]]] = {
        **{step: [(at, count) for at, count in found if span.holds(at)] for step, found in times.items()},
        "clicked": _counted(first_clicks(campaign, span), "at"),
        "redeemed": ((figures.group[0], figures.given) for figures in given),
    }
    found: dict[Moment, Point] = {}
    for step, moments in counted.items():
        for at, count in moments:
            moment = local_moment(at, by, span.zone)
            point = found.setdefault(moment, Point(moment))
            setattr(point, step, getattr(point, step) + count)
    return [found.get(moment) or Point(moment) for moment in _moments(found, by, span)]


def _times(campaign: Campaign, states: dict[str, int]) -> dict[str, Times]:
    """Return how many were sent and delivered in each quarter of an hour in which any was.

    They are remembered for as long as the states stay the same: half a million messages are counted for a second.
    What was sent or delivered goes only forward from state to state, so each change shows in their numbers.
    """
    key = f"report.times.{campaign.pk}." + ",".join(f"{state}={states[state]}" for state in sorted(states))
    found: dict[str, Times] | None = cache.get(key)
    if found is None:
        messages = Message.objects.filter(campaign=campaign).order_by()
        taken = messages.filter(status__in=SENT).annotate(sent_at=Coalesce("handed_at", "status_at"))
        delivered = messages.filter(status__in=DELIVERED)
        found = {"sent": _counted(taken, "sent_at"), "delivered": _counted(delivered, "status_at")}
        if sum(states.values()) > REMEMBERED_FROM:
            cache.set(key, found, REMEMBERED_S)
    return found


def _counted(rows: QuerySet[Any], name: str) -> Times:
    return list(rows.values_list(QuarterHour(name)).annotate(Count("pk")))


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


# --- By wording ----------------------------------------------------------------------------------------------------


def _variants(
    campaign: Campaign,
    names: Sequence[str],
    messages: QuerySet[Any],
    given: Sequence[Figures],
    left: Collection[tuple[str, bytes]],
    span: Span,
    whole: VariantResult,
) -> list[VariantResult]:
    """Return what came of each wording; of the only one, it is what came of the campaign."""
    if len(names) == 1:
        return [replace(whole, name=name) for name in names]
    found = {name: VariantResult(name) for name in names}
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
    for figures in given:
        found[figures.group[1]].redeemed += figures.given
    return list(found.values())
