"""What was found out about the set-up."""

from __future__ import annotations

from campaigns.models import Campaign
from contacts.sentences import said
from messaging.models import Fact


def facts_of(*names: str) -> dict[str, Fact]:
    """Return the facts of these names, as far as they are known. One query."""
    return Fact.objects.in_bulk(names)


def complaint_of(campaign: Campaign) -> str:
    """Return what is wrong with how a campaign is received, in words; empty: nothing that is known. One query."""
    fact = Fact.objects.filter(pk=f"alarm.campaign.{campaign.pk}").first()
    return said(str(fact.detail.get("words", ""))) if fact else ""
