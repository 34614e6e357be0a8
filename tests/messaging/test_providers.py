"""The real transports against a real server on this machine that behaves, and misbehaves, like the provider."""

import json
import smtplib
import socket
from dataclasses import replace

import pytest

from contacts.channels import Channel
from messaging.transports import OutboundEmail, OutboundText, Outcome, TransportError, transport_for
from messaging.transports import text as text_module
from messaging.transports.email import from_smtp_error
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
ACCEPTED = (202, {"X-Message-Id": "abc"}, b"")
CREATED = (201, {"Content-Type": "application/json"}, json.dumps({"sid": "SM123", "status": "queued"}).encode())


def refusal(status: int, code: int = 0) -> tuple[int, dict[str, str], bytes]:
    return (
        status,
        {"Content-Type": "application/json"},
        json.dumps({"code": code, "message": "no", "status": status}).encode(),
    )


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def sendgrid(settings):
    settings.EMAIL_PROVIDER = "sendgrid"

    def point_at(url: str) -> None:
        settings.ANYMAIL = {
            "SENDGRID_API_KEY": "SG.key",
            "SENDGRID_API_URL": f"{url}/v3/",
            "REQUESTS_TIMEOUT": (0.5, 0.5),
        }

    return point_at


@pytest.fixture
def twilio(settings, monkeypatch):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC1", "secret"
    settings.TWILIO_PHONE_NUMBER = "+12175550100"
    monkeypatch.setattr(text_module, "TIMEOUT_S", 0.5)

    def point_at(url: str) -> None:
        settings.TWILIO_API_URL = url

    return point_at


def outcome_of(channel: Channel, message) -> Outcome:
    with pytest.raises(TransportError) as caught, transport_for(channel) as transport:
        transport.send(message)
    assert "maria" not in str(caught.value)
    return caught.value.outcome


class TestSendGrid:
    def test_sends_what_was_rendered_and_only_the_reference_beside_it(self, sendgrid):
        with provider(ACCEPTED) as server:
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

    def test_keeps_one_connection_for_a_batch(self, sendgrid):
        with provider(ACCEPTED) as server:
            sendgrid(server.url)
            with transport_for(Channel.EMAIL) as transport:
                for _ in range(5):
                    transport.send(MAIL)

        assert (len(server.received), server.connections) == (5, 1)

    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            (refusal(400), Outcome.REFUSED),
            (refusal(413), Outcome.REFUSED),
            (refusal(401), Outcome.STOP),
            (refusal(403), Outcome.STOP),
            (refusal(429), Outcome.RETRY),
            (refusal(500), Outcome.UNKNOWN),
            (refusal(503), Outcome.UNKNOWN),
            ("hang", Outcome.UNKNOWN),
            ("drop", Outcome.UNKNOWN),
        ],
    )
    def test_sorts_every_failure_and_asks_once(self, sendgrid, answer, outcome):
        with provider(answer) as server:
            sendgrid(server.url)

            assert outcome_of(Channel.EMAIL, MAIL) == outcome
        assert len(server.received) == 1

    def test_honours_retry_after(self, sendgrid):
        with provider((429, {"Retry-After": "17"}, b"{}")) as server:
            sendgrid(server.url)
            with pytest.raises(TransportError) as caught, transport_for(Channel.EMAIL) as transport:
                transport.send(MAIL)

        assert caught.value.retry_after_s == 17

    def test_a_closed_port_means_not_sent(self, sendgrid):
        sendgrid(f"http://127.0.0.1:{closed_port()}")

        assert outcome_of(Channel.EMAIL, MAIL) == Outcome.RETRY


class TestTwilio:
    def test_sends_the_text(self, twilio):
        with provider(CREATED) as server:
            twilio(server.url)
            with transport_for(Channel.SMS) as transport:
                assert transport.send(TEXT) == "SM123"

        (call,) = server.received
        assert call.path == "/2010-04-01/Accounts/AC1/Messages.json"
        assert call.form == {"To": "+12175550142", "From": "+12175550100", "Body": TEXT.text, "SmartEncoded": "true"}

    def test_prefers_the_messaging_service(self, twilio, settings):
        settings.TWILIO_MESSAGING_SERVICE_SID = "MG1"
        with provider(CREATED) as server:
            twilio(server.url)
            with transport_for(Channel.SMS) as transport:
                transport.send(TEXT)

        assert server.received[0].form["MessagingServiceSid"] == "MG1"
        assert "From" not in server.received[0].form

    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            (refusal(400, 21610), Outcome.REFUSED),
            (refusal(400, 21211), Outcome.REFUSED),
            (refusal(400, 21614), Outcome.REFUSED),
            (refusal(400, 21606), Outcome.STOP),
            (refusal(401, 20003), Outcome.STOP),
            (refusal(429, 20429), Outcome.RETRY),
            (refusal(500, 20500), Outcome.UNKNOWN),
            ((201, {}, b"not json"), Outcome.UNKNOWN),
            ("hang", Outcome.UNKNOWN),
            ("drop", Outcome.UNKNOWN),
        ],
    )
    def test_sorts_every_failure_and_asks_once(self, twilio, answer, outcome):
        with provider(answer) as server:
            twilio(server.url)

            assert outcome_of(Channel.SMS, TEXT) == outcome
        assert len(server.received) == 1

    def test_a_closed_port_means_not_sent(self, twilio):
        twilio(f"http://127.0.0.1:{closed_port()}")

        assert outcome_of(Channel.SMS, TEXT) == Outcome.RETRY


class TestSmtp:
    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (smtplib.SMTPRecipientsRefused({"a": (550, b"no such user")}), Outcome.REFUSED),
            (smtplib.SMTPRecipientsRefused({"a": (451, b"later")}), Outcome.RETRY),
            (smtplib.SMTPSenderRefused(553, b"no", "s"), Outcome.STOP),
            (smtplib.SMTPDataError(554, b"no"), Outcome.REFUSED),
            (smtplib.SMTPDataError(452, b"later"), Outcome.RETRY),
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
            settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 1

        return point_at

    def test_a_closed_port_means_not_sent(self, point_at):
        point_at(closed_port())

        assert outcome_of(Channel.EMAIL, MAIL) == Outcome.RETRY

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

    def test_connects_anew_after_the_server_hung_up(self, point_at):
        with smtp_server(SmtpServer(mails_per_connection=2)) as server:
            point_at(server.port)
            outcomes = []
            with transport_for(Channel.EMAIL) as transport:
                for _ in range(5):
                    try:
                        transport.send(MAIL)
                        outcomes.append("sent")
                    except TransportError as error:
                        outcomes.append(error.outcome.value)

        assert outcomes == ["sent", "sent", "retry", "sent", "sent"]
        assert (len(server.received), server.connections) == (4, 2)

    def test_a_connection_lost_in_mid_mail_leaves_one_unknown(self, point_at):
        with smtp_server(SmtpServer(mails_per_connection=1, hang_up_silently=True)) as server:
            point_at(server.port)
            outcomes = []
            with transport_for(Channel.EMAIL) as transport:
                for _ in range(3):
                    try:
                        transport.send(MAIL)
                        outcomes.append("sent")
                    except TransportError as error:
                        outcomes.append(error.outcome.value)

        assert outcomes == ["sent", "unknown", "sent"]
