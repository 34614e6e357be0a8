"""The page of a campaign on its way: speed, end, and what it waits for; and the people who had enough."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Campaign
from contacts.channels import Channel
from messaging import rates
from messaging.models import Heartbeat, Pace, ProviderSettings, Tally
from messaging.queries import Provider, caps_check, caps_in_use, live
from messaging.services.watching import watch
from redemptions.services import pause_offer
from tests.messaging.ledger import add, begun

pytestmark = pytest.mark.django_db
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def campaign(guests, email_campaign, at):
    """A campaign that began five minutes ago, its five people waiting, and a worker that lives."""
    campaign = begun(email_campaign, at=at - 5 * MINUTE)
    for guest in guests:
        add(campaign, guest, "queued", at=at - 5 * MINUTE)
    Heartbeat.objects.create(name="clock", at=at)
    return campaign


def tallies(campaign, at, *counts):
    """Note what left in the ten seconds before `at`, in the ten before those, ..."""
    for number, count in enumerate(counts, start=1):
        Tally.objects.create(campaign=campaign, at=at - number * 10 * SECOND, sent=count)


def test_counts_messages_a_minute_over_the_last_minute(campaign, at):
    tallies(campaign, at, 40, 40, 40, 40, 40, 1000)  # the last one is more than a minute ago by its end

    assert live(campaign, at=at).rate_per_minute == 240


def test_counts_from_the_begin_of_a_campaign_that_began_just_now(campaign, at):
    Campaign.objects.filter(pk=campaign.pk).update(begun_at=at - 20 * SECOND)
    campaign.refresh_from_db()
    tallies(campaign, at, 40, 40)

    assert live(campaign, at=at).rate_per_minute == 240


def test_counts_nothing_of_others_and_nothing_of_long_ago(campaign, sms_campaign, at):
    tallies(begun(sms_campaign, at=at), at, 50)
    Tally.objects.create(campaign=campaign, at=at - 2 * MINUTE, sent=500)

    assert live(campaign, at=at).rate_per_minute == 0


def test_a_spread_campaign_goes_no_faster_than_it_is_spread(campaign, at):
    Campaign.objects.filter(pk=campaign.pk).update(spread_minutes=100, size_at_launch=500)
    campaign.refresh_from_db()
    tallies(campaign, at, 60)  # a handful at once

    assert live(campaign, at=at).rate_per_minute == 5


def test_expects_the_end_by_the_speed(campaign, at):
    tallies(campaign, at, 0, 0, 0, 0, 10)  # 12 a minute; 5 are left

    assert live(campaign, at=at).expected_finish == at + 25 * SECOND


def test_expects_the_end_by_what_the_provider_allows_where_that_is_later(campaign, at):
    tallies(campaign, at, 0, 0, 0, 0, 10)

    assert live(campaign, at=at, provider=Provider(seconds=90)).expected_finish == at + 90 * SECOND


def test_expects_the_end_by_the_spread(campaign, at):
    Campaign.objects.filter(pk=campaign.pk).update(spread_minutes=60, size_at_launch=10)
    campaign.refresh_from_db()
    tallies(campaign, at, 1)  # one in the last minute says nothing of the hour

    assert live(campaign, at=at).expected_finish == at + 30 * MINUTE


def test_counts_those_who_are_not_planned_yet(campaign, at):
    Campaign.objects.filter(pk=campaign.pk).update(planned_at=None, size_at_launch=100)
    campaign.refresh_from_db()
    tallies(campaign, at, 0, 0, 0, 0, 10)

    assert live(campaign, at=at).expected_finish == at + 100 * 5 * SECOND


def test_does_not_guess(campaign, at):
    assert live(campaign, at=at).expected_finish is None


def test_expects_no_end_without_a_worker(campaign, at):
    tallies(campaign, at, 50)
    Heartbeat.objects.update(at=at - 4 * MINUTE)

    now = live(campaign, at=at)

    assert (now.worker_alive, now.expected_finish) == (False, None)


def test_names_what_is_handed_over_and_not_what_is_claimed(campaign, guests, at):
    campaign.messages.all().delete()
    for guest, status in zip(guests, ["claimed", "handed", "handed", "accepted", "queued"], strict=True):
        add(campaign, guest, status, at=at)

    assert live(campaign, at=at).in_flight == 2
    Campaign.objects.filter(pk=campaign.pk).update(status="paused")
    campaign.refresh_from_db()
    assert live(campaign, at=at).in_flight == 2


def test_says_that_the_deal_is_paused(campaign, offer, at):
    pause_offer(offer=offer)
    tallies(campaign, at, 50)
    campaign = Campaign.objects.get(pk=campaign.pk)

    now = live(campaign, at=at)

    assert "deal is paused" in now.waits[0]
    assert now.expected_finish is None


def test_says_who_waits_for_the_morning_and_who_is_tried_again(campaign, at):
    first, second, third, *_ = campaign.messages.order_by("pk")
    for message, later, attempts in ((first, 15 * HOUR, 0), (second, 16 * HOUR, 0), (third, 20 * MINUTE, 2)):
        campaign.messages.filter(pk=message.pk).update(not_before=at + later, attempts=attempts)

    now = live(campaign, at=at)

    assert now.waits == ("2 wait until Sun, Nov. 22, 3 a.m.", "1 is tried again, from 12:20 p.m. on.")
    assert now.expected_finish == at + 16 * HOUR


def test_says_when_the_provider_is_asked_again(campaign, at):
    now = live(campaign, at=at, provider=Provider(away_until=at + 2 * MINUTE, full_until=at + HOUR))

    assert now.waits[0].endswith("asked again at 12:02 p.m.")
    assert now.waits[1].endswith("goes on at 1 p.m.")
    assert now.expected_finish == at + HOUR


def test_waits_for_nothing_where_all_is_sent(campaign, offer, at):
    campaign.messages.update(status="accepted")
    pause_offer(offer=offer)

    assert live(Campaign.objects.get(pk=campaign.pk), at=at).waits == ()


# --- What the workers share ---


def test_takes_the_end_from_the_limits(campaign, at):
    ProviderSettings.objects.create(channel="email", provider="outbox", rate="1/s")

    now = watch(campaign, at=at)

    assert at + 4 * SECOND <= now.expected_finish < at + 5 * SECOND  # the first of five leaves at once
    assert now.waits == ()


def test_tells_of_a_provider_that_is_away(campaign, at):
    ProviderSettings.objects.create(channel="email", provider="outbox", rate="1/s")
    Pace.objects.create(key="email/outbox", state=rates.failed({}, at.timestamp(), 300.0))

    now = watch(campaign, at=at)

    assert now.waits == ("The provider is busy or away: it is asked again at 12:05 p.m.",)
    assert at + 304 * SECOND <= now.expected_finish < at + 305 * SECOND


def test_tells_of_a_limit_that_is_used_up(campaign, at):
    ProviderSettings.objects.create(channel="email", provider="outbox", rate="3/h")
    limits = rates.parse("3/h")
    state, slots = rates.reserve(limits, {}, now=at.timestamp(), wanted=9, horizon_s=0.0)
    assert slots.waits
    Pace.objects.create(key="email/outbox", state=state)

    now = watch(campaign, at=at)

    assert "limit is reached: it goes on at 1" in now.waits[0]
    assert Pace.objects.get().state == state  # looking takes nothing


def test_texts_have_a_limit_of_their_own_by_default(guests, sms_campaign, at):
    add(begun(sms_campaign, at=at - HOUR), guests[0], "accepted", at=at - HOUR)

    assert caps_check(sms_campaign, caps_in_use(Channel.SMS), at=at).title.startswith("1 person had")


# --- Caps ---


@pytest.fixture
def caps():
    def of(**caps):
        return ProviderSettings(channel="email", provider="outbox", **caps)

    return of


@pytest.fixture
def earlier(guests, email_campaign, sms_campaign, at):
    """Of five people one had a mail today, one had one last week, one a text today, and one a mail that failed."""
    mails, texts = begun(email_campaign, at=at - 40 * 24 * HOUR), begun(sms_campaign, at=at - 40 * 24 * HOUR)
    for guest, campaign, status, ago in (
        (guests[0], mails, "accepted", HOUR),
        (guests[1], mails, "unknown", 7 * 24 * HOUR),
        (guests[2], texts, "delivered", HOUR),
        (guests[3], mails, "failed", HOUR),
    ):
        add(campaign, guest, status, at=at - ago, handed_at=at - ago)
    return mails


@pytest.mark.parametrize(
    ("limits", "title"),
    [
        ({}, None),
        ({"per_person_day": 1}, "1 person had as many messages lately"),
        ({"per_person_month": 1}, "2 people had as many messages lately"),
        ({"per_person_day": 1, "per_person_month": 1}, "2 people had as many messages lately"),
        ({"per_person_day": 2, "per_person_month": 2}, None),
    ],
)
def test_counts_who_had_enough(limits, title, earlier, caps, at):
    with CaptureQueriesContext(connection) as asked:
        check = caps_check(earlier, caps(**limits), at=at)

    assert sum("messaging_message" in query["sql"] for query in asked) <= 1

    assert check.title.startswith(title) if title else check is None, check
    assert check is None or check.level == "warn"
