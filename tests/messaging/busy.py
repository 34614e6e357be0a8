"""A shop after a good month: campaigns that went out, guests who came, and some of what needs a person."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from campaigns.models import Campaign, Link
from campaigns.queries import variant_of
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact
from contacts.queries import Totals, totals
from messaging.models import Click, Fact, Heartbeat, InboundText, Message, Tally
from messaging.queries.trends import fact_name
from redemptions.models import Device, EntryCounter, Location, Offer, Redemption
from redemptions.services import VoidReason, issue_codes, void

GUESTS = 300
PLACES = ("39th Street", "Overland Park", "Food truck")
Status = Message.Status


@dataclass(frozen=True)
class Busy:
    """What was made: two campaigns that are over, one on its way, one that is paused, one that is to come."""

    brunch: Campaign
    patio: Campaign
    going: Campaign
    paused: Campaign
    scheduled: Campaign
    offer: Offer


def busy_shop(at: datetime, guests: int = GUESTS) -> Busy:
    draw = random.Random(7)
    people = _people(guests)
    offer = Offer.objects.create(name="20 % off lunch", value=20)
    devices = [
        Device.objects.create(name=f"Till {place}", location=Location.objects.create(name=place)) for place in PLACES
    ]
    EntryCounter.objects.get_or_create(pk=1)
    codes = issue_codes(offer=offer, contact_ids=[person.pk for person in people])
    brunch = _over("Weekend brunch push", offer, people, codes, at - timedelta(days=20), draw)
    patio = _over("The patio is open again", offer, people[: guests // 2], codes, at - timedelta(days=6), draw)
    _redeem(people, codes, offer, devices, at, draw)
    going = _going("Autumn menu launch", people, at)
    paused = _going("Thursday live music", people[:40], at, status=Campaign.Status.PAUSED)
    scheduled = _launched("Birthday club", at + timedelta(days=2), status=Campaign.Status.SCHEDULED)
    Campaign.objects.filter(pk=scheduled.pk).update(size_at_launch=212, begun_at=None)
    save_draft(Draft(name="Wine evening", channel=Channel.EMAIL, subject="Wine", body="Come by."))
    _texts_and_machines(at)
    _history(at, draw)
    for campaign in (brunch, patio, going, paused, scheduled):
        campaign.refresh_from_db()
    return Busy(brunch, patio, going, paused, scheduled, offer)


def _people(count: int) -> list[Contact]:
    statuses = ("subscribed",) * 8 + ("unsubscribed", "none")
    rows = [
        Contact(
            email=f"guest{number}@example.org",
            first_name=f"Guest {number}",
            email_status=statuses[number % 10],
            sms_status="absent" if number % 3 else "subscribed",
            phone=None if number % 3 else f"+1217555{number:04d}",
        )
        for number in range(count)
    ]
    return Contact.objects.bulk_create(rows)


def _launched(name: str, at: datetime, status: str, offer: Offer | None = None) -> Campaign:
    campaign = save_draft(
        Draft(name=name, channel=Channel.EMAIL, subject=name, body="Come by: https://bar.example/menu", offer=offer)
    )
    Campaign.objects.filter(pk=campaign.pk).update(
        status=status, audience={}, starts_at=at, launched_at=at, begun_at=at, planned_at=at
    )
    campaign.refresh_from_db()
    return campaign


def _over(name, offer, people, codes, at, draw) -> Campaign:
    campaign = _launched(name, at, Campaign.Status.SENT, offer)
    Campaign.objects.filter(pk=campaign.pk).update(finished_at=at + timedelta(hours=2))
    variant = variant_of(campaign)
    links = [
        Link.objects.create(variant=variant, position=number, url=url)
        for number, url in enumerate(("https://bar.example/menu", "https://bar.example/book?table=2&when=friday"), 1)
    ]
    rows = []
    for number, person in enumerate(people):
        status = draw.choices([Status.DELIVERED, Status.BOUNCED, Status.COMPLAINED, Status.SKIPPED], [94, 3, 1, 2])[0]
        handed = at + timedelta(minutes=number / 3)
        rows.append(
            Message(
                campaign=campaign,
                variant=variant,
                contact=person,
                channel=Channel.EMAIL,
                code_id=codes[person.pk],
                status=status,
                reason=Message.Reason.UNSUBSCRIBED if status == Status.SKIPPED else "",
                handed_at=None if status == Status.SKIPPED else handed,
                status_at=handed + timedelta(minutes=draw.randint(1, 90)),
                provider="sendgrid",
            )
        )
    messages = Message.objects.bulk_create(rows)
    reached = [message for message in messages if message.status == Status.DELIVERED]
    clicks = []
    for message in draw.sample(reached, len(reached) // 5):
        for link in links[: draw.randint(1, 2)]:
            clicks.append(
                Click(message=message, link=link, at=message.status_at + timedelta(hours=draw.expovariate(0.1)))
            )
    clicks += [Click(message=message, link=links[0], machine="fast", at=at) for message in reached[:9]]
    Click.objects.bulk_create(clicks)
    for message in reached[:3]:
        ConsentEvent.objects.create(
            contact=message.contact,
            channel=Channel.EMAIL,
            address_index=bytes([message.pk % 250]) * 32,
            action=ConsentEvent.Action.REVOKED,
            source=ConsentEvent.Source.ONE_CLICK,
            at=message.status_at,
            reference=f"message {message.pk}",
        )
    return campaign


def _redeem(people, codes, offer, devices, at, draw) -> None:
    """One in five comes by; one in twenty of them is taken back, two were given without network, against a rule."""
    came = draw.sample(people, len(people) // 5)
    lines, opened = [], at - timedelta(days=19)
    for number, person in enumerate(came):
        device = draw.choices(devices, [6, 3, 1])[0]
        order = Decimal(draw.randint(1200, 9000)) / 100 if number % 6 else None
        when = min(at, opened + timedelta(days=draw.triangular(0, 19, 3), hours=draw.triangular(0, 5)))
        conflict = {"kind": "conflict", "conflict": "already_redeemed", "is_offline": True} if number in {5, 9} else {}
        lines.append(
            {
                "code_id": codes[person.pk],
                "offer": offer,
                "location": device.location,
                "device": device,
                "at": when,
                "order_value": order,
                "discount": order and (order / 5).quantize(Decimal("0.01")),
                **conflict,
            }
        )
    lines.sort(key=lambda line: line["at"])
    rows = Redemption.objects.bulk_create(Redemption(entry_no=number, **line) for number, line in enumerate(lines, 1))
    EntryCounter.objects.filter(pk=1).update(last_entry_no=len(rows))
    for line in rows[3::20]:
        if line.kind == Redemption.Kind.REDEEMED:
            void(redemption=line, reason=VoidReason.DUPLICATE, at=line.at)


def _going(name: str, people: list[Contact], at: datetime, status: str = Campaign.Status.SENDING) -> Campaign:
    campaign = _launched(name, at - timedelta(minutes=4), status)
    reason = "Somebody pressed Pause." if status == Campaign.Status.PAUSED else ""
    Campaign.objects.filter(pk=campaign.pk).update(size_at_launch=len(people), pause_reason=reason)
    variant = variant_of(campaign)
    rows = []
    for number, person in enumerate(people):
        share = number / len(people)
        found = Status.DELIVERED if share < 0.4 else Status.ACCEPTED if share < 0.5 else Status.QUEUED
        why = ""
        if number % 50 == 7:
            found, why = Status.UNKNOWN, Message.Reason.OUTCOME_UNKNOWN
        elif number % 50 == 9:
            found, why = Status.FAILED, Message.Reason.GAVE_UP
        elif number % 50 == 11:
            found, why = Status.SKIPPED, Message.Reason.UNSUBSCRIBED
        rows.append(
            Message(
                campaign=campaign,
                variant=variant,
                contact=person,
                channel=Channel.EMAIL,
                status=found,
                reason=why,
                handed_at=None if found in {Status.QUEUED, Status.SKIPPED} else at - timedelta(minutes=2),
                status_at=at - timedelta(minutes=1),
                provider="sendgrid",
            )
        )
    Message.objects.bulk_create(rows)
    Tally.objects.create(campaign=campaign, at=at - timedelta(seconds=40), sent=len(people) // 4)
    return campaign


def _texts_and_machines(at: datetime) -> None:
    Heartbeat.objects.update_or_create(name="clock", defaults={"at": at})
    InboundText.objects.create(
        provider="twilio", provider_id="SM77", sender="+12175550123", sender_index=bytes(32), body="Open on Monday?"
    )


def _history(at: datetime, draw: random.Random) -> None:
    """Write down what the counts were on each of the days before, fewer the longer ago."""
    now: Totals = totals()
    for days in range(1, 31):
        share = 1 - days / 90 * draw.uniform(0.8, 1)
        counts = {name: round(count * share) for name, count in asdict(now).items()}
        day = at - timedelta(days=days)
        Fact.objects.create(name=fact_name(day.date()), detail=counts, at=day)
