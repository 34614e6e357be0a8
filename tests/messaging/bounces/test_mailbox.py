"""The bounce mailbox, read from a real server: each report is recorded before its mail is put away."""

import logging
from datetime import timedelta
from urllib.parse import quote

import pytest

from contacts.models import Suppression
from messaging.bounces import read_returned
from messaging.models import Fact, Message, ProviderEvent
from messaging.services import mailbox
from messaging.services.mailbox import read_due
from tests.messaging.conftest import NOON
from tests.messaging.ledger import add, begun
from tests.wire.imap import ImapServer, imap_server
from tests.wire.tls import make_certificate

NOT_A_BOUNCE = b"From: friend@example.com\r\nTo: bounces@corner-bar.example\r\nSubject: Hello\r\n\r\nHow are you?\r\n"
RECORDED = "Regulars/Recorded"


def bounce(message: Message, *, status: str = "5.1.1", said: str = "550 5.1.1 no such user", to: str = "") -> bytes:
    """Return what Postfix sends back."""
    to = to or str(message.contact.email)
    lines = f"""\
Return-Path: <>
Date: Sat, 21 Nov 2026 17:59:00 +0000
From: MAILER-DAEMON@mail.corner-bar.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: bounces@corner-bar.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

This is the mail system at host mail.corner-bar.example.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.corner-bar.example

Final-Recipient: rfc822; {to}
Action: failed
Status: {status}
Diagnostic-Code: smtp; {said}

--B
Content-Type: text/rfc822-headers

From: The Corner Bar <hello@corner-bar.example>
Message-ID: <{message.reference}@corner-bar.example>
Subject: Lunch

--B--
"""
    return lines.replace("\n", "\r\n").encode()


@pytest.fixture
def message(email_campaign, guests, at) -> Message:
    """A mail that was sent by SMTP."""
    guest = guests[0]
    return add(
        begun(email_campaign, at=at),
        guest,
        "accepted",
        at=at,
        provider="smtp",
        address_index=guest.address_index("email"),
    )


@pytest.fixture
def server(settings):
    with imap_server(ImapServer()) as state:
        settings.BOUNCE_MAILBOX_URL = address_of(state, "imap")
        yield state


def address_of(state: ImapServer, scheme: str) -> str:
    user, password = quote(state.user, safe=""), quote(state.password, safe="")
    return f"{scheme}://{user}:{password}@127.0.0.1:{state.port}/INBOX"


def read(at) -> int:
    return read_due(clock=lambda: at)


def later(at, times: int = 1):
    return at + times * mailbox.EVERY


def fact() -> Fact:
    return Fact.objects.get(name="mailbox")


def is_suppressed(message: Message) -> bool:
    return Suppression.objects.filter(address_index=message.address_index, lifted_at=None).exists()


def test_records_a_bounce_and_then_moves_it(server, message, at):
    mail = bounce(message)
    server.add(mail)

    assert read(at) == 1

    event = ProviderEvent.objects.get()
    assert (event.provider, event.event_type, event.verdict, event.code) == ("mailbox", "bounced", "hard", "5.1.1")
    message.refresh_from_db()
    assert (message.status, message.reason) == ("bounced", "no_such_address")
    assert is_suppressed(message)
    assert server.contents() == []
    assert server.contents(RECORDED) == [mail]
    assert fact().is_good is True


@pytest.mark.parametrize("is_tls", [True, False])
def test_reads_over_tls_from_a_server_it_trusts(is_tls, settings, message, at, tmp_path, monkeypatch):
    context, trusted = make_certificate(tmp_path)
    state = ImapServer(context=context, is_tls=is_tls)
    state.add(bounce(message))
    monkeypatch.setattr(mailbox, "LOCAL", set())
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    with imap_server(state):
        settings.BOUNCE_MAILBOX_URL = address_of(state, "imaps" if is_tls else "imap")
        assert read(at) == 1

    assert ("STARTTLS" in state.commands) is not is_tls
    assert is_suppressed(message)


def test_a_full_mailbox_suppresses_nobody(server, message, at):
    server.add(bounce(message, status="5.2.2", said="552 5.2.2 mailbox full"))

    assert read(at) == 1

    message.refresh_from_db()
    assert (message.status, message.reason) == ("bounced", "not_this_time")
    assert not is_suppressed(message)


def test_a_bounce_of_another_address_suppresses_nobody(server, message, at):
    server.add(bounce(message, to="somebody@elsewhere.example"))

    assert read(at) == 1

    assert not is_suppressed(message)


