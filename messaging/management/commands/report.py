"""What came of it."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from campaigns.models import Campaign
from contacts.management.console import ConsoleCommand
from contacts.queries import totals
from messaging.models import Message
from messaging.queries import (
    Clicks,
    Progress,
    clicks_of,
    latest_results,
    progress,
    redemptions_by_day,
    redemptions_by_location,
    unsubscribed_after,
)
from messaging.queries.results import GIVEN
from redemptions.models import Redemption


class Command(ConsoleCommand):
    help = "Reports: report campaign ID, report summary."

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = parser.add_subparsers(dest="kind", required=True)
        campaign = kinds.add_parser("campaign", help="Sent, delivered, redeemed; by day and by location.")
        campaign.add_argument("id", type=int)
        super().add_arguments(campaign)
        super().add_arguments(kinds.add_parser("summary", help="Contacts, and the latest campaigns."))

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['kind']}")(options)

    def _campaign(self, options: dict[str, Any]) -> None:
        campaign = Campaign.objects.filter(pk=options["id"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['id']}.")
        now, clicks = progress(campaign), clicks_of(campaign)
        data = {
            "id": campaign.pk,
            "name": campaign.name,
            "channel": campaign.channel,
            "status": campaign.status,
            "audience": now.audience,
            "sent": now.sent,
            **now.counts,
            "unsubscribed": unsubscribed_after(campaign),
            "clicked": clicks.people,
            "machine_clicks": clicks.machine_clicks,
            "links": [asdict(link) for link in clicks.links],
            "redeemed": now.redeemed,
            "redeemed_percent": round(100 * now.redeemed / now.sent, 1) if now.sent else 0.0,
            "left_out": [{"status": status, "reason": reason, "count": n} for status, reason, n in now.by_reason],
            "redeemed_by_day": dict(redemptions_by_day(campaign)),
            "redeemed_by_location": dict(redemptions_by_location(campaign)),
        }
        self.answer(options, data, _words(campaign, now, clicks))

    def _summary(self, options: dict[str, Any]) -> None:
        people = totals()
        redeemed = Redemption.objects.filter(kind__in=GIVEN, reversal=None).count()
        results = [
            {
                "id": r.campaign.pk,
                "name": r.campaign.name,
                "sent": r.sent,
                "clicked": r.clicked,
                "redeemed": r.redeemed,
            }
            for r in latest_results()
        ]
        words = (
            f"{people.contacts:,} contacts. E-mail: {people.email_subscribed:,} subscribed, "
            f"{people.email_unsubscribed:,} unsubscribed. SMS: {people.sms_subscribed:,} subscribed, "
            f"{people.sms_unsubscribed:,} unsubscribed. {redeemed:,} deals redeemed."
        )
        lines = [f"{r['name']}: {r['sent']} sent, {r['redeemed']} redeemed" for r in results]
        self.answer(options, {**asdict(people), "redeemed": redeemed, "campaigns": results}, "\n".join([words, *lines]))


def _words(campaign: Campaign, now: Progress, clicks: Clicks) -> str:
    clicked = f"{clicks.people} clicked a link, " if clicks.links else ""
    lines = [f"{campaign.name}: {now.audience} people, {now.sent} sent, {clicked}{now.redeemed} redeemed."]
    lines += [f"{count} {Message.Status(status).label.lower()}" for status, count in now.counts.items() if count]
    lines += [f"{count} {status}: {reason}" for status, reason, count in now.by_reason]
    for link in clicks.links:
        people = "1 person" if link.people == 1 else f"{link.people} people"
        times = "1 click" if link.clicks == 1 else f"{link.clicks} clicks"
        lines.append(f"{people}, {times}: {link.url}")
    return "\n".join(lines)
