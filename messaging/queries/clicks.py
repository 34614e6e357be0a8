"""Who followed a link. Machines are left out of all figures but the one that counts them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from campaigns.models import Campaign, Link
from messaging.links import TRAP_POSITION
from messaging.models import Click, Message
from messaging.queries.spans import Span

BY_PEOPLE = Q(machine="")


@dataclass(slots=True)
class LinkClicks:
    """How many people followed a link, and how often."""

    url: str
    people: int = 0
    clicks: int = 0


@dataclass(frozen=True, slots=True)
class Clicks:
    """What came of a campaign's links. `people` followed any of them; `machine_clicks` are in none of the others."""

    people: int
    machine_clicks: int
    links: list[LinkClicks] = field(default_factory=list)


def link_target(message_id: int, position: int) -> str | None:
    """Return where a link of a message leads, empty for the trap; None: there is no such message or link. One query."""
    if position == TRAP_POSITION:
        return "" if Message.objects.filter(pk=message_id).exists() else None
    links = Link.objects.filter(variant__messages=message_id, position=position)
    return links.values_list("url", flat=True).first()


def clicks_of(campaign: Campaign, span: Span | None = None) -> Clicks:
    """Count the clicks of a campaign within a span, by link in the order of its words. Two queries."""
    own = Click.objects.filter(link__variant__campaign=campaign)
    person = Q(clicks__machine="")
    if span:
        own = span.cut(own)
        person &= Q(clicks__at__gte=span.start) if span.start else Q()
        person &= Q(clicks__at__lt=span.end) if span.end else Q()
    totals = own.aggregate(
        people=Count("message", distinct=True, filter=BY_PEOPLE), machine_clicks=Count("pk", filter=~BY_PEOPLE)
    )
    links = Link.objects.filter(variant__campaign=campaign).annotate(
        people=Count("clicks__message", distinct=True, filter=person), times=Count("clicks", filter=person)
    )
    found: dict[str, LinkClicks] = {}
    for url, people, times in links.order_by("position", "variant").values_list("url", "people", "times"):
        line = found.setdefault(url, LinkClicks(url))  # variants may share a link, and nobody gets two of them
        line.people += people
        line.clicks += times
    return Clicks(**totals, links=list(found.values()))


def first_clicks(campaign: Campaign, span: Span) -> QuerySet[Any]:
    """Return the first click within a span of each person who followed a link of a campaign."""
    own = span.cut(Click.objects.filter(BY_PEOPLE, link__isnull=False))
    sooner = Q(at__lt=OuterRef("at")) | Q(at=OuterRef("at"), pk__lt=OuterRef("pk"))
    earlier = own.filter(sooner, message=OuterRef("message")).order_by()
    return own.filter(~Exists(earlier), link__variant__campaign=campaign).order_by()


def clicked_counts(campaign_ids: Collection[int]) -> dict[int, int]:
    """Count the people who followed a link of each of these campaigns. One query."""
    own = Click.objects.filter(BY_PEOPLE, link__variant__campaign__in=campaign_ids).order_by()
    counted = own.values_list("link__variant__campaign").annotate(Count("message", distinct=True))
    return dict(counted)
