"""A deal, a few guests who agreed to everything, and campaigns to send them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from campaigns.models import Campaign
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact
from contacts.services import record_consent
from messaging import services
from messaging.services.sending import claiming
from redemptions.models import Offer
from redemptions.services import create_offer

NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


@pytest.fixture
def at() -> datetime:
    return NOON


@pytest.fixture
def outbox(settings, tmp_path):
    """An outbox of this test alone."""
    settings.OUTBOX_DIR = tmp_path / "outbox"
    return settings.OUTBOX_DIR


@pytest.fixture
def offer(db) -> Offer:
    ends_at = NOON + timedelta(days=10)
    return create_offer(name="20 % off lunch", type=Offer.Type.PERCENT, value=Decimal(20), ends_at=ends_at)


def add_guest(number: int) -> Contact:
    contact = Contact.objects.create(
        email=f"guest{number}@example.org", phone=f"+1217555{100 + number:04d}", first_name=f"Guest{number}"
    )
    for channel in Channel:
        index = contact.address_index(channel)
        assert index is not None
        record_consent(
            channel=channel,
            address_index=index,
            action=ConsentEvent.Action.GRANTED,
            source=ConsentEvent.Source.FORM,
            at=NOON - timedelta(days=30),
        )
    return contact


@pytest.fixture
def guests(db) -> list[Contact]:
    return [add_guest(number) for number in range(5)]


@pytest.fixture
def email_campaign(offer) -> Campaign:
    draft = Draft(
        name="Lunch", channel=Channel.EMAIL, subject="Hi {{ first_name }}", body="Come, {{ first_name }}", offer=offer
    )
    return save_draft(draft)


@pytest.fixture
def sms_campaign(offer) -> Campaign:
    return save_draft(Draft(name="Lunch", channel=Channel.SMS, body="Come, {{ first_name }}", offer=offer))


@pytest.fixture
def planned(guests, email_campaign, outbox, at) -> Campaign:
    """A launched e-mail campaign whose messages are waiting."""
    campaign = services.launch(email_campaign, at=at)
    services.plan_due(at=at)
    campaign.refresh_from_db()
    return campaign


@pytest.fixture
def after_claim(monkeypatch):
    """Let something happen between the claim of a batch and its hand-over."""

    def set_up(act):
        load = claiming.load

        def load_and_act(*args, **kwargs):
            messages = load(*args, **kwargs)
            act()
            return messages

        monkeypatch.setattr(claiming, "load", load_and_act)

    return set_up


def run_all(at: datetime) -> None:
    """Do what the worker does until nothing is due."""
    while services.plan_due(at=at) or services.send_due(clock=lambda: at):
        pass
    services.finish_done(at=at)
