"""From a due campaign to one Message row per person, in chunks that can be stopped and taken up again."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns import services as campaigns
from campaigns.models import Campaign
from campaigns.queries import people_of, variant_of
from messaging.models import Message
from redemptions.services import issue_codes

CHUNK = 1000


def plan_due(*, at: datetime) -> int:
    """Start the campaigns that are due and plan one chunk of each; return how many rows were made or looked at.

    Sending goes on between chunks. Zero means that nothing is left to plan.
    """
    for campaign in Campaign.objects.filter(status=Campaign.Status.SCHEDULED, starts_at__lte=at):
        campaigns.begin(campaign)
    unplanned = Campaign.objects.filter(status=Campaign.Status.SENDING, planned_at=None)
    return sum(plan_chunk(campaign_id, at=at) for campaign_id in unplanned.values_list("pk", flat=True))


def plan_chunk(campaign_id: int, *, at: datetime) -> int:
    """Plan the next 1,000 people of a campaign in one transaction; return how many there were.

    The campaign's row is locked: of two planners, the second goes on where the first one ended. Whoever is planned
    twice all the same meets `message_once_per_campaign_contact_and_channel`.
    """
    with transaction.atomic():
        campaign = (
            Campaign.objects.select_for_update(of=("self",))
            .select_related("offer")
            .filter(pk=campaign_id, status=Campaign.Status.SENDING, planned_at=None)
            .first()
        )
        if campaign is None:
            return 0
        people = list(
            people_of(campaign, at=at)
            .filter(pk__gt=campaign.plan_position)
            .order_by("pk")
            .values_list("pk", flat=True)[:CHUNK]
        )
        if people:
            _make_rows(campaign, people, at)
            campaign.plan_position = people[-1]
        if len(people) < CHUNK:
            campaign.planned_at = at
        campaign.save(update_fields=["plan_position", "planned_at"])
    return len(people)


def _make_rows(campaign: Campaign, people: list[int], at: datetime) -> None:
    codes = issue_codes(offer=campaign.offer, contact_ids=people) if campaign.offer else {}
    variant = variant_of(campaign)
    Message.objects.bulk_create(
        [
            Message(
                campaign=campaign,
                variant=variant,
                contact_id=contact_id,
                channel=campaign.channel,
                code_id=codes.get(contact_id),
                status_at=at,
            )
            for contact_id in people
        ],
        ignore_conflicts=True,
    )
