"""A small shop in which every table has something to show."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from campaigns.models import Campaign, Variant
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.importing import ask_check, finish_here, stage
from contacts.models import ConsentEvent, Contact, Import, Segment, Tag
from contacts.services import find_or_make_tag, record_consent, save_contact, unsubscribe
from messaging.models import Heartbeat, InboundText, Message, ProviderEvent
from redemptions.models import Code, Device, EntryCounter, Location, Offer, Redemption, Scan
from redemptions.services import issue_codes

LAUNCHED = datetime(2026, 11, 20, 17, tzinfo=UTC)


def add_contact(email: str | None = None, phone: str | None = None, *, subscribed: bool = True, **fields) -> Contact:
    contact = save_contact(Contact(email=email, phone=phone, **fields))
    for channel in Channel:
        index = contact.address_index(channel)
        if subscribed and index is not None:
            record_consent(
                channel=channel,
                address_index=index,
                action=ConsentEvent.Action.GRANTED,
                source=ConsentEvent.Source.FORM,
                at=LAUNCHED - timedelta(days=30),
                wording="Send me news and deals.",
            )
    contact.refresh_from_db()
    return contact


def write_draft(name: str = "Patio opener", **words) -> Campaign:
    content = {"subject": "The patio is open", "body": "Hi {{ first_name | default: 'there' }}, come by.", **words}
    return save_draft(Draft(name=name, channel=content.pop("channel", Channel.EMAIL), **content))


def staff_client(*permissions: str) -> Client:
    """Return somebody signed in who may do exactly this: `campaigns.view_campaign`, ..."""
    user = User.objects.create_user(f"staff-{User.objects.count()}", is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def own_outbox(settings, tmp_path):
    """Keep the outbox of each test to itself."""
    settings.OUTBOX_DIR = tmp_path / "outbox"


@dataclass(frozen=True)
class Shop:
    maria: Contact
    gone: Contact
    tag: Tag
    offer: Offer
    draft: Campaign
    sending: Campaign
    staged: Import


@pytest.fixture
def shop(db: None) -> Shop:
    """Return a shop with one of everything."""
    tag = find_or_make_tag("Lunch")
    Segment.objects.create(name="Lunch people", rules={"all": [{"tag": tag.pk}]})
    maria = add_contact("maria@example.com", "+12175550123", first_name="Maria", last_name="Kim")
    maria.tags.add(tag)
    gone = add_contact("gone@example.com", first_name="Gus")
    assert gone.email_index is not None
    unsubscribe(
        channel=Channel.EMAIL,
        address_index=gone.email_index,
        source=ConsentEvent.Source.ONE_CLICK,
        at=LAUNCHED,
    )
    content = b"email,first name\nnew@example.com,Nina\nnot an address,Bad\n"
    staged = stage(io.BytesIO(content), name="list.csv", at=LAUNCHED, tag=tag)
    ask_check(staged)
    finish_here(staged, clock=lambda: LAUNCHED)
    offer = Offer.objects.create(name="20 % off lunch", value=20)
    draft = write_draft(offer=offer)
    sending = _sending(offer, maria)
    Heartbeat.objects.create(name="clock", at=timezone.now())
    return Shop(maria, gone, tag, offer, draft, sending, staged)


def _sending(offer: Offer, contact: Contact) -> Campaign:
    """Return a campaign on its way, its one message delivered and its deal redeemed."""
    campaign = write_draft("Brunch push", offer=offer)
    Campaign.objects.filter(pk=campaign.pk).update(
        status=Campaign.Status.SENDING, audience={}, starts_at=LAUNCHED, launched_at=LAUNCHED, begun_at=LAUNCHED
    )
    campaign.refresh_from_db()
    code = Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk])
    message = Message.objects.create(
        campaign=campaign,
        variant=Variant.objects.get(campaign=campaign),
        contact=contact,
        channel=Channel.EMAIL,
        code=code,
        status=Message.Status.DELIVERED,
        handed_at=LAUNCHED,
    )
    ProviderEvent.objects.create(
        provider="sendgrid", event_key="1", event_type="delivered", message=message, payload="{}", occurred_at=LAUNCHED
    )
    InboundText.objects.create(
        provider="twilio", provider_id="SM1", sender="+12175550123", sender_index=bytes(32), body="Open on Monday?"
    )
    device = Device.objects.create(name="Till", location=Location.objects.create(name="39th Street"))
    EntryCounter.objects.update_or_create(pk=1, defaults={"last_entry_no": 1})
    redemption = Redemption.objects.create(
        entry_no=1, code=code, offer=offer, location=device.location, device=device, at=LAUNCHED + timedelta(hours=2)
    )
    Scan.objects.create(
        device=device,
        location=device.location,
        key="k1",
        fingerprint=bytes(32),
        code=code,
        result=Scan.Result.ACCEPTED,
        redemption=redemption,
        at=LAUNCHED + timedelta(hours=2),
    )
    return campaign
