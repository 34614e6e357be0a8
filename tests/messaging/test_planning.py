"""From a due campaign to one row per person."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from campaigns.models import Campaign
from campaigns.services import Blocked, Draft, NotPossible, save_draft
from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact
from contacts.services import find_or_make_tag, unsubscribe
from messaging import services
from messaging.models import Message
from messaging.services import planning
from redemptions.models import Code
from tests.messaging.conftest import add_guest, run_all

pytestmark = pytest.mark.django_db


def test_makes_one_row_and_one_code_per_reachable_person(guests, email_campaign, at):
    Contact.objects.create(email="never@example.org")  # never agreed
    services.launch(email_campaign, at=at)

    services.plan_due(at=at)

    assert set(Message.objects.values_list("contact_id", flat=True)) == {guest.pk for guest in guests}
    assert Code.objects.count() == len(guests)
    assert all(message.code.contact_id == message.contact_id for message in Message.objects.select_related("code"))


def test_planning_twice_adds_nothing(guests, email_campaign, at):
    campaign = services.launch(email_campaign, at=at)
    services.plan_due(at=at)
    Campaign.objects.filter(pk=campaign.pk).update(planned_at=None, plan_position=0)  # as if the position was lost

    services.plan_due(at=at)

    assert Message.objects.count() == Code.objects.count() == len(guests)


def test_plans_in_chunks_and_goes_on_where_it_stopped(guests, email_campaign, at, monkeypatch):
    monkeypatch.setattr(planning, "CHUNK", 2)
    campaign = services.launch(email_campaign, at=at)

    sizes = [services.plan_due(at=at) for _ in range(4)]

    campaign.refresh_from_db()
    assert sizes == [2, 2, 1, 0]
    assert campaign.planned_at == at
    assert Message.objects.count() == 5


def test_a_chunk_is_a_constant_number_of_queries(guests, email_campaign, at, django_assert_max_num_queries):
    services.launch(email_campaign, at=at)

    with django_assert_max_num_queries(20):
        services.plan_due(at=at)


def test_one_code_serves_two_campaigns_of_one_deal(guests, email_campaign, sms_campaign, at, outbox):
    services.launch(email_campaign, at=at)
    services.launch(sms_campaign, at=at)

    services.plan_due(at=at)

    assert Message.objects.count() == 10
    assert Code.objects.count() == 5


def test_a_scheduled_campaign_waits(guests, email_campaign, at):
    campaign = services.launch(email_campaign, at=at, starts_at=at + timedelta(hours=1))

    assert services.plan_due(at=at) == 0
    assert services.plan_due(at=at + timedelta(hours=1)) == 5
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.SENDING


def test_only_the_tagged_are_planned_and_the_question_is_frozen(guests, offer, at):
    tag = find_or_make_tag("vip")
    guests[0].tags.add(tag)
    campaign = save_draft(Draft(name="x", channel=Channel.EMAIL, subject="s", body="b", tag=tag))
    services.launch(campaign, at=at)
    Campaign.objects.filter(pk=campaign.pk).update(tag=None)  # whatever happens to the row later

    services.plan_due(at=at)

    assert list(Message.objects.values_list("contact_id", flat=True)) == [guests[0].pk]


def test_the_database_refuses_a_second_row_for_a_person(planned, guests):
    message = Message.objects.earliest("pk")

    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(
            campaign=planned, variant=message.variant, contact=message.contact, channel=message.channel
        )


def test_a_launched_campaign_is_frozen(guests, email_campaign, at):
    campaign = services.launch(email_campaign, at=at)

    with pytest.raises(NotPossible, match="frozen"):
        save_draft(Draft(name="x", channel=Channel.EMAIL, subject="s", body="other"), campaign=campaign)
    with pytest.raises(NotPossible, match="scheduled"):
        services.launch(campaign, at=at)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"subject": ""}, "subject is empty"),
        ({"subject": "Re: lunch"}, "pretends to be an answer"),
        ({"body": " "}, "message is empty"),
    ],
)
def test_what_the_checklist_blocks_is_not_launched(guests, at, changes, says):
    words = {"name": "x", "channel": Channel.EMAIL, "subject": "s", "body": "b"} | changes
    campaign = save_draft(Draft(**words))

    with pytest.raises(Blocked, match=says):
        services.launch(campaign, at=at)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.DRAFT


def test_nobody_to_write_to_is_not_launched(db, email_campaign, at):
    with pytest.raises(Blocked, match="Nobody"):
        services.launch(email_campaign, at=at)


def test_without_a_postal_address_nothing_is_launched(guests, email_campaign, at):
    from contacts.models import Business

    Business.load()
    Business.objects.update(postal_address="")

    with pytest.raises(Blocked, match="postal address"):
        services.launch(email_campaign, at=at)


def test_a_deal_that_is_over_is_not_launched(guests, email_campaign, offer, at):
    with pytest.raises(Blocked, match="deal is over"):
        services.launch(email_campaign, at=offer.ends_at)


def test_a_deal_that_will_be_over_by_then_is_not_scheduled(guests, email_campaign, offer, at):
    with pytest.raises(Blocked, match="deal is over"):
        services.launch(email_campaign, at=at, starts_at=offer.ends_at + timedelta(days=1))


def test_who_unsubscribes_before_planning_gets_no_row(guests, email_campaign, at, outbox):
    services.launch(email_campaign, at=at)
    unsubscribe(
        channel=Channel.EMAIL,
        address_index=guests[0].email_index,
        source=ConsentEvent.Source.ONE_CLICK,
        at=at,
    )

    run_all(at)

    assert Message.objects.filter(contact=guests[0]).count() == 0
    assert Message.objects.count() == 4


def test_who_comes_later_is_not_in_it(planned, at):
    add_guest(50)

    run_all(at)

    assert Message.objects.count() == 5
