"""The reports: what became of a campaign's messages, and which redemptions they brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat, TruncDate

from campaigns.models import Campaign
from contacts.models import Business, ConsentEvent
from messaging.models import Heartbeat, Message
from messaging.transports import outbox as files
from messaging.transports.outbox import OutboxItem, OutboxMail
from redemptions.models import Redemption

OUTBOX_PERMISSIONS = ("messaging.view_message", "contacts.reveal_contact")  # it holds full addresses
WORKER_SILENT_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a campaign's messages stand. `audience` is the sum of `counts`, which has every status."""

    audience: int
    counts: dict[str, int]
    redeemed: int
    by_reason: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Messages that need no more work."""
        return self.audience - sum(self.counts[status] for status in Message.PENDING)

    @property
    def sent(self) -> int:
        """Messages a provider took, whatever became of them later."""
        return sum(self.counts[status] for status in (*Message.REACHED, Message.Status.BOUNCED))

    @property
    def delivered(self) -> int:
        """Messages a provider reported as delivered; none where the transport reports nothing."""
        return self.counts[Message.Status.DELIVERED] + self.counts[Message.Status.COMPLAINED]


@dataclass(frozen=True, slots=True)
class CampaignResult:
    campaign: Campaign
    sent: int
    delivered: int
    redeemed: int

    @property
    def rate_percent(self) -> float:
        return 100 * self.redeemed / self.sent if self.sent else 0.0


def progress(campaign: Campaign) -> Progress:
    """Count a campaign's messages by state and reason, and its redemptions. Two queries."""
    counts = dict.fromkeys(Message.Status.values, 0)
    by_reason = []
    rows = Message.objects.filter(campaign=campaign).order_by().values_list("status", "reason").annotate(Count("id"))
    for status, reason, count in rows:
        counts[status] += count
        if reason:
            by_reason.append((status, str(Message.Reason(reason).label), count))
    return Progress(sum(counts.values()), counts, redemptions_of(campaign).count(), sorted(by_reason))


def redemptions_of(campaign: Campaign) -> QuerySet[Redemption]:
    """Return the redemptions a campaign brought, those taken back left out.

    A redemption belongs to the last message that carried its code before the scan.
    """
    carried = Message.objects.filter(campaign=campaign, code__isnull=False).values("code_id")
    return (
        attributed(Redemption.objects.filter(code_id__in=carried, kind=Redemption.Kind.REDEEMED, reversal=None))
        .filter(campaign_id=campaign.pk)
        .select_related("offer", "location", "device")
    )


def attributed(redemptions: QuerySet[Redemption]) -> QuerySet[Any]:
    """Add `campaign_id` and `campaign_name`: the last message that carried the code before the scan, or nothing.

    A reversal belongs to the campaign of what it reverses.
    """
    carriers = Message.objects.filter(
        code=OuterRef("code"), handed_at__lte=OuterRef("given_at"), status__in=Message.MAY_HAVE_ARRIVED
    ).order_by("-handed_at")
    return redemptions.annotate(
        given_at=Coalesce("reverses__at", "at"),
        campaign_id=Subquery(carriers.values("campaign_id")[:1]),
        campaign_name=Subquery(carriers.values("campaign__name")[:1]),
    )


def result_of(campaign: Campaign) -> CampaignResult:
    now = progress(campaign)
    return CampaignResult(campaign, now.sent, now.delivered, now.redeemed)


def latest_results(limit: int = 5) -> list[CampaignResult]:
    """Return the newest launched campaigns with what they brought. Two queries a campaign."""
    launched = Campaign.objects.filter(launched_at__isnull=False).order_by("-launched_at")[:limit]
    return [result_of(campaign) for campaign in launched]


def redemptions_by_day(campaign: Campaign) -> list[tuple[str, int]]:
    """Count a campaign's redemptions by day in the shop's time zone."""
    zone = Business.load().zone
    days = redemptions_of(campaign).order_by().values_list(TruncDate("at", tzinfo=zone)).annotate(Count("id"))
    return [(str(day), count) for day, count in sorted(days)]


def redemptions_by_location(campaign: Campaign) -> list[tuple[str, int]]:
    counted = redemptions_of(campaign).order_by().values_list("location__name").annotate(n=Count("id"))
    return [(name, count) for name, count in counted.order_by(F("n").desc())]


def worker_alive(at: datetime) -> bool:
    """Whether the worker's clock has been heard within three minutes."""
    return Heartbeat.objects.filter(at__gte=at - WORKER_SILENT_AFTER).exists()


def outbox(limit: int = 50) -> list[OutboxItem]:
    """Return the newest messages that were written to files instead of sent."""
    return files.items(limit)


def outbox_item(name: str) -> OutboxMail:
    """Return one of them. Raises FileNotFoundError."""
    return files.read(name)


def unsubscribed_after(campaign: Campaign) -> int:
    """Count the people who unsubscribed by the link in a message of this campaign, once each."""
    references = Message.objects.filter(campaign=campaign, handed_at__isnull=False).annotate(
        reference_text=Concat(Value("message "), Cast("pk", CharField()))
    )
    withdrawals = ConsentEvent.objects.filter(
        action=ConsentEvent.Action.REVOKED,
        source__in=(ConsentEvent.Source.ONE_CLICK, ConsentEvent.Source.UNSUBSCRIBE_PAGE),
        reference__in=references.values("reference_text"),
    )
    return withdrawals.order_by().values("address_index").distinct().count()


def audience_sizes(campaign_ids: list[int]) -> dict[int, int]:
    """Count the messages of each of these campaigns. One query."""
    counted = Message.objects.filter(campaign__in=campaign_ids).order_by().values_list("campaign")
    return dict(counted.annotate(Count("id")))


def redeemed_counts(campaign_ids: list[int]) -> dict[int, int]:
    """Count the redemptions each of these campaigns brought. One query."""
    carried = Message.objects.filter(campaign__in=campaign_ids, code__isnull=False).values("code_id")
    kept = Redemption.objects.filter(code_id__in=carried, kind=Redemption.Kind.REDEEMED, reversal=None)
    counted = attributed(kept).filter(campaign_id__in=campaign_ids).order_by().values_list("campaign_id")
    return dict(counted.annotate(Count("id")))
