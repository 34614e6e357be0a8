"""The warm-up of a From domain: a number a day, who agreed last first, and back to it after a bad day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from campaigns.models import Campaign
from campaigns.queries import content_of, variant_of
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import Business, ConsentEvent, Contact
from contacts.services import record_consent
from messaging import services, warming
from messaging.models import Message, ProviderEvent, WarmUp
from messaging.queries import full_checklist, warmth
from messaging.services import warming as warm_ups
from messaging.services.sending import claiming
from messaging.services.watching import watch
from messaging.warming import Day
from tests.messaging.conftest import NOON, run_all

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DOMAIN = "corner-bar.example"


# --- The ramp ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ramp"),
    [("50,100", (50, 100)), (" 50 , 100 ,", (50, 100)), ("7", (7,)), ("5,5,5", (5, 5, 5))],
)
def test_reads_a_ramp(text, ramp):
    assert warming.parse(text) == ramp
    assert warming.parse(warming.written(ramp)) == ramp


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a number for each day"),
        ("many", "a number for each day"),
        ("50;100", "a number for each day"),
        ("-5", "a number for each day"),
        ("५०", "a number for each day"),
        ("0,50", "between 1 and"),
        ("9" * 30, "between 1 and"),
        ("800,1,500", "After 800 comes 1"),
        (",".join(["5"] * 41), "40 days at most"),
    ],
)
def test_says_what_is_wrong_with_a_ramp(text, says):
    with pytest.raises(ValueError, match=says):
        warming.parse(text)


def test_the_first_ramp_fits_the_column_and_so_does_the_longest():
    longest = ",".join([str(warming.MOST_A_DAY)] * warming.MAX_DAYS)

    assert WarmUp._meta.get_field("ramp").default == warming.FIRST_RAMP
    assert len(warming.written(warming.parse(longest))) <= (WarmUp._meta.get_field("ramp").max_length or 0)


@pytest.mark.parametrize(
    ("days", "position"),
    [
        ([], 0),
        ([Day(50)], 1),
        ([Day(25)], 1),
        ([Day(24)], 0),
        ([Day(50), Day(100)], 2),
        ([Day(50, complaints=1)], 0),
        ([Day(50, hard_bounces=1)], 0),
        ([Day(100, hard_bounces=1)], 1),
        ([Day(50, complaints=1), Day(50)], 1),
        ([Day(50)] * 9, 2),
        ([Day(200)] * 9, 3),
    ],
)
def test_a_good_day_moves_it_on(days, position):
    assert warming.position((50, 100, 200), days) == position


def test_says_how_many_days_it_takes():
    def days(count, *, left):
        return warming.days_for((50, 100), count, left_today=left)

    assert [days(50, left=50), days(51, left=50), days(150, left=50), days(151, left=50)] == [1, 2, 2, 3]
    assert [days(9, left=0), days(101, left=0)] == [2, 3]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 400))
def test_the_last_one_goes_on_the_day_it_says(numbers, count):
    ramp, gone, day = tuple(sorted(numbers)), 0, 0
    while gone < count:
        gone, day = (gone + ramp[day], day + 1) if day < len(ramp) else (count, day + 1)

    assert warming.days_for(ramp, count, left_today=ramp[0]) == max(1, day)


# --- What goes on a day -----------------------------------------------------------------------------------------------


@pytest.fixture
def people(db, outbox) -> list[Contact]:
    """Ten people; the later they were added, the longer ago they agreed, but for the last, who agreed yesterday."""
    contacts = []
    for number in range(10):
        contact = Contact.objects.create(email=f"guest{number}@example.org", first_name=f"Guest{number}")
        agree(contact, NOON - timedelta(days=30 + number if number < 9 else 1))
        contacts.append(contact)
    return contacts


def agree(contact: Contact, at) -> None:
    assert contact.email_index is not None
    granted, form = ConsentEvent.Action.GRANTED, ConsentEvent.Source.FORM
    record_consent(
        channel=Channel.EMAIL, address_index=contact.email_index, action=granted, source=form, at=at, wording="News"
    )


@pytest.fixture
def campaign(people) -> Campaign:
    return save_draft(Draft(name="Lunch", channel=Channel.EMAIL, subject="Lunch", body="Come"))


@pytest.fixture
def warm_up(db) -> WarmUp:
    Business.load()
    return warm_ups.start(ramp="3,4,20")


def gone(campaign: Campaign) -> list[str]:
    """Return who got it, in the order in which it was handed over."""
    rows = Message.objects.filter(campaign=campaign, status="accepted").select_related("contact")
    return [row.contact.first_name for row in rows.order_by("not_before", "pk")]


def send(campaign: Campaign, at) -> int:
    before = Message.objects.filter(status="accepted").count()
    run_all(at)
    return Message.objects.filter(status="accepted").count() - before


def test_sends_each_day_its_number_and_no_more(campaign, warm_up):
    services.launch(campaign, at=NOON)

    assert send(campaign, NOON) == 3
    assert send(campaign, NOON + HOUR) == 0
    assert send(campaign, NOON + 11 * HOUR) == 0  # 11 p.m. in Chicago
    assert send(campaign, NOON + 12 * HOUR) == 4  # midnight
    assert send(campaign, NOON + DAY) == 0
    assert send(campaign, NOON + 2 * DAY) == 3
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.SENT
    warm_up.refresh_from_db()
    assert warm_up.begun_on == NOON.date()


def test_all_campaigns_share_the_number(campaign, warm_up):
    other = save_draft(Draft(name="Dinner", channel=Channel.EMAIL, subject="Dinner", body="Come"))
    for one in (campaign, other):
        services.launch(one, at=NOON)

    assert send(campaign, NOON) == 3


def test_who_agreed_last_gets_it_first(campaign, warm_up):
    services.launch(campaign, at=NOON)
    send(campaign, NOON)

    assert gone(campaign) == ["Guest9", "Guest0", "Guest1"]
    assert not Message.objects.filter(not_before__gt=NOON).exists()


def test_without_a_warm_up_all_go_in_the_order_they_came(campaign):
    services.launch(campaign, at=NOON)

    assert send(campaign, NOON) == 10
    assert set(Message.objects.values_list("not_before", flat=True)) == {NOON}


def test_waits_until_the_campaign_is_wholly_planned(campaign, warm_up, monkeypatch):
    from messaging.services import planning

    monkeypatch.setattr(planning, "CHUNK", 4)
    services.launch(campaign, at=NOON)
    services.plan_due(at=NOON)

    assert services.send_due(clock=lambda: NOON) == 0

    while services.plan_due(at=NOON):
        pass
    services.send_due(clock=lambda: NOON)
    assert gone(campaign) == ["Guest9", "Guest0", "Guest1"]


@pytest.mark.parametrize(
    ("event", "number"),
    [
        ({"event_type": "complained"}, 3),
        ({"event_type": "bounced", "verdict": "hard"}, 3),
        ({"event_type": "bounced", "verdict": "soft"}, 4),
        ({"event_type": "delivered"}, 4),
    ],
)
def test_a_bad_day_is_done_once_more(event, number, campaign, warm_up):
    services.launch(campaign, at=NOON)
    send(campaign, NOON)
    message = Message.objects.filter(status="accepted").first()
    ProviderEvent.objects.create(
        provider="ses", event_key="1", message=message, payload="{}", occurred_at=NOON + HOUR, **event
    )

    assert send(campaign, NOON + DAY) == number


def test_a_day_on_which_little_goes_is_done_once_more(campaign, warm_up):
    small = save_draft(Draft(name="One", channel=Channel.EMAIL, subject="One", body="Come"))
    services.launch(small, at=NOON)
    services.plan_due(at=NOON)
    Message.objects.exclude(pk=Message.objects.first().pk).delete()
    assert send(small, NOON) == 1
    services.launch(campaign, at=NOON + DAY)

    assert send(campaign, NOON + DAY) == 3


def test_ends_after_its_last_day(campaign, warm_up):
    WarmUp.objects.update(ramp="3")
    services.launch(campaign, at=NOON)
    send(campaign, NOON)

    assert send(campaign, NOON + DAY) == 7
    warm_up.refresh_from_db()
    assert warm_up.ended_at == NOON + DAY


def test_ended_early_nothing_is_held_up(campaign, warm_up):
    services.launch(campaign, at=NOON)
    send(campaign, NOON)

    warm_ups.end(DOMAIN, reason="An old domain", at=NOON + HOUR)

    assert send(campaign, NOON + HOUR) == 7


def test_what_is_put_back_may_go_again(campaign, warm_up, outbox):
    """A worker that claims and stops uses nothing up."""
    services.launch(campaign, at=NOON)
    services.plan_due(at=NOON)
    campaign.refresh_from_db()
    allowed = warm_ups.allowance(Channel.EMAIL, Business.load(), at=NOON)
    from uuid import uuid4

    pump, other = uuid4(), uuid4()

    assert len(claiming.claim([campaign], pump=pump, at=NOON, limit=200, allowed=allowed)) == 3
    assert claiming.claim([campaign], pump=other, at=NOON, limit=200, allowed=allowed) == []
    claiming.release(pump, at=NOON)
    assert len(claiming.claim([campaign], pump=other, at=NOON, limit=2, allowed=allowed)) == 2
    assert len(claiming.claim([campaign], pump=pump, at=NOON, limit=200, allowed=allowed)) == 1


def test_tests_and_texts_are_not_held_up(campaign, warm_up, outbox):
    services.launch(campaign, at=NOON)
    send(campaign, NOON)

    assert services.send_test(campaign, to="boss@example.com")
    assert warm_ups.allowance(Channel.SMS, Business.load(), at=NOON) is None


def test_is_of_one_domain(campaign, warm_up):
    Business.objects.update(from_email="hello@another-bar.example")
    services.launch(campaign, at=NOON)

    assert send(campaign, NOON) == 10


def test_begins_with_the_first_mail(campaign, warm_up):
    services.launch(campaign, at=NOON + 5 * DAY)
    assert warmth(Business.load(), at=NOON + 4 * DAY).number == 3
    assert WarmUp.objects.get().begun_on is None

    assert send(campaign, NOON + 5 * DAY) == 3
    assert WarmUp.objects.get().begun_on == (NOON + 5 * DAY).date()


# --- What is said of it -----------------------------------------------------------------------------------------------


def test_the_live_page_says_how_far_it_is(campaign, warm_up):
    services.launch(campaign, at=NOON)
    send(campaign, NOON)
    campaign.refresh_from_db()

    now = watch(campaign, at=NOON + HOUR)

    assert now.waits == (f"Warming up {DOMAIN}: 3 a day, today 3. It goes on tomorrow.",)


def test_the_live_page_knows_the_day_of_the_last(campaign, warm_up):
    from messaging.models import Heartbeat

    services.launch(campaign, at=NOON)
    services.plan_due(at=NOON)
    campaign.refresh_from_db()
    Heartbeat.objects.create(name="clock", at=NOON)

    finish = watch(campaign, at=NOON).expected_finish

    assert finish is not None
    assert finish >= NOON + 36 * HOUR  # 3, 4 and 3: the day after tomorrow


def lines(campaign: Campaign) -> dict[str, str]:
    checks = full_checklist(campaign, content_of(campaign, variant_of(campaign)), at=NOON)
    return {check.title: check.level for check in checks}


def test_the_checklist_says_how_long_it_takes(campaign, warm_up):
    assert lines(campaign)["It takes about 3 days: your domain is warming up"] == "warn"

    WarmUp.objects.update(ramp="10,20")
    assert lines(campaign)["The warm-up has room for all of them today"] == "ok"


def test_the_checklist_tells_a_new_sender(campaign, settings, monkeypatch):
    from messaging.queries import checklist

    monkeypatch.setattr(checklist, "MANY", 5)
    title = "Mail providers do not know your domain yet"
    assert title not in lines(campaign)  # nothing leaves the machine

    settings.EMAIL_PROVIDER = "smtp"
    assert lines(campaign)[title] == "warn"

    WarmUp.objects.create(domain=DOMAIN, ended_at=NOON, ended_because="old")
    assert title not in lines(campaign)


def test_the_checklist_leaves_a_known_sender_alone(campaign, settings, monkeypatch):
    from messaging.queries import checklist, warm_up

    monkeypatch.setattr(checklist, "MANY", 5)
    monkeypatch.setattr(warm_up, "NEW_BELOW", 4)
    services.launch(campaign, at=NOON - DAY)
    send(campaign, NOON - DAY)
    settings.EMAIL_PROVIDER = "smtp"

    assert "Mail providers do not know your domain yet" not in lines(campaign)


# --- The owner --------------------------------------------------------------------------------------------------------


def refused(act: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(warm_ups.NotPossible) as refusal, transaction.atomic():
        act(*args, **kwargs)
    return str(refusal.value)


def test_the_owner_starts_changes_and_ends_it(warm_up):
    assert "warming up already" in refused(warm_ups.start, ramp="5")
    assert warm_ups.change(DOMAIN, ramp="9, 10").ramp == "9,10"
    assert "Say why" in refused(warm_ups.end, DOMAIN, reason=" ", at=NOON)

    ended = warm_ups.end(DOMAIN, reason="An old domain", at=NOON)

    assert (ended.ended_at, ended.ended_because) == (NOON, "An old domain")
    assert "is over" in refused(warm_ups.change, DOMAIN, ramp="5")
    assert "is over" in refused(warm_ups.end, DOMAIN, reason="Twice", at=NOON)
    assert warm_ups.start(ramp="5").ended_at is None


def test_needs_a_sender(db):
    Business.load()
    Business.objects.update(from_email="")

    assert "no sender address" in refused(warm_ups.start, ramp="5")
