"""One pace for everybody: the row all workers share, what it costs, and what a pause stops."""

import os
import subprocess
import sys
import time
from itertools import chain, repeat

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from contacts.channels import Channel
from messaging.models import Pace, ProviderSettings
from messaging.rates import Limits
from messaging.services import pacing
from tests.admin.conftest import staff_client

pytestmark = pytest.mark.django_db

EMAIL, SMS = Channel.EMAIL, Channel.SMS


@pytest.fixture
def providers(settings):
    """Both channels with a provider, each with limits of its own."""
    settings.EMAIL_PROVIDER, settings.SMS_PROVIDER = "sendgrid", "twilio"
    settings.EMAIL_RATE, settings.SMS_RATE = "200/s", "2/m"
    return settings


@pytest.fixture
def clock(monkeypatch):
    """A shared clock that stands still until it is moved."""

    class Clock:
        now = 1_795_000_000.0

    monkeypatch.setattr(pacing, "_clock", lambda: pacing.Reading(Clock.now, time.monotonic(), 0.0))
    return Clock


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_makes_settings_for_the_provider_in_use_and_keeps_them(providers):
    assert pacing.provider_key(EMAIL) == "email/sendgrid"
    email, sms = pacing.settings_of(EMAIL), pacing.settings_of(SMS)
    assert (email.rate, email.per_person_day, email.per_person_month) == ("200/s", 0, 0)
    assert (sms.rate, sms.per_person_day, sms.per_person_month) == ("2/m", 1, 6)
    assert (email.uses_batches, sms.uses_batches) == (False, False)

    ProviderSettings.objects.filter(pk=email.pk).update(rate="9/s")
    providers.EMAIL_RATE = "1/s"

    assert pacing.settings_of(EMAIL).rate == "9/s"
    providers.EMAIL_PROVIDER = "smtp"
    assert pacing.settings_of(EMAIL).rate == "1/s"
    assert ProviderSettings.objects.count() == 3


ENVIRONMENT = {
    "ENV_FILE": os.devnull,
    "PATH": os.environ["PATH"],
    "SECRET_KEY": "x" * 50,
    "ENCRYPTION_KEY": "dGVzdHMtdXNlLXRoaXMta2V5LWFuZC1ub3RoaW5nZWw=",
    "INDEX_KEY": "tests-use-this-index-key-and-nothing-else",
}


@pytest.mark.parametrize("name", ["EMAIL_RATE", "SMS_RATE"])
def test_a_rate_that_cannot_be_read_stops_the_start_with_a_sentence(name, tmp_path):
    environment = ENVIRONMENT | {"DATABASE_URL": f"sqlite:///{tmp_path / 'app.sqlite3'}", name: "14/s,fast"}

    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=django_settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f'Configuration error: {name}: "fast" cannot be read. Write a number, a slash')
    assert done.stderr.count("\n") == 1


# --- Slots ------------------------------------------------------------------------------------------------------------


def test_costs_one_query_and_no_write_where_nothing_limits_it(django_assert_num_queries):
    pacing.settings_of(EMAIL)

    with django_assert_num_queries(1):
        assert pacing.reserve(EMAIL, 500).waits == (0.0,) * 500
    with django_assert_num_queries(1):
        assert pacing.reserve(EMAIL, 500, limits=Limits()).waits == (0.0,) * 500
    with django_assert_num_queries(1):
        pacing.succeeded(EMAIL)
    with django_assert_num_queries(1):
        assert pacing.blocked_for(EMAIL) == 0

    assert not Pace.objects.exists()


def test_begins_with_no_row_at_all(providers):
    assert len(pacing.reserve(SMS, 5).waits) == 1
    assert list(Pace.objects.values_list("pk", flat=True)) == ["sms/twilio"]


def test_one_channel_never_takes_from_the_other(providers):
    assert len(pacing.reserve(SMS, 5).waits) == 1
    assert pacing.reserve(SMS, 5).waits == ()
    pacing.failed(SMS, 60)

    assert 95 <= len(pacing.reserve(EMAIL, 500).waits) <= 100
    assert pacing.blocked_for(EMAIL) == 0


def test_all_slots_are_of_one_row(providers, clock):
    first, second = (pacing.reserve(EMAIL, 20) for _ in range(2))

    # Without the time that passed since the clock was read: both count from their return.
    assert second.waits[0] - first.waits[-1] == pytest.approx(1.015 / 200, abs=0.05)
    assert Pace.objects.get().state["tat"] == pytest.approx(clock.now - 0.00735 + 40 * 1.015 / 200, abs=1e-3)


def test_counts_the_waits_from_the_moment_the_caller_has_them(providers, monkeypatch):
    real = pacing._clock

    def read_long_ago():
        return real()._replace(read_at=time.monotonic() - 0.2)

    monkeypatch.setattr(pacing, "_clock", read_long_ago)

    assert pacing.reserve(EMAIL, 1).waits[0] == pytest.approx(-0.2, abs=0.1)


