"""The real transports against a real server on this machine that behaves, and misbehaves, like the provider."""

import gzip
import json
import smtplib
import socket
import socketserver
import ssl
import threading
import uuid
import zlib
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default as modern
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from anymail.backends.amazon_ses import EmailBackend as AnymailSes
from anymail.backends.sendgrid import EmailBackend as AnymailSendGrid
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from contacts.channels import Channel
from messaging.transports import (
    MergedEmail,
    MergedRecipient,
    NotForBatch,
    OutboundEmail,
    OutboundText,
    Outcome,
    TransportError,
    batch_limit,
    ses,
    transport_for,
)
from messaging.transports.email import build
from messaging.transports.http import retry_after_s, tls_context
from messaging.transports.smtp import from_smtp_error
from tests.wire.provider import provider
from tests.wire.smtp import SmtpServer, smtp_server

MAIL = OutboundEmail(
    reference="0ab9af66-5ac1-4ddc-a49b-f011b4ae3fee",
    to="maria@example.org",
    from_email='"The Corner Bar" <hello@corner-bar.example>',
    subject="Hi",
    text="plain",
    html='<p>rich</p><img src="cid:coupon-qr@inline">',
    headers={"List-Unsubscribe": "<https://x.example/u/t>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
    qr_png=b"\x89PNG\r\n\x1a\n",
)
TEXT = OutboundText(reference="r", to="+12175550142", text="The Corner Bar: hi Reply STOP to opt out")
CREATED = (201, {"Content-Type": "application/json"}, json.dumps({"sid": "SM123", "status": "queued"}).encode())

# What an answer means does not depend on who gives it.
COMMON_FAILURES = [
    ("400", Outcome.REFUSED),
    ("413", Outcome.REFUSED),
    ("401", Outcome.STOP),
    ("403", Outcome.STOP),
    ("404", Outcome.STOP),
    ("429", Outcome.BUSY),
    ("500", Outcome.UNKNOWN),
    ("503", Outcome.UNKNOWN),
    ("hang", Outcome.UNKNOWN),
    ("drop", Outcome.UNKNOWN),
    ("lose", Outcome.UNKNOWN),
]


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(autouse=True)
def impatient(settings, monkeypatch):
    settings.PROVIDER_TIMEOUT_S = (0.5, 0.5)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sendgrid(settings):
    settings.EMAIL_PROVIDER = "sendgrid"

    def point_at(url: str) -> None:
        settings.ANYMAIL = {"SENDGRID_API_KEY": "SG.key", "SENDGRID_API_URL": f"{url}/v3/"}

    return point_at


@pytest.fixture
def amazon(settings, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    ses._credentials.cache_clear()
    settings.EMAIL_PROVIDER, settings.AWS_REGION = "ses", "us-east-1"

    def point_at(url: str) -> None:
        settings.EMAIL_API_URL = url

    yield point_at
    ses._credentials.cache_clear()


@pytest.fixture
def twilio(settings):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC1", "secret"
    settings.TWILIO_PHONE_NUMBER = "+12175550100"

    def point_at(url: str) -> None:
        settings.TWILIO_API_URL = url

    return point_at


@pytest.fixture
def certificate(tmp_path) -> Iterator[tuple[ssl.SSLContext, Path]]:
    """A server's certificate for this machine that nobody trusts by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + signed.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    tls_context.cache_clear()
    yield context, path
    tls_context.cache_clear()


def failure_of(channel: Channel, message) -> TransportError:
    with pytest.raises(TransportError) as caught, transport_for(channel) as transport:
        transport.send(message)
    assert "maria" not in str(caught.value)
    assert "2175550142" not in str(caught.value)
    return caught.value


def outcome_of(channel: Channel, message) -> Outcome:
    return failure_of(channel, message).outcome


class TestConnection:
    """What all providers over HTTP have in common, shown with one."""

    def test_reaches_for_nobody_before_the_first_message(self, sendgrid):
        with provider() as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL):
                pass

        assert server.connections == 0

    def test_keeps_one_connection_for_a_batch(self, sendgrid):
        with provider() as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                for _ in range(5):
                    transport.send(MAIL)

        assert (len(server.received), server.connections) == (5, 1)

    def test_keeps_it_after_a_refusal(self, sendgrid):
        with provider() as server:
            server.answers = ["400", "429@1", "500"]
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                for _ in range(3):
                    with pytest.raises(TransportError):
                        transport.send(MAIL)
                transport.send(MAIL)

        assert (len(server.received), server.connections) == (4, 1)

    def test_makes_an_idle_connection_anew_that_the_server_has_closed(self, sendgrid):
        with provider("bye") as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                for _ in range(3):
                    transport.send(MAIL)
                    wait_until_closed(transport)

        assert (len(server.received), server.connections) == (3, 3)

    @pytest.mark.parametrize("fault", ["hang", "drop"])
    def test_connects_anew_after_a_broken_one(self, sendgrid, fault):
        with provider() as server:
            server.answers = [fault]
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                with pytest.raises(TransportError):
                    transport.send(MAIL)
                transport.send(MAIL)

        assert (len(server.received), server.connections) == (2, 2)

    def test_a_connection_closed_before_the_request_was_read_is_not_repeated_either(self, sendgrid):
        with provider("drop-unread") as server:
            sendgrid(server.url)

            assert outcome_of(Channel.EMAIL, MAIL) == Outcome.UNKNOWN
        assert server.connections == 1

    def test_a_closed_port_means_not_sent(self, sendgrid):
        sendgrid(f"http://127.0.0.1:{closed_port()}")

        assert outcome_of(Channel.EMAIL, MAIL) == Outcome.BUSY

    def test_a_handshake_that_fails_means_not_sent(self, sendgrid):
        with provider() as server:
            sendgrid(server.url.replace("http:", "https:"))

            assert outcome_of(Channel.EMAIL, MAIL) == Outcome.BUSY
        assert not server.received

    def test_a_handshake_that_hangs_means_not_sent(self, sendgrid):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            sendgrid(f"https://127.0.0.1:{listener.getsockname()[1]}")

            assert outcome_of(Channel.EMAIL, MAIL) == Outcome.BUSY

    def test_sends_over_https_and_keeps_that_open(self, sendgrid, certificate, monkeypatch):
        context, path = certificate
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        with provider(tls=context) as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                for _ in range(3):
                    transport.send(MAIL)

        assert (len(server.received), server.connections) == (3, 1)

    def test_sends_nothing_to_a_server_that_cannot_prove_its_name(self, sendgrid, certificate):
        context, _ = certificate
        with provider(tls=context) as server:
            sendgrid(server.url)

            assert outcome_of(Channel.EMAIL, MAIL) == Outcome.STOP
        assert not server.received

    def test_a_redirect_is_not_followed(self, sendgrid):
        with provider((301, {"Location": "/elsewhere"}, b"")) as server:
            sendgrid(server.url)

            assert outcome_of(Channel.EMAIL, MAIL) == Outcome.STOP
        assert len(server.received) == 1

    def test_waits_for_a_slow_answer(self, sendgrid):
        with provider("slow:200") as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                assert transport.send(MAIL)

    def test_goes_through_the_proxy_of_the_environment(self, sendgrid, monkeypatch):
        with provider() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//user:pass@"))
            monkeypatch.setenv("NO_PROXY", "elsewhere.example")
            sendgrid("http://provider.example")
            with transport_for(Channel.EMAIL) as transport:
                transport.send(MAIL)

        assert proxy.received[0].path == "http://provider.example/v3/mail/send"
        assert proxy.received[0].headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"

    def test_tunnels_through_it_to_https(self, sendgrid, monkeypatch):
        asked = []
        with socket.create_server(("127.0.0.1", 0)) as proxy:

            def refuse() -> None:
                connection, _ = proxy.accept()
                with connection:
                    asked.append(connection.recv(4096))
                    connection.sendall(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")

            thread = threading.Thread(target=refuse, daemon=True)
            thread.start()
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
            monkeypatch.setenv("NO_PROXY", "elsewhere.example")
            sendgrid("https://provider.example")

            assert outcome_of(Channel.EMAIL, MAIL) == Outcome.BUSY
            thread.join(5)
        assert asked[0].startswith(b"CONNECT provider.example:443 ")
        assert b"SG.key" not in asked[0]

    def test_keeps_a_tunnel_open_and_digs_a_new_one_where_it_was_closed(self, sendgrid, certificate, monkeypatch):
        context, path = certificate
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        with provider(tls=context) as server, tunnels() as (proxy_url, asked):
            monkeypatch.setenv("HTTPS_PROXY", proxy_url.replace("//", "//user:pass@"))
            monkeypatch.setenv("NO_PROXY", "elsewhere.example")
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                transport.send(MAIL)
                transport.send(MAIL)
                session_of(transport).close()
                transport.send(MAIL)

        assert (len(server.received), server.connections, len(asked)) == (3, 2, 2)
        for head in asked:
            assert head.startswith(f"CONNECT {server.url.removeprefix('https://')} ".encode())
            assert b"basic dxnlcjpwyxnz" in head.lower()
        assert not any("proxy-authorization" in {name.lower() for name in one.headers} for one in server.received)

    def test_writes_head_and_body_at_once(self, sendgrid):
        with provider() as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                transport.send(MAIL)
                connection = session_of(transport)._connection
                connection.sock = watched = Watched(connection.sock)
                transport.send(MAIL)

        head, _, body = watched.writes[0].partition(b"\r\n\r\n")
        assert len(watched.writes) == 1
        assert head.startswith(b"POST /v3/mail/send HTTP/1.1\r\n")
        assert len(body) == len(server.received[1].body) > 0

    @pytest.mark.parametrize("key", ["SG.€", "SG.k\r\nX-Other: 1"])
    def test_a_key_that_cannot_be_written_stops(self, sendgrid, settings, key):
        with provider() as server:
            sendgrid(server.url)
            settings.ANYMAIL = {**settings.ANYMAIL, "SENDGRID_API_KEY": key}
            error = failure_of(Channel.EMAIL, MAIL)

        assert error.outcome == Outcome.STOP
        assert "SG." not in str(error)
        assert server.connections == 0

    def test_says_who_asks(self, sendgrid):
        with provider() as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                transport.send(MAIL)

        assert {name.lower(): value for name, value in server.received[0].headers.items()}["user-agent"] == "regulars"

    @pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
    def test_reads_an_answer_that_is_compressed_though_nobody_asked_for_it(self, twilio, coding, pack):
        status, headers, body = CREATED
        with provider((status, headers | {"Content-Encoding": coding}, pack(body))) as server:
            twilio(server.url)
            with transport_for(Channel.SMS) as transport:
                assert transport.send(TEXT) == "SM123"

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    def test_an_answer_that_cannot_be_unpacked_leaves_it_open(self, twilio, coding):
        status, headers, body = CREATED
        with provider((status, headers | {"Content-Encoding": coding}, body)) as server:
            twilio(server.url)

            assert outcome_of(Channel.SMS, TEXT) == Outcome.UNKNOWN

    def test_threads_have_a_connection_each(self, sendgrid):
        def send() -> None:
            with transport_for(Channel.EMAIL) as transport:
                for _ in range(5):
                    transport.send(MAIL)

        with provider() as server:
            sendgrid(server.url)
            threads = [threading.Thread(target=send) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert (len(server.received), server.connections) == (20, 4)
        assert server.arrivals() == {MAIL.reference: 20}

    @pytest.mark.parametrize(
        ("header", "wait_s"),
        [
            ("17", 17),
            ("0", 0),
            ("", 0),
            ("soon", 0),
            ("-5", 0),
            ("999999999", 24 * 3600),
            ("Sun, 01 Nov 2026 08:00:00 GMT", 0),  # gone by
        ],
    )
    def test_reads_retry_after(self, header, wait_s):
        assert retry_after_s({"Retry-After": header}) == wait_s

    def test_reads_retry_after_as_a_date(self):
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

        assert 85 <= retry_after_s({"Retry-After": header}) <= 91


def session_of(transport):
    return transport._backend.session


def wait_until_closed(transport) -> None:
    """Wait for the server's goodbye, which comes a moment after its answer."""
    connection = session_of(transport)._connection
    connection.sock.settimeout(5)
    assert connection.sock.recv(1, socket.MSG_PEEK) == b""


class Watched:
    """A socket that remembers what is written."""

    def __init__(self, sock):
        self._sock, self.writes = sock, []

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def sendall(self, data):
        self.writes.append(bytes(data))
        self._sock.sendall(data)


@contextmanager
def tunnels() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that lets through whatever CONNECT asks for; yield its address, and what it was asked."""
    asked: list[bytes] = []

    class Tunnel(socketserver.BaseRequestHandler):
        def handle(self):
            asked.append(self.request.recv(4096))
            host, port = asked[-1].split()[1].decode().split(":")
            with socket.create_connection((host, int(port)), timeout=5) as there:
                self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                back = threading.Thread(target=self.pass_on, args=(there, self.request))
                back.start()
                self.pass_on(self.request, there)
                back.join(5)

        def pass_on(self, source, target):
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}", asked
        proxy.shutdown()
        thread.join()


class TestSendGrid:
    def test_sends_what_was_rendered_and_only_the_reference_beside_it(self, sendgrid):
        with provider() as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                assert transport.send(MAIL)

        (call,) = server.received
        assert call.path == "/v3/mail/send"
        assert call.headers["Authorization"] == "Bearer SG.key"
        payload = call.json
        assert payload["personalizations"][0]["to"] == [{"email": "maria@example.org"}]
        assert payload["subject"] == "Hi"
        assert [part["type"] for part in payload["content"]] == ["text/plain", "text/html"]
        assert payload["headers"] == MAIL.headers
        assert payload["attachments"][0]["content_id"] == "coupon-qr@inline"
        assert payload["attachments"][0]["disposition"] == "inline"
        assert payload["custom_args"]["message"] == MAIL.reference
        assert payload["tracking_settings"] == {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}}

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"to": "Maria.O-Neil+lunch_1@Mail.Example.ORG"},
            {"to": "o'neil@example.org"},
            {"to": '"maria kim"@example.org'},
            {"to": "maria@xn--bcher-kva.example"},
            {"to": "maría@example.org"},
            {"to": "Maria Kim <maria@example.org>"},
            {"to": "maria@localhost"},
            {"reply_to": "boss@corner-bar.example"},
            {"from_email": '"Bar, The \\"Corner\\"" <hello@corner-bar.example>'},
        ],
        ids=str,
    )
    def test_sends_anymails_bytes(self, sendgrid, monkeypatch, changes):
        mail = replace(MAIL, **changes)
        monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=7))
        with provider() as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                assert transport.send(mail) == str(uuid.UUID(int=7))
            AnymailSendGrid().send_messages([build(mail, provider="sendgrid")])

        ours, anymails = server.received
        assert ours.body == anymails.body
        for name in ("Authorization", "Content-Type", "Accept", "Content-Length", "Host"):
            assert ours.headers[name] == anymails.headers[name]

    @pytest.mark.parametrize(("answer", "outcome"), COMMON_FAILURES)
    def test_sorts_every_failure_and_asks_once(self, sendgrid, answer, outcome):
        with provider(answer) as server:
            sendgrid(server.url)

            assert outcome_of(Channel.EMAIL, MAIL) == outcome
        assert len(server.received) == 1

    def test_honours_retry_after(self, sendgrid):
        with provider("429@17") as server:
            sendgrid(server.url)

            assert failure_of(Channel.EMAIL, MAIL).retry_after_s == 17

    def test_an_address_that_cannot_be_is_refused_before_anything_is_sent(self, sendgrid):
        with provider() as server:
            sendgrid(server.url)

            assert outcome_of(Channel.EMAIL, replace(MAIL, to="maria@example.org, <eve")) == Outcome.REFUSED
        assert not server.received


BATCH = MergedEmail(
    from_email=MAIL.from_email,
    subject="Hi -1-",
    text="Come, -1-: -2-",
    html="<p>Come, -1-: -2-</p>",
    reply_to="boss@corner-bar.example",
    recipients=tuple(
        MergedRecipient(
            reference=f"ref-{number}",
            to=f"Guest{number}@Bücher.example".encode("idna").decode() if number == 1 else f"guest{number}@Example.org",
            values={"-1-": f"Guest {number}", "-2-": f"https://x.example/{number}"},
            headers={"List-Unsubscribe": f"<https://x.example/u/{number}>"},
        )
        for number in range(3)
    ),
)


class TestSendGridBatch:
    @pytest.fixture
    def server(self, sendgrid) -> Iterator:
        with provider() as server:
            sendgrid(server.url)
            yield server

    def send(self, merged: MergedEmail) -> list[str | TransportError]:
        with transport_for(Channel.EMAIL) as transport:
            return transport.send_batch(merged)

    def test_takes_five_hundred(self, sendgrid):
        assert batch_limit(Channel.EMAIL) == 500

    @pytest.mark.parametrize("name", ["outbox", "smtp", "ses"])
    def test_no_other_does(self, settings, name):
        settings.EMAIL_PROVIDER = name

        assert (batch_limit(Channel.EMAIL), batch_limit(Channel.SMS)) == (0, 0)

    def test_gives_everybody_their_own(self, server):
        identifiers = self.send(BATCH)

        (call,) = server.received
        payload = call.json
        assert payload["personalizations"] == [
            {
                "to": [{"email": person.to}],
                "headers": person.headers,
                "substitutions": person.values,
                "custom_args": {"message": person.reference, "anymail_id": identifier},
            }
            for person, identifier in zip(BATCH.recipients, identifiers, strict=True)
        ]
        assert len(set(identifiers)) == 3
        assert payload["subject"] == "Hi -1-"
        assert payload["content"] == [
            {"type": "text/plain", "value": BATCH.text},
            {"type": "text/html", "value": BATCH.html},
        ]
        assert payload["reply_to_list"] == [{"email": "boss@corner-bar.example"}]
        assert payload["from"] == {"email": "hello@corner-bar.example", "name": "The Corner Bar"}
        assert payload["tracking_settings"] == {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}}
        assert server.arrivals() == {"ref-0": 1, "ref-1": 1, "ref-2": 1}

    def test_takes_a_full_batch_in_one_request(self, server):
        people = tuple(replace(BATCH.recipients[0], reference=str(n), to=f"g{n}@example.org") for n in range(500))

        assert len(set(self.send(replace(BATCH, recipients=people)))) == 500
        assert len(server.received) == 1

    def test_refuses_more(self, server):
        people = tuple(replace(BATCH.recipients[0], reference=str(n), to=f"g{n}@example.org") for n in range(501))

        with pytest.raises(ValueError, match="500"):
            self.send(replace(BATCH, recipients=people))
        assert not server.received

    def test_leaves_out_those_beyond_ten_thousand_bytes(self, server):
        first, *rest = BATCH.recipients

        unfit, *ids = self.send(replace(BATCH, recipients=(replace(first, values={"-1-": "é" * 4_999}), *rest)))

        assert isinstance(unfit, NotForBatch)
        assert unfit.outcome == Outcome.RETRY
        assert ids == [person["custom_args"]["anymail_id"] for person in server.received[0].json["personalizations"]]
        assert server.arrivals() == {"ref-1": 1, "ref-2": 1}

    def test_ten_thousand_bytes_are_not_too_many(self, server):
        first, *rest = BATCH.recipients

        self.send(replace(BATCH, recipients=(replace(first, values={"-1-": "é" * 4_998}), *rest)))

        assert len(server.received) == 1

    def test_refuses_a_request_beyond_thirty_megabytes(self, server):
        with pytest.raises(NotForBatch):
            self.send(replace(BATCH, html="x" * 30_000_000))

        assert not server.received

    @pytest.mark.parametrize(("answer", "outcome"), COMMON_FAILURES)
    def test_sorts_every_failure_and_asks_once(self, server, answer, outcome):
        server.default = answer

        with pytest.raises(TransportError) as caught:
            self.send(BATCH)

        assert caught.value.outcome == outcome
        assert len(server.received) == 1


class TestAmazonSes:
    def test_sends_the_mail_that_was_rendered(self, amazon):
        with provider() as server:
            amazon(server.url)
            with transport_for(Channel.EMAIL) as transport:
                identifier = transport.send(replace(MAIL, text="Crème brûlée"))

        (call,) = server.received
        assert call.path == "/v2/email/outbound-emails"
        assert identifier == f"0100{call.sid[2:]}-000000"
        assert call.json["Destination"] == {"ToAddresses": ["maria@example.org"]}
        mail = message_from_bytes(call.mime, policy=modern)
        assert mail.get_body(("plain",)).get_content().strip() == "Crème brûlée"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert json.loads(mail["X-Metadata"]) == {"message": MAIL.reference}
        assert call.mime.isascii()
        assert [part["Content-ID"] for part in mail.walk() if part["Content-ID"]] == ["<coupon-qr@inline>"]

    def test_asks_as_boto3_does(self, amazon, settings, monkeypatch):
        settings.ANYMAIL = {
            "AMAZON_SES_CLIENT_PARAMS": {
                "region_name": "us-east-1",
                "config": Config(retries={"total_max_attempts": 1}),
            }
        }
        monkeypatch.setattr("email.generator._make_boundary", lambda text=None: "=")
        monkeypatch.setattr("email.generator.Generator._make_boundary", classmethod(lambda cls, text=None: "="))
        mail = replace(MAIL, headers={**MAIL.headers, "Date": "Sat, 21 Nov 2026 18:00:00 -0000", "Message-ID": "<a@b>"})
        with provider() as server:
            amazon(server.url)
            settings.ANYMAIL["AMAZON_SES_CLIENT_PARAMS"]["endpoint_url"] = server.url
            with transport_for(Channel.EMAIL) as transport:
                transport.send(mail)
            AnymailSes().send_messages([build(mail, provider="ses")])

        ours, botos = server.received
        assert ours.path == botos.path
        assert ours.json == botos.json
        assert ours.headers["Content-Type"] == botos.headers["Content-Type"]

    def test_signs_what_it_sends(self, amazon, settings, monkeypatch):
        monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
        with provider() as server:
            amazon(server.url)
            with transport_for(Channel.EMAIL) as transport:
                transport.send(MAIL)

        (call,) = server.received
        assert call.headers["X-Amz-Security-Token"] == "token"
        request = AWSRequest("POST", f"{server.url}{call.path}", headers={"Content-Type": "application/json"})
        request.data = call.body
        signer = SigV4Auth(ses._credentials(), "ses", "us-east-1")
        request.context["timestamp"] = call.headers["X-Amz-Date"]
        request.headers["X-Amz-Date"] = call.headers["X-Amz-Date"]
        request.headers["X-Amz-Security-Token"] = "token"
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        assert call.headers["Authorization"].endswith(f"Signature={signature}")
        assert "Credential=AKIDEXAMPLE/" in call.headers["Authorization"]
        assert "/us-east-1/ses/aws4_request" in call.headers["Authorization"]

    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            *COMMON_FAILURES,
            ("bad-json", Outcome.UNKNOWN),
            ((200, {}, b"{}"), Outcome.UNKNOWN),
            ("400:ThrottlingException", Outcome.BUSY),
            ("429:TooManyRequestsException", Outcome.BUSY),
            ("400:LimitExceededException", Outcome.BUSY),
            ("400:MessageRejected", Outcome.STOP),
            ("400:MailFromDomainNotVerifiedException", Outcome.STOP),
            ("400:AccountSuspendedException", Outcome.STOP),
            ("400:SendingPausedException", Outcome.STOP),
            ("403:SignatureDoesNotMatch", Outcome.STOP),
            ("400:BadRequestException", Outcome.REFUSED),
            ("500:InternalFailure", Outcome.UNKNOWN),
        ],
    )
    def test_sorts_every_failure_and_asks_once(self, amazon, answer, outcome):
        with provider(answer) as server:
            amazon(server.url)

            assert outcome_of(Channel.EMAIL, MAIL) == outcome
        assert len(server.received) == 1

    def test_a_closed_port_means_not_sent(self, amazon):
        amazon(f"http://127.0.0.1:{closed_port()}")

        assert outcome_of(Channel.EMAIL, MAIL) == Outcome.BUSY

    def test_without_keys_nothing_is_sent(self, amazon, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        with provider() as server:
            amazon(server.url)

            assert outcome_of(Channel.EMAIL, MAIL) == Outcome.STOP
        assert not server.received

    def test_half_a_pair_of_keys_is_none(self, amazon, monkeypatch):
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with provider() as server:
            amazon(server.url)

            assert outcome_of(Channel.EMAIL, MAIL) == Outcome.STOP
        assert not server.received

    @pytest.mark.parametrize(
        ("region", "url"),
        [
            ("us-east-1", "https://email.us-east-1.amazonaws.com"),
            ("cn-north-1", "https://email.cn-north-1.amazonaws.com.cn"),
        ],
    )
    def test_finds_the_region(self, amazon, settings, region, url):
        settings.AWS_REGION, settings.EMAIL_API_URL = region, ""

        assert ses.endpoint() == url


class TestTwilio:
    def test_sends_the_text(self, twilio):
        with provider(CREATED) as server:
            twilio(server.url)
            with transport_for(Channel.SMS) as transport:
                assert transport.send(TEXT) == "SM123"

        (call,) = server.received
        assert call.path == "/2010-04-01/Accounts/AC1/Messages.json"
        assert call.form == {"To": "+12175550142", "From": "+12175550100", "Body": TEXT.text, "SmartEncoded": "true"}
        assert b64decode(call.headers["authorization"].removeprefix("Basic ")) == b"AC1:secret"
        assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"

    def test_prefers_the_messaging_service(self, twilio, settings):
        settings.TWILIO_MESSAGING_SERVICE_SID = "MG1"
        with provider(CREATED) as server:
            twilio(server.url)
            with transport_for(Channel.SMS) as transport:
                transport.send(TEXT)

        assert server.received[0].form["MessagingServiceSid"] == "MG1"
        assert "From" not in server.received[0].form

    def test_keeps_one_connection(self, twilio):
        with provider() as server:
            twilio(server.url)
            with transport_for(Channel.SMS) as transport:
                sids = {transport.send(TEXT) for _ in range(5)}

        assert (len(server.received), server.connections, len(sids)) == (5, 1, 5)

    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            *COMMON_FAILURES,
            ("400:21610", Outcome.REFUSED),
            ("400:21211", Outcome.REFUSED),
            ("400:21614", Outcome.REFUSED),
            ("400:21606", Outcome.STOP),
            ("401:20003", Outcome.STOP),
            ("429:20429", Outcome.BUSY),
            ("400:21611", Outcome.BUSY),
            ("500:20500", Outcome.UNKNOWN),
            ("bad-json", Outcome.UNKNOWN),
            ((201, {}, b"{}"), Outcome.UNKNOWN),
            ((429, {}, b"<html>"), Outcome.BUSY),
            ((502, {}, b"<html>"), Outcome.UNKNOWN),
        ],
    )
    def test_sorts_every_failure_and_asks_once(self, twilio, answer, outcome):
        with provider(answer) as server:
            twilio(server.url)

            assert outcome_of(Channel.SMS, TEXT) == outcome
        assert len(server.received) == 1

    @pytest.mark.parametrize(("code", "reason"), [("21610", "stopped"), ("21614", "invalid"), ("21612", "")])
    def test_says_who_must_not_be_tried_again(self, twilio, code, reason):
        with provider(f"400:{code}") as server:
            twilio(server.url)

            assert failure_of(Channel.SMS, TEXT).suppress == reason

    def test_honours_retry_after(self, twilio):
        with provider("429:20429@7") as server:
            twilio(server.url)

            assert failure_of(Channel.SMS, TEXT).retry_after_s == 7

    def test_a_closed_port_means_not_sent(self, twilio):
        twilio(f"http://127.0.0.1:{closed_port()}")

        assert outcome_of(Channel.SMS, TEXT) == Outcome.BUSY


class TestTwilioLookUp:
    @pytest.fixture
    def server(self, twilio) -> Iterator:
        with provider() as server:
            twilio(server.url)
            yield server

    def look_up(self, since: datetime, text: OutboundText = TEXT) -> str | None:
        with transport_for(Channel.SMS) as transport:
            return transport.look_up(text, since=since)

    def hand_over(self, server, fault: str, text: OutboundText = TEXT) -> datetime:
        server.answers, at = [fault], datetime.now(UTC)
        with transport_for(Channel.SMS) as transport, pytest.raises(TransportError):
            transport.send(text)
        return at

    @pytest.mark.parametrize("fault", ["hang", "drop", "bad-json"])
    def test_finds_what_was_taken(self, server, fault):
        at = self.hand_over(server, fault)

        assert self.look_up(at) == server.received[0].sid

    def test_says_nothing_of_what_was_lost(self, server):
        at = self.hand_over(server, "lose")

        assert self.look_up(at) is None

    @pytest.mark.parametrize(
        "another",
        [{"to": "+12175550143"}, {"text": "The Corner Bar: bye Reply STOP to opt out"}],
        ids=["to somebody else", "with other words"],
    )
    def test_takes_no_other_text_for_it(self, server, another):
        at = self.hand_over(server, "drop", replace(TEXT, **another))

        assert self.look_up(at) is None

    @pytest.mark.parametrize("apart", [timedelta(minutes=10), timedelta(minutes=-3)], ids=["older", "later"])
    def test_takes_no_text_of_another_time_for_it(self, server, apart):
        at = self.hand_over(server, "drop")

        assert self.look_up(at + (apart if apart > timedelta(0) else 2 * apart)) is None

    def test_asks_by_number_and_time_and_then_by_number_alone(self, server):
        at = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)

        self.look_up(at)

        narrow, wide = (call.path.partition("?")[2] for call in server.received)
        assert narrow == "To=%2B12175550142&DateSent%3E=2026-11-21T17%3A59%3A00Z&PageSize=20"
        assert wide == "To=%2B12175550142&PageSize=20"

    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [("429@3", Outcome.BUSY), ("401:20003", Outcome.STOP), ("500", Outcome.UNKNOWN), ("bad-json", Outcome.UNKNOWN)],
    )
    def test_says_when_it_could_not_ask(self, server, answer, outcome):
        server.default = answer

        with pytest.raises(TransportError) as caught:
            self.look_up(datetime.now(UTC))

        assert caught.value.outcome == outcome

    def test_no_other_transport_can_say(self, settings):
        settings.SMS_PROVIDER = "outbox"
        with transport_for(Channel.SMS) as text, transport_for(Channel.EMAIL) as mail:
            assert text.look_up(TEXT, since=datetime.now(UTC)) is None
            assert mail.look_up(MAIL, since=datetime.now(UTC)) is None


class TestSmtp:
    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (smtplib.SMTPRecipientsRefused({"a": (550, b"no such user")}), Outcome.REFUSED),
            (smtplib.SMTPRecipientsRefused({"a": (451, b"later")}), Outcome.RETRY),
            (smtplib.SMTPSenderRefused(553, b"no", "s"), Outcome.STOP),
            (smtplib.SMTPSenderRefused(451, b"later", "s"), Outcome.BUSY),
            (smtplib.SMTPHeloError(501, b"no"), Outcome.STOP),
            (smtplib.SMTPDataError(554, b"no"), Outcome.REFUSED),
            (smtplib.SMTPDataError(452, b"later"), Outcome.RETRY),
            (smtplib.SMTPDataError(421, b"busy"), Outcome.BUSY),
            (smtplib.SMTPDataError(-1, b"rubbish"), Outcome.UNKNOWN),
            (smtplib.SMTPDataError(251, b"odd"), Outcome.UNKNOWN),
            (smtplib.SMTPServerDisconnected("gone"), Outcome.UNKNOWN),
            (TimeoutError(), Outcome.UNKNOWN),
        ],
    )
    def test_sorts_what_the_server_said(self, error, outcome):
        assert from_smtp_error(error).outcome == outcome

    @pytest.fixture
    def point_at(self, settings):
        def point_at(port: int) -> None:
            settings.EMAIL_PROVIDER = "smtp"
            settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 0.5

        return point_at

    def outcomes(self, times: int) -> list[str]:
        outcomes = []
        with transport_for(Channel.EMAIL) as transport:
            for _ in range(times):
                try:
                    transport.send(MAIL)
                    outcomes.append("sent")
                except TransportError as error:
                    outcomes.append(error.outcome.value)
        return outcomes

    def test_a_closed_port_means_not_sent(self, point_at):
        point_at(closed_port())

        assert outcome_of(Channel.EMAIL, MAIL) == Outcome.BUSY

    def test_reaches_for_nobody_before_the_first_mail(self, point_at):
        point_at(closed_port())

        with transport_for(Channel.EMAIL):
            pass

    def test_sends_the_mail_over_one_connection(self, point_at):
        with smtp_server(SmtpServer()) as server:
            point_at(server.port)
            with transport_for(Channel.EMAIL) as transport:
                identifiers = {transport.send(MAIL) for _ in range(3)}

        assert (len(server.received), server.connections) == (3, 1)
        assert identifiers == {f"<{MAIL.reference}@corner-bar.example>"}
        assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in server.received[0]

    def test_a_refused_mailbox_costs_one_mail(self, point_at):
        with smtp_server(SmtpServer(refused=frozenset({"nobody@example.org"}))) as server:
            point_at(server.port)
            with transport_for(Channel.EMAIL) as transport:
                with pytest.raises(TransportError) as caught:
                    transport.send(replace(MAIL, to="nobody@example.org"))
                transport.send(MAIL)

        assert caught.value.outcome == Outcome.REFUSED
        assert (len(server.received), server.connections) == (1, 1)

    @pytest.mark.parametrize("silently", [False, True])
    def test_connects_anew_after_the_server_hung_up_between_two_mails(self, point_at, silently):
        with smtp_server(SmtpServer(mails_per_connection=2, hang_up_silently=silently)) as server:
            point_at(server.port)

            assert self.outcomes(5) == ["sent"] * 5

        assert (len(server.received), server.connections) == (5, 3)

    @pytest.mark.parametrize("silently", [False, True])
    def test_a_server_that_hangs_up_on_every_mail_is_busy(self, point_at, silently):
        with smtp_server(SmtpServer(mails_per_connection=0, hang_up_silently=silently)) as server:
            point_at(server.port)

            assert self.outcomes(2) == ["busy", "busy"]

        assert (len(server.received), server.connections) == (0, 2)

    @pytest.mark.parametrize("stage", ["MAIL FROM", "RCPT TO", "DATA"])
    @pytest.mark.parametrize("fault", ["drop", "hang", "421 Busy"])
    def test_a_connection_lost_before_the_content_went_out_leaves_nobody_unknown(self, point_at, stage, fault):
        with smtp_server(SmtpServer(says={stage: fault}, says_times=1)) as server:
            point_at(server.port)

            assert self.outcomes(2) == ["busy", "sent"]

        assert len(server.received) == 1

    @pytest.mark.parametrize("fault", ["drop", "hang"])
    def test_a_connection_lost_in_mid_mail_leaves_one_unknown(self, point_at, fault):
        with smtp_server(SmtpServer(says={"CONTENT": fault}, says_times=1)) as server:
            point_at(server.port)

            assert self.outcomes(3) == ["unknown", "sent", "sent"]

        assert (len(server.received), server.connections) == (3, 2)

    @pytest.mark.parametrize("fault", ["drop", "hang"])
    def test_a_mail_in_mid_content_is_never_repeated(self, point_at, fault):
        """Even on a connection that carried others before."""
        with smtp_server(SmtpServer()) as server:
            point_at(server.port)
            with transport_for(Channel.EMAIL) as transport:
                transport.send(MAIL)
                server.says = {"CONTENT": fault}
                with pytest.raises(TransportError) as caught:
                    transport.send(MAIL)

        assert caught.value.outcome == Outcome.UNKNOWN
        assert (len(server.received), server.connections) == (2, 1)

    @pytest.mark.parametrize(
        ("says", "outcomes", "connections"),
        [
            ({"RCPT TO": "450 Greylisted"}, ["retry", "sent"], 1),
            ({"MAIL FROM": "451 Later"}, ["busy", "sent"], 1),
            ({"MAIL FROM": "553 Not yours"}, ["stop", "sent"], 1),
            ({"DATA": "451 Later"}, ["retry", "sent"], 1),
            ({"CONTENT": "554 Spam"}, ["refused", "sent"], 1),
            ({"CONTENT": "451 Later"}, ["retry", "sent"], 1),
            ({"CONTENT": "421 Busy"}, ["busy", "sent"], 2),
            ({"GREETING": "421 Busy"}, ["busy", "sent"], 2),
            ({"GREETING": "554 Go away"}, ["stop", "sent"], 2),
            ({"GREETING": "hang"}, ["busy", "sent"], 2),
        ],
    )
    def test_sorts_answers_and_keeps_the_connection_where_it_can(self, point_at, says, outcomes, connections):
        with smtp_server(SmtpServer(says=says, says_times=1)) as server:
            point_at(server.port)

            assert self.outcomes(2) == outcomes

        assert server.connections == connections

    @pytest.mark.parametrize(
        ("answer", "outcome"), [("535 Wrong", "stop"), ("454 Later", "busy"), ("421 Busy", "busy"), ("drop", "busy")]
    )
    def test_a_refused_login_stops_and_a_put_off_one_waits(self, point_at, settings, answer, outcome):
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "user", "password"
        with smtp_server(SmtpServer(says={"AUTH": answer})) as server:
            point_at(server.port)

            assert self.outcomes(1) == [outcome]

        assert not server.received

    def test_a_server_without_tls_stops(self, point_at, settings):
        settings.EMAIL_USE_TLS = True
        with smtp_server(SmtpServer()) as server:
            point_at(server.port)

            assert self.outcomes(1) == ["stop"]
