"""Whether people of an audience had as many messages lately as one person may get."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Count, Q

from campaigns.models import Campaign
from campaigns.queries import Check, people_of
from contacts.queries import count_people
from messaging.models import Message, ProviderSettings

DAY, MONTH = timedelta(days=1), timedelta(days=30)


def caps_check(campaign: Campaign, caps: ProviderSettings, *, at: datetime) -> Check | None:
    """Return a line for the checklist that says how many would be left out; None: nobody. One query, or none."""
    if not (caps.per_person_day or caps.per_person_month):
        return None
    reached = Q()
    if caps.per_person_day:
        reached |= Q(day__gte=caps.per_person_day)
    if caps.per_person_month:
        reached |= Q(month__gte=caps.per_person_month)
    had = Message.objects.filter(
        channel=campaign.channel,
        handed_at__gt=at - MONTH,
        status__in=(Message.Status.SENDING, *Message.MAY_HAVE_ARRIVED),
        contact__isnull=False,
    )
    counted = (
        had.order_by().values("contact").annotate(day=Count("pk", filter=Q(handed_at__gt=at - DAY)), month=Count("pk"))
    )
    people = people_of(campaign, at=at).filter(pk__in=counted.filter(reached).values("contact"))
    if not (count := count_people(people)):
        return None
    title = "1 person had" if count == 1 else f"{count:,} people had"
    detail = "Whoever still has when it is sent is left out. The limits are under Provider settings."
    return Check("warn", f"{title} as many messages lately as one person may get", detail)
