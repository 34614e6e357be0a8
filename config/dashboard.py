"""The front page: what needs a person, what is left to set up, and how things stand. It only reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from campaigns.queries import APPROVE, waiting_for_approval
from contacts.models import Business, Contact, Import
from contacts.queries import FREE_MAIL, has_example_address, has_example_sender, sender_domain, totals
from messaging.models import Heartbeat, Message
from messaging.queries import OUTBOX_PERMISSIONS, CampaignResult, Progress, latest_results, progress, worker_alive
from messaging.queries.inbox import waiting_texts
from redemptions.models import Device, Redemption

LIVE = (Campaign.Status.SENDING, Campaign.Status.PAUSED, Campaign.Status.SCHEDULED)
DAYS = 30
SHOWN = 5
CHART_HEIGHT = 60
COLUMN_WIDTH = 10


class Alert(NamedTuple):
    """Something only a person can settle. `level` is `bad`, `warn` or `info`."""

    level: str
    title: str
    detail: str
    url: str = ""
    link: str = ""


class Step(NamedTuple):
    """A step of setting up; `done` is a fact, never a click."""

    title: str
    detail: str
    url: str
    done: bool


class Card(NamedTuple):
    label: str
    value: int
    url: str = ""
    note: str = ""

    @property
    def text(self) -> str:
        return f"{self.value:,}"


class Column(NamedTuple):
    """One day of the chart, drawn from the bottom up."""

    day: str
    value: int
    x: int
    y: float
    height: float


class Live(NamedTuple):
    campaign: Campaign
    progress: Progress


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What one user may see of the front page; a part they may not see is empty."""

    alerts: list[Alert]
    steps: list[Step] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    live: list[Live] = field(default_factory=list)
    drafts: list[Campaign] = field(default_factory=list)
    results: list[CampaignResult] = field(default_factory=list)
    redemptions: list[Redemption] = field(default_factory=list)

    @property
    def steps_done(self) -> int:
        return sum(step.done for step in self.steps)

    @property
    def redeemed_in_chart(self) -> int:
        return sum(column.value for column in self.columns)


def dashboard(user: User | AnonymousUser, *, at: datetime) -> Dashboard:
    """Return the front page of a user. About fifteen queries, and two for each campaign shown."""
    sees_campaigns, sees_deals = user.has_perm("campaigns.view_campaign"), user.has_perm("redemptions.view_redemption")
    columns = redeemed_per_day(at) if sees_deals else []
    return Dashboard(
        alerts=alerts(user, at),
        steps=steps() if user.has_perm("contacts.change_business") else [],
        cards=cards(user, columns),
        columns=columns,
        live=live_campaigns() if sees_campaigns else [],
        drafts=list(Campaign.objects.filter(status=Campaign.Status.DRAFT)[:SHOWN]) if sees_campaigns else [],
        results=results() if sees_campaigns else [],
        redemptions=latest_redemptions() if sees_deals else [],
    )


# --- What needs a person ----------------------------------------------------------------------------------------------


def alerts(user: User | AnonymousUser, at: datetime) -> list[Alert]:
    found = [] if worker_alive(at) else [_worker_alert()]
    if user.has_perm("campaigns.view_campaign"):
        found += _approval_alerts(user) + _paused_alerts()
    if user.has_perm("messaging.view_message"):
        found += _unknown_alerts(at) + _text_alerts()
    if "outbox" in {settings.EMAIL_PROVIDER, settings.SMS_PROVIDER}:
        found.append(_outbox_alert(user))
    return found


def _worker_alert() -> Alert:
    heard = Heartbeat.objects.order_by("-at").values_list("at", flat=True).first()
    since = f"Last heard {formats.date_format(timezone.localtime(heard), 'N j, H:i')}. " if heard else ""
    return Alert(
        "bad",
        "The background worker is not running",
        f"{since}Nothing is sent before it runs again. The person who looks after the server starts it with "
        "“manage.py qcluster”.",
    )


def _approval_alerts(user: User | AnonymousUser) -> list[Alert]:
    """Name the drafts that wait for a second person: to those who may approve them, and to whoever asked."""
    may = user.has_perm(APPROVE)
    return [
        Alert(
            "warn" if may and row.asked_by_id != user.pk else "info",
            _("“%(campaign)s” waits for approval") % {"campaign": row.campaign},
            _("It goes to %(size)s people once somebody else has looked at it.") % {"size": f"{row.size:,}"},
            reverse(
                "admin:campaigns_campaign_review" if may else "admin:campaigns_campaign_change", args=[row.campaign_id]
            ),
            _("Look at it") if may and row.asked_by_id != user.pk else _("Open"),
        )
        for row in waiting_for_approval()
        if may or row.asked_by_id == user.pk
    ]


def _paused_alerts() -> list[Alert]:
    paused = Campaign.objects.filter(status=Campaign.Status.PAUSED)
    return [
        Alert(
            "warn",
            f"“{campaign}” is paused",
            campaign.pause_reason or "Somebody pressed Pause. Resume or cancel it.",
            reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
            "Open",
        )
        for campaign in paused[:SHOWN]
    ]


def _unknown_alerts(at: datetime) -> list[Alert]:
    """Name messages whose outcome nobody knows. Of the last 30 days: older ones cannot be settled any more."""
    recent = Campaign.objects.filter(launched_at__gte=at - timedelta(days=DAYS))
    count = Message.objects.filter(campaign__in=recent, status=Message.Status.UNKNOWN).count()
    if not count:
        return []
    return [
        Alert(
            "warn",
            f"{count:,} message{'s' * (count != 1)} with unknown outcome",
            "The provider did not answer: they may or may not have arrived. They are never sent twice by themselves.",
            f"{reverse('admin:messaging_message_changelist')}?status__exact=unknown",
            "Look at them",
        )
    ]


