"""Mailgun: what is special about it."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from anymail.backends.mailgun import EmailBackend as AnymailMailgun

from messaging.transports import OutboundEmail, Outcome, TransportError
from messaging.transports.email import build
from tests.messaging.transports.wires import BATCH, MAIL, MAILGUN, PNG, Wire, failure, sent, sent_to_many

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


class TestMany:
    def test_get_what_anymail_would_send(self, server):
        sent_to_many()
        common = {name: MAIL.headers[name] for name in ("List-Unsubscribe-Post", "List-Id")}
        message: Any = build(
            OutboundEmail(
                reference="",
                to=BATCH.recipients[0].to,
                from_email=BATCH.from_email,
                subject="Hi %recipient.m1%, crème brûlée on us",
                text="Come, %recipient.m1%: %recipient.m2% 100 %",
                html='<p>Crème brûlée, %recipient.m3%: <a href="%recipient.m2%">%recipient.m4%</a> 100 %</p>',
                headers=common,
                reply_to=BATCH.reply_to,
            ),
            provider="mailgun",
        )
        message.to = [person.to for person in BATCH.recipients]
        own = {person.to: person for person in BATCH.recipients}
        message.merge_data = {to: {f"m{n}": person.values[f"-{n}-"] for n in range(1, 5)} for to, person in own.items()}
        message.merge_metadata = {to: {"message": person.reference} for to, person in own.items()}
        message.merge_headers = {
            to: {"List-Unsubscribe": person.headers["List-Unsubscribe"]} for to, person in own.items()
        }
        AnymailMailgun().send_messages([message])

        ours, anymails = [call.form for call in server.received]
        assert json.loads(ours.pop("recipient-variables")) == json.loads(anymails.pop("recipient-variables"))
        assert {ours.pop("to"), anymails.pop("to")} <= own.keys()
        assert ours == anymails

    def test_the_addresses_are_those_it_finds_values_by(self, server):
        sent_to_many()

        (call,) = server.received
        to = [part.get_payload(decode=True).decode() for name, part in call.parts if name == "to"]
        assert to == list(json.loads(call.form["recipient-variables"])) == [person.to for person in BATCH.recipients]

    def test_a_limit_of_the_domain_is_that_of_all(self, server):
        server.default = says(f"{DOMAIN}recipient limit exceeded, try again after soon", 420)

        with pytest.raises(TransportError) as caught:
            sent_to_many()
        assert caught.value.outcome == Outcome.BUSY
