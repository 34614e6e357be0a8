"""Mail over SMTP: where its bounces go, and what a refusal at the door says of the address."""

import pytest

from contacts.channels import Channel
from messaging.transports import TransportError, transport_for
from messaging.transports.base import OutboundEmail, Outcome
from tests.wire.smtp import SmtpServer, smtp_server

MAIL = OutboundEmail(
    reference="3f2b8c1e-5d4a-4f6b-9c8d-7e6f5a4b3c2d",
    to="ann@example.org",
    from_email="The Corner Bar <hello@corner-bar.example>",
    subject="Lunch",
    text="Come",
    html="<p>Come</p>",
)


@pytest.fixture
def server(settings):
    with smtp_server(SmtpServer()) as state:
        settings.EMAIL_PROVIDER = "smtp"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", state.port
        yield state


def send() -> None:
    with transport_for(Channel.EMAIL) as transport:
        transport.send(MAIL)


def test_bounces_go_to_the_sender(server):
    send()

    assert server.senders == ["hello@corner-bar.example"]


def test_or_to_an_address_of_their_own_that_nobody_sees(server, settings):
    settings.BOUNCE_ADDRESS = "bounces@corner-bar.example"

    send()

    assert server.senders == ["bounces@corner-bar.example"]
    assert b"\nFrom: The Corner Bar <hello@corner-bar.example>" in server.received[0]
    assert b"bounces@" not in server.received[0]
    assert MAIL.reference.encode() + b"@corner-bar.example>" in server.received[0]


@pytest.mark.parametrize(
    ("stage", "answer", "outcome", "suppress"),
    [
        ("RCPT TO", "550 5.1.1 No such user", Outcome.REFUSED, "bounced"),
        ("CONTENT", "550 5.1.1 The email account that you tried to reach does not exist", Outcome.REFUSED, "bounced"),
        ("RCPT TO", "450 4.1.1 No such user", Outcome.RETRY, ""),
        ("RCPT TO", "552 5.2.2 Mailbox full", Outcome.REFUSED, ""),
        ("RCPT TO", "554 5.7.1 Relay access denied", Outcome.REFUSED, ""),
        ("CONTENT", "554 5.7.1 Message rejected as spam", Outcome.REFUSED, ""),
        ("RCPT TO", "550 No", Outcome.REFUSED, ""),
    ],
)
def test_only_who_does_not_exist_is_tried_no_more(server, stage, answer, outcome, suppress):
    server.says = {stage: answer}

    with pytest.raises(TransportError) as caught:
        send()

    assert (caught.value.outcome, caught.value.suppress) == (outcome, suppress)
