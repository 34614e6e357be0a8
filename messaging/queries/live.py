"""A campaign on its way: how fast it goes, when it will be done, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q, Sum
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from campaigns.models import Campaign
from contacts.models import Business
from messaging.models import Message, Tally
from messaging.queries.counts import Progress, progress
from messaging.queries.machine import worker_alive
from messaging.queries.warm_up import Warmth
from redemptions.models import Offer

TALLY = timedelta(seconds=10)  # of a row of Tally
TALLIES = 5  # and the one that is being written: the last minute
ENOUGH = 10  # messages in it, for its speed to say more than the limits do

Status = Campaign.Status


@dataclass(frozen=True, slots=True)
class Provider:
    """What holds a campaign's provider up: seconds it needs for what is left, and when it is asked again.

    `warm` is the sender's warm-up, and `warm_until` the begin of the day on which the last of what is left may go.
    """

    seconds: float = 0.0
    away_until: datetime | None = None
    full_until: datetime | None = None
    warm: Warmth | None = None
    warm_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """`waits` says in plain words what it waits for. `expected_finish` is None where nobody can tell."""

    progress: Progress
    worker_alive: bool
    in_flight: int = 0
    rate_per_minute: int = 0
    expected_finish: datetime | None = None
    waits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Later:
    """Waiting messages that are not due yet: held by quiet hours or the like, and to be tried again."""

    held: int
    held_until: datetime | None
    again: int
    again_at: datetime | None
    last: datetime | None


def left_to_send(campaign: Campaign, now: Progress) -> int:
    """Count what still has to leave: while a campaign is being planned, by its size at launch."""
    planned = now.audience if campaign.planned_at else max(now.audience, campaign.size_at_launch or 0)
    return planned - now.done


def live(campaign: Campaign, *, at: datetime, now: Progress | None = None, provider: Provider | None = None) -> Live:
    """Return how a campaign goes. Up to eight queries; at a million messages the counts take most of the time."""
    now, provider = now or progress(campaign), provider or Provider()
    alive = worker_alive(at)
    in_flight = Message.objects.filter(
        campaign=campaign, status=Message.Status.SENDING, handed_at__isnull=False
    ).count()
    if campaign.status != Status.SENDING:
        return Live(now, alive, in_flight)
    sent, rate = _rate(campaign, at)
    later = _later(campaign, at)
    left = left_to_send(campaign, now)
    waits = _waits(campaign, provider, later, at) if left else []
    finish = None
    if left and alive and not _deal_is_paused(campaign):
        finish = _finish(campaign, left, provider, rate if sent >= ENOUGH else 0.0, later, at)
        if finish is None and rate:
            finish = at + timedelta(minutes=left / rate)
    return Live(now, alive, in_flight, round(rate), finish, tuple(waits))


def _rate(campaign: Campaign, at: datetime) -> tuple[int, float]:
    """Return how many left in the last minute, and messages a minute; one that began later counts from its begin."""
    current = datetime.fromtimestamp(at.timestamp() // TALLY.seconds * TALLY.seconds, at.tzinfo)
    since = current - TALLIES * TALLY
    sent = Tally.objects.filter(campaign=campaign, at__gte=since, at__lte=at).aggregate(sent=Sum("sent"))["sent"] or 0
    begun = max(since, campaign.begun_at or since)
    rate = 60 * sent / max(TALLY, at - begun).total_seconds()
    if campaign.spread_minutes:  # a few at once, now and then: no more than its own pace in the long run
        rate = min(rate, (campaign.size_at_launch or 0) / campaign.spread_minutes)
    return sent, rate


def _later(campaign: Campaign, at: datetime) -> _Later:
    waiting = Message.objects.filter(campaign=campaign, status=Message.Status.QUEUED, not_before__gt=at)
    held, again = Q(attempts=0), Q(attempts__gt=0)
    found = waiting.aggregate(
        held=Count("pk", filter=held),
        held_until=Min("not_before", filter=held),
        again=Count("pk", filter=again),
        again_at=Min("not_before", filter=again),
        last=Max("not_before"),
    )
    return _Later(**found)


def _finish(
    campaign: Campaign, left: int, provider: Provider, rate: float, later: _Later, at: datetime
) -> datetime | None:
    """Return the latest of what the speed, the limits, the spread and the waiting say; None: none of them says."""
    seconds = max(provider.seconds, 60 * left / rate if rate else 0.0, _spread_s(campaign, left))
    held = [moment for moment in (provider.away_until, provider.full_until, provider.warm_until) if moment]
    if seconds or held:
        held = [max([at, *held]) + timedelta(seconds=seconds)]
    return max([*held, *([later.last] if later.last else [])], default=None)


def _spread_s(campaign: Campaign, left: int) -> float:
    whole = max(campaign.size_at_launch or 0, left)
    return 60 * campaign.spread_minutes * left / whole if whole else 0.0


def _deal_is_paused(campaign: Campaign) -> bool:
    return campaign.offer is not None and campaign.offer.status == Offer.Status.PAUSED


def _waits(campaign: Campaign, provider: Provider, later: _Later, at: datetime) -> list[str]:
    zone = Business.load().zone

    def when(moment: datetime | None) -> str:
        assert moment is not None
        local = moment.astimezone(zone)
        return _clock(local, is_today=local.date() == at.astimezone(zone).date())

    found = []
    if _deal_is_paused(campaign):
        found.append(_("Its deal is paused: nothing leaves before the deal is resumed."))
    if provider.away_until:
        words = _("The provider is busy or away: it is asked again at %(when)s.")
        found.append(words % {"when": when(provider.away_until)})
    if provider.full_until:
        words = _("The provider's limit is reached: it goes on at %(when)s.")
        found.append(words % {"when": when(provider.full_until)})
    if provider.warm:
        words = _("Warming up %(domain)s: %(words)s.")
        if not provider.warm.left:
            words = _("Warming up %(domain)s: %(words)s. It goes on tomorrow.")
        found.append(words % {"domain": provider.warm.domain, "words": provider.warm.words})
    if later.held:
        words = ngettext("%(count)s waits until %(when)s.", "%(count)s wait until %(when)s.", later.held)
        if campaign.channel == "sms":
            words = ngettext(
                "%(count)s waits until %(when)s, when texts may be sent again.",
                "%(count)s wait until %(when)s, when texts may be sent again.",
                later.held,
            )
        found.append(words % {"count": f"{later.held:,}", "when": when(later.held_until)})
    if later.again:
        words = ngettext(
            "%(count)s is tried again, from %(when)s on.", "%(count)s are tried again, from %(when)s on.", later.again
        )
        found.append(words % {"count": f"{later.again:,}", "when": when(later.again_at)})
    return [f"{line.rstrip('.')}." for line in found]  # a time may end in "a.m."


# --- In words ---------------------------------------------------------------------------------------------------------


def pace_line(live: Live) -> str:
    """`240 a minute · done about 2:32 p.m. · 4 on their way right now`, as far as it is known."""
    parts = [_("%(count)s a minute") % {"count": f"{live.rate_per_minute:,}"}] if live.rate_per_minute else []
    if live.expected_finish:
        parts.append(_("done about %(when)s") % {"when": moment_words(live.expected_finish)})
    if live.in_flight:
        words = ngettext("%(count)s on its way right now", "%(count)s on their way right now", live.in_flight)
        parts.append(words % {"count": f"{live.in_flight:,}"})
    return " · ".join(parts)


def moment_words(moment: datetime) -> str:
    """Return a time as a page says it: of today, the hour alone."""
    local = timezone.localtime(moment)
    return _clock(local, is_today=local.date() == timezone.localdate())


def _clock(moment: datetime, *, is_today: bool) -> str:
    return formats.date_format(moment, "TIME_FORMAT" if is_today else pgettext("date", "D, N j, P"))