def test_takes_less_lateness_where_the_clock_was_read_slowly(providers, monkeypatch):
    real = pacing._clock
    monkeypatch.setattr(pacing, "_clock", lambda: real()._replace(doubt_s=0.002))
    assert pacing.reserve(EMAIL, 1).tolerance_s == pytest.approx(0.0147 - 0.002)

    monkeypatch.setattr(pacing, "_clock", lambda: real()._replace(doubt_s=30))
    assert pacing.reserve(EMAIL, 1).tolerance_s == pytest.approx(0.0147 / 2)


@pytest.mark.django_db(transaction=True)
def test_refuses_to_keep_others_waiting_for_a_transaction(providers):
    with transaction.atomic(), pytest.raises(RuntimeError):
        pacing.reserve(EMAIL, 1)

    assert pacing.reserve(EMAIL, 1).waits


def test_reads_the_clock_of_the_database():
    reading = pacing._clock()

    assert abs(reading.now - time.time()) < 5
    assert abs(reading.read_at - time.monotonic()) < 5
    assert 0 <= reading.doubt_s < 1


def test_a_change_of_the_rate_is_heeded_at_once(providers):
    pacing.reserve(SMS, 1)
    assert pacing.reserve(SMS, 10).waits == ()

    ProviderSettings.objects.filter(channel=SMS).update(rate="")

    assert len(pacing.reserve(SMS, 10).waits) == 10


# --- Turns ------------------------------------------------------------------------------------------------------------


