"""What every provider must keep that takes one request for many people: to each of them it is a mail of their own."""

import socket
from dataclasses import replace

import pytest

from contacts.channels import Channel
from messaging.transports import NotForBatch, Outcome, TransportError, batch_limit, transport_for
from messaging.transports.merging import mails_of
from tests.messaging.transports.test_contract import FAILURES, NO_GOOD_ANSWERS, names
from tests.messaging.transports.wires import BATCH, BREVO, MAILGUN, SENDGRID, TAKE_MANY, Wire, sent, sent_to_many
from tests.wire.provider import Answer

FIRST, *REST = BATCH.recipients
TAKEN_APART = tuple(wire for wire in TAKE_MANY if wire != SENDGRID)  # by their answers
FINDS_FAULT: list[Answer] = [  # with the address of one, who is not named
    (400, {}, b'{"message": "to parameter is not a valid address. please check documentation"}'),
    (422, {}, b'{"ErrorCode": 300, "Message": "Invalid \'To\' address: \'guest1@example.org\'."}'),
    (422, {}, b'{"ErrorCode": 406, "Message": "You tried to send to an inactive recipient."}'),
    (400, {}, b'{"code": "invalid_parameter", "message": "email is not valid in to"}'),
    (422, {}, b'{"name": "validation_error", "message": "Invalid `to` field."}'),
]


@pytest.fixture(params=TAKE_MANY, ids=names(TAKE_MANY))
def wire(request) -> Wire:
    return request.param


def failure_of_all() -> TransportError:
    with pytest.raises(TransportError) as caught:
        sent_to_many()
    assert "guest" not in repr(caught.value)
    return caught.value


def backend_of(transport):
    return transport._backend


class TestTheMails:
    def test_are_those_each_would_get_alone(self, server, wire):
        sent_to_many()
        for mail in mails_of(BATCH):
            sent(mail)

        many, *alone = server.received
        together = [replace(arrived, raw=b"") for arrived in wire.read_all(many)]
        assert together == [replace(wire.read(call), raw=b"") for call in alone]

    def test_have_no_mark_left_and_nothing_of_others(self, server, wire):
        sent_to_many()

        for number, (person, mail) in enumerate(zip(BATCH.recipients, wire.read_all(server.received[0]), strict=True)):
            assert mail.to == [person.to]
            assert mail.subject == f"Hi Zoë & {number}, crème brûlée on us"
            assert mail.text == f"Come, Zoë & {number}: https://x.example/c/{number}?a=1%20b 100 %"
            assert f'href="https://x.example/c/{number}?a=1%20b">code-{number}<' in mail.html
            assert f"Zoë &amp; {number}" in mail.html
            assert mail.headers == person.headers
            assert mail.metadata == {"message": person.reference}
            assert mail.reply_to == BATCH.reply_to
            assert mail.tracking == wire.no_tracking

    def test_go_in_one_request_with_an_id_for_each(self, server, wire):
        ids = sent_to_many()

        (call,) = server.received
        assert ids == wire.ids_of_many(call)
        assert server.arrivals() == {person.reference: 1 for person in BATCH.recipients}

    def test_to_one_person_too(self, server, wire):
        ids = sent_to_many(replace(BATCH, recipients=(FIRST,)))

        assert ids == wire.ids_of_many(server.received[0])
        assert server.arrivals() == {FIRST.reference: 1}

    def test_without_marks_too(self, server, wire):
        people = tuple(replace(person, values={}) for person in BATCH.recipients)

        sent_to_many(replace(BATCH, text="Come.", recipients=people))

        assert {mail.text for mail in wire.read_all(server.received[0])} == {"Come."}

    def test_follow_each_other_over_one_connection(self, server, wire):
        with transport_for(Channel.EMAIL) as transport:
            transport.send_batch(BATCH)
            transport.send(mails_of(BATCH)[0])
            transport.send_batch(BATCH)

        assert (len(server.received), server.connections) == (3, 1)


class TestSizes:
    def test_a_full_request(self, server, wire):
        people = tuple(replace(FIRST, reference=str(n), to=f"g{n}@example.org") for n in range(wire.people_at_once))

        ids = sent_to_many(replace(BATCH, recipients=people))

        assert batch_limit(Channel.EMAIL) == wire.people_at_once == len(ids)
        assert all(isinstance(identifier, str) for identifier in ids)
        assert server.arrivals() == {person.reference: 1 for person in people}
        assert len(server.received) == 1

    def test_no_more_than_that(self, server, wire):
        people = tuple(replace(FIRST, to=f"g{n}@example.org") for n in range(wire.people_at_once + 1))

        with pytest.raises(ValueError, match=str(wire.people_at_once)):
            sent_to_many(replace(BATCH, recipients=people))
        assert not server.received

    @pytest.mark.parametrize("wire", TAKEN_APART, ids=names(TAKEN_APART))
    def test_a_request_that_is_too_long_is_not_made(self, server, monkeypatch):
        with transport_for(Channel.EMAIL) as transport:
            transport.send_batch(BATCH)
            length = len(server.received[0].body)
            monkeypatch.setattr(backend_of(transport), "batch_bytes", length)
            transport.send_batch(BATCH)
            with pytest.raises(NotForBatch):
                transport.send_batch(replace(BATCH, text=f"{BATCH.text}!"))

        assert len(server.received) == 2

    @pytest.mark.parametrize("wire", TAKEN_APART, ids=names(TAKEN_APART))
    def test_the_longest_mails_there_are_fit(self, server, wire, settings):
        settings.PROVIDER_TIMEOUT_S = (5, 25)
        people = tuple(replace(FIRST, reference=str(n), to=f"g{n}@example.org") for n in range(wire.people_at_once))

        sent_to_many(replace(BATCH, html="é" * 50_000, text="é" * 45_000, recipients=people))

        assert len(server.received) == 1


