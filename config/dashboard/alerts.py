"""What only a person can settle, the worst first, each with the button that leads there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from campaigns.models import Campaign
from campaigns.queries import APPROVE, waiting_for_approval
from config.dashboard.cards import thousands
from contacts.sentences import said
from messaging.models import Heartbeat
from messaging.queries import OUTBOX_PERMISSIONS, SETUP_PERMISSION, facts_of, undecided_counts, worker_alive
from messaging.queries.inbox import waiting_texts
from messaging.queries.setup import PROVIDER_NAMES
from redemptions.models import Redemption
from redemptions.queries import locked_devices
from redemptions.services.staff import devices_locked_by_pin

DAYS = 30  # what is older cannot be settled any more
CONFLICT_DAYS = 7
REFUSED_LATELY = timedelta(days=1)
SHOWN = 5
ORDER = {"bad": 0, "warn": 1, "info": 2}


class Alert(NamedTuple):
    """Something only a person can settle. `level` is `bad`, `warn` or `info`."""

    level: str
    title: str
    detail: str
    url: str = ""
    link: str = ""


Person = User | AnonymousUser


def alerts(user: Person, at: datetime) -> list[Alert]:
    """Return what needs this user, the worst first. About eleven queries."""
    found = [] if worker_alive(at) else [_worker()]
    if user.has_perm("campaigns.view_campaign"):
        found += _approvals(user)
    looks: tuple[tuple[str, Callable[[datetime], Iterable[Alert]]], ...] = (
        ("campaigns.view_campaign", _paused),
        ("campaigns.view_campaign", _unknown),
        ("messaging.view_inboundtext", _texts),
        (SETUP_PERMISSION, _webhooks),
        ("redemptions.view_device", _locked),
        ("redemptions.view_redemption", _conflicts),
    )
    for permission, look in looks:
        if user.has_perm(permission):
            found += look(at)
    if "outbox" in {settings.EMAIL_PROVIDER, settings.SMS_PROVIDER}:
        found.append(_outbox(user))
    return sorted(found, key=lambda alert: ORDER[alert.level])


def _worker() -> Alert:
    heard = Heartbeat.objects.order_by("-at").values_list("at", flat=True).first()
    since = _("Last heard %(when)s.") % {"when": _when(heard)} if heard else ""
    words = _(
        "Nothing is sent before it runs again. The person who looks after the server starts it with "
        "“manage.py qcluster”."
    )
    return Alert("bad", _("The background worker is not running"), f"{since} {words}".strip())


def _approvals(user: Person) -> Iterable[Alert]:
    """Name the drafts that wait for a second person: to those who may approve them, and to whoever asked."""
    may = user.has_perm(APPROVE)
    for row in waiting_for_approval():
        own = row.asked_by_id == user.pk
        if not may and not own:
            continue
        page = "admin:campaigns_campaign_review" if may else "admin:campaigns_campaign_change"
        yield Alert(
            "warn" if may and not own else "info",
            _("“%(campaign)s” waits for approval") % {"campaign": row.campaign},
            _("It goes to %(size)s people once somebody else has looked at it.") % {"size": thousands(row.size)},
            reverse(page, args=[row.campaign_id]),
            _("Look at it") if may and not own else _("Open"),
        )


def _paused(at: datetime) -> Iterable[Alert]:
    for campaign in Campaign.objects.filter(status=Campaign.Status.PAUSED)[:SHOWN]:
        yield Alert(
            "warn",
            _("“%(campaign)s” is paused") % {"campaign": campaign},
            said(campaign.pause_reason) or _("Somebody pressed Pause. Resume or cancel it."),
            reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
            _("Open"),
        )


def _unknown(at: datetime) -> Iterable[Alert]:
    """Name messages whose outcome nobody knows, and of which nobody decided, by campaign: there it is decided."""
    campaigns = list(Campaign.objects.filter(launched_at__gte=at - timedelta(days=DAYS)))
    counts = undecided_counts([campaign.pk for campaign in campaigns])
    for campaign in campaigns:
        if count := counts.get(campaign.pk):
            title = ngettext(
                "“%(campaign)s”: %(count)s message with unknown outcome",
                "“%(campaign)s”: %(count)s messages with unknown outcome",
                count,
            )
            yield Alert(
                "warn",
                title % {"campaign": campaign, "count": thousands(count)},
                _("The provider did not answer: they may or may not have arrived. They are not sent twice unasked."),
                reverse("admin:campaigns_campaign_unknown", args=[campaign.pk]),
                _("Decide"),
            )


def _texts(at: datetime) -> Iterable[Alert]:
    waiting = waiting_texts()
    if not waiting.texts:
        return
    words = _("People answered in their own words. Whoever wants out is taken off there with a click.")
    if waiting.paused:
        words = _("%(count)s may mean stop: those people get no texts until you decide.") % {
            "count": thousands(waiting.paused)
        }
    title = ngettext("%(count)s text to read", "%(count)s texts to read", waiting.texts)
    yield Alert(
        "warn" if waiting.paused else "info",
        title % {"count": thousands(waiting.texts)},
        words,
        f"{reverse('admin:messaging_inboundtext_changelist')}?read=no",
        pgettext("button", "Read"),
    )


def _webhooks(at: datetime) -> Iterable[Alert]:
    """Name providers whose reports are refused: never one was good, or some were refused within a day."""
    names = [name for name in (settings.EMAIL_PROVIDER, settings.SMS_PROVIDER) if name != "outbox"]
    facts = facts_of(*(f"webhook.{name}" for name in names))
    for name in dict.fromkeys(names):
        fact = facts.get(f"webhook.{name}")
        refused_at = parse_datetime(str(fact.detail.get("refused_at") or "")) if fact else None
        if refused_at is None or refused_at < at - REFUSED_LATELY:
            continue
        yield Alert(
            "warn" if fact and fact.is_good else "bad",
            _("Reports of %(provider)s are refused") % {"provider": PROVIDER_NAMES.get(name, name)},
            _("They had no valid signature. Bounces and unsubscribes may be missed until the signing key is right."),
            reverse("admin:messaging_setup"),
            _("Open the set-up"),
        )


def _locked(at: datetime) -> Iterable[Alert]:
    for device, count in locked_devices(at=at)[:SHOWN]:
        words = _("It read %(count)s unknown codes within ten minutes. The lock ends by itself when they grow old.")
        yield Alert(
            "warn",
            _("The scanner “%(device)s” is locked") % {"device": device},
            words % {"count": thousands(count)},
            reverse("admin:redemptions_device_change", args=[device.pk]),
            _("Look at it"),
        )
    for device in devices_locked_by_pin(at=at)[:SHOWN]:
        yield Alert(
            "warn",
            _("Wrong PINs on “%(device)s”") % {"device": device},
            _("Somebody typed too many: signing in there is locked for up to 15 minutes."),
            reverse("admin:redemptions_device_change", args=[device.pk]),
            _("Look at it"),
        )


def _conflicts(at: datetime) -> Iterable[Alert]:
    new = Redemption.objects.filter(
        kind=Redemption.Kind.CONFLICT, reversal=None, recorded_at__gte=at - timedelta(days=CONFLICT_DAYS)
    )
    # By the time it happened first: that has an index, and nothing is scanned months before it is known.
    count = new.filter(at__gte=at - timedelta(days=DAYS)).count()
    if not count:
        return
    title = ngettext(
        "%(count)s deal was given without network against a rule",
        "%(count)s deals were given without network against a rule",
        count,
    )
    yield Alert(
        "warn",
        title % {"count": thousands(count)},
        _("In the last 7 days. They count as given; take back what was a mistake."),
        f"{reverse('admin:redemptions_redemption_changelist')}?kind__exact=conflict",
        _("Look at them"),
    )


def _outbox(user: Person) -> Alert:
    email, sms = settings.EMAIL_PROVIDER == "outbox", settings.SMS_PROVIDER == "outbox"
    title = _("Test mode: e-mail and SMS stay on this machine")
    if not sms:
        title = _("Test mode: e-mail stays on this machine")
    elif not email:
        title = _("Test mode: SMS stays on this machine")
    may_look = user.has_perms(OUTBOX_PERMISSIONS)
    return Alert(
        "info",
        title,
        _("Nothing reaches anybody; each message lies in the outbox. A provider is set in the server's environment."),
        reverse("admin:messaging_outbox") if may_look else "",
        _("Open the outbox") if may_look else "",
    )


def _when(moment: datetime) -> str:
    return formats.date_format(timezone.localtime(moment), pgettext("date", "N j, H:i"))
