"""The demo comes and goes, and touches nothing of the shop's own."""

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Suppression, Tag
from messaging import services
from messaging.models import Message
from redemptions.models import Code, Device, Offer

pytestmark = pytest.mark.django_db
MODELS = (Contact, ConsentEvent, Suppression, Tag, Campaign, Message, Offer, Code, Device)


def test_loads_once(settings, tmp_path):
    call_command("demo")
    counts = [model.objects.count() for model in MODELS]

    call_command("demo")

    assert [model.objects.count() for model in MODELS] == counts
    assert Contact.objects.subscribed(Channel.EMAIL).count() == 25


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