def test_leaves_other_mail_alone_and_does_not_read_it_again(server, message, at):
    mail = server.add(NOT_A_BOUNCE)
    read(at)
    fetched = server.commands.count("UID FETCH")

    read(later(at))

    assert fetched == server.commands.count("UID FETCH") == 1
    assert (server.contents(), mail.flags) == ([NOT_A_BOUNCE], set())
    assert ProviderEvent.objects.count() == 0


def test_reads_a_mailbox_made_anew_from_its_beginning(server, message, at):
    for _ in range(3):
        server.add(NOT_A_BOUNCE)
    read(at)
    server.folders["INBOX"].clear()
    server.validity = 8
    server.add(bounce(message))

    assert read(later(at)) == 1


@pytest.mark.parametrize("command", ["UID MOVE", "UID FETCH", "UID SEARCH", "SELECT", "STATUS", "CREATE"])
def test_records_once_what_the_server_broke_off_at(server, message, at, command):
    server.hangs_up_at = [command]
    server.add(bounce(message))

    read(at)

    assert (fact().is_good, fact().detail["sentence"]) == (False, mailbox.BROKEN)
    assert len(server.contents()) == 1
    read(later(at))
    assert ProviderEvent.objects.count() == 1
    assert (server.contents(), len(server.contents(RECORDED))) == ([], 1)
    assert fact().is_good is True
    assert "sentence" not in fact().detail


def test_does_not_put_away_what_could_not_be_recorded(server, message, at, monkeypatch):
    server.add(bounce(message))
    monkeypatch.setattr(mailbox, "take_in", lambda *args, **kwargs: 0)

    read(at)

    assert len(server.contents()) == 1


def test_keeps_the_mail_where_the_ledger_cannot_be_written(server, message, at, monkeypatch, caplog):
    server.add(bounce(message))

    def fail(*args, **kwargs):
        raise RuntimeError("guest0@example.org")

    with monkeypatch.context() as patch:
        patch.setattr(mailbox, "take_in", fail)
        read(at)

    assert (len(server.contents()), fact().is_good, fact().detail["sentence"]) == (1, False, mailbox.ERROR)
    assert "guest0" not in caplog.text
    assert read(later(at)) == 1


@pytest.mark.parametrize(
    ("quirk", "flags"),
    [
        ({"can_move": False}, {"\\Seen", "$RegularsRecorded"}),
        ({"refuses": {"UID MOVE"}}, {"\\Seen", "$RegularsRecorded"}),
        ({"refuses": {"CREATE"}}, {"\\Seen", "$RegularsRecorded"}),
        ({"can_move": False, "keeps_keywords": False}, {"\\Seen"}),
    ],
    ids=["no move", "move refused", "no folder", "no keywords"],
)
def test_marks_what_it_cannot_move(server, message, at, quirk, flags):
    for name, value in quirk.items():
        setattr(server, name, value)
    mail = server.add(bounce(message))

    assert read(at) == 1

    assert server.contents() == [mail.content]
    assert mail.flags == flags
    read(later(at))
    assert server.commands.count("UID FETCH") == 1


@pytest.mark.parametrize(
    ("delimiter", "root", "folder"),
    [(".", "", "Regulars.Recorded"), (".", "INBOX.", "INBOX.Regulars.Recorded"), ("\\", "", "Regulars\\Recorded")],
)
def test_finds_where_the_server_keeps_folders(server, message, at, delimiter, root, folder):
    server.delimiter, server.root = delimiter, root
    server.add(bounce(message))
    read(at)
    server.add(bounce(message, said="550 5.1.1 user unknown"))
    read(later(at))

    assert len(server.contents(folder)) == 2


def test_never_deletes(server, message, at):
    server.can_move = False
    for _ in range(3):
        server.add(bounce(message))
        server.add(NOT_A_BOUNCE)

    read(at)

    assert len(server.contents()) == 6
    assert not any("\\Deleted" in mail.flags for mail in server.folders["INBOX"])
    assert not {"EXPUNGE", "CLOSE", "UID EXPUNGE"} & set(server.commands)


def test_reads_the_beginning_of_a_huge_mail(server, message, at):
    mail = bounce(message) + b"x" * 20_000_000
    server.add(mail)

    assert read(at) == 1

    assert server.sent_bytes < 2 * mailbox.MAIL_LIMIT
    assert is_suppressed(message)


@pytest.mark.parametrize(
    "rubbish", [b"", b"\0" * 5000, bytes(range(256)) * 20, b"Content-Type: multipart/report\r\n\r\n--"]
)
def test_rubbish_does_not_stand_in_the_way(server, message, at, rubbish):
    server.add(rubbish)
    server.add(bounce(message))

    assert read(at) == 1


