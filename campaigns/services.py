"""Everything that writes campaigns.

Each change of status is one conditional UPDATE, so two people may press at once.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, F, IntegerField, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from campaigns import pictures
from campaigns.blocks import BlockError, Built, read, stored
from campaigns.models import Approval, Campaign, Link, Picture, Template, Variant
from campaigns.queries import (
    APPROVE,
    LATE_APPROVAL,
    Check,
    approval_needed,
    approval_of,
    audience_of,
    audience_size,
    built_from,
    checklist,
    content_of,
    fingerprint,
    has_not_grown,
    is_approved,
    lacks_approval,
    look_of,
    variant_of,
)
from campaigns.rendering import Compiled, Content
from contacts.channels import Channel
from contacts.models import Business, Segment, Tag
from redemptions.models import Offer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Status = Campaign.Status
Mode = Variant.Mode
MAX_SPREAD_HOURS = 168
PAUSE_REASON_LENGTH = 200
BECAME_MORE = gettext_noop(
    "It has become more than was agreed to: more people, another deal, or another time. Whoever may approve campaigns "
    "can resume it; or undo it, and ask once more."
)
BEFORE_THE_LAUNCH: dict[str, Any] = {
    "status": Status.DRAFT,
    "audience": None,
    "starts_at": None,
    "spread_minutes": 0,
    "size_at_launch": None,
    "launched_at": None,
    "launched_by": None,
    "pause_reason": "",
    "language": "",
}


class Checklist(Protocol):
    """What says whether a campaign may be launched."""

    def __call__(self, campaign: Campaign, content: Content, *, at: datetime) -> list[Check]: ...


def own_checklist(campaign: Campaign, content: Content, *, at: datetime) -> list[Check]:
    """Return what the campaign, its people and the shop say by themselves."""
    return checklist(campaign, content, Business.load(), at=at)


class NotPossible(Exception):
    """The campaign is not in a state from which this can be done; the message says so."""


class Outdated(Exception):
    """Somebody else saved the campaign after it was read; `campaign` is as it is now."""

    def __init__(self, campaign: Campaign) -> None:
        super().__init__(_("This campaign was changed meanwhile."))
        self.campaign = campaign


class Blocked(Exception):
    """The checklist blocks the launch; `checks` are the lines that do."""

    def __init__(self, checks: list[Check]) -> None:
        super().__init__(
            " ".join(f"{check.title}: {check.detail}" if check.detail else check.title for check in checks)
        )
        self.checks = checks


class NeedsApproval(Exception):
    """So many people get it that somebody else has to approve it first: see `ask_approval`."""

    def __init__(self, size: int) -> None:
        super().__init__(
            _("%(count)s people get this: somebody else has to approve it first.") % {"count": f"{size:,}"}
        )
        self.size = size


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person writes: the campaign's own fields and its words. `mode` None: own HTML where there is some.

    `built` is made from `blocks` by whoever fills this in, with `built_from`.
    """

    name: str
    channel: Channel
    subject: str = ""
    preheader: str = ""
    body: str = ""
    html: str = ""
    mode: Variant.Mode | None = None
    blocks: dict[str, Any] | None = None
    built: Built = field(default_factory=Built)
    offer: Offer | None = None
    segment: Segment | None = None
    tag: Tag | None = None
    exclude_segment: Segment | None = None
    exclude_tag: Tag | None = None
    utm_campaign: str = ""
    is_demo: bool = field(default=False)

    @property
    def written(self) -> Variant:
        """The words as they are kept, not saved."""
        return Variant(
            subject=self.subject,
            preheader=self.preheader,
            body=self.body,
            html=self.html,
            mode=self.mode or "",
            blocks=self.blocks,
            built_html=self.built.html,
            built_text=self.built.text,
            gaps=[asdict(gap) for gap in self.built.gaps],
        )

    @property
    def content(self) -> Content:
        return content_of(Campaign(channel=self.channel), self.written)


def with_blocks(draft: Draft, blocks: object) -> Draft:
    """Return a draft with these blocks, cleaned, and the mail that is made of them. Raises BlockError."""
    clean = stored(read(blocks))
    return replace(draft, blocks=clean, built=built_from(clean, has_deal=draft.offer is not None))


