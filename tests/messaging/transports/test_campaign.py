"""A campaign on its way through each provider: from what the shop wrote to what the provider gets and says."""

import json
import re
from collections.abc import Iterator

import pytest

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Suppression
from messaging.models import Message, ProviderSettings
from messaging.services import pacing
from messaging.services.sending import failing, stock
from redemptions import links
from tests.messaging.conftest import run_all
from tests.messaging.transports.wires import BREVO, MAILGUN, POSTMARK, RESEND, TAKE_MANY, WIRES, Wire
from tests.wire.provider import Provider, provider

Status = Message.Status


@pytest.fixture(params=WIRES, ids=[wire.name for wire in WIRES])
def wire(request) -> Wire:
    return request.param


@pytest.fixture
def server(planned, wire, settings) -> Iterator[Provider]:
    """The provider; the shop chose it after the launch, which a sample address would have kept from a real one."""
    with provider() as server:
        wire.point_at(settings, server.url)
        settings.QR_IMAGES = "hosted" if wire == BREVO else "inline"
        yield server


def test_reaches_everybody_once_with_a_way_out(server, planned, wire, at):
    run_all(at)

    assert server.arrivals() == {str(message.reference): 1 for message in planned.messages.all()}
    ids = {str(message.reference): message.provider_id for message in planned.messages.filter(status=Status.ACCEPTED)}
    assert ids == {call.people[0][0]: wire.id_of(call) for call in server.received}
    for call in server.received:
        arrived = wire.read(call)
        assert arrived.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert re.fullmatch(r"<http://testserver/u/[\w-]+>", arrived.headers["List-Unsubscribe"])
        assert arrived.raw.lower().count(b"list-unsubscribe-post") == 1
        assert len(arrived.images) == (0 if wire == BREVO else 1)


@pytest.mark.parametrize("wire", [POSTMARK], ids=["postmark"])
def test_keeps_away_from_whoever_the_provider_keeps_away_from(server, planned, at):
    server.answers = ["422:406"]

    run_all(at)

    assert planned.messages.filter(status=Status.FAILED, reason=Message.Reason.REFUSED).count() == 1
    assert Suppression.objects.get().reason == Suppression.Reason.BOUNCED
    assert planned.messages.filter(status=Status.ACCEPTED).count() == 4


class TestInRequestsForMany:
    @pytest.fixture(params=TAKE_MANY, ids=[wire.name for wire in TAKE_MANY])
    def wire(self, request) -> Wire:
        return request.param

    @pytest.fixture
    def server(self, server, monkeypatch) -> Provider:
        monkeypatch.setattr(stock, "BATCHES_ABOVE", 4)
        pacing.settings_of(Channel.EMAIL)
        ProviderSettings.objects.update(uses_batches=True)
        return server

    def test_everybody_gets_their_own_once(self, server, planned, wire, at):
        run_all(at)

        messages = {str(message.reference): message for message in planned.messages.select_related("contact", "code")}
        (call,) = server.received
        assert server.arrivals() == dict.fromkeys(messages, 1)
        ids = wire.ids_of_many(call)
        for mail, identifier in zip(wire.read_all(call), ids, strict=True):
            message = messages.pop(mail.metadata["message"])
            assert (message.status, message.provider, message.provider_id) == (Status.ACCEPTED, wire.name, identifier)
            assert mail.to == [message.contact.email]
            assert mail.subject == f"Hi {message.contact.first_name}"
            others = {mark for other in messages.values() for mark in own(other)}
            for part in (mail.text, mail.html):
                assert f"Come, {message.contact.first_name}" in part
                assert all(mark in part for mark in own(message))
                assert not any(mark in part for mark in others)
                assert not re.search(r"(?<![\w-])-\d+-|%recipient|\{\{", part)
            way_out = mail.headers["List-Unsubscribe"].strip("<>")
            assert re.fullmatch(r"http://testserver/u/[\w-]+", way_out)
            assert way_out in mail.text
            assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert len({mail.headers["List-Unsubscribe"] for mail in wire.read_all(call)}) == 5

    def test_who_opts_out_after_the_claim_is_not_in_it(self, server, planned, guests, after_claim, at):
        after_claim(lambda: type(guests[2]).objects.filter(pk=guests[2].pk).update(email_status="unsubscribed"))

        run_all(at)

        (call,) = server.received
        assert {to for _, to in call.people} == {guest.email for guest in guests if guest != guests[2]}
        assert guests[2].email.encode() not in call.body
        assert planned.messages.get(contact=guests[2]).status == Status.SKIPPED
        assert planned.messages.filter(status=Status.ACCEPTED).count() == 4

    @pytest.mark.parametrize("fault", ["hang", "500"])
    def test_without_an_answer_all_are_unknown_and_nothing_is_repeated(self, server, planned, at, fault):
        server.answers = [fault]

        run_all(at)

        assert planned.messages.filter(status=Status.UNKNOWN).count() == 5
        assert len(server.received) == 1

    def test_refused_for_one_they_go_alone_and_nobody_is_suppressed(self, server, planned, at):
        server.answers = [(400, {}, b'{"message": "to parameter is not a valid address", "code": "invalid_parameter"}')]

        run_all(at)

        assert [len(call.people) for call in server.received] == [5, 1, 1, 1, 1, 1]
        assert planned.messages.filter(status=Status.ACCEPTED).count() == 5
        assert not Suppression.objects.exists()

    @pytest.mark.parametrize("wire", [MAILGUN], ids=["mailgun"])
    def test_who_does_not_fit_goes_alone_at_once(self, server, planned, guests, at):
        guests[1].email = "Guest1@example.org"
        guests[1].save(update_fields=["email"])

        run_all(at)

        assert [len(call.people) for call in server.received] == [4, 1]
        assert server.received[1].people[0][1] == "Guest1@example.org"
        assert planned.messages.filter(status=Status.ACCEPTED).count() == 5


