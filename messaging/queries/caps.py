"""Whether people of an audience had as many messages lately as one person may get."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.models import Campaign
from campaigns.queries import PROVIDER_PAGE, Check, people_of
from contacts.channels import Channel
from contacts.queries import count_people
from messaging.models import Message, ProviderSettings

DAY, MONTH = timedelta(days=1), timedelta(days=30)
FIRST_CAPS = {
    Channel.EMAIL: {"per_person_day": 0, "per_person_month": 0},
    Channel.SMS: {"per_person_day": 1, "per_person_month": 6},
}


def provider_name(channel: Channel) -> str:
    """Return the provider in use, as EMAIL_PROVIDER and SMS_PROVIDER name it."""
    return str(settings.EMAIL_PROVIDER if channel == Channel.EMAIL else settings.SMS_PROVIDER)


def caps_in_use(channel: Channel) -> ProviderSettings:
    """Return the owner's settings for the provider in use; the first ones where none were saved yet. One query."""
    key = {"channel": channel, "provider": provider_name(channel)}
    return ProviderSettings.objects.filter(**key).first() or ProviderSettings(**key, **FIRST_CAPS[channel])


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
    title = ngettext(
        "%(count)s person had as many messages lately as one person may get",
        "%(count)s people had as many messages lately as one person may get",
        count,
    )
    detail = _("Whoever still has when it is sent is left out. The limits are under Providers and rates.")
    return Check("warn", title % {"count": f"{count:,}"}, detail, page=PROVIDER_PAGE)
