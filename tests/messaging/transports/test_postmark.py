"""Postmark: what is special about it."""

import json
from dataclasses import replace

import pytest
from anymail.backends.postmark import EmailBackend as AnymailPostmark

from messaging.transports import Outcome, TransportError
from messaging.transports.email import build
from tests.messaging.transports.wires import BATCH, MAIL, PNG, POSTMARK, Wire, failure, sent, sent_to_many

JSON = {"Content-Type": "application/json"}
INACTIVE = (
    "You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: maria@example.org. "
    "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression."
)


@pytest.fixture
def wire() -> Wire:
    return POSTMARK


def says(code: int | None, message: str = "no", status: int = 422, **more: object) -> tuple[int, dict[str, str], bytes]:
    return status, JSON, json.dumps({"ErrorCode": code, "Message": message, **more}).encode()


@pytest.mark.parametrize("mail", [MAIL, replace(MAIL, qr_png=PNG)], ids=["plain", "with an image"])
def test_sends_anymails_bytes(server, mail):
    sent(mail)
    AnymailPostmark().send_messages([build(mail, provider="postmark")])

    ours, anymails = server.received
    assert (ours.path, ours.body) == (anymails.path, anymails.body)
    assert ours.path == "/email"
    for name in ("X-Postmark-Server-Token", "Content-Type", "Accept", "Content-Length"):
        assert ours.headers[name] == anymails.headers[name]
    assert ours.headers["X-Postmark-Server-Token"] == "token-1"


def test_sends_through_the_stream_that_is_set(server, settings):
    sent()
    settings.ANYMAIL["POSTMARK_MESSAGE_STREAM"] = "offers"
    sent()

    assert [call.json["MessageStream"] for call in server.received] == ["broadcast", "offers"]


def test_whoever_is_inactive_is_not_tried_again(server):
    server.default = says(406, INACTIVE)

    error = failure()

    assert (error.outcome, error.suppress, error.code) == (Outcome.REFUSED, "bounced", "postmark 406")


@pytest.mark.parametrize(
    "message",
    [
        "Invalid 'To' address: 'maria@example.org'.",
        "Error parsing 'To': Illegal email domain 'example' in address 'maria@example'.",
    ],
)
def test_an_address_it_finds_invalid_is_not_tried_again(server, message):
    server.default = says(300, message)

    error = failure()

    assert (error.outcome, error.suppress) == (Outcome.REFUSED, "invalid")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (says(10, status=401), Outcome.STOP),
        (says(400), Outcome.STOP),
        (says(401), Outcome.STOP),
        (says(405), Outcome.STOP),
        (says(412), Outcome.STOP),
        (says(413), Outcome.STOP),
        (says(1235), Outcome.STOP),
        (says(300, "Invalid 'From' address: 'hello'."), Outcome.STOP),
        (says(300, "Error parsing 'Reply-To': Illegal email domain."), Outcome.STOP),
        (says(300, "Zero recipients specified"), Outcome.REFUSED),
        (says(411, "Forbidden attachment type"), Outcome.REFUSED),
        (says(100, "Maintenance", 503), Outcome.BUSY),
        (says(429, "Rate limit exceeded", 429), Outcome.BUSY),
        (says(500, status=500), Outcome.UNKNOWN),
    ],
)
def test_sorts_its_codes(server, answer, outcome):
    server.default = answer

    error = failure()

    assert (error.outcome, error.suppress) == (outcome, "")


@pytest.mark.parametrize("code", [0, None])
def test_a_good_answer_may_lack_the_code(server, code):
    server.default = says(code, "Message accepted, but delivery may be delayed.", 200, MessageID="b7bc2f4a")

    assert sent() == "b7bc2f4a"


@pytest.mark.parametrize(("code", "outcome"), [(406, Outcome.REFUSED), (405, Outcome.STOP), (777, Outcome.UNKNOWN)])
def test_a_good_status_with_a_code_is_no_good_answer(server, code, outcome):
    server.default = says(code, status=200, MessageID="b7bc2f4a")

    assert failure().outcome == outcome


TAKEN = {"ErrorCode": 0, "Message": "OK", "MessageID": "b7bc2f4a", "To": "guest0@example.org"}


def answers(*parts: object) -> tuple[int, dict[str, str], bytes]:
    return 200, JSON, json.dumps(parts).encode()


def refused(code: int, message: str = "no") -> dict[str, object]:
    return {"ErrorCode": code, "Message": message}


class TestMany:
    def test_go_through_the_stream_in_one_list(self, server):
        sent_to_many()

        (call,) = server.received
        assert call.path == "/email/batch"
        assert {mail["MessageStream"] for mail in call.json} == {"broadcast"}
        assert call.headers["X-Postmark-Server-Token"] == "token-1"

    def test_are_answered_one_by_one(self, server):
        late = TAKEN | {"MessageID": "a2", "Message": "Message accepted, but delivery may be delayed."}
        del late["ErrorCode"]
        server.default = answers(TAKEN, refused(406, INACTIVE), refused(300, "Invalid 'To' address: 'guest2@x'."), late)

        first, inactive, invalid, last = sent_to_many()

        assert (first, last) == ("b7bc2f4a", "a2")
        assert (inactive.outcome, inactive.suppress, inactive.code) == (Outcome.REFUSED, "bounced", "postmark 406")
        assert (invalid.outcome, invalid.suppress, invalid.code) == (Outcome.REFUSED, "invalid", "postmark 300")
        assert "guest" not in repr([inactive, invalid])

    @pytest.mark.parametrize(
        ("part", "outcome"),
        [
            (refused(405), Outcome.STOP),
            (refused(300, "Invalid 'From' address: 'hello'."), Outcome.STOP),
            (refused(411), Outcome.REFUSED),
            (refused(100), Outcome.BUSY),
            (refused(429), Outcome.BUSY),
            (refused(500), Outcome.UNKNOWN),
            ({"ErrorCode": 0, "Message": "OK"}, Outcome.UNKNOWN),
            (TAKEN | {"MessageID": "x" * 201}, Outcome.UNKNOWN),
            (None, Outcome.UNKNOWN),
            ([], Outcome.UNKNOWN),
        ],
    )
    def test_a_part_is_sorted_as_a_whole_answer_is(self, server, part, outcome):
        server.default = answers(TAKEN, part, TAKEN, TAKEN)

        first, found, *_ = sent_to_many()

        assert first == "b7bc2f4a"
        assert (found.outcome, found.suppress) == (outcome, "")

    @pytest.mark.parametrize("parts", [[], [TAKEN] * 3, [TAKEN] * 5])
    def test_an_answer_for_other_people_leaves_all_open(self, server, parts):
        server.default = answers(*parts)

        with pytest.raises(TransportError) as caught:
            sent_to_many()
        assert caught.value.outcome == Outcome.UNKNOWN

    def test_one_for_all_that_says_no_is_no_answer_for_each(self, server):
        server.default = says(410, "Too many batch messages")

        with pytest.raises(TransportError) as caught:
            sent_to_many(replace(BATCH, subject="Hi"))
        assert (caught.value.outcome, caught.value.code) == (Outcome.REFUSED, "postmark 410")
