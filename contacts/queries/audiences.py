"""Whom a question is about, and the numbers of the front page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from contacts.channels import Channel
from contacts.models import Business, ChannelStatus, Contact, ContactQuerySet, Import, Segment, Tag
from contacts.queries.counting import merged_joins
from contacts.queries.questions import Question
from contacts.segments import Group, Names, SegmentError, numbers_in, parse


def parts_of(audience: dict[str, Any]) -> tuple[Group, list[Group]]:
    """Return the question an audience includes, and those it leaves out. Raises SegmentError."""
    if "include" in audience:
        return parse(audience["include"]), [parse(rules) for rules in audience.get("exclude", [])]
    return parse(audience), []


def audience_contacts(audience: dict[str, Any], *, at: datetime) -> ContactQuerySet:
    """Return the contacts an audience asks for at `at`, whether or not they may be written to.

    `audience` is what a campaign froze, `{"include": RULES, "exclude": [RULES, ...]}`, or the rules of a segment alone
    (`contacts.segments` says what rules are). Days are those of the shop's time zone: one query, where rules speak of
    days. Raises SegmentError.
    """
    include, exclude = parts_of(audience)
    return Question(at, lambda: Business.load().zone).contacts(include, exclude)


def reachable(audience: dict[str, Any], channel: Channel, *, at: datetime) -> ContactQuerySet:
    """Return those in the audience at `at` who may be sent marketing on `channel` now. Raises SegmentError."""
    return audience_contacts(audience, at=at).subscribed(channel)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many people an audience has, and how many of them may be written to."""

    people: int
    email: int
    sms: int


def audience_sizes(audience: dict[str, Any], *, at: datetime) -> Sizes:
    """Count an audience: one look at the table for all three numbers. Raises SegmentError."""
    contacts = audience_contacts(audience, at=at)
    with merged_joins():
        counted = contacts.aggregate(
            people=Count("pk"),
            email=Count("pk", filter=Q(email_status=ChannelStatus.SUBSCRIBED)),
            sms=Count("pk", filter=Q(sms_status=ChannelStatus.SUBSCRIBED)),
        )
    return Sizes(**counted)


def names_for(*groups: Group) -> Names:
    """Return what the tags and imports in these questions are called. One query each, where there are any."""
    tags = {number for group in groups for number in numbers_in(group, "tag")}
    imports = {number for group in groups for number in numbers_in(group, "import")}
    known = Import.objects.filter(pk__in=imports).values_list("pk", flat=True) if imports else ()
    return Names(
        tags=dict(Tag.objects.filter(pk__in=tags).values_list("pk", "name")) if tags else {},
        imports={number: _("import %(number)s") % {"number": number} for number in known},
    )


def examples(audience: dict[str, Any], *, at: datetime, limit: int = 10) -> list[Contact]:
    """Return a few people of an audience, the newest first, with their names and addresses. Raises SegmentError."""
    newest = list(audience_contacts(audience, at=at).order_by("-pk").values_list("pk", flat=True)[:limit])
    return list(Contact.objects.filter(pk__in=newest).only("first_name", "last_name", "email", "phone").order_by("-pk"))


def segments_asking(field: str, number: int) -> list[Segment]:
    """Return the segments with a rule about this tag or import."""
    return [segment for segment in Segment.objects.all() if number in _numbers(segment, field)]


def _numbers(segment: Segment, field: str) -> set[int]:
    try:
        return numbers_in(parse(segment.rules), field)
    except SegmentError:
        return set()


@dataclass(frozen=True, slots=True)
class Totals:
    """The five numbers of the front page."""

    contacts: int
    email_subscribed: int
    email_unsubscribed: int
    sms_subscribed: int
    sms_unsubscribed: int


def totals() -> Totals:
    """Count contacts by channel status. Two queries, each over one index."""
    email = dict(Contact.objects.order_by().values_list("email_status").annotate(Count("id")))
    sms = dict(Contact.objects.order_by().values_list("sms_status").annotate(Count("id")))
    return Totals(
        contacts=sum(email.values()),
        email_subscribed=email.get(ChannelStatus.SUBSCRIBED, 0),
        email_unsubscribed=email.get(ChannelStatus.UNSUBSCRIBED, 0),
        sms_subscribed=sms.get(ChannelStatus.SUBSCRIBED, 0),
        sms_unsubscribed=sms.get(ChannelStatus.UNSUBSCRIBED, 0),
    )