class TestWhoeverDoesNotFit:
    @pytest.mark.parametrize("wire", TAKEN_APART, ids=names(TAKEN_APART))
    @pytest.mark.parametrize("to", ['"a, b"@example.org', "a@example.org, b@example.org", "zoë@example.org"])
    def test_is_left_out(self, server, to):
        odd = replace(FIRST, reference="odd", to=to)

        first, unfit, *others = sent_to_many(replace(BATCH, recipients=(FIRST, odd, *REST)))

        assert isinstance(unfit, NotForBatch)
        assert all(isinstance(identifier, str) for identifier in (first, *others))
        assert server.arrivals() == {person.reference: 1 for person in BATCH.recipients}

    @pytest.mark.parametrize("wire", TAKEN_APART, ids=names(TAKEN_APART))
    def test_is_no_reason_for_a_request_to_nobody(self, server):
        people = tuple(replace(person, to=f'"{number}"@example.org') for number, person in enumerate(BATCH.recipients))

        assert all(isinstance(result, NotForBatch) for result in sent_to_many(replace(BATCH, recipients=people)))
        assert not server.received

    @pytest.mark.parametrize("wire", [BREVO], ids=["brevo"])
    def test_at_brevo_is_who_has_a_header_beyond_ascii(self, server):
        odd = replace(FIRST, headers={**FIRST.headers, "List-Id": "Café <list.example>"})

        unfit, *ids = sent_to_many(replace(BATCH, recipients=(odd, *REST)))

        assert isinstance(unfit, NotForBatch)
        assert (len(ids), len(server.received[0].people)) == (3, 3)

    @pytest.mark.parametrize("wire", [MAILGUN], ids=["mailgun"])
    @pytest.mark.parametrize(
        "change",
        [{"to": "Maria@example.org"}, {"values": FIRST.values | {"-1-": "%Recipient.m2%"}}],
        ids=["spelled otherwise", "a mark for a name"],
    )
    def test_at_mailgun_is_whom_it_might_mistake(self, server, change):
        unfit, *ids = sent_to_many(replace(BATCH, recipients=(replace(FIRST, **change), *REST)))

        assert isinstance(unfit, NotForBatch)
        assert (len(ids), len(server.received[0].people)) == (3, 3)

    @pytest.mark.parametrize("wire", [MAILGUN], ids=["mailgun"])
    @pytest.mark.parametrize(
        "merged",
        [
            replace(BATCH, html="%recipient.m1%"),
            replace(BATCH, recipients=(FIRST, replace(FIRST, reference="another"))),
        ],
        ids=["words with a mark", "one address twice"],
    )
    def test_at_mailgun_may_be_everybody(self, server, merged):
        with pytest.raises(NotForBatch):
            sent_to_many(merged)
        assert not server.received


class TestAnswers:
    @pytest.mark.parametrize(("answer", "outcome"), FAILURES)
    def test_a_failure_is_that_of_all_and_nothing_is_repeated(self, server, answer, outcome):
        server.default = answer

        assert failure_of_all().outcome == outcome
        assert (len(server.received), server.connections) == (1, 1)

    @pytest.mark.parametrize("answer", FINDS_FAULT)
    def test_a_fault_of_one_address_is_held_against_nobody(self, server, answer):
        server.default = answer

        error = failure_of_all()

        assert (error.outcome, error.suppress) == (Outcome.REFUSED, "")

    @pytest.mark.parametrize("wire", TAKEN_APART, ids=names(TAKEN_APART))
    @pytest.mark.parametrize("answer", NO_GOOD_ANSWERS)
    def test_a_good_one_that_cannot_be_read_leaves_it_open(self, server, answer):
        server.default = answer

        assert failure_of_all().outcome == Outcome.UNKNOWN
        assert len(server.received) == 1

    def test_how_long_to_wait_is_heeded(self, server):
        server.default = "429@17"

        error = failure_of_all()

        assert (error.outcome, error.retry_after_s) == (Outcome.BUSY, 17)

    def test_a_closed_port_means_not_sent(self, settings, wire):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        wire.point_at(settings, f"http://127.0.0.1:{port}")

        assert failure_of_all().outcome == Outcome.BUSY
