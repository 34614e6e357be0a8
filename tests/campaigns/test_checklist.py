"""What the checklist says before anything is sent."""

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.models import Campaign
from campaigns.queries import checklist, content_of, variant_of
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import Business, Contact
from redemptions.models import Offer
from redemptions.services import create_offer

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def guests():
    Contact.objects.bulk_create(
        Contact(email=f"guest{number}@example.org", first_name=name, email_status="subscribed", sms_status="subscribed")
        for number, name in enumerate(["Maria", None, None])
    )


def lines(*, at: datetime = NOON, **words) -> dict[str, str]:
    """Return the titles of the checklist with their levels."""
    campaign = save_draft(Draft(**{"name": "x", "channel": Channel.EMAIL, "subject": "Lunch", "body": "Come"} | words))
    return {check.title: check.level for check in checks_of(campaign, at)}


def checks_of(campaign: Campaign, at: datetime):
    return checklist(campaign, content_of(campaign, variant_of(campaign)), Business.load(), at=at)


def test_counts_who_would_get_it():
    assert lines()["3 people will get this"] == "ok"


@pytest.mark.parametrize(
    ("words", "warns"),
    [
        ({"body": "Hi {{ first_name }}"}, True),
        ({"subject": "{{first_name}}, lunch"}, True),
        ({"body": "Hi {{ first_name | default: 'there' }}"}, False),
        ({"body": "Hi {{ first_name | capitalize | default: 'there' }}"}, False),
        ({"body": "Hi"}, False),
    ],
)
def test_warns_of_people_who_would_read_a_gap(words, warns):
    assert ("2 people have no first name" in lines(**words)) is warns


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ({"subject": ""}, "The subject is empty"),
        ({"subject": "FWD: lunch"}, "The subject pretends to be an answer"),
        ({"body": "", "html": ""}, "The message is empty"),
        ({"channel": Channel.SMS, "body": "x" * 300}, "The message cannot be sent as it is"),
        ({"html": "<p>" + "x" * 100_001 + "</p>"}, "The mail is too large"),
    ],
)
def test_blocks_what_cannot_be_sent(words, title):
    assert {level for found, level in lines(**words).items() if found.startswith(title)} == {"block"}


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"name": ""}, "Your business has no name"),
        ({"postal_address": ""}, "Your postal address is missing"),
        ({"from_email": ""}, "The sender address is missing"),
        ({"from_email": "bar@gmail.com"}, "Mail from gmail.com would be refused"),
    ],
)
def test_blocks_a_shop_that_is_not_ready(changes, title):
    Business.load()
    Business.objects.update(**changes)

    assert lines()[title] == "block"


@pytest.mark.parametrize(("provider", "level"), [("outbox", "warn"), ("smtp", "block")])
@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"from_email": "hello@our-bar.us"}, "Your postal address is still the example"),
        ({"postal_address": "1 Real Street, Springfield, IL 62701"}, "The sender address is still the example"),
    ],
)
def test_an_example_is_warned_of_and_never_sent_by_a_provider(changes, title, provider, level, settings):
    settings.EMAIL_PROVIDER = provider
    Business.load()
    Business.objects.update(**changes)

    found = lines()

    assert found[title] == level
    assert [name for name in found if "still the example" in name] == [title]


@pytest.mark.parametrize(("provider", "level"), [("outbox", "warn"), ("twilio", "block")])
def test_a_text_asks_its_own_provider(provider, level, settings):
    settings.EMAIL_PROVIDER, settings.SMS_PROVIDER = "smtp", provider

    found = lines(channel=Channel.SMS)

    assert found["Your postal address is still the example"] == level
    assert "The sender address is still the example" not in found


@pytest.mark.parametrize(
    ("address", "level"),
    [
        ("http://localhost:8000", "warn"),
        ("http://127.0.0.1:8000", "warn"),
        ("http://[::1]:8000", "warn"),
        ("https://deals.our-bar.us", "ok"),
    ],
)
def test_warns_of_links_that_lead_to_this_computer(address, level, settings):
    settings.PUBLIC_BASE_URL = address

    assert {found for title, found in lines().items() if title.startswith("Links")} == {level}


@pytest.mark.parametrize(
    ("ends_in", "level"), [(timedelta(days=9), "ok"), (timedelta(hours=5), "warn"), (timedelta(0), "block")]
)
def test_looks_at_the_end_of_the_deal(ends_in, level):
    offer = create_offer(name="Lunch", type=Offer.Type.ITEM, ends_at=NOON + ends_in)

    assert level in {found for title, found in lines(offer=offer).items() if "deal" in title.lower()}


def test_warns_of_special_characters_in_a_text():
    assert lines(channel=Channel.SMS, body="Tacos 🌮")["Special characters make the text dearer"] == "warn"


def test_an_end_at_midnight_is_named_by_the_day_before():
    offer = create_offer(name="Lunch", type=Offer.Type.ITEM, ends_at=datetime(2026, 12, 1, 6, 0, tzinfo=UTC))
    campaign = save_draft(Draft(name="x", channel=Channel.EMAIL, subject="s", body="b", offer=offer))

    assert "Until Monday, November 30, 2026." in {check.detail for check in checks_of(campaign, NOON)}
