"""The demo comes and goes, and touches nothing of the shop's own."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.queries import people_of
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import ChannelStatus, ConsentEvent, Contact, Suppression, Tag
from contacts.services import save_contact, unsubscribe
from messaging import services
from messaging.models import Message
from redemptions.models import Code, Device, Offer

EARLIER = datetime(2026, 1, 5, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db
MODELS = (Contact, ConsentEvent, Suppression, Tag, Campaign, Message, Offer, Code, Device)


def test_loads_once(settings, tmp_path):
    call_command("demo")
    counts = [model.objects.count() for model in MODELS]

    call_command("demo")

    assert [model.objects.count() for model in MODELS] == counts
    assert Contact.objects.subscribed(Channel.EMAIL).count() == 25


def test_its_campaigns_go_to_its_own_guests_only():
    own = Contact.objects.create(email="own@example.org", email_status="subscribed", sms_status="subscribed")
    call_command("demo")

    for campaign in Campaign.objects.all():
        people = people_of(campaign, at=timezone.now())
        assert people.count() > 10
        assert not people.filter(pk=own.pk).exists()


@pytest.mark.parametrize("field", ["tag", "exclude_tag"])
def test_keeps_a_tag_that_a_campaign_of_the_shop_uses(field, capsys):
    call_command("demo")
    tag = Tag.objects.get()
    own = save_draft(Draft(name="Own", channel=Channel.EMAIL, subject="s", body="b"))
    setattr(own, field, tag)
    own.save(update_fields=[field])

    call_command("demo", "--remove")

    assert list(Campaign.objects.all()) == [own]
    assert list(Tag.objects.all()) == [tag]
    assert not Contact.objects.exists()
    assert "stays" in capsys.readouterr().out


def test_keeps_a_deal_that_a_campaign_of_the_shop_uses():
    call_command("demo")
    offer = Offer.objects.get()
    own = save_draft(Draft(name="Own", channel=Channel.EMAIL, subject="s", body="b", offer=offer))

    call_command("demo", "--remove")

    assert list(Campaign.objects.all()) == [own]
    assert list(Offer.objects.all()) == [offer]
    assert not Contact.objects.exists()


def test_goes_without_a_trace_even_after_it_was_sent(settings, tmp_path):
    settings.OUTBOX_DIR = tmp_path
    own = Contact.objects.create(email="own@example.org")
    call_command("demo")
    campaign = Campaign.objects.get(channel="email")
    services.launch(campaign, at=timezone.now())
    services.plan_due(at=timezone.now())
    services.send_due(clock=timezone.now)

    call_command("demo", "--remove")

    assert list(Contact.objects.all()) == [own]
    assert [model.objects.count() for model in MODELS[1:]] == [0] * (len(MODELS) - 1)
    assert not get_user_model().objects.filter(username="demo").exists()


def test_keeps_the_opt_out_of_an_address_that_was_typed_in():
    call_command("demo")
    contact = Contact.objects.filter(is_demo=True, email_index__isnull=False)[:1].get()
    contact.email = "owner@example.com"
    save_contact(contact)
    index = contact.email_index
    unsubscribe(channel=Channel.EMAIL, address_index=index, source=ConsentEvent.Source.UNSUBSCRIBE_PAGE, at=EARLIER)

    call_command("demo", "--remove")

    assert bytes(Suppression.objects.get().address_index) == index
    assert save_contact(Contact(email="owner@example.com")).email_status == ChannelStatus.UNSUBSCRIBED
