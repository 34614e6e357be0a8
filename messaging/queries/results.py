"""What campaigns brought: redemptions, by campaign, by day and by place, and who left.

What is called redeemed is what accounting calls given: a deal that was handed over, also against a rule while there was
no network, and was not taken back.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from django.db.models import BigIntegerField, Count, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Substr, TruncDate

from campaigns.models import Campaign
from contacts.models import Business, ConsentEvent
from messaging.models import Message
from messaging.queries import remembered
from messaging.queries.spans import Span
from redemptions.models import Redemption

GIVEN = (Redemption.Kind.REDEEMED, Redemption.Kind.CONFLICT)
REFERENCE = "message "  # what a withdrawal by the link in a message refers to, and the message's number


def redemptions_of(campaign: Campaign) -> QuerySet[Redemption]:
    """Return the redemptions a campaign brought, those taken back left out.

    A redemption belongs to the last message that carried its code before the scan.
    """
    kept = lines_of([campaign.pk]).filter(kind__in=GIVEN, reversal=None)
    return kept.select_related("offer", "location", "device")


def lines_of(campaign_ids: Collection[int]) -> QuerySet[Any]:
    """Return the lines of the ledger that belong to these campaigns, reversals too, each with its `campaign_id`."""
    found: QuerySet[Any] = lines_of_deals(campaign_ids).filter(campaign_id__in=campaign_ids)
    return found


def lines_of_deals(campaign_ids: Collection[int]) -> QuerySet[Any]:
    """Return the lines about the deals of these campaigns, each with the `campaign_id` it belongs to.

    To count them by campaign is quicker than to keep those of some first: whose each is, is looked up once.
    """
    deals = Campaign.objects.filter(pk__in=campaign_ids, offer__isnull=False).order_by().values("offer")
    return attributed(Redemption.objects.filter(offer__in=deals))


def attributed(redemptions: QuerySet[Redemption]) -> QuerySet[Any]:
    """Add `campaign_id` and `campaign_name`: the last message that carried the code before the scan, or nothing.

    A reversal belongs to the campaign of what it reverses.
    """
    carriers = _carriers()
    return redemptions.annotate(
        given_at=Coalesce("reverses__at", "at"),
        campaign_id=Subquery(carriers.values("campaign_id")[:1]),
        campaign_name=Subquery(carriers.values("campaign__name")[:1]),
    )


def by_variant(lines: QuerySet[Any], *, several: bool = True) -> QuerySet[Any]:
    """Add `variant_name` to attributed lines: whose words that message had; empty where there is only one wording."""
    name = Subquery(_carriers().values("variant__name")[:1]) if several else Value("")
    return cast("QuerySet[Any]", lines.annotate(variant_name=name))


def _carriers() -> QuerySet[Message]:
    return Message.objects.filter(
        code=OuterRef("code"), handed_at__lte=OuterRef("given_at"), status__in=Message.MAY_HAVE_ARRIVED
    ).order_by("-handed_at")


def redemptions_by_day(campaign: Campaign) -> list[tuple[str, int]]:
    """Count a campaign's redemptions by day in the shop's time zone."""
    zone = Business.load().zone
    days = redemptions_of(campaign).order_by().values_list(TruncDate("at", tzinfo=zone)).annotate(Count("id"))
    return [(str(day), count) for day, count in sorted(days)]


def redemptions_by_location(campaign: Campaign) -> list[tuple[str, int]]:
    counted = redemptions_of(campaign).order_by().values_list("location__name").annotate(n=Count("id"))
    return [(name, count) for name, count in counted.order_by(F("n").desc())]


def redeemed_counts(campaign_ids: Collection[int]) -> dict[int, int]:
    """Count the redemptions each of these campaigns brought. Two queries, of a long ledger three."""

    def count() -> dict[int, int]:
        kept = lines_of_deals(campaign_ids).filter(kind__in=GIVEN, reversal=None).order_by()
        return dict(kept.values_list("campaign_id").annotate(Count("id")))

    counted = remembered.of_ledger("counts", campaign_ids, count)
    return {pk: counted[pk] for pk in campaign_ids if pk in counted}


def unsubscribed_after(campaign: Campaign) -> int:
    """Count the people who unsubscribed by the link in a message of this campaign, once each. One query."""
    return unsubscribed_counts().get(campaign.pk, 0)


def unsubscribed_counts(span: Span | None = None) -> dict[int, int]:
    """Count the people who unsubscribed by a link in a message, once each for a campaign. One query."""
    counted = withdrawals(span).order_by().values_list("campaign_id")
    return dict(counted.annotate(Count("address_index", distinct=True)))


def withdrawals(span: Span | None = None) -> QuerySet[Any]:
    """Return who withdrew by a link in a message, with `campaign_id` and the name of the variant."""
    found = ConsentEvent.objects.filter(
        action=ConsentEvent.Action.REVOKED,
        source__in=(ConsentEvent.Source.ONE_CLICK, ConsentEvent.Source.UNSUBSCRIBE_PAGE),
        reference__regex=rf"^{REFERENCE}[0-9]{{1,18}}$",
    )
    # The text becomes a number only of what is counted, so that no other reference is taken for one.
    number = Cast(Substr(OuterRef("reference"), len(REFERENCE) + 1), BigIntegerField())
    sent = Message.objects.filter(pk=number, handed_at__isnull=False)
    named: QuerySet[Any] = found.annotate(
        campaign_id=Subquery(sent.values("campaign_id")[:1]), variant_name=Subquery(sent.values("variant__name")[:1])
    )
    return span.cut(named) if span else named
