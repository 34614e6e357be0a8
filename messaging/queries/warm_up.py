"""The warm-up of the From domain: whether one runs, today's number, and how much of it is used up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Business
from contacts.queries import sender_domain
from messaging import warming
from messaging.models import Message, ProviderEvent, WarmUp
from messaging.warming import Day, Ramp

NEW_BELOW = 1000  # mails in the last while; who sent more is known to the mail providers
KNOWN_FOR = timedelta(days=30)  # then a domain that is silent is forgotten

Status = Message.Status


@dataclass(frozen=True, slots=True)
class Warmth:
    """A warm-up as it stands today: `numbers` are those of today and the days to come, `used` is gone or on its way."""

    domain: str
    numbers: Ramp
    used: int
    today: date
    zone: ZoneInfo

    @property
    def number(self) -> int:
        return self.numbers[0]

    @property
    def left(self) -> int:
        return max(0, self.number - self.used)

    @property
    def words(self) -> str:
        """`50 a day, today 37`."""
        return _("%(number)s a day, today %(used)s") % {"number": f"{self.number:,}", "used": f"{self.used:,}"}

    def days_for(self, count: int) -> int:
        """Return on which day from now the last of `count` mails goes; today is 1."""
        return warming.days_for(self.numbers, count, left_today=self.left)

    def last_day(self, count: int) -> datetime | None:
        """Return when the day begins on which the last of `count` mails goes; None: today."""
        days = self.days_for(count) - 1
        return start_of(self.today + timedelta(days=days), self.zone) if days else None


def warm_up_of(business: Business) -> WarmUp | None:
    """Return the warm-up of the domain mails come from, also one that is over. One query."""
    return WarmUp.objects.filter(pk=sender_domain(business)).first()


def running(business: Business) -> WarmUp | None:
    """Return the warm-up of the domain mails come from, where one runs. One query."""
    warm_up = warm_up_of(business)
    return warm_up if warm_up and warm_up.ended_at is None else None


def warmth(business: Business, *, at: datetime) -> Warmth | None:
    """Return how far the warm-up of the domain mails come from is; None: there is none, or it is over."""
    warm_up = running(business)
    if warm_up is None:
        return None
    numbers = numbers_from_today(warm_up, business.zone, at=at)
    if not numbers:
        return None
    today = at.astimezone(business.zone).date()
    return Warmth(warm_up.domain, numbers, used_today(business.zone, at=at), today, business.zone)


def numbers_from_today(warm_up: WarmUp, zone: ZoneInfo, *, at: datetime) -> Ramp:
    """Return the numbers of today and of the days to come; none: the warm-up is over. None, or three queries."""
    ramp = warming.parse(warm_up.ramp)
    if warm_up.begun_on is None or warm_up.begun_on >= at.astimezone(zone).date():
        return ramp
    return ramp[warming.position(ramp, _days(warm_up.begun_on, zone, at)) :]


def used_today(zone: ZoneInfo, *, at: datetime) -> int:
    """Count the mails of campaigns that went today in the shop's time zone, or are in the hands of a worker.

    Two queries, in this order: what is handed over between them is counted twice rather than not at all.
    """
    midnight = start_of(at.astimezone(zone).date(), zone)
    held = Message.objects.filter(status=Status.SENDING, channel=Channel.EMAIL).count()
    today = Q(finished_at=None) | Q(finished_at__gte=midnight)
    campaigns = Campaign.objects.filter(today, channel=Channel.EMAIL, begun_at__isnull=False)
    return held + _gone(campaigns, midnight).count()


def start_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _days(begun_on: date, zone: ZoneInfo, at: datetime) -> list[Day]:
    """Return the days from the first to yesterday."""
    since, midnight = start_of(begun_on, zone), start_of(at.astimezone(zone).date(), zone)
    campaigns = Campaign.objects.filter(Q(finished_at=None) | Q(finished_at__gte=since), channel=Channel.EMAIL)
    ids = list(campaigns.filter(begun_at__isnull=False).order_by().values_list("pk", flat=True))
    gone = _gone(Campaign.objects.filter(pk__in=ids), since).filter(handed_at__lt=midnight)
    sent = dict(gone.order_by().values_list(TruncDate("handed_at", tzinfo=zone)).annotate(Count("pk")))
    events = ProviderEvent.objects.filter(message__campaign__in=ids, message__handed_at__gte=since).order_by()
    day = TruncDate("message__handed_at", tzinfo=zone)
    counted = events.values_list(day).annotate(
        complaints=Count("message", distinct=True, filter=Q(event_type="complained")),
        hard=Count("message", distinct=True, filter=Q(verdict=ProviderEvent.Verdict.HARD)),
    )
    bad = {found: (complaints, hard) for found, complaints, hard in counted}
    return [Day(sent[found], *bad.get(found, (0, 0))) for found in sorted(sent)]


def _gone(campaigns: QuerySet[Campaign], since: datetime) -> QuerySet[Message]:
    return Message.objects.filter(campaign__in=campaigns, status__in=Message.MAY_HAVE_ARRIVED, handed_at__gte=since)


def is_new_sender(*, at: datetime) -> bool:
    """Whether so few mails went lately that mail providers do not know this sender. Two queries."""
    lately = Campaign.objects.filter(channel=Channel.EMAIL, begun_at__gte=at - 2 * KNOWN_FOR)
    return _gone(lately, at - KNOWN_FOR)[:NEW_BELOW].count() < NEW_BELOW
