"""How a campaign goes, and whom it would reach too often: what the ledger says, and what its provider allows."""

from __future__ import annotations

from datetime import datetime, timedelta

from campaigns.models import Campaign
from campaigns.queries import Check
from contacts.channels import Channel
from messaging import rates
from messaging.models import Pace
from messaging.queries import Live, Progress, Provider, caps_check, left_to_send, live, progress
from messaging.services import pacing

FULL_S = 60.0  # a limit whose next slot is further away than this is one a person notices


def watch(campaign: Campaign, *, at: datetime) -> Live:
    """Return how a campaign goes just now: its counts, its speed, when it will be done, what it waits for."""
    now = progress(campaign)
    going = campaign.status == Campaign.Status.SENDING
    return live(campaign, at=at, now=now, provider=_provider(campaign, now, at) if going else None)


def too_often(campaign: Campaign, *, at: datetime) -> Check | None:
    """Return the line of the checklist that says how many had as many messages lately as one may get; None: nobody."""
    return caps_check(campaign, pacing.settings_of(Channel(campaign.channel)), at=at)


def _provider(campaign: Campaign, now: Progress, at: datetime) -> Provider:
    """Look at what the workers share of the provider's limits, and take nothing of it. Two queries."""
    channel = Channel(campaign.channel)
    limits = rates.parse(pacing.settings_of(channel).rate)
    state = Pace.objects.filter(pk=pacing.provider_key(channel)).values_list("state", flat=True).first() or {}
    away_s = rates.blocked_for(state, at.timestamp())
    _, slots = rates.reserve(limits, state, now=at.timestamp(), wanted=1, horizon_s=0.0)
    full_s = 0.0 if slots.waits else slots.retry_in_s
    return Provider(
        seconds=rates.seconds_for(limits, left_to_send(campaign, now)),
        away_until=at + timedelta(seconds=away_s) if away_s > 0 else None,
        full_until=at + timedelta(seconds=full_s) if full_s > max(FULL_S, away_s) else None,
    )
