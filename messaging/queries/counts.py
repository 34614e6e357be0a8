"""Where a campaign's messages stand. The audience is the sum of the states, always."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Count

from campaigns.models import Campaign
from messaging.models import Message
from messaging.queries.results import redeemed_counts

WITH_REASON = (Message.Status.FAILED, Message.Status.SKIPPED, Message.Status.UNKNOWN)


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


def progress(campaign: Campaign) -> Progress:
    """Count a campaign's messages by state and reason, and its redemptions. At most five queries.

    The states are counted by their index alone; for reasons only the rows that have one are read.
    """
    messages = Message.objects.filter(campaign=campaign).order_by()
    counts = dict.fromkeys(Message.Status.values, 0)
    counts |= dict(messages.values_list("status").annotate(Count("id")))
    reasons = messages.filter(status__in=WITH_REASON).values_list("status", "reason").annotate(Count("id"))
    by_reason = [(status, str(Message.Reason(reason).label), count) for status, reason, count in reasons]
    redeemed = redeemed_counts([campaign.pk]).get(campaign.pk, 0) if campaign.offer_id else 0
    return Progress(sum(counts.values()), counts, redeemed, sorted(by_reason))


def audience_sizes(campaign_ids: list[int]) -> dict[int, int]:
    """Count the messages of each of these campaigns. One query."""
    counted = Message.objects.filter(campaign__in=campaign_ids).order_by().values_list("campaign")
    return dict(counted.annotate(Count("id")))