def test_a_mail_nobody_foresaw_does_not_stand_in_the_way(server, message, at, monkeypatch, caplog):
    server.add(NOT_A_BOUNCE)
    server.add(bounce(message))

    def stumble(mail: bytes):
        if mail == NOT_A_BOUNCE:
            raise ValueError(mail.decode())
        return read_returned(mail)

    monkeypatch.setattr("messaging.services.mailbox.read_returned", stumble)

    assert read(at) == 1
    assert "friend" not in caplog.text


def test_the_same_bounce_twice_counts_once(server, message, at):
    server.add(bounce(message))
    server.add(bounce(message))

    assert read(at) == 1
    assert server.contents() == []


def test_reads_every_five_minutes(server, message, at):
    read(at)
    server.add(bounce(message))

    assert read(at + timedelta(minutes=4)) == 0
    assert read(at + timedelta(minutes=5)) == 1


def test_stops_in_the_middle_when_the_time_is_up_and_goes_on_later(server, message, at, monkeypatch):
    for _ in range(3):
        server.add(NOT_A_BOUNCE)
    monkeypatch.setattr(mailbox, "BUDGET_S", -1.0)
    read(at)
    assert "UID FETCH" not in server.commands

    monkeypatch.undo()
    read(later(at))

    assert server.commands.count("UID FETCH") == 3


def test_does_nothing_without_a_mailbox(settings, db, at):
    settings.BOUNCE_MAILBOX_URL = ""

    assert read(at) == 0
    assert not Fact.objects.exists()


class TestSays:
    """Why it cannot be read, in a sentence, and nothing secret."""

    @pytest.fixture(autouse=True)
    def secrets_stay(self, db, server, caplog):
        caplog.set_level(logging.DEBUG)
        yield
        assert server.password not in caplog.text
        assert server.user not in caplog.text
        assert server.user not in str(fact().detail)

    def test_a_wrong_password(self, server, settings, at):
        settings.BOUNCE_MAILBOX_URL = settings.BOUNCE_MAILBOX_URL.replace("%", "x", 1)

        assert read(at) == 0
        assert (fact().is_good, fact().detail["sentence"]) == (False, mailbox.REFUSED)

    def test_a_folder_that_is_not_there(self, server, settings, at):
        settings.BOUNCE_MAILBOX_URL += "/Bounces"

        assert read(at) == 0
        assert fact().detail["sentence"] == mailbox.NO_FOLDER

    def test_a_closed_port(self, server, settings, at):
        settings.BOUNCE_MAILBOX_URL = settings.BOUNCE_MAILBOX_URL.replace(f":{server.port}/", ":1/")

        assert read(at) == 0
        assert fact().detail["sentence"] == mailbox.UNREACHABLE

    def test_a_server_without_encryption(self, server, settings, at, monkeypatch):
        monkeypatch.setattr(mailbox, "LOCAL", set())

        assert read(at) == 0
        assert fact().detail["sentence"] == mailbox.INSECURE
        assert "LOGIN" not in server.commands

    @pytest.mark.parametrize("is_tls", [True, False])
    def test_a_certificate_nobody_trusts(self, is_tls, settings, at, tmp_path, monkeypatch):
        state = ImapServer(context=make_certificate(tmp_path)[0], is_tls=is_tls)
        monkeypatch.setattr(mailbox, "LOCAL", set())

        with imap_server(state):
            settings.BOUNCE_MAILBOX_URL = address_of(state, "imaps" if is_tls else "imap")
            assert read(at) == 0

        assert fact().detail["sentence"] == mailbox.UNTRUSTED
        assert "LOGIN" not in state.commands

    def test_a_server_that_breaks_off_at_the_login(self, server, at):
        server.hangs_up_at = ["LOGIN"]

        assert read(at) == 0
        assert fact().detail["sentence"] == mailbox.BROKEN


def test_what_the_server_does_not_hand_out_once_is_asked_for_again(message, settings):
    state = ImapServer()
    state.add(bounce(message))
    with imap_server(state) as server:
        settings.BOUNCE_MAILBOX_URL = address_of(server, "imap")
        state.refuses = {"UID FETCH"}
        assert read_due(clock=lambda: NOON) == 0
        assert Fact.objects.get(pk="mailbox").is_good is False

        state.refuses = set()
        assert read_due(clock=lambda: NOON + timedelta(minutes=10)) == 1

    assert Suppression.objects.count() == 1
