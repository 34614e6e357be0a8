"""What the page of a contact shows beside the form: channels, numbers, the story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import resolve, reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from contacts.admin.base import badge, status_badge
from contacts.channels import Channel
from contacts.models import ChannelStatus, Contact, Suppression
from contacts.queries import ChannelState, activity_of, channel_state, suppressions_of, timeline
from contacts.records import TimelineEntry

LINES = (100, 500, 2000)  # of the story: at first, and behind "Show older"
WAITING = (ChannelStatus.NONE, ChannelStatus.PENDING)


@dataclass(frozen=True, slots=True)
class ChannelPanel:
    """One channel of one contact, and what may be done about it."""

    channel: Channel
    status: SafeString
    reason: str
    since: datetime | None
    can_unsubscribe: bool
    can_consent: bool
    can_block: bool
    lift_url: str


@dataclass(frozen=True, slots=True)
class TimelineLine:
    at: datetime
    what: SafeString
    channel: str
    how: str
    wording: str
    url: str


def channel_panels(contact: Contact, request: HttpRequest) -> list[ChannelPanel]:
    """Return the channels on which the contact has an address. Two queries each, and one."""
    may_lift = request.user.has_perms(["contacts.view_suppression", "contacts.lift_suppression"])
    blocks = sorted(suppressions_of(contact).filter(lifted_at=None), key=lambda block: block.strength)
    strongest = {block.channel: block for block in blocks}
    panels = []
    for channel in Channel:
        state = channel_state(contact, channel)
        if state.state != ChannelStatus.ABSENT:
            panels.append(_panel(channel, state, strongest.get(channel.value), may_lift=may_lift))
    return panels


def _panel(channel: Channel, state: ChannelState, block: Suppression | None, *, may_lift: bool) -> ChannelPanel:
    reason = str(Suppression.Reason(state.reason).label) if state.reason else ""
    return ChannelPanel(
        channel=channel,
        status=status_badge(state.state),
        reason="" if reason == str(state.state.label) else reason,
        since=state.since,
        can_unsubscribe=state.state in {*WAITING, ChannelStatus.SUBSCRIBED},
        can_consent=may_record_consent(state, may_lift=may_lift),
        can_block=Suppression.Reason.MANUAL not in state.blocks,
        lift_url=reverse("admin:contacts_suppression_lift", args=[block.pk]) if block and may_lift else "",
    )


def may_record_consent(state: ChannelState, *, may_lift: bool) -> bool:
    """Say whether consent may be written down by hand: not behind a block, and after a withdrawal only by those who
    may lift one.
    """
    return state.may_rejoin and not state.blocks and (may_lift or not state.withdrawn)


def numbers(contact: Contact) -> list[tuple[str, str]]:
    """Return what the person did, added up, in words. One query."""
    activity = activity_of(contact)
    visit = activity.last_redeemed_at
    return [
        (_("Deals redeemed"), f"{activity.redemptions:,}"),
        (_("Spent with deals"), f"{activity.spend:,.2f}"),
        (_("Last visit with a deal"), date_format(localtime(visit), "DATE_FORMAT") if visit else "—"),
    ]


def story(contact: Contact, request: HttpRequest) -> dict[str, Any]:
    """Return the lines of the story and how many to show next; 0 where there is nothing older."""
    asked = request.GET.get("lines", "")
    shown = int(asked) if asked in map(str, LINES) else LINES[0]
    entries = timeline(contact, shown + 1)
    older = next((size for size in LINES if size > shown), 0) if len(entries) > shown else 0
    return {"timeline": [_line(entry, request) for entry in entries[:shown]], "older": older}


def _line(entry: TimelineEntry, request: HttpRequest) -> TimelineLine:
    return TimelineLine(
        at=entry.at,
        what=badge(entry.kind, entry.what),
        channel=entry.channel,
        how=entry.how,
        wording=entry.detail,
        url=entry.url if entry.url and _may_open(entry.url, request) else "",
    )


def _may_open(url: str, request: HttpRequest) -> bool:
    """Say whether the user may see the table a link leads to: `messaging_message_change` asks for one permission."""
    app, _, rest = str(resolve(url).url_name).partition("_")
    return request.user.has_perm(f"{app}.view_{rest.removesuffix('_change')}")
