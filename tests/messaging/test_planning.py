"""From a due campaign to one row per person."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from campaigns.models import Campaign
from campaigns.services import Blocked, Draft, NotPossible, save_draft
from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact
from contacts.services import find_or_make_tag, unsubscribe
from messaging import services
from messaging.models import Message
from messaging.services import planning
from redemptions.models import Code
from redemptions.services import issue_codes
from tests.messaging.conftest import add_guest, run_all

pytestmark = pytest.mark.django_db


def draft(**more) -> Campaign:
    return save_draft(Draft(name="x", channel=Channel.EMAIL, subject="s", body="b", **more))


def plan_all(at) -> int:
    return sum(iter(lambda: services.plan_due(at=at), 0))


def planned_people() -> list[int]:
    """Return whose rows there are, in order; somebody with two is in it twice."""
    return list(Message.objects.order_by("contact_id").values_list("contact_id", flat=True))


def fails(error):
    def fail(*args, **kwargs):
        raise error

    return fail


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


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 6])
def test_everybody_gets_one_row_whatever_the_size_of_a_chunk(guests, email_campaign, at, monkeypatch, chunk):
    monkeypatch.setattr(planning, "CHUNK", chunk)
    campaign = services.launch(email_campaign, at=at)

    looked_at = plan_all(at)

    campaign.refresh_from_db()
    assert (looked_at, campaign.planned_at) == (5, at)
    assert planned_people() == [guest.pk for guest in guests]


def test_gaps_in_the_numbers_and_people_left_out_are_passed_over(guests, offer, at, monkeypatch):
    monkeypatch.setattr(planning, "CHUNK", 2)
    tag = find_or_make_tag("vip")
    for guest in (guests[0], guests[4]):
        guest.tags.add(tag)
    guests[1].delete()
    services.launch(draft(tag=tag), at=at)

    sizes = [services.plan_due(at=at) for _ in range(4)]

    assert sizes == [2, 2, 0, 0]
    assert planned_people() == [guests[0].pk, guests[4].pk]


def test_a_chunk_that_fails_leaves_nothing_and_is_planned_again(guests, email_campaign, at, monkeypatch):
    monkeypatch.setattr(planning, "CHUNK", 2)
    campaign = services.launch(email_campaign, at=at)
    services.plan_due(at=at)
    with monkeypatch.context() as patch:
        patch.setattr(Campaign, "save", fails(RuntimeError))
        services.plan_due(at=at)
    campaign.refresh_from_db()
    assert (campaign.plan_position, campaign.status) == (guests[1].pk, Campaign.Status.PAUSED)
    assert Message.objects.count() == Code.objects.count() == 2

    services.resume(campaign, at=at)
    plan_all(at)

    assert planned_people() == [guest.pk for guest in guests]
    assert Code.objects.count() == 5


@pytest.mark.parametrize("error", [IntegrityError, OperationalError])
def test_a_chunk_that_met_an_erasure_is_planned_again_once(guests, email_campaign, at, monkeypatch, error, caplog):
    services.launch(email_campaign, at=at)
    make_rows, tries = planning._make_rows, []

    def once(*args):
        make_rows(*args)
        tries.append(args)
        if len(tries) == 1:
            raise error

    monkeypatch.setattr(planning, "_make_rows", once)

    assert services.plan_due(at=at) == 5

    assert planned_people() == [guest.pk for guest in guests]
    assert "is planned again" in caplog.text


def test_a_chunk_that_fails_twice_pauses_its_campaign(guests, email_campaign, at, monkeypatch):
    campaign = services.launch(email_campaign, at=at)
    monkeypatch.setattr(planning, "_make_rows", fails(IntegrityError))

    assert services.plan_due(at=at) == 0

    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PAUSED
    assert "IntegrityError" in campaign.pause_reason


def test_ends_early_between_campaigns_when_asked(guests, email_campaign, sms_campaign, at, monkeypatch):
    services.launch(email_campaign, at=at)
    services.launch(sms_campaign, at=at)
    answers = iter([False, True])
    monkeypatch.setattr(planning, "asked_to_stop", lambda: next(answers))

    assert planning.plan_due(at=at) == 5

    assert set(Message.objects.values_list("campaign_id", flat=True)) == {email_campaign.pk}


@pytest.mark.parametrize("stopped", [Campaign.Status.PAUSED, Campaign.Status.CANCELLED, Campaign.Status.SENT])
def test_a_stopped_campaign_is_not_planned_further(guests, email_campaign, at, monkeypatch, stopped):
    monkeypatch.setattr(planning, "CHUNK", 2)
    campaign = services.launch(email_campaign, at=at)
    services.plan_due(at=at)
    Campaign.objects.filter(pk=campaign.pk).update(status=stopped)

    assert services.plan_due(at=at) == 0

    assert Message.objects.count() == 2


def test_the_rows_are_new_messages_due_at_once(guests, email_campaign, at):
    campaign = services.launch(email_campaign, at=at)
    services.plan_due(at=at)

    message = Message.objects.earliest("pk")
    like = Message.objects.create(
        campaign=campaign, variant=message.variant, channel=campaign.channel, not_before=at, status_at=at
    )
    like.refresh_from_db()
    own = {"id", "reference", "contact", "code", "created_at"}
    names = [field.name for field in Message._meta.concrete_fields if field.name not in own]
    assert [getattr(message, name) for name in names] == [getattr(like, name) for name in names]
    assert message.status == Message.Status.QUEUED
    assert message.not_before == at
    assert message.created_at <= like.created_at


def test_every_row_has_a_random_reference(planned):
    references = set(Message.objects.values_list("reference", flat=True))

    assert len(references) == 5
    assert {reference.version for reference in references} == {4}
    assert {reference.variant for reference in references} == {next(iter(references)).variant}


def test_codes_issued_before_are_used_again(guests, email_campaign, offer, at):
    before = issue_codes(offer=offer, contact_ids=[guest.pk for guest in guests[:2]])
    services.launch(email_campaign, at=at)

    services.plan_due(at=at)

    codes = dict(Message.objects.values_list("contact_id", "code_id"))
    assert {guest.pk: codes[guest.pk] for guest in guests[:2]} == before
    assert Code.objects.count() == 5


def test_a_campaign_without_a_deal_has_no_codes(guests, at):
    services.launch(draft(), at=at)

    services.plan_due(at=at)

    assert Message.objects.filter(code=None).count() == 5


def test_who_joins_or_leaves_counts_as_of_their_chunk(guests, email_campaign, at, monkeypatch):
    monkeypatch.setattr(planning, "CHUNK", 2)
    services.launch(email_campaign, at=at)
    services.plan_due(at=at)

    for gone in (guests[0], guests[4]):  # planned already; not planned yet
        unsubscribe(channel=Channel.EMAIL, address_index=gone.email_index, source=ConsentEvent.Source.ONE_CLICK, at=at)
    newest = add_guest(50)
    plan_all(at)

    assert planned_people() == [guest.pk for guest in (*guests[:4], newest)]


@pytest.mark.parametrize("how_many", [5, 40])
def test_a_chunk_is_a_constant_number_of_queries(email_campaign, at, django_assert_max_num_queries, how_many):
    for number in range(how_many):
        add_guest(number)
    services.launch(email_campaign, at=at)

    with django_assert_max_num_queries(18):
        services.plan_due(at=at)


def test_messages_are_cleaned_up_sooner_than_other_tables(db):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no such setting")

    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'messaging_message'")
        assert cursor.fetchone() == (["autovacuum_vacuum_scale_factor=0.02"],)


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