def _text_alerts() -> list[Alert]:
    waiting = waiting_texts()
    if not waiting.texts:
        return []
    words = "People answered in their own words. Whoever wants out is taken off there with a click."
    if waiting.paused:
        words = f"{waiting.paused:,} may mean stop: those people get no texts until you decide."
    return [
        Alert(
            "warn" if waiting.paused else "info",
            f"{waiting.texts:,} text{'s' * (waiting.texts != 1)} to read",
            words,
            f"{reverse('admin:messaging_inboundtext_changelist')}?read=no",
            "Read",
        )
    ]


def _outbox_alert(user: User | AnonymousUser) -> Alert:
    providers = (("e-mail", settings.EMAIL_PROVIDER), ("SMS", settings.SMS_PROVIDER))
    kept = [label for label, name in providers if name == "outbox"]
    may_look = user.has_perms(OUTBOX_PERMISSIONS)
    return Alert(
        "info",
        f"Test mode: {' and '.join(kept)} stay{'s' * (len(kept) == 1)} on this machine",
        "Nothing reaches anybody; each message lies in the outbox. A provider is set in the server's environment.",
        reverse("admin:messaging_outbox") if may_look else "",
        "Open the outbox" if may_look else "",
    )


# --- Set-up -----------------------------------------------------------------------------------------------------------


def steps() -> list[Step]:
    """Return the way from an empty installation to the first campaign. Five queries at most."""
    business = Business.load()
    domain, example_sender = sender_domain(business), has_example_sender(business)
    is_example = has_example_address(business)
    business_url = reverse("admin:contacts_business_change", args=[business.pk])
    return [
        Step(
            "Business name and postal address",
            "Still the example: put yours." if is_example else "Printed in every mail, as the law asks.",
            business_url,
            bool(business.name and business.postal_address) and not is_example,
        ),
        Step(
            "Sender address",
            "Still the example: put one on a domain of your own." if example_sender else "On a domain of your own.",
            business_url,
            bool(domain) and domain not in FREE_MAIL and not example_sender,
        ),
        Step(
            "Import your contacts",
            "From Mailchimp, Klaviyo, Square or a spreadsheet.",
            reverse("admin:contacts_import_add"),
            has_own_contacts(),
        ),
        Step(
            "Enrol a phone as scanner",
            "It reads the QR codes at the till.",
            optional_url("admin:redemptions_device_changelist"),
            Device.objects.filter(enrolled_at__isnull=False, revoked_at=None).exists(),
        ),
        Step(
            "Send your first campaign",
            "To yourself first: every campaign has a test.",
            reverse("admin:campaigns_campaign_add"),
            Campaign.objects.filter(status=Campaign.Status.SENT).exists(),
        ),
    ]


def has_own_contacts() -> bool:
    """Whether the shop brought people of its own; those of the demo do not count. Up to two queries."""
    if Import.objects.filter(status=Import.Status.DONE).exists():
        return True
    return Contact.objects.filter(is_demo=False).exists()


def optional_url(name: str) -> str:
    """Return the address of a page, or nothing where that page is not installed."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


# --- How things stand -------------------------------------------------------------------------------------------------


def cards(user: User | AnonymousUser, columns: list[Column]) -> list[Card]:
    found = []
    if user.has_perm("contacts.view_contact"):
        now, people = totals(), reverse("admin:contacts_contact_changelist")
        found += [
            Card("Total contacts", now.contacts, people),
            Card("E-mail subscribed", now.email_subscribed, f"{people}?email_status__exact=subscribed"),
            Card("E-mail unsubscribed", now.email_unsubscribed, f"{people}?email_status__exact=unsubscribed"),
            Card("SMS subscribed", now.sms_subscribed, f"{people}?sms_status__exact=subscribed"),
            Card("SMS unsubscribed", now.sms_unsubscribed, f"{people}?sms_status__exact=unsubscribed"),
        ]
    if user.has_perm("redemptions.view_redemption"):
        ledger = optional_url("admin:redemptions_redemption_changelist")
        found.append(Card("Deals redeemed", sum(column.value for column in columns), ledger, "in 30 days"))
    return found


def redeemed_per_day(at: datetime) -> list[Column]:
    """Return a column for each of the last 30 days in the shop's time zone; what was taken back does not count."""
    today = timezone.localtime(at).date()
    days = [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    start = timezone.make_aware(datetime.combine(days[0], datetime.min.time()))
    kept = Redemption.objects.filter(kind=Redemption.Kind.REDEEMED, reversal=None, at__gte=start)
    counts: dict[date, int] = dict(kept.order_by().values_list(TruncDate("at")).annotate(Count("id")))
    highest = max(counts.values(), default=0) or 1
    return [
        Column(
            day=formats.date_format(day, "N j"),
            value=counts.get(day, 0),
            x=number * COLUMN_WIDTH,
            y=CHART_HEIGHT - CHART_HEIGHT * counts.get(day, 0) / highest,
            height=CHART_HEIGHT * counts.get(day, 0) / highest,
        )
        for number, day in enumerate(days)
    ]


def live_campaigns() -> list[Live]:
    campaigns = Campaign.objects.filter(status__in=LIVE).order_by("starts_at")[:SHOWN]
    return [Live(campaign, progress(campaign)) for campaign in campaigns]


def results() -> list[CampaignResult]:
    """Return the newest campaigns of which something was sent."""
    return [result for result in latest_results(SHOWN * 2) if result.sent][:SHOWN]


def latest_redemptions() -> list[Redemption]:
    kept = Redemption.objects.filter(kind=Redemption.Kind.REDEEMED).select_related("offer", "location", "reversal")
    return list(kept.order_by("-entry_no")[:SHOWN])
