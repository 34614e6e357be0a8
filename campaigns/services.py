"""Everything that writes campaigns.

Each change of status is one conditional UPDATE, so two people may press at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from campaigns.models import Campaign
from campaigns.queries import Check, audience_of, checklist, content_of, variant_of
from campaigns.rendering import Compiled, Content
from contacts.channels import Channel
from contacts.models import Business, Segment, Tag
from redemptions.models import Offer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Status = Campaign.Status


class NotPossible(Exception):
    """The campaign is not in a state from which this can be done; the message says so."""


class Blocked(Exception):
    """The checklist blocks the launch; `checks` are the lines that do."""

    def __init__(self, checks: list[Check]) -> None:
        super().__init__(
            " ".join(f"{check.title}: {check.detail}" if check.detail else check.title for check in checks)
        )
        self.checks = checks


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person writes: the campaign's own fields and its words."""

    name: str
    channel: Channel
    subject: str = ""
    preheader: str = ""
    body: str = ""
    html: str = ""
    offer: Offer | None = None
    segment: Segment | None = None
    tag: Tag | None = None
    exclude_segment: Segment | None = None
    exclude_tag: Tag | None = None
    is_demo: bool = field(default=False)

    @property
    def content(self) -> Content:
        return Content(self.channel, self.subject, self.preheader, self.body, self.html)


def save_draft(draft: Draft, *, campaign: Campaign | None = None) -> Campaign:
    """Save a new campaign, or a draft that was changed.

    Raises ContentError where a merge field is wrong, and NotPossible where the campaign has been launched.
    """
    Compiled(draft.content, has_deal=draft.offer is not None)
    with transaction.atomic():
        campaign = campaign or Campaign(is_demo=draft.is_demo)
        if (
            campaign.pk
            and not Campaign.objects.select_for_update().filter(pk=campaign.pk, status=Status.DRAFT).exists()
        ):
            raise NotPossible("This campaign has been launched; its words are frozen. Copy it to change them.")
        campaign.name, campaign.channel = draft.name, draft.channel
        campaign.offer, campaign.segment, campaign.tag = draft.offer, draft.segment, draft.tag
        campaign.exclude_segment, campaign.exclude_tag = draft.exclude_segment, draft.exclude_tag
        campaign.save()
        variant = variant_of(campaign)
        variant.campaign = campaign
        variant.subject, variant.preheader = draft.subject, draft.preheader
        variant.body, variant.html = draft.body, draft.html
        variant.save()
    return campaign


def copy_campaign(campaign: Campaign) -> Campaign:
    """Make a draft with the same words, deal and audience."""
    variant = variant_of(campaign)
    return save_draft(
        Draft(
            name=f"{campaign.name[:90]} (copy)",
            channel=Channel(campaign.channel),
            subject=variant.subject,
            preheader=variant.preheader,
            body=variant.body,
            html=variant.html,
            offer=campaign.offer,
            segment=campaign.segment,
            tag=campaign.tag,
            exclude_segment=campaign.exclude_segment,
            exclude_tag=campaign.exclude_tag,
        )
    )


def launch(campaign: Campaign, *, at: datetime, starts_at: datetime | None = None, by: User | None = None) -> Campaign:
    """Freeze words and audience question, and schedule the campaign for `starts_at` (default: at once).

    The row is locked, so that the words that were checked are the words that go out.

    Raises Blocked with the checklist's reasons, and NotPossible where it was launched before.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
        content = content_of(campaign, variant_of(campaign))
        checks = checklist(campaign, content, Business.load(), at=starts_at or at)
        blocks = [check for check in checks if check.level == "block"]
        if blocks and campaign.status == Status.DRAFT:
            raise Blocked(blocks)
        return _change(
            campaign,
            {Status.DRAFT},
            "launched",
            status=Status.SCHEDULED,
            audience=audience_of(campaign),
            starts_at=starts_at or at,
            launched_at=at,
            launched_by=by,
        )


def begin(campaign: Campaign) -> bool:
    """Move a due campaign to sending; return False where someone else did or it was stopped."""
    return bool(Campaign.objects.filter(pk=campaign.pk, status=Status.SCHEDULED).update(status=Status.SENDING))


def pause(campaign: Campaign, *, reason: str = "") -> Campaign:
    """Stop claiming at once; messages a worker has in hand are finished. Raises NotPossible."""
    return _change(campaign, {Status.SENDING, Status.SCHEDULED}, "paused", status=Status.PAUSED, pause_reason=reason)


def resume(campaign: Campaign) -> Campaign:
    """Go on with exactly the rest. Raises NotPossible."""
    return _change(campaign, {Status.PAUSED}, "resumed", status=Status.SCHEDULED, pause_reason="")


def cancel(campaign: Campaign, *, at: datetime) -> Campaign:
    """End a campaign for good. Raises NotPossible."""
    stoppable = {Status.DRAFT, Status.SCHEDULED, Status.SENDING, Status.PAUSED}
    return _change(campaign, stoppable, "cancelled", status=Status.CANCELLED, finished_at=at)


def finish(campaign: Campaign, *, at: datetime) -> bool:
    """Mark a campaign as sent; return False where it is not sending any more."""
    return bool(
        Campaign.objects.filter(pk=campaign.pk, status=Status.SENDING).update(status=Status.SENT, finished_at=at)
    )


def remove_demo_campaigns() -> int:
    """Delete the demo campaigns; return how many. Their messages must be gone."""
    demo = Campaign.objects.filter(is_demo=True)
    count = demo.count()
    demo.delete()
    return count


def _change(campaign: Campaign, allowed: set[Campaign.Status], done: str, **changes: Any) -> Campaign:
    """Write `changes` where the status is one of `allowed`, as one UPDATE: of two people, one wins."""
    if not Campaign.objects.filter(pk=campaign.pk, status__in=allowed).update(**changes):
        current = Campaign.objects.get(pk=campaign.pk)
        raise NotPossible(f"This campaign is {current.get_status_display().lower()} and cannot be {done}.")
    campaign.refresh_from_db()
    return campaign
