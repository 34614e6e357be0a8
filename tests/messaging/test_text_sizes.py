"""What a campaign by text costs: measured as each person gets it."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import sms
from campaigns.models import Campaign
from campaigns.queries import content_of, variant_of
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact
from contacts.services import record_consent
from messaging.queries import texts
from messaging.queries.texts import text_checks, text_sizes
from tests.messaging.conftest import NOON, run_all

pytestmark = pytest.mark.django_db


def add(number: int, first_name: str) -> Contact:
    contact = Contact.objects.create(phone=f"+1217555{number:04d}", first_name=first_name)
    assert contact.phone_index
    record_consent(
        channel=Channel.SMS,
        address_index=contact.phone_index,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.FORM,
        at=NOON,
    )
    return contact


def campaign_of(body: str, offer=None) -> Campaign:
    return save_draft(Draft(name="Lunch", channel=Channel.SMS, body=body, offer=offer))


def sizes_of(campaign: Campaign) -> texts.TextSizes:
    return text_sizes(campaign, content_of(campaign, variant_of(campaign)), at=NOON)


# "The Corner Bar: " and " Reply STOP to opt out" take 38 characters.
FILLS_ONE_PART = "Hi {{ first_name }}, " + "x" * (160 - 38 - 9)  # for a name of four letters


def test_measures_each_name(settings):
    for number, name in enumerate(["Maya", "Bob", "Alexandra", "Zoë", "Łukasz"]):
        add(100 + number, name)

    sizes = sizes_of(campaign_of(FILLS_ONE_PART))

    # One odd letter would make three parts, so the name is written plainly.
    assert (sizes.people, sizes.measured, sizes.too_long) == (5, 5, 0)
    assert sizes.parts == {1: 3, 2: 2}
    assert (sizes.total_parts, sizes.cost) == (7, 7 * settings.SMS_PART_PRICE)
    assert sizes.most == 10 * settings.SMS_PART_PRICE
    assert (sizes.longest, sizes.special) == (sms.Size("GSM-7", 165, 2, ""), 0)


def test_counts_those_whose_letters_take_the_long_alphabet():
    add(100, "Maya")
    add(101, "Zoë")

    sizes = sizes_of(campaign_of("Hi {{ first_name }}, come by tonight, all evening long"))

    assert (sizes.special, sizes.parts) == (1, {1: 1, 2: 1})
    (check,) = text_checks(campaign_of("Hi {{ first_name }}, come by tonight, all evening long"), at=NOON)
    assert check.level == "warn"
    assert "1 of them have a letter that only the long alphabet has" in check.detail


def test_the_counts_are_those_of_what_is_sent(offer, outbox):
    for number, name in enumerate(["Maya", "Alexandra", "Zoë"]):
        add(100 + number, name)
    campaign = campaign_of("Hi {{ first_name }}, " + "x" * 70, offer)

    sizes = sizes_of(campaign)

    Campaign.objects.filter(pk=campaign.pk).update(status="scheduled", starts_at=NOON, launched_at=NOON, audience={})
    run_all(NOON)
    sent = [path.read_text().partition("\n\n")[2][:-1] for path in (outbox / "sms").glob("*.txt")]
    assert len(sent) == 3
    measured = [sms.measure(text) for text in sent]
    assert sizes.total_parts == sum(size.parts for size in measured)
    assert sizes.longest in measured
    assert max(size.units for size in measured if size.parts == sizes.longest.parts) == sizes.longest.units


def test_without_a_name_in_it_one_text_speaks_for_all():
    for number in range(20):
        add(100 + number, "Maya")
    campaign = campaign_of("Come by")

    with CaptureQueriesContext(connection) as queries:
        sizes = sizes_of(campaign)

    assert (sizes.measured, sizes.parts) == (20, {1: 20})
    assert not [query for query in queries if '"first_name"' in query["sql"]]  # nobody's name is read


def test_measures_a_sample_of_many_and_the_longest_names(monkeypatch):
    monkeypatch.setattr(texts, "MEASURED", 10)
    for number in range(50):
        add(100 + number, "Maya")
    add(90, "Bartholomew-Maximilian the Third")
    campaign = campaign_of(FILLS_ONE_PART)

    sizes = sizes_of(campaign)

    assert sizes.is_sample
    assert 5 <= sizes.measured <= 10
    assert abs(sizes.total_parts - 51) <= 6
    assert sizes.longest == sms.Size("GSM-7", 188, 2, "")
    (check,) = text_checks(campaign, at=NOON)
    assert f"Measured for {sizes.measured} of 51 people, and for the longest names." in check.detail


def test_says_what_it_costs():
    for number in range(3):
        add(100 + number, "Maya")

    (check,) = text_checks(campaign_of(FILLS_ONE_PART), at=NOON)

    assert (check.level, check.title) == ("ok", "The texts cost $0.02, in 3 parts")
    assert check.detail.startswith("3 of 1 part. The longest has 160 characters (GSM-7) in 1 part. At $0.0083 a part;")


def test_takes_the_owners_price(settings):
    settings.SMS_PART_PRICE = Decimal("0.02")
    add(100, "Maya")

    (check,) = text_checks(campaign_of("Come by"), at=NOON)

    assert check.title == "The texts cost $0.02, in 1 part"
    assert "At $0.02 a part" in check.detail


def test_names_how_many_get_none_as_their_name_is_too_long():
    add(100, "Maya")
    add(101, "Bartholomew")
    room = 306 - 38 - len("Hi , ") - len("Maya")

    cost, too_long = text_checks(campaign_of("Hi {{ first_name }}, " + "x" * room), at=NOON)

    assert cost.title == "The texts cost $0.02, in 2 parts"
    assert (too_long.level, too_long.title) == (
        "warn",
        "1 person gets nothing: with their name the text is too long",
    )


def test_blocks_where_nobody_would_get_it():
    add(100, "Bartholomew")
    room = 306 - 38 - len("Hi , ") - len("Maya")

    (check,) = text_checks(campaign_of("Hi {{ first_name }}, " + "x" * room), at=NOON)

    assert check.level == "block"


@pytest.mark.parametrize("body", ["Hi {{ first_name", "Hi {{ nobody }}"])
def test_leaves_words_that_cannot_be_merged_to_their_own_check(body):
    add(100, "Maya")
    campaign = campaign_of("Come by")
    variant_of(campaign).__class__.objects.filter(campaign=campaign).update(body=body)

    assert text_checks(campaign, at=NOON) == []


def test_says_nothing_without_people(db):
    assert text_checks(campaign_of("Come by"), at=NOON) == []
