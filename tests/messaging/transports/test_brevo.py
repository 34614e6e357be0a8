"""Brevo: what is special about it."""

import json
from dataclasses import replace

import pytest
from anymail.backends.brevo import EmailBackend as AnymailBrevo

from messaging.transports import Outcome, TransportError
from messaging.transports.email import build
from tests.messaging.transports.wires import BATCH, BREVO, MAIL, PNG, Wire, failure, sent, sent_to_many

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def wire() -> Wire:
    return BREVO


def says(status: int, code: str, message: str = "no") -> tuple[int, dict[str, str], bytes]:
    return status, JSON, json.dumps({"code": code, "message": message}).encode()


def test_sends_anymails_bytes(server):
    sent()
    AnymailBrevo().send_messages([build(MAIL, provider="brevo")])

    ours, anymails = server.received
    assert (ours.path, ours.body) == (anymails.path, anymails.body)
    assert ours.path == "/v3/smtp/email"
    for name in ("api-key", "Content-Type", "Content-Length"):
        assert ours.headers[name] == anymails.headers[name]
    assert ours.headers["api-key"] == "xkeysib-1"


@pytest.mark.parametrize(
    "mail",
    [replace(MAIL, qr_png=PNG), replace(MAIL, headers={**MAIL.headers, "List-Id": "Café <list.example>"})],
    ids=["an image inside", "a header beyond ASCII"],
)
def test_what_it_cannot_take_is_refused_before_anything_is_sent(server, mail):
    assert failure(mail).outcome == Outcome.REFUSED
    assert not server.received


def test_keeps_the_name_of_a_sender_with_signs_and_letters_beyond_ascii(server):
    sent(replace(MAIL, from_email='"Café, Bar" <hello@corner-bar.example>'))

    assert server.received[0].json["sender"] == {
        "name": "=?utf-8?q?Caf=C3=A9=2C_Bar?=",
        "email": "hello@corner-bar.example",
    }


def test_an_address_it_finds_invalid_is_not_tried_again(server):
    server.default = says(400, "invalid_parameter", "email is not valid in to")

    error = failure()

    assert (error.outcome, error.suppress) == (Outcome.REFUSED, "invalid")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (says(402, "not_enough_credits"), Outcome.STOP),
        (says(400, "not_enough_credits"), Outcome.STOP),
        (says(400, "account_under_validation"), Outcome.STOP),
        (says(401, "unauthorized"), Outcome.STOP),
        (says(403, "permission_denied"), Outcome.STOP),
        (says(400, "invalid_parameter", "valid sender email required"), Outcome.STOP),
        (says(400, "invalid_parameter", "email is not valid in replyTo"), Outcome.REFUSED),
        (says(400, "missing_parameter", "subject is missing"), Outcome.REFUSED),
        (says(503, "unauthorized"), Outcome.UNKNOWN),
    ],
)
def test_sorts_its_codes(server, answer, outcome):
    server.default = answer

    error = failure()

    assert (error.outcome, error.suppress) == (outcome, "")


def test_names_its_own_code(server):
    server.default = says(402, "not_enough_credits")

    assert failure().code == "brevo not_enough_credits"


def test_shows_no_code_that_could_be_an_address(server):
    server.default = says(400, "maria@example.org")

    assert failure().code == "brevo 400"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"x-sib-ratelimit-reset": "23"}, 23),
        ({"x-sib-ratelimit-reset": "23", "Retry-After": "5"}, 5),
        ({"x-sib-ratelimit-reset": "soon"}, 0),
        ({}, 0),
    ],
)
def test_waits_as_long_as_its_own_header_asks(server, headers, wait_s):
    server.default = (429, headers, b"{}")

    error = failure()

    assert (error.outcome, error.retry_after_s) == (Outcome.BUSY, wait_s)


class TestMany:
    def test_are_versions_of_a_mail_that_is_nobodys(self, server):
        sent_to_many()

        (call,) = server.received
        mail = call.json
        versions = mail.pop("messageVersions")
        assert call.path == "/v3/smtp/email"
        assert mail == {
            "sender": {"name": "The Corner Bar", "email": "hello@corner-bar.example"},
            "replyTo": {"email": "boss@corner-bar.example"},
            "subject": BATCH.subject,
            "textContent": BATCH.text,
            "htmlContent": BATCH.html,
        }
        assert [set(version) for version in versions] == [
            {"to", "subject", "textContent", "htmlContent", "headers"} for _ in BATCH.recipients
        ]

    def test_of_one_it_may_say_one_id(self, server):
        server.default = (201, JSON, b'{"messageId": "<1@x>"}')

        assert sent_to_many(replace(BATCH, recipients=BATCH.recipients[:1])) == ["<1@x>"]

    def test_one_without_an_id_is_open(self, server):
        server.default = (201, JSON, json.dumps({"messageIds": ["<1@x>", "", "<3@x>", 4]}).encode())

        first, second, third, fourth = sent_to_many()

        assert (first, third) == ("<1@x>", "<3@x>")
        assert second.outcome == fourth.outcome == Outcome.UNKNOWN

    @pytest.mark.parametrize("ids", [["<1@x>"] * 3, ["<1@x>"] * 5, "<1@x>", {"1": "<1@x>"}])
    def test_another_number_of_ids_leaves_all_open(self, server, ids):
        server.default = (201, JSON, json.dumps({"messageIds": ids}).encode())

        with pytest.raises(TransportError) as caught:
            sent_to_many()
        assert caught.value.outcome == Outcome.UNKNOWN