def save_draft(
    draft: Draft, *, campaign: Campaign | None = None, by: User | None = None, seen: datetime | None = None
) -> Campaign:
    """Save a new campaign, or a draft that was changed. `seen`: when it had been saved last, as the writer knows it.

    Raises ContentError where a merge field is wrong, NotPossible where the campaign has been launched, and Outdated
    where somebody else has saved it since `seen`: the row is locked, so of two writers the later one is told.
    """
    Compiled(draft.content, has_deal=draft.offer is not None, utm=draft.utm_campaign)
    with transaction.atomic():
        campaign = campaign or Campaign(is_demo=draft.is_demo)
        if campaign.pk:
            now = Campaign.objects.select_for_update(of=("self",)).filter(pk=campaign.pk, status=Status.DRAFT).first()
            if now is None:
                raise NotPossible(_("This campaign has been launched; its words are frozen. Copy it to change them."))
            if seen is not None and now.updated_at != seen:
                raise Outdated(now)
        campaign.updated_by = by
        campaign.name, campaign.channel = draft.name, draft.channel
        campaign.offer, campaign.segment, campaign.tag = draft.offer, draft.segment, draft.tag
        campaign.exclude_segment, campaign.exclude_tag = draft.exclude_segment, draft.exclude_tag
        campaign.utm_campaign = draft.utm_campaign
        campaign.save()
        written, before = draft.written, variant_of(campaign)
        written.pk, written.campaign = before.pk, campaign
        written.name, written.weight = before.name, before.weight
        written.save()
    return campaign


FIELDS_OF_A_DRAFT = (
    "name",
    "channel",
    "offer_id",
    "segment_id",
    "tag_id",
    "exclude_segment_id",
    "exclude_tag_id",
    "utm_campaign",
)
WORDS_OF_A_DRAFT = ("subject", "preheader", "body", "html", "mode", "blocks")


def says_the_same(draft: Draft, campaign: Campaign) -> bool:
    """Whether a campaign is what a draft says: somebody sent it twice, because no answer came or by a double click."""
    asked = Campaign(
        name=draft.name,
        channel=draft.channel,
        offer=draft.offer,
        segment=draft.segment,
        tag=draft.tag,
        exclude_segment=draft.exclude_segment,
        exclude_tag=draft.exclude_tag,
        utm_campaign=draft.utm_campaign,
    )
    written, kept = draft.written, variant_of(campaign)
    return all(getattr(asked, name) == getattr(campaign, name) for name in FIELDS_OF_A_DRAFT) and all(
        getattr(written, name) == getattr(kept, name) for name in WORDS_OF_A_DRAFT
    )


def begun_with(draft: Draft, *, by: User, since: datetime) -> Campaign | None:
    """Return the draft somebody began with just these words since a moment; None: there is none."""
    mine = Campaign.objects.filter(updated_by=by, status=Status.DRAFT, created_at__gte=since, name=draft.name)
    return next((campaign for campaign in mine if says_the_same(draft, campaign)), None)


def copy_campaign(campaign: Campaign) -> Campaign:
    """Make a draft with the same words, deal and audience."""
    variant = variant_of(campaign)
    draft = Draft(
        name=_("%(name)s (copy)") % {"name": campaign.name[:90]},
        channel=Channel(campaign.channel),
        subject=variant.subject,
        preheader=variant.preheader,
        body=variant.body,
        html=variant.html,
        mode=variant.written_as,
        offer=campaign.offer,
        segment=campaign.segment,
        tag=campaign.tag,
        exclude_segment=campaign.exclude_segment,
        exclude_tag=campaign.exclude_tag,
        utm_campaign=campaign.utm_campaign,
    )
    return save_draft(with_blocks(draft, variant.blocks) if variant.blocks else draft)


