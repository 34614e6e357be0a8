"""Texts of which nothing was heard: Twilio is asked once, a day later."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.models import Campaign
from contacts.models import Suppression
from contacts.stopping import ask_to_stop, forget
from messaging.models import Message, ProviderEvent
from messaging.services.asking import LIMIT, ask_about_silent
from tests.messaging.conftest import add_guest
from tests.messaging.ledger import add
from tests.wire.provider import JSON, provider

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def server(settings):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC1", "secret"
    settings.TWILIO_PHONE_NUMBER = "+12175550100"
    settings.PROVIDER_TIMEOUT_S = (1, 1)
    with provider() as server:
        settings.TWILIO_API_URL = server.url
        yield server


@pytest.fixture
def campaign(sms_campaign) -> Campaign:
    began = {"status": "sent", "starts_at": NOW - 2 * DAY, "begun_at": NOW - 2 * DAY, "planned_at": NOW - 2 * DAY}
    Campaign.objects.filter(pk=sms_campaign.pk).update(**began)
    sms_campaign.refresh_from_db()
    return sms_campaign


def silent(campaign, *, number=1, handed_at=NOW - DAY, status="accepted", **fields) -> Message:
    guest = add_guest(number)
    known = {"provider": "twilio", "provider_id": f"SM{number}", "address_index": guest.phone_index}
    return add(campaign, guest, status, at=handed_at, handed_at=handed_at, **{**known, **fields})


def says(message: Message, status: str, code: int | None = None):
    body = {"sid": message.provider_id, "to": message.contact.phone, "status": status, "error_code": code}
    return 200, JSON, json.dumps(body).encode()


def ask() -> int:
    return ask_about_silent(clock=lambda: NOW)


@pytest.mark.parametrize(
    ("status", "code", "state", "suppressed"),
    [
        ("delivered", None, ("delivered", ""), False),
        ("undelivered", 30005, ("bounced", "no_such_address"), True),
        ("undelivered", 30003, ("bounced", "not_this_time"), False),
        ("sent", None, ("accepted", ""), False),
    ],
)
def test_notes_what_twilio_says(campaign, server, status, code, state, suppressed):
    message = silent(campaign)
    server.answers = [says(message, status, code)]

    assert ask() == 1

    (call,) = server.received
    assert (call.method, call.path) == ("GET", "/2010-04-01/Accounts/AC1/Messages/SM1.json")
    message.refresh_from_db()
    assert (message.status, message.reason) == state
    assert Suppression.objects.exists() is suppressed
    assert ProviderEvent.objects.get().event_key == f"SM1 {status}"


def test_asks_once(campaign, server):
    message = silent(campaign)
    server.answers = [says(message, "sent")] * 2

    assert (ask(), ask()) == (1, 0)


def test_a_report_that_comes_after_all_changes_nothing_more(campaign, server):
    message = silent(campaign)
    server.answers = [says(message, "delivered")]
    ask()

    assert ask() == 0
    message.refresh_from_db()
    assert message.status == "delivered"


@pytest.mark.parametrize(
    "other",
    [
        {"handed_at": NOW - timedelta(hours=23)},
        {"handed_at": NOW - timedelta(days=5)},
        {"status": "delivered"},
        {"provider": "outbox"},
        {"provider_id": ""},
    ],
    ids=["too early", "too late", "heard of", "not by Twilio", "without an id"],
)
def test_asks_about_nobody_else(campaign, server, other):
    silent(campaign, **other)

    assert ask() == 0
    assert not server.received


def test_does_not_ask_without_twilio(campaign, server, settings):
    silent(campaign)
    settings.SMS_PROVIDER = "outbox"

    assert ask() == 0


@pytest.mark.parametrize("answer", ["404", "400:20001"])
def test_passes_over_what_twilio_does_not_know(campaign, server, answer):
    first, second = silent(campaign), silent(campaign, number=2)
    server.answers = [answer, says(second, "delivered")]

    assert ask() == 2
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("accepted", "delivered")


@pytest.mark.parametrize("answer", ["429@1", "500", "drop", "bad-json", "401:20003"])
def test_comes_back_where_it_is_away(campaign, server, answer):
    message = silent(campaign)
    silent(campaign, number=2)
    server.answers = [answer]

    assert ask() == 0
    assert len(server.received) == 1
    server.answers = [says(message, "delivered")] * 2
    assert ask() == 2


def test_asks_about_so_many_at_a_time(campaign, server):
    for number in range(LIMIT + 3):
        silent(campaign, number=number)
    server.default = "404"

    assert (ask(), ask(), ask()) == (LIMIT, 3, 0)


def test_ends_where_the_worker_is_to_stop(campaign, server):
    silent(campaign)
    ask_to_stop()
    try:
        assert ask() == 0
    finally:
        forget()
