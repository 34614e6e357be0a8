"""How a campaign goes: what the ledger says, and what its provider allows."""

from __future__ import annotations

from datetime import datetime, timedelta

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Business
from messaging import rates
from messaging.models import Pace
from messaging.queries import Live, Progress, Provider, left_to_send, live, progress, warmth
from messaging.services import pacing

FULL_S = 60.0  # a limit whose next slot is further away than this is one a person notices


def watch(campaign: Campaign, *, at: datetime) -> Live:
    """Return how a campaign goes just now: its counts, its speed, when it will be done, what it waits for."""
    now = progress(campaign)
    going = campaign.status == Campaign.Status.SENDING
    return live(campaign, at=at, now=now, provider=_provider(campaign, now, at) if going else None)


def _provider(campaign: Campaign, now: Progress, at: datetime) -> Provider:
    """Look at what the workers share of the limits and the warm-up, and take nothing of it."""
    channel = Channel(campaign.channel)
    limits = rates.parse(pacing.settings_of(channel).rate)
    state = Pace.objects.filter(pk=pacing.provider_key(channel)).values_list("state", flat=True).first() or {}
    away_s = rates.blocked_for(state, at.timestamp())
    _, slots = rates.reserve(limits, state, now=at.timestamp(), wanted=1, horizon_s=0.0)
    full_s = 0.0 if slots.waits else slots.retry_in_s
    left = left_to_send(campaign, now)
    warm = warmth(Business.load(), at=at) if channel == Channel.EMAIL else None
    return Provider(
        seconds=rates.seconds_for(limits, left),
        away_until=at + timedelta(seconds=away_s) if away_s > 0 else None,
        full_until=at + timedelta(seconds=full_s) if full_s > max(FULL_S, away_s) else None,
        warm=warm,
        warm_until=warm.last_day(left) if warm else None,
    )