def keep_as_template(campaign: Campaign) -> Template:
    """Keep the blocks of a campaign to start from again, under its name. Raises NotPossible where it has none."""
    variant = variant_of(campaign)
    if variant.written_as != Mode.BLOCKS or not (variant.blocks or {}).get("blocks"):
        raise NotPossible(_("Only a mail made of blocks can be kept as a template."))
    return Template.objects.create(
        name=campaign.name, subject=variant.subject, preheader=variant.preheader, blocks=variant.blocks
    )


def keep_picture(data: bytes, *, by: User | None = None) -> Picture:
    """Make a picture fit for mails and keep it; the same one twice is one. Raises campaigns.pictures.PictureRefused."""
    fitted = pictures.fit(data)
    picture, _new = Picture.objects.get_or_create(
        digest=hashlib.sha256(fitted.data).digest(),
        defaults={
            "data": fitted.data,
            "format": fitted.format,
            "width": fitted.width,
            "height": fitted.height,
            "created_by": by,
        },
    )
    return picture


def launch(
    campaign: Campaign,
    *,
    at: datetime,
    starts_at: datetime | None = None,
    spread_minutes: int = 0,
    by: User | None = None,
    checklist: Checklist = own_checklist,
) -> Campaign:
    """Freeze words and audience question, and schedule the campaign for `starts_at` (default, and earliest: at once).

    `spread_minutes` is the time the messages are spread over; 0: as fast as the provider allows. The row is locked, so
    that the words that were checked are the words that go out; what the product says around them is in the shop's
    language of this moment. `messaging.services.launch` brings the whole checklist.

    A launch to many people waits for a second person where the shop says so, unless `by` may approve; nobody (`None`)
    is the manager on the machine, who may.

    Raises Blocked with the checklist's reasons, NeedsApproval, and NotPossible where it was launched before.
    """
    start = max(starts_at or at, at)
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
        content = content_of(campaign, variant_of(campaign))
        checks = checklist(campaign, content, at=start)
        blocks = [check for check in checks if check.level == "block"]
        if blocks and campaign.status == Status.DRAFT:
            raise Blocked(blocks)
        size = audience_size(campaign, at=start)
        needed = campaign.status == Status.DRAFT and approval_needed(by, size)
        if needed and not is_approved(campaign, size=size, starts_at=start, spread_minutes=spread_minutes):
            raise NeedsApproval(size)
        campaign = _change(
            campaign,
            Q(status=Status.DRAFT),
            _("This campaign is %(status)s and cannot be launched."),
            status=Status.SCHEDULED,
            audience=audience_of(campaign),
            starts_at=start,
            spread_minutes=spread_minutes,
            size_at_launch=size,
            launched_at=at,
            launched_by=by,
            language=settings.LANGUAGE_CODE,
        )
        _freeze_blocks(campaign)
        _keep_links(campaign)
    return campaign


@transaction.atomic
def ask_approval(
    campaign: Campaign,
    *,
    at: datetime,
    by: User,
    starts_at: datetime | None = None,
    spread_minutes: int = 0,
    checklist: Checklist = own_checklist,
) -> Approval:
    """Ask for a second person to send a draft as it is now, at `starts_at` (default: as soon as it is approved).

    Raises Blocked with the checklist's reasons, and NotPossible where it is no draft.
    """
    campaign = _locked_draft(campaign)
    blocks = [
        check
        for check in checklist(campaign, content_of(campaign, variant_of(campaign)), at=starts_at or at)
        if check.level == "block"
    ]
    if blocks:
        raise Blocked(blocks)
    asked = {
        "fingerprint": fingerprint(campaign),
        "size": audience_size(campaign, at=starts_at or at),
        "starts_at": starts_at,
        "spread_minutes": spread_minutes,
        "asked_at": at,
        "asked_by": by,
        "approved_at": None,
        "approved_by": None,
    }
    approval, _new = Approval.objects.update_or_create(campaign=campaign, defaults=asked)
    return approval


