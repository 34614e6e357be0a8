"""Whom a campaign goes to: the question, its words, and how many they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import ChannelStatus, ContactQuerySet, Segment
from contacts.queries import audience_contacts, count_people, names_for, parts_of, reachable
from contacts.queries.counting import merged_joins
from contacts.segments import Group, Rule, to_json, words


def audience_of(campaign: Campaign) -> dict[str, Any]:
    """Return whom a campaign asks for and leaves out: frozen at launch, taken from its tags and segments before.

    `{"include": RULES, "exclude": [RULES, ...]}`; campaigns of old froze RULES alone. `contacts.queries` reads both.
    """
    if campaign.audience is not None:
        return dict(campaign.audience)
    exclude = [_rules_of(campaign.exclude_segment, None), _rules_of(None, campaign.exclude_tag_id)]
    return {
        "include": _rules_of(campaign.segment, campaign.tag_id) or {},
        "exclude": [rules for rules in exclude if rules is not None],
    }


def _rules_of(segment: Segment | None, tag_id: int | None) -> dict[str, Any] | None:
    """Return the question of a segment or a tag; None: neither is chosen."""
    if tag_id:
        return to_json(Group("all", (Rule("tag", "has", tag_id),)))
    return dict(segment.rules or {}) if segment else None


def people_of(campaign: Campaign, *, at: datetime) -> ContactQuerySet:
    """Return who would get the campaign. Rules that speak of days count them from its start, where that is known."""
    return reachable(audience_of(campaign), Channel(campaign.channel), at=campaign.starts_at or at)


def audience_size(campaign: Campaign, *, at: datetime) -> int:
    """Count who would get the campaign. One query, or two where rules speak of days."""
    return count_people(people_of(campaign, at=at))


def left_out(campaign: Campaign, *, size: int, at: datetime) -> list[tuple[str, int]]:
    """Return why people whom a campaign asks for get nothing, and how many, the most first. One look at the table.

    `size` is how many get it.
    """
    asked = audience_contacts(audience_of(campaign)["include"], at=campaign.starts_at or at)
    field = f"{Channel(campaign.channel).value}_status"
    with merged_joins():
        counts = asked.aggregate(**{status.value: Count("pk", filter=Q(**{field: status})) for status in ChannelStatus})
    kept_out = counts.pop(ChannelStatus.SUBSCRIBED) - size
    reasons = [(str(ChannelStatus(status).label), count) for status, count in counts.items()]
    reasons.append((_("In what you leave out"), kept_out))
    return sorted((reason for reason in reasons if reason[1] > 0), key=lambda reason: -reason[1])


def audience_words(campaign: Campaign) -> str:
    """Say in words whom the campaign asks for and leaves out; after the launch, what it asked then."""
    include, exclude = parts_of(audience_of(campaign))
    names = names_for(include, *exclude)
    everybody = _("Everyone who was subscribed") if campaign.planned_at else _("Everyone who is subscribed")
    if campaign.audience is None and campaign.tag:
        line = _("People tagged “%(tag)s”") % {"tag": campaign.tag}
    elif campaign.audience is None and campaign.segment:
        line = _("Segment “%(segment)s”") % {"segment": campaign.segment}
    elif include.rules:
        line = words(include, names)
    else:
        line = everybody
    if campaign.audience is None:
        segment, tag = campaign.exclude_segment, campaign.exclude_tag
        left_out = [_("segment “%(segment)s”") % {"segment": segment}] if segment else []
        left_out += [_("people tagged “%(tag)s”") % {"tag": tag}] if tag else []
    else:
        left_out = [f"“{words(group, names)}”" for group in exclude]
    if not left_out:
        return line
    return _("%(audience)s, without %(others)s") % {"audience": line, "others": _(" and ").join(left_out)}