def own(message: Message) -> set[str]:
    """What stands in this person's mail alone."""
    return {message.code.typed_display, links.coupon_url(message.code.token)}


@pytest.mark.parametrize("wire", [POSTMARK], ids=["postmark"])
class TestMixedAnswers:
    """To each of a batch happens what would happen to a message sent alone."""

    @pytest.fixture
    def server(self, server, monkeypatch) -> Provider:
        monkeypatch.setattr(stock, "BATCHES_ABOVE", 4)
        pacing.settings_of(Channel.EMAIL)
        ProviderSettings.objects.update(uses_batches=True)
        return server

    def test_who_is_refused_is_suppressed_and_the_others_are_accepted(self, server, planned, at):
        server.answers = [answers(0, 406, 0, 300, 0)]

        run_all(at)

        (call,) = server.received
        assert statuses(planned, call.people) == ["accepted", "failed", "accepted", "failed", "accepted"]
        assert set(planned.messages.filter(status=Status.FAILED).values_list("reason", flat=True)) == {"refused"}
        assert sorted(Suppression.objects.values_list("reason", flat=True)) == ["bounced", "invalid"]
        assert set(Suppression.objects.values_list("address_index", flat=True)) == {
            message.contact.email_index for message in planned.messages.filter(status=Status.FAILED)
        }
        ids = planned.messages.filter(status=Status.ACCEPTED).values_list("provider_id", flat=True)
        assert set(ids) == {"id-0", "id-2", "id-4"}

    def test_one_that_is_open_leaves_the_others_known(self, server, planned, at):
        server.answers = [answers(0, 0, 500, 0, 0)]

        run_all(at)

        (call,) = server.received
        assert statuses(planned, call.people) == ["accepted", "accepted", "unknown", "accepted", "accepted"]

    def test_where_the_provider_is_busy_for_some_they_wait_their_turn(self, server, planned, at):
        server.answers = [answers(0, 0, 0, 100, 429)]

        run_all(at)

        first, second = server.received
        assert sorted(second.people) == sorted(first.people[3:])
        assert statuses(planned, first.people) == ["accepted"] * 5
        assert set(planned.messages.values_list("attempts", flat=True)) == {1}

    def test_an_account_that_may_send_no_more_pauses_the_campaign(self, server, planned, at):
        server.answers = [answers(0, 0, 405, 405, 405)]

        run_all(at)

        planned.refresh_from_db()
        (call,) = server.received
        assert statuses(planned, call.people) == ["accepted", "accepted", "queued", "queued", "queued"]
        assert planned.status == Campaign.Status.PAUSED
        assert "postmark 405" in planned.pause_reason

    def test_only_refusals_in_a_row_stop_it(self, server, planned, monkeypatch, at):
        monkeypatch.setattr(failing, "BRAKE", 3)
        server.answers = [answers(411, 411, 0, 411, 411)]

        run_all(at)

        planned.refresh_from_db()
        assert planned.status != Campaign.Status.PAUSED

    def test_as_many_as_that_do(self, server, planned, monkeypatch, at):
        monkeypatch.setattr(failing, "BRAKE", 3)
        server.answers = [answers(0, 411, 411, 411, 0)]

        run_all(at)

        planned.refresh_from_db()
        assert planned.status == Campaign.Status.PAUSED
        assert planned.messages.filter(status=Status.ACCEPTED).count() == 2


@pytest.mark.parametrize("wire", [RESEND], ids=["resend"])
def test_whom_resend_finds_invalid_is_suppressed_alone(server, planned, monkeypatch, at):
    monkeypatch.setattr(stock, "BATCHES_ABOVE", 4)
    pacing.settings_of(Channel.EMAIL)
    ProviderSettings.objects.update(uses_batches=True)
    body = {"data": [{"id": f"id-{n}"} for n in range(4)], "errors": [{"index": 1, "message": "Invalid `to` field."}]}
    server.answers = [(200, {}, json.dumps(body).encode())]

    run_all(at)

    (call,) = server.received
    assert statuses(planned, call.people) == ["accepted", "failed", "accepted", "accepted", "accepted"]
    assert Suppression.objects.get().address_index == planned.messages.get(status=Status.FAILED).contact.email_index


def answers(*codes: int) -> tuple[int, dict[str, str], bytes]:
    """Postmark's answer for as many people: 0 is taken."""
    message = "Invalid 'To' address: 'guest@example.org'."
    parts = [{"ErrorCode": code, "Message": message if code == 300 else "no"} for code in codes]
    return 200, {}, json.dumps([part | {"MessageID": f"id-{n}"} for n, part in enumerate(parts)]).encode()


def statuses(campaign: Campaign, people: list[tuple[str, str]]) -> list[str]:
    """What became of these, in this order."""
    found = {str(message.reference): message.status for message in campaign.messages.all()}
    return [found[reference] for reference, _ in people]