@transaction.atomic
def approve(
    campaign: Campaign, *, at: datetime, by: User | None, earliest: datetime, checklist: Checklist = own_checklist
) -> Campaign:
    """Launch what somebody else asked to send, when they asked for, but not before `earliest`.

    Raises Blocked, and NotPossible where nobody asks, it was changed since, or `by` may not approve it.
    """
    campaign = _locked_draft(campaign)
    approval = approval_of(campaign)
    if approval is None or approval.approved_at is not None:
        raise NotPossible(_("Nobody asks to send this as it is now. Where it was changed, they have to ask once more."))
    if by is not None and (by.pk == approval.asked_by_id or not by.has_perm(APPROVE)):
        raise NotPossible(_("Somebody else has to approve this: whoever asked cannot, and not everybody may."))
    if approval.starts_at and approval.starts_at < at - LATE_APPROVAL:
        raise NotPossible(_("It was to start at a time that has passed. Send it back; they can ask for another time."))
    size = audience_size(campaign, at=max(approval.starts_at or earliest, earliest))
    if not has_not_grown(approval, size):
        grown = _(
            "It was asked for %(asked)s people and would go to %(now)s by now. Send it back; they can ask once more."
        )
        raise NotPossible(grown % {"asked": f"{approval.size:,}", "now": f"{size:,}"})
    approval.approved_at, approval.approved_by = at, by
    approval.save(update_fields=["approved_at", "approved_by"])
    return launch(
        campaign,
        at=at,
        starts_at=max(approval.starts_at or earliest, earliest),
        spread_minutes=approval.spread_minutes,
        by=approval.asked_by,
        checklist=checklist,
    )


@transaction.atomic
def send_back(campaign: Campaign) -> None:
    """Take the question whether a draft may be sent away: it was refused, or is asked no more. Raises NotPossible.

    The campaign is locked: of one who approves and one who sends back, the first wins.
    """
    _locked_draft(campaign)
    if not Approval.objects.filter(campaign=campaign, approved_at=None).delete()[0]:
        raise NotPossible(_("Nobody asks to send this any more."))


def _locked_draft(campaign: Campaign) -> Campaign:
    found = Campaign.objects.select_for_update(of=("self",)).filter(pk=campaign.pk, status=Status.DRAFT).first()
    if found is None:
        raise NotPossible(_("This campaign is no draft any more."))
    return found


def _freeze_blocks(campaign: Campaign) -> None:
    """Make the mails of blocks with the look of the launch, and keep them: from now on they are what is sent."""
    look = look_of(campaign)
    for variant in campaign.variants.filter(mode=Mode.BLOCKS).exclude(blocks=None):
        with suppress(BlockError):  # of an older version: what was made of them then stays
            built = built_from(variant.blocks, has_deal=campaign.offer_id is not None, look=look)
            variant.built_html, variant.built_text = built.html, built.text
            variant.save(update_fields=["built_html", "built_text"])


def _keep_links(campaign: Campaign) -> None:
    """Store the links of each variant, numbered from 1, but those to this site: what is not stored is not counted."""
    here = f"{settings.PUBLIC_BASE_URL}/"
    for variant in campaign.variants.all():
        content = content_of(campaign, variant)
        links = Compiled(content, has_deal=campaign.offer is not None, utm=campaign.utm_campaign).links
        Link.objects.bulk_create(
            Link(variant=variant, position=position, url=url)
            for position, url in enumerate(links, start=1)
            if not f"{url}/".startswith(here)
        )


@transaction.atomic
def take_back(campaign: Campaign) -> Campaign:
    """Make a launched campaign that has not begun a draft again, its audience question open. Raises NotPossible."""
    waiting = Q(status__in=[Status.SCHEDULED, Status.PAUSED], begun_at=None)
    too_late = _("This campaign is %(status)s and cannot be made a draft again once it has begun.")
    campaign = _change(campaign, waiting, too_late, **BEFORE_THE_LAUNCH)
    Link.objects.filter(variant__campaign=campaign).delete()
    return campaign


def begin(campaign: Campaign, *, at: datetime) -> bool:
    """Move a due campaign to sending; return False where someone else did, or it was stopped or put off."""
    due = Campaign.objects.filter(pk=campaign.pk, status=Status.SCHEDULED, starts_at__lte=at)
    return bool(due.update(status=Status.SENDING, begun_at=Coalesce("begun_at", Value(at, DateTimeField()))))


