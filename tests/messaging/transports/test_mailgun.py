"""Mailgun: what is special about it."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from anymail.backends.mailgun import EmailBackend as AnymailMailgun

from messaging.transports import Outcome
from messaging.transports.email import build
from tests.messaging.transports.wires import MAIL, MAILGUN, PNG, Wire, failure, sent

JSON = {"Content-Type": "application/json"}
DOMAIN = "Domain mg.corner-bar.example is not allowed to send: "


@pytest.fixture
def wire() -> Wire:
    return MAILGUN


def says(message: str, status: int = 400) -> tuple[int, dict[str, str], bytes]:
    return status, JSON, json.dumps({"message": message}).encode()


@pytest.mark.parametrize("mail", [MAIL, replace(MAIL, qr_png=PNG)], ids=["plain", "with an image"])
def test_sends_what_anymail_would_send(server, mail):
    sent(mail)
    AnymailMailgun().send_messages([build(mail, provider="mailgun")])

    ours, anymails = server.received
    assert ours.path == anymails.path == "/v3/mg.corner-bar.example/messages"
    assert ours.form == anymails.form
    assert ours.headers["authorization"] == anymails.headers["Authorization"]
    assert b64decode(ours.headers["authorization"].removeprefix("Basic ")) == b"api:key-1"


def test_takes_the_senders_domain_where_none_is_set(server, settings):
    del settings.ANYMAIL["MAILGUN_SENDER_DOMAIN"]

    sent()

    assert server.received[0].path == "/v3/corner-bar.example/messages"


@pytest.mark.parametrize("quote", ["", "'"])
def test_an_address_it_finds_invalid_is_not_tried_again(server, quote):
    server.default = says(f"{quote}to{quote} parameter is not a valid address. please check documentation")

    error = failure()

    assert (error.outcome, error.suppress) == (Outcome.REFUSED, "invalid")


@pytest.mark.parametrize(
    "answer",
    [
        says("'from' parameter is not a valid address. please check documentation"),
        says(f"{DOMAIN}You are sending too fast. Your account is on probation and has been temporarily disabled."),
        says("Sandbox subdomains are for test purposes only. Please add your own domain."),
        says(f"{DOMAIN}domain disabled", 403),
        says("Domain not found: mg.corner-bar.example", 404),
        (401, {}, b"Forbidden"),
        (200, {}, b"Mailgun Magnificent API"),
    ],
)
def test_a_fault_of_the_account_stops(server, answer):
    server.default = answer

    error = failure()

    assert (error.outcome, error.suppress) == (Outcome.STOP, "")


@pytest.mark.parametrize("status", [400, 403, 420, 429])
@pytest.mark.parametrize("limit", ["recipient limit", "recipient limit (26)", "limit for sending bytes"])
def test_a_limit_of_the_domain_is_waited_for(server, status, limit):
    until = format_datetime(datetime.now(UTC) + timedelta(minutes=10)).replace("+0000", "UTC")
    server.default = says(f"{DOMAIN}{limit} exceeded, try again after {until}", status)

    error = failure()

    assert error.outcome == Outcome.BUSY
    assert 500 < error.retry_after_s <= 600


def test_a_limit_without_a_time_is_waited_for_too(server):
    server.default = says(f"{DOMAIN}recipient limit exceeded", 420)

    error = failure()

    assert (error.outcome, error.retry_after_s) == (Outcome.BUSY, 0)


@pytest.mark.parametrize(
    "body", [{"id": "<1@x>"}, {"id": "<1@x>", "message": "Well"}, {"message": "Queued. Thank you."}]
)
def test_half_a_good_answer_leaves_it_open(server, body):
    server.default = (200, JSON, json.dumps(body).encode())

    assert failure().outcome == Outcome.UNKNOWN
