"""What every provider must keep: the mail it is given, and what each of its failures means."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.core.mail import EmailMessage, get_connection

from contacts.channels import Channel
from messaging.transports import Outcome, TransportError, batch_limit, transport_for
from tests.messaging.transports.wires import (
    MAIL,
    PNG,
    SENDER,
    SES,
    WIRES,
    Arrived,
    Wire,
    failure,
    from_mime,
    sent,
    sent_to_many,
)
from tests.wire.provider import Answer, Provider
from tests.wire.smtp import SmtpServer, smtp_server

FAILURES: list[tuple[Answer, Outcome]] = [
    ("400", Outcome.REFUSED),
    ("413", Outcome.REFUSED),
    ("415", Outcome.REFUSED),
    ("422", Outcome.REFUSED),
    ("401", Outcome.STOP),
    ("402", Outcome.STOP),
    ("403", Outcome.STOP),
    ("404", Outcome.STOP),
    ("429", Outcome.BUSY),
    ("500", Outcome.UNKNOWN),
    ("502", Outcome.UNKNOWN),
    ("503", Outcome.UNKNOWN),
    ("hang", Outcome.UNKNOWN),
    ("drop", Outcome.UNKNOWN),
    ("lose", Outcome.UNKNOWN),
    ((301, {"Location": "/elsewhere"}, b""), Outcome.STOP),
    ((400, {"Content-Type": "text/html"}, b"<h1>Bad Request</h1>"), Outcome.REFUSED),
    ((429, {}, b"\xff\xfe"), Outcome.BUSY),
]
TAKE_IMAGES = tuple(wire for wire in WIRES if wire.takes_images)
TOO_LONG = b'{"id": "%s", "MessageID": "%s", "messageId": "%s", "message": "Queued"}' % ((b"x" * 201,) * 3)
NO_GOOD_ANSWERS: list[Answer] = [
    "bad-json",
    *((200, {}, body) for body in (b"", b"{}", b"[]", b"null", b'"id"', b"\xff\xfe", TOO_LONG)),
]


def names(wires: tuple[Wire, ...]) -> list[str]:
    return [wire.name for wire in wires]


@pytest.fixture(params=WIRES, ids=names(WIRES))
def wire(request) -> Wire:
    return request.param


class TestTheMail:
    """Over HTTP, and by SMTP."""

    @pytest.fixture(params=[*WIRES, None], ids=[*names(WIRES), "smtp"])
    def arrived(self, request, settings) -> Iterator[Arrived]:
        if request.param:
            server: Provider = request.getfixturevalue("server")
            sent()
            (call,) = server.received
            assert "maria" not in call.path + str(call.headers)
            yield request.param.read(call)
        else:
            with smtp_server(SmtpServer()) as mail_server:
                settings.EMAIL_PROVIDER, settings.EMAIL_HOST = "smtp", "127.0.0.1"
                settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = mail_server.port, 0.5
                sent()
            yield from_mime(mail_server.received[0])

    @pytest.fixture
    def wire(self, request) -> Wire | None:
        return request.node.callspec.params["arrived"]

    def test_goes_to_one_person_in_the_shops_name(self, arrived):
        assert arrived.to == ["maria@example.org"]
        assert arrived.raw.count(b"maria@example.org") == 1
        assert arrived.sender.replace('"', "") == SENDER
        assert arrived.reply_to == "boss@corner-bar.example"

    def test_has_text_and_html_in_step(self, arrived):
        assert (arrived.subject, arrived.text) == (MAIL.subject, MAIL.text)
        assert arrived.html == MAIL.html

    def test_has_one_way_out_by_one_click(self, arrived):
        assert arrived.headers == MAIL.headers
        raw = arrived.raw.lower()
        assert raw.count(b"list-unsubscribe-post") == 1
        assert raw.count(b"list-unsubscribe") == 3  # two headers, and the second's words
        assert raw.count(b"list-id") == 1

    def test_tells_the_provider_the_reference_and_no_more(self, arrived, wire):
        assert arrived.metadata == ({"message": MAIL.reference} if wire else {})

    def test_asks_for_no_tracking(self, arrived, wire):
        assert arrived.tracking == (wire.no_tracking if wire else {})


class TestOneConnection:
    def test_reaches_for_nobody_before_the_first_mail(self, server):
        with transport_for(Channel.EMAIL):
            pass

        assert server.connections == 0

    def test_is_kept_for_many_mails_whatever_the_answers(self, server):
        server.answers = ["ok", "400", "429@1", "500", "401"]
        outcomes = []
        with transport_for(Channel.EMAIL) as transport:
            for _ in range(7):
                try:
                    transport.send(MAIL)
                    outcomes.append("sent")
                except TransportError as error:
                    outcomes.append(error.outcome.value)

        assert outcomes == ["sent", "refused", "busy", "unknown", "stop", "sent", "sent"]
        assert (len(server.received), server.connections) == (7, 1)

    def test_is_made_anew_where_the_server_has_closed_it(self, server):
        server.default = "bye"
        with transport_for(Channel.EMAIL) as transport:
            for _ in range(3):
                transport.send(MAIL)
                wait_for_goodbye(transport)

        assert (len(server.received), server.connections) == (3, 3)

    def test_is_closed_after_a_mail_that_is_sent_past_the_transport(self, server, settings, wire):
        """As the mail is that resets a password."""
        backend = get_connection(settings.EMAIL_BACKENDS[wire.name])

        backend.send_messages([EmailMessage("Reset", "plain", MAIL.from_email, [MAIL.to])])

        assert (len(server.received), open_connection(backend)) == (1, None)

    @pytest.mark.parametrize("fault", ["hang", "drop"])
    def test_is_made_anew_after_a_break(self, server, fault):
        server.answers = [fault]
        with transport_for(Channel.EMAIL) as transport:
            with pytest.raises(TransportError):
                transport.send(MAIL)
            transport.send(MAIL)

        assert (len(server.received), server.connections) == (2, 2)


def wait_for_goodbye(transport) -> None:
    """Wait for the end of the connection, which comes a moment after the answer."""
    connection = open_connection(transport._backend)._connection
    connection.sock.settimeout(5)
    assert connection.sock.recv(1, socket.MSG_PEEK) == b""


def open_connection(backend):
    return getattr(backend, "session", None) or getattr(backend, "client", None)


class TestAnswers:
    def test_a_good_one_has_the_providers_id(self, server, wire):
        identifier = sent()

        assert identifier == wire.id_of(server.received[0])

    def test_a_slow_one_is_waited_for(self, server):
        server.default = "slow:100"

        assert sent()

    @pytest.mark.parametrize(("answer", "outcome"), FAILURES)
    def test_a_failure_is_sorted_and_nothing_is_repeated(self, server, answer, outcome):
        server.default = answer

        assert failure().outcome == outcome
        assert (len(server.received), server.connections) == (1, 1)

    @pytest.mark.parametrize("answer", NO_GOOD_ANSWERS)
    def test_a_good_one_that_cannot_be_read_leaves_it_open(self, server, wire, answer):
        server.default = answer

        if wire.says_ids:
            assert failure().outcome == Outcome.UNKNOWN
        else:
            assert sent()
        assert len(server.received) == 1

    def test_how_long_to_wait_is_heeded(self, server):
        server.default = "429@17"

        error = failure()

        assert (error.outcome, error.retry_after_s) == (Outcome.BUSY, 17)

    def test_none_at_all_leaves_it_open(self, server):
        server.default = "drop-unread"

        assert failure().outcome == Outcome.UNKNOWN
        assert server.connections == 1

    def test_a_closed_port_means_not_sent(self, settings, wire):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        wire.point_at(settings, f"http://127.0.0.1:{port}")

        assert failure().outcome == Outcome.BUSY

    def test_an_address_that_cannot_be_is_refused_before_anything_is_sent(self, server):
        error = failure(replace(MAIL, to="maria@example.org, <eve"))

        assert error.outcome == Outcome.REFUSED
        assert not server.received


class TestImages:
    @pytest.fixture(params=TAKE_IMAGES, ids=names(TAKE_IMAGES))
    def wire(self, request) -> Wire:
        return request.param

    def test_the_code_travels_inside_the_mail(self, server, wire):
        sent(replace(MAIL, qr_png=PNG))

        arrived = wire.read(server.received[0])
        assert arrived.images == [("coupon-qr@inline", PNG)]
        assert "cid:coupon-qr@inline" in arrived.html
        assert server.arrivals() == {MAIL.reference: 1}


class TestOneByOne:
    @pytest.fixture
    def wire(self) -> Wire:
        return SES

    def test_takes_no_request_for_many(self, server):
        with pytest.raises(NotImplementedError):
            sent_to_many()

        assert batch_limit(Channel.EMAIL) == 0
        assert not server.received
