"""Resend: what is special about it."""

import json
from dataclasses import replace

import pytest
from anymail.backends.resend import EmailBackend as AnymailResend

from messaging.transports import Outcome, TransportError
from messaging.transports.email import build
from tests.messaging.transports.wires import BATCH, MAIL, PNG, RESEND, Wire, failure, sent, sent_to_many


@pytest.fixture
def wire() -> Wire:
    return RESEND


def says(status: int, name: str, message: str = "no", **headers: str) -> tuple[int, dict[str, str], bytes]:
    body = {"statusCode": status, "name": name, "message": message}
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


@pytest.mark.parametrize("mail", [MAIL, replace(MAIL, qr_png=PNG)], ids=["plain", "with an image"])
def test_sends_anymails_bytes(server, mail):
    sent(mail)
    AnymailResend().send_messages([build(mail, provider="resend")])

    ours, anymails = server.received
    assert (ours.path, ours.body) == (anymails.path, anymails.body)
    assert ours.path == "/emails"
    for name in ("Authorization", "Content-Type", "Accept", "Content-Length"):
        assert ours.headers[name] == anymails.headers[name]
    assert ours.headers["Authorization"] == "Bearer re_1"


def test_each_mail_has_its_reference_for_a_key_so_that_a_repeat_doubles_nobody(server):
    sent()
    sent()
    sent(replace(MAIL, reference="another"))

    assert [call.headers["Idempotency-Key"] for call in server.received] == [MAIL.reference, MAIL.reference, "another"]


@pytest.mark.parametrize("status", [400, 422])
def test_an_address_it_finds_invalid_is_not_tried_again(server, status):
    message = "Invalid `to` field. The email address needs to follow the `email@example.com` format."
    server.default = says(status, "validation_error", message)

    error = failure()

    assert (error.outcome, error.suppress) == (Outcome.REFUSED, "invalid")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (says(401, "restricted_api_key"), Outcome.STOP),
        (says(403, "validation_error", "The corner-bar.example domain is not verified."), Outcome.STOP),
        (says(422, "invalid_from_address"), Outcome.STOP),
        (says(422, "validation_error", "Invalid `from` field."), Outcome.STOP),
        (says(429, "monthly_quota_exceeded"), Outcome.STOP),
        (says(451, "security_error"), Outcome.STOP),
        (says(422, "missing_required_field", "Missing `subject` field."), Outcome.REFUSED),
        (says(429, "rate_limit_exceeded"), Outcome.BUSY),
        # Another request with this reference was there before: it may have been taken.
        (says(409, "invalid_idempotent_request"), Outcome.UNKNOWN),
        (says(409, "concurrent_idempotent_requests"), Outcome.UNKNOWN),
        (says(500, "application_error"), Outcome.UNKNOWN),
    ],
)
def test_sorts_its_codes(server, answer, outcome):
    server.default = answer

    error = failure()

    assert (error.outcome, error.suppress) == (outcome, "")


@pytest.mark.parametrize(("asked", "wait_s"), [("1", 3600), ("7200", 7200)])
def test_the_quota_of_a_day_is_asked_for_again_by_the_hour(server, asked, wait_s):
    server.default = says(429, "daily_quota_exceeded", **{"retry-after": asked})

    error = failure()

    assert (error.outcome, error.retry_after_s, error.code) == (Outcome.BUSY, wait_s, "resend daily_quota_exceeded")


def answer(taken: object, refused: object = None) -> tuple[int, dict[str, str], bytes]:
    body = {"data": taken} | ({"errors": refused} if refused is not None else {})
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def no(index: object, message: str = "Missing `subject` field.") -> dict[str, object]:
    return {"index": index, "message": message}


TAKEN = [{"id": "id-0"}, {"id": "id-1"}, {"id": "id-2"}, {"id": "id-3"}]


class TestMany:
    def test_go_in_one_list_of_which_one_refused_holds_up_nobody(self, server):
        sent_to_many()

        (call,) = server.received
        assert call.path == "/emails/batch"
        assert call.headers["x-batch-validation"] == "permissive"
        assert call.headers["Authorization"] == "Bearer re_1"

    def test_the_same_request_has_the_same_key_and_another_another(self, server):
        sent_to_many()
        sent_to_many()
        sent_to_many(replace(BATCH, recipients=BATCH.recipients[1:]))

        first, second, third = [call.headers["Idempotency-Key"] for call in server.received]
        assert first == second != third

    def test_ids_belong_to_those_who_were_not_refused(self, server):
        server.default = answer(TAKEN[:2], [no(3, "Invalid `from` field."), no(1, "Invalid `to` field.")])

        first, invalid, third, ours = sent_to_many()

        assert (first, third) == ("id-0", "id-1")
        assert (invalid.outcome, invalid.suppress, invalid.code) == (Outcome.REFUSED, "invalid", "resend 422")
        assert (ours.outcome, ours.suppress) == (Outcome.STOP, "")

    def test_all_may_be_refused(self, server):
        server.default = answer([], [no(number) for number in range(4)])

        assert [(error.outcome, error.suppress) for error in sent_to_many()] == [(Outcome.REFUSED, "")] * 4

    def test_one_without_an_id_is_open(self, server):
        server.default = answer([TAKEN[0], {}, *TAKEN[2:]])

        first, second, *_ = sent_to_many()

        assert (first, second.outcome) == ("id-0", Outcome.UNKNOWN)

    @pytest.mark.parametrize(
        "strange",
        [
            answer(TAKEN[:3]),
            answer([*TAKEN, {"id": "id-4"}]),
            answer(TAKEN, [no(1)]),
            answer(TAKEN[:3], [no(4)]),
            answer(TAKEN[:3], [no(-1)]),
            answer(TAKEN[:3], [no("1")]),
            answer(TAKEN[:3], [no([])]),
            answer(TAKEN[:3], ["no"]),
            answer(TAKEN[:2], [no(1), no(1)]),
            answer(TAKEN[:3], {"index": 3}),
            answer({"id": "id-0"}),
        ],
    )
    def test_where_it_is_not_clear_whose_they_are_all_is_open(self, server, strange):
        server.default = strange

        with pytest.raises(TransportError) as caught:
            sent_to_many()
        assert caught.value.outcome == Outcome.UNKNOWN

    def test_the_quota_of_a_day_is_that_of_all(self, server):
        server.default = says(429, "daily_quota_exceeded")

        with pytest.raises(TransportError) as caught:
            sent_to_many()
        assert (caught.value.outcome, caught.value.retry_after_s) == (Outcome.BUSY, 3600)