def test_waits_for_its_turn(providers, monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    providers.EMAIL_RATE = "100/h"
    assert len(pacing.reserve(EMAIL, 1000).waits) == 99

    assert pacing.wait_turn(EMAIL, at_most_s=1)
    assert not pacing.wait_turn(EMAIL, at_most_s=1)

    assert slept == [0.0]


def test_gives_up_at_once_where_it_would_take_too_long(providers):
    began = time.monotonic()
    assert pacing.wait_turn(SMS, at_most_s=0.2)

    assert not pacing.wait_turn(SMS, at_most_s=3)
    assert time.monotonic() - began < 2


def test_sleeps_until_its_slot(providers):
    providers.EMAIL_RATE = "4/s"
    assert pacing.wait_turn(EMAIL, at_most_s=5)
    began = time.monotonic()

    assert pacing.wait_turn(EMAIL, at_most_s=5)
    assert pacing.wait_turn(EMAIL, at_most_s=5)

    assert time.monotonic() - began > 0.4


def test_asks_again_where_it_overslept(providers, monkeypatch):
    naps = chain([0.3], repeat(0.0))
    real = time.sleep
    slept: list[float] = []

    def oversleep(seconds):
        slept.append(seconds)
        real(seconds + next(naps))

    monkeypatch.setattr(time, "sleep", oversleep)

    assert pacing.wait_turn(EMAIL, at_most_s=5)
    assert len(slept) >= 2


# --- Pauses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["", "200/s"])
def test_a_pause_stops_everybody(rate, clock):
    pacing.settings_of(EMAIL)
    ProviderSettings.objects.update(rate=rate)
    pacing.failed(EMAIL, 30)

    slots = pacing.reserve(EMAIL, 5, urgent=True)

    assert slots.waits == ()
    assert slots.retry_in_s == pytest.approx(29.5)
    assert pacing.blocked_for(EMAIL) == pytest.approx(30)
    assert not pacing.wait_turn(EMAIL, at_most_s=5)
    clock.now += 30
    assert len(pacing.reserve(EMAIL, 5).waits) == 5
    assert "until" not in Pace.objects.get().state


def test_tells_how_long_all_wait_and_since_when_it_fails(clock):
    assert pacing.failed(EMAIL, 0) == pytest.approx((5, 0))
    assert pacing.failed(EMAIL, 0) == pytest.approx((5, 0))
    clock.now += 5
    assert pacing.failed(EMAIL, 0) == pytest.approx((10, 5))
    clock.now += 10
    assert pacing.failed(EMAIL, 120) == pytest.approx((120, 15))


def test_a_success_begins_anew(clock, django_assert_num_queries):
    pacing.failed(EMAIL, 0)
    clock.now += 6
    pacing.succeeded(EMAIL)

    with django_assert_num_queries(1):
        pacing.succeeded(EMAIL)

    assert pacing.failed(EMAIL, 0) == pytest.approx((5, 0))


# --- Campaigns that are spread ----------------------------------------------------------------------------------------


def test_spreads_a_campaign(clock, django_assert_num_queries):
    now = timezone.now()
    campaign = Campaign.objects.create(
        name="Lunch", status="sending", starts_at=now, begun_at=now, spread_minutes=60, size_at_launch=3600
    )
    gone = pacing.reserve_spread(campaign, 10_000, horizon_s=60)
    assert gone == 61

    for _ in range(59):
        clock.now += 60
        gone += pacing.reserve_spread(campaign, 10_000, horizon_s=60)

    assert gone == pytest.approx(3600, abs=2)
    assert pacing.reserve_spread(campaign, 10_000, horizon_s=60) == 0
    assert Pace.objects.get().pk == f"campaign/{campaign.pk}"
    campaign.spread_minutes = 0
    with django_assert_num_queries(0):
        assert pacing.reserve_spread(campaign, 77, horizon_s=60) == 77


# --- The page ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def owner(providers):
    return staff_client("messaging.view_providersettings", "messaging.change_providersettings")


LIST = "admin:messaging_providersettings_changelist"
PAGE = "admin:messaging_providersettings_change"


def page_of(channel):
    return reverse(PAGE, args=[pacing.settings_of(channel).pk])


def test_lists_the_providers_in_use_and_no_others(owner):
    ProviderSettings.objects.create(channel=EMAIL, provider="smtp", rate="7/s")

    html = owner.get(reverse(LIST)).content.decode()

    assert "SendGrid" in html
    assert "Twilio" in html
    assert "200 a second" in html
    assert "2 a minute" in html
    assert "7 a second" not in html


def test_saves_what_is_typed_in_its_plain_form(owner):
    typed = {"rate": " 14/s 50,000/d ", "per_person_day": "2", "per_person_month": "0"}

    answer = owner.post(page_of(EMAIL), typed, follow=True)

    saved = pacing.settings_of(EMAIL)
    assert (saved.rate, saved.per_person_day, saved.per_person_month) == ("14/s,50000/d", 2, 0)
    assert "14 a second, 50,000 a day" in answer.content.decode()


def test_says_what_is_wrong_at_the_field_and_loses_nothing(owner):
    typed = {"rate": "14 per second", "per_person_day": "2", "per_person_month": "5"}

    answer = owner.post(page_of(EMAIL), typed)

    errors = answer.context["adminform"].form.errors
    assert list(errors) == ["rate"]
    assert errors["rate"][0].startswith('"14" cannot be read.')
    html = answer.content.decode()
    assert 'value="14 per second"' in html
    assert 'value="5"' in html
    assert pacing.settings_of(EMAIL).rate == "200/s"


@pytest.mark.parametrize(("day", "is_allowed"), [("0", False), ("1", True), ("3", True), ("4", False), ("", False)])
def test_allows_at_most_three_texts_a_day(owner, day, is_allowed):
    answer = owner.post(page_of(SMS), {"rate": "1/s", "per_person_day": day, "per_person_month": "6"})

    assert (answer.status_code == 302) == is_allowed
    assert pacing.settings_of(SMS).per_person_day == (int(day) if is_allowed else 1)


def test_offers_many_people_with_one_request_only_where_the_provider_does(owner, monkeypatch):
    from messaging import transports

    monkeypatch.setattr(transports, "batch_limit", lambda channel: 500 if channel == EMAIL else 0)
    html = owner.get(page_of(EMAIL)).content.decode()
    assert 'name="uses_batches"' in html
    assert "up to 500 people are unknown at once instead of 1" in html
    assert "100,000" in html
    assert 'name="uses_batches"' not in owner.get(page_of(SMS)).content.decode()

    sms = {"rate": "1/s", "per_person_day": "1", "per_person_month": "6", "uses_batches": "on"}
    owner.post(page_of(SMS), sms)
    owner.post(page_of(EMAIL), {**sms, "per_person_day": "0"})

    assert not pacing.settings_of(SMS).uses_batches
    assert pacing.settings_of(EMAIL).uses_batches


def test_nobody_adds_or_deletes_and_few_change(owner, admin_client):
    looking = staff_client("messaging.view_providersettings")
    url = page_of(EMAIL)

    assert admin_client.get(reverse("admin:messaging_providersettings_add")).status_code == 403
    assert admin_client.post(reverse("admin:messaging_providersettings_delete", args=[1])).status_code in {403, 302}
    assert looking.get(url).status_code == 200
    assert looking.post(url, {"rate": "1/s", "per_person_day": "0", "per_person_month": "0"}).status_code == 403
    assert staff_client().get(url).status_code == 403
    assert pacing.settings_of(EMAIL).rate == "200/s"


@pytest.mark.parametrize("channel", Channel)
def test_needs_no_row_before_the_page_is_opened(admin_client, channel):
    assert admin_client.get(reverse(LIST)).status_code == 200

    assert ProviderSettings.objects.filter(channel=channel).count() == 1
