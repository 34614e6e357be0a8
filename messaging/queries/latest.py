"""Campaigns with what they brought, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Exists, OuterRef

from campaigns.models import Campaign
from messaging.models import Message
from messaging.queries import accounting, remembered
from messaging.queries.accounting import Figures
from messaging.queries.clicks import clicked_counts
from messaging.queries.results import lines_of_deals, redeemed_counts, unsubscribed_counts
from messaging.queries.spans import Span

Status = Message.Status
SENT = (*Message.REACHED, Status.BOUNCED)
DELIVERED = (Status.DELIVERED, Status.COMPLAINED)


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """What became of a campaign until now. `money` is what came with it, for each currency, where it was asked for."""

    campaign: Campaign
    audience: int
    sent: int
    delivered: int
    clicked: int
    redeemed: int
    bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0
    money: list[Figures] = field(default_factory=list)

    @property
    def rate_percent(self) -> float:
        return self.percent(self.redeemed)

    @property
    def is_reported(self) -> bool:
        """Whether anything is known of deliveries: SMTP and the outbox never report."""
        return bool(self.delivered) or not self.sent

    def percent(self, count: int) -> float:
        """Return so many as a share of what was sent."""
        return 100 * count / self.sent if self.sent else 0.0


def result_of(campaign: Campaign) -> CampaignResult:
    """Return one campaign with what it brought. Four queries."""
    return results_of([campaign])[0]


def latest_results(limit: int = 5) -> list[CampaignResult]:
    """Return the newest launched campaigns with what they brought. Five queries."""
    launched = Campaign.objects.filter(launched_at__isnull=False).order_by("-launched_at")[:limit]
    return results_of(list(launched))


def latest_sent(limit: int = 5) -> list[CampaignResult]:
    """Return the newest campaigns of which something was sent, with what they brought. Five queries."""
    sent = Message.objects.filter(campaign=OuterRef("pk"), status__in=SENT)
    begun = Campaign.objects.filter(Exists(sent), begun_at__isnull=False).order_by("-launched_at")
    return results_of(list(begun[:limit]))


def begun_in(span: Span, limit: int) -> list[Campaign]:
    """Return the campaigns that began in these days, the newest first."""
    begun = Campaign.objects.filter(begun_at__isnull=False).order_by("-begun_at")
    return list(span.cut(begun, "begun_at")[:limit])


def results_of(campaigns: Sequence[Campaign], *, in_full: bool = False) -> list[CampaignResult]:
    """Return campaigns with what they brought until now. Four queries for all; one more with withdrawals."""
    ids = [campaign.pk for campaign in campaigns]
    if not ids:
        return []
    states = _states(ids)
    clicked = clicked_counts(ids)
    unsubscribed = unsubscribed_counts() if in_full else {}
    money = _money(ids) if in_full else {}
    redeemed = {pk: _given(figures) for pk, figures in money.items()} if in_full else redeemed_counts(ids)
    return [
        CampaignResult(
            campaign,
            audience=sum(states[campaign.pk].values()),
            sent=_sum(states[campaign.pk], SENT),
            delivered=_sum(states[campaign.pk], DELIVERED),
            clicked=clicked.get(campaign.pk, 0),
            redeemed=redeemed.get(campaign.pk, 0),
            bounced=_sum(states[campaign.pk], (Status.BOUNCED,)),
            complained=_sum(states[campaign.pk], (Status.COMPLAINED,)),
            unsubscribed=unsubscribed.get(campaign.pk, 0),
            money=money.get(campaign.pk, []),
        )
        for campaign in campaigns
    ]


def _states(ids: Iterable[int]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {pk: {} for pk in ids}
    messages = Message.objects.filter(campaign__in=found).order_by()
    for pk, status, count in messages.values_list("campaign", "status").annotate(Count("id")):
        found[pk][status] = count
    return found


def _sum(counts: dict[str, int], statuses: Iterable[str]) -> int:
    return sum(counts.get(status, 0) for status in statuses)


def _money(ids: Iterable[int]) -> dict[int, list[Figures]]:
    found: dict[int, list[Figures]] = {pk: [] for pk in ids}
    for one in remembered.of_ledger(
        "money", found, lambda: accounting.grouped_by(lines_of_deals(list(found)), "campaign_id")
    ):
        if one.group in found:
            found[one.group].append(one)
    return found


def _given(money: Iterable[Figures]) -> int:
    return sum(figures.given for figures in money)
