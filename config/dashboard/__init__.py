"""The front page: what needs a person, what is left to set up, and how things stand. It only reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db.models import Case, IntegerField, When

from campaigns.models import Campaign
from config.dashboard.alerts import Alert, Person, alerts
from config.dashboard.cards import Card, Column, columns, contact_cards, deals_card, redeemed_per_day
from config.dashboard.steps import Step, steps
from contacts.models import Business
from messaging.queries import CampaignResult, Live, Progress, latest_sent
from messaging.queries.live import pace_line
from messaging.services import watch
from redemptions.models import Redemption

SHOWN = 5
ALERTS_SHOWN = 3  # on a phone more of them would push all numbers out of sight
Status = Campaign.Status


class Going(NamedTuple):
    """A campaign on its way, with how far it is and when it will be done."""

    campaign: Campaign
    now: Live

    @property
    def progress(self) -> Progress:
        return self.now.progress

    @property
    def pace(self) -> str:
        return pace_line(self.now)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What one user may see of the front page; a part they may not see is empty."""

    alerts: list[Alert]
    steps: list[Step] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    live: list[Going] = field(default_factory=list)
    next: list[Campaign] = field(default_factory=list)
    drafts: list[Campaign] = field(default_factory=list)
    results: list[CampaignResult] = field(default_factory=list)
    redemptions: list[Redemption] = field(default_factory=list)

    @property
    def pressing(self) -> list[Alert]:
        """The alerts in sight. A single one is never folded away: the line that says so would be as long."""
        return self.alerts[:ALERTS_SHOWN] if len(self.alerts) > ALERTS_SHOWN + 1 else self.alerts

    @property
    def folded(self) -> list[Alert]:
        return self.alerts[len(self.pressing) :]

    @property
    def steps_done(self) -> int:
        return sum(step.done for step in self.steps)

    @property
    def redeemed_in_chart(self) -> int:
        return sum(column.value for column in self.columns)

    @property
    def most_in_chart(self) -> int:
        return max(column.value for column in self.columns)


def dashboard(user: Person, *, at: datetime) -> Dashboard:
    """Return the front page of a user. About thirty queries, and eight for each campaign on its way."""
    sees_campaigns, sees_deals = user.has_perm("campaigns.view_campaign"), user.has_perm("redemptions.view_redemption")
    zone = Business.load().zone
    days = redeemed_per_day(zone, at=at) if sees_deals else []
    cards = contact_cards(at=at) if user.has_perm("contacts.view_contact") else []
    return Dashboard(
        alerts=alerts(user, at),
        steps=steps() if user.has_perm("contacts.change_business") else [],
        cards=[*cards, deals_card(days, zone, at=at)] if sees_deals else cards,
        columns=columns(days),
        live=_going(at) if sees_campaigns else [],
        next=_some(Status.SCHEDULED, "starts_at") if sees_campaigns else [],
        drafts=_some(Status.DRAFT, "-updated_at") if sees_campaigns else [],
        results=latest_sent(SHOWN) if sees_campaigns else [],
        redemptions=_latest_redemptions() if sees_deals else [],
    )


def _going(at: datetime) -> list[Going]:
    """Return what moves first: paused campaigns may wait for months."""
    campaigns = Campaign.objects.filter(status__in=(Status.SENDING, Status.PAUSED)).annotate(
        moves=Case(When(status=Status.SENDING, then=0), default=1, output_field=IntegerField())
    )
    campaigns = campaigns.order_by("moves", "starts_at")[:SHOWN]
    return [Going(campaign, watch(campaign, at=at)) for campaign in campaigns]


def _some(status: Status, order: str) -> list[Campaign]:
    return list(Campaign.objects.filter(status=status).order_by(order)[:SHOWN])


def _latest_redemptions() -> list[Redemption]:
    kept = Redemption.objects.exclude(kind=Redemption.Kind.VOIDED).select_related("offer", "location", "reversal")
    return list(kept.order_by("-entry_no")[:SHOWN])