def hold(campaign: Campaign, *, missed_before: datetime, reason: str) -> bool:
    """Pause a campaign that was to start before `missed_before` and did not; return False where that is not so."""
    missed = Campaign.objects.filter(
        pk=campaign.pk, status=Status.SCHEDULED, begun_at=None, starts_at__lt=missed_before
    )
    return bool(missed.update(status=Status.PAUSED, pause_reason=reason))


def hold_unapproved(campaign: Campaign, *, at: datetime) -> bool:
    """Pause a due campaign that became more than was approved; return False where nobody has to be asked.

    Between the launch and the start thousands may have got its tag, or its deal may have become another one.
    """
    if not lacks_approval(campaign, at=at):
        return False
    waiting = Campaign.objects.filter(pk=campaign.pk, status=Status.SCHEDULED)
    return bool(waiting.update(status=Status.PAUSED, pause_reason=BECAME_MORE))


def pause(campaign: Campaign, *, reason: str = "") -> Campaign:
    """Stop claiming at once; what was handed over is finished. Raises NotPossible.

    `messaging.services.pause` also puts back what was claimed and not handed over.
    """
    return _change(
        campaign,
        Q(status__in=[Status.SENDING, Status.SCHEDULED]),
        _("This campaign is %(status)s and cannot be paused."),
        status=Status.PAUSED,
        pause_reason=reason[:PAUSE_REASON_LENGTH],
    )


def resume(campaign: Campaign, *, at: datetime, by: User | None = None) -> Campaign:
    """Go on with exactly the rest. Raises NotPossible.

    One that has not begun starts when it was to start, or now where that has passed. Where `by` may approve campaigns,
    or is nobody (`None`: the manager on the machine), it is they who launch it then, as it is now.
    """
    now = Value(at, DateTimeField())
    may_approve = by is None or by.has_perm(APPROVE)
    who = Value(by.pk if by else None, IntegerField()) if may_approve else F("launched_by")
    return _change(
        campaign,
        Q(status=Status.PAUSED),
        _("This campaign is %(status)s and cannot be resumed."),
        status=Case(When(begun_at=None, then=Value(Status.SCHEDULED)), default=Value(Status.SENDING)),
        starts_at=Case(When(begun_at=None, starts_at__lt=at, then=now), default=F("starts_at")),
        launched_by=Case(When(begun_at=None, then=who), default=F("launched_by"), output_field=IntegerField()),
        pause_reason="",
    )


def reopen(campaign: Campaign) -> Campaign:
    """Let a campaign send what was put back into its queue; a paused one stays paused. Raises NotPossible.

    Its row stays locked until the end of the transaction, in which the caller writes that queue.
    """
    begun = Q(status__in=[Status.SENT, Status.SENDING, Status.PAUSED], begun_at__isnull=False)
    return _change(
        campaign,
        begun,
        _("This campaign is %(status)s and cannot be sent again."),
        status=Case(When(status=Status.PAUSED, then=F("status")), default=Value(Status.SENDING)),
        finished_at=None,
    )


def cancel(campaign: Campaign, *, at: datetime) -> Campaign:
    """End a campaign for good. Raises NotPossible."""
    stoppable = [Status.DRAFT, Status.SCHEDULED, Status.SENDING, Status.PAUSED]
    refused = _("This campaign is %(status)s and cannot be cancelled.")
    return _change(campaign, Q(status__in=stoppable), refused, status=Status.CANCELLED, finished_at=at)


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


def _change(campaign: Campaign, allowed: Q, refused: str, **changes: Any) -> Campaign:
    """Write `changes` where the campaign is as `allowed` says, as one UPDATE: of two people, one wins."""
    if not Campaign.objects.filter(allowed, pk=campaign.pk).update(**changes):
        current = Campaign.objects.filter(pk=campaign.pk).first()
        if current is None:
            raise NotPossible(_("This campaign was deleted meanwhile."))
        status = {"status": _("a draft") if current.is_editable else current.get_status_display().lower()}
        if current.status == changes["status"]:
            raise NotPossible(_("This campaign is %(status)s already.") % status)
        raise NotPossible(refused % status)
    campaign.refresh_from_db()
    return campaign
