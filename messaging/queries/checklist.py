"""The whole checklist: the campaign's own lines, and those that need the ledger and the set-up.

One list for the form, the review page, the command and the launch.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.models import Campaign
from campaigns.queries import SETUP_PAGE, Check, audience_size, checklist, people_of
from campaigns.rendering import Content
from contacts.channels import Channel
from contacts.models import Business
from contacts.queries import count_people
from messaging.models import Message
from messaging.queries.caps import caps_check, caps_in_use
from messaging.queries.setup import dns_checks, registration_check
from messaging.queries.texts import text_checks
from messaging.queries.warm_up import Warmth, is_new_sender, warm_up_of, warmth

EARLIER = 10  # campaigns an audience is compared with
HABIT = 3  # as many make one
FAR_MORE = 3  # times the usual audience
MANY = 50  # people; fewer are no surprise, and no new sender's risk
MANY_HAD = 100_000
SAME_DEAL_DAYS = 30


def full_checklist(campaign: Campaign, content: Content, *, at: datetime) -> list[Check]:
    """Return what blocks a campaign, what deserves a look, and what is fine, from everything that is known.

    The campaign need not be saved. Nobody outside is asked: what was found out about the set-up is read.
    """
    business, channel = Business.load(), Channel(campaign.channel)
    size = audience_size(campaign, at=at)
    checks: list[Check | None] = [*checklist(campaign, content, business, at=at, size=size)]
    checks += [_unusual_check(campaign, size), _same_deal_check(campaign, at)]
    checks += [caps_check(campaign, caps_in_use(channel), at=at) if size else None]
    if channel == Channel.EMAIL:
        checks += [*dns_checks(business, at=at), _warm_up_check(campaign, business, size, at)]
    else:
        checks += [registration_check(at=at), *text_checks(campaign, content, at=at)]
    return [check for check in checks if check is not None]


# --- The audience -----------------------------------------------------------------------------------------------------


def _unusual_check(campaign: Campaign, size: int) -> Check | None:
    """Compare an audience with those of the last campaigns of this channel: a slip of the mouse is a thousand mails."""
    if size < MANY:
        return None
    launched = Campaign.objects.filter(channel=campaign.channel, size_at_launch__isnull=False, is_demo=False)
    earlier = list(launched.exclude(pk=campaign.pk).order_by("-launched_at")[:EARLIER])
    if len(earlier) < HABIT:
        return None
    usual = median(found.size_at_launch or 0 for found in earlier)
    if size > FAR_MORE * usual:
        detail = _("Your last campaigns went to about %(count)s. See that you mean all of these.")
        title = _("Far more people than usual: %(count)s") % {"count": f"{size:,}"}
        return Check("warn", title, detail % {"count": f"{usual:,.0f}"}, "tag")
    if not _is_narrowed(campaign) and all(map(_is_narrowed, earlier[:HABIT])):
        detail = _("Your last campaigns went to a tag or a segment. See that you mean everybody.")
        return Check("warn", _("This goes to everyone"), detail, "tag")
    return None


def _is_narrowed(campaign: Campaign) -> bool:
    return bool(campaign.tag_id or campaign.segment_id)


def _same_deal_check(campaign: Campaign, at: datetime) -> Check | None:
    """Count who got this very deal in the last weeks, by either channel. Two queries, or none."""
    if campaign.offer is None:
        return None
    earlier = Campaign.objects.filter(offer=campaign.offer, launched_at__isnull=False).exclude(pk=campaign.pk)
    had = Message.objects.filter(
        campaign__in=list(earlier.values_list("pk", flat=True)),
        status__in=(Message.Status.SENDING, *Message.MAY_HAVE_ARRIVED),
        handed_at__gt=at - timedelta(days=SAME_DEAL_DAYS),
        contact__isnull=False,
    )
    count = count_people(people_of(campaign, at=at).filter(Exists(had.filter(contact=OuterRef("pk"))))[: MANY_HAD + 1])
    if not count:
        return None
    title = ngettext(
        "%(count)s person had this deal in the last %(days)s days",
        "%(count)s people had this deal in the last %(days)s days",
        count,
    )
    if count > MANY_HAD:  # to count all of a million takes longer than a page may, and says no more
        title, count = _("More than %(count)s people had this deal in the last %(days)s days"), MANY_HAD
    detail = _("They keep the code they have, and get it once more. Leave them out, or choose another deal.")
    return Check("warn", title % {"count": f"{count:,}", "days": SAME_DEAL_DAYS}, detail, "offer")


# --- Mails ------------------------------------------------------------------------------------------------------------


def _warm_up_check(campaign: Campaign, business: Business, size: int, at: datetime) -> Check | None:
    if (warm := warmth(business, at=at)) is not None:
        return _warming_check(campaign, warm, size, at)
    if settings.EMAIL_PROVIDER == "outbox" or size <= MANY or not business.from_email:
        return None
    if warm_up_of(business) is not None or not is_new_sender(at=at):
        return None
    detail = _(
        "Mail providers put many mails of a sender they do not know into spam. Start a warm-up: a few on each day."
    )
    return Check("warn", _("Mail providers do not know your domain yet"), detail, page=SETUP_PAGE)


def _warming_check(campaign: Campaign, warm: Warmth, size: int, at: datetime) -> Check:
    days = warm.days_for(size)
    detail = f"{warm.domain}: {warm.words}. {_('Who agreed last gets it first.')}"
    if days == 1:
        return Check("ok", _("The warm-up has room for all of them today"), detail)
    ends_at = campaign.offer.ends_at if campaign.offer else None
    if ends_at and ends_at < at + timedelta(days=days):
        detail = f"{detail} {_('The deal ends before that: whoever is left then gets nothing.')}"
    title = _("It takes about %(days)s days: your domain is warming up") % {"days": days}
    return Check("warn", title, detail, page=SETUP_PAGE)
