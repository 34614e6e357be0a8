"""What campaigns brought: redemptions, by campaign, by day and by place, and who left."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, Count, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat, TruncDate

from campaigns.models import Campaign
from contacts.models import Business, ConsentEvent
from messaging.models import Message
from redemptions.models import Redemption


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


def redemptions_by_day(campaign: Campaign) -> list[tuple[str, int]]:
    """Count a campaign's redemptions by day in the shop's time zone."""
    zone = Business.load().zone
    days = redemptions_of(campaign).order_by().values_list(TruncDate("at", tzinfo=zone)).annotate(Count("id"))
    return [(str(day), count) for day, count in sorted(days)]


def redemptions_by_location(campaign: Campaign) -> list[tuple[str, int]]:
    counted = redemptions_of(campaign).order_by().values_list("location__name").annotate(n=Count("id"))
    return [(name, count) for name, count in counted.order_by(F("n").desc())]


def redeemed_counts(campaign_ids: list[int]) -> dict[int, int]:
    """Count the redemptions each of these campaigns brought. One query."""
    carried = Message.objects.filter(campaign__in=campaign_ids, code__isnull=False).values("code_id")
    kept = Redemption.objects.filter(code_id__in=carried, kind=Redemption.Kind.REDEEMED, reversal=None)
    counted = attributed(kept).filter(campaign_id__in=campaign_ids).order_by().values_list("campaign_id")
    return dict(counted.annotate(Count("id")))


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
