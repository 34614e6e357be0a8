"""What is read from a mail that came back. The many forms of notices are tested with those in `tests/wire/bounces`."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bounces import CORPUS
from messaging.bounces import read_returned
from messaging.incoming import EventType, Verdict

REFERENCE = UUID("3f2b8c1e-5d4a-4f6b-9c8d-7e6f5a4b3c2d")
ORIGINAL = f"""\
From: The Corner Bar <hello@corner-bar.example>
To: ann@example.org
Message-ID: <{REFERENCE}@corner-bar.example>
Subject: Lunch
"""
DAEMON = """\
From: Mail Delivery System <MAILER-DAEMON@mail.example.org>
To: hello@corner-bar.example
Date: Sat, 21 Nov 2026 11:59:00 -0600
"""


def report(fields: str, *, kind: str = "delivery-status", text: str = "See below.", original: str = ORIGINAL) -> bytes:
    """Return a multipart/report."""
    return f"""\
{DAEMON}Subject: Delivery Status Notification (Failure)
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="B"

--B
Content-Type: text/plain

{text}
--B
Content-Type: message/{kind}

{fields}
--B
Content-Type: message/rfc822

{original}
Unknown user! Spam! Mailbox full!
--B--
""".encode()


def failed(recipient: str = "ann@example.org", *, action: str = "failed", status: str = "5.1.1", more: str = "") -> str:
    whole = "Reporting-MTA: dns; mx.example.org\n"
    return f"{whole}\nFinal-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\n{more}"


def notice(text: str, *, subject: str = "failure notice", headers: str = DAEMON) -> bytes:
    copy = f"--- Below this line is a copy of the message.\n\n{ORIGINAL}\nHi"
    return f"{headers}Subject: {subject}\n\n{text}\n\n{copy}".encode()


def only(mail: bytes):
    [found] = read_returned(mail)
    return found


class TestFields:
    def test_a_failure(self):
        found = only(report(failed(more="Diagnostic-Code: smtp; 550 5.1.1 no such user\n")))

        assert (found.reference, found.recipient) == (REFERENCE, "ann@example.org")
        assert (found.type, found.is_final) == (EventType.BOUNCED, True)
        assert (found.judgement.verdict, found.judgement.code) == (Verdict.HARD, "5.1.1")
        assert found.at == datetime(2026, 11, 21, 17, 59, tzinfo=UTC)
        assert found.said == "smtp; 550 5.1.1 no such user"

    def test_a_delay_is_not_final(self):
        found = only(report(failed(action="delayed", status="4.4.1")))

        assert (found.type, found.is_final) == (EventType.DEFERRED, False)

    @pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
    def test_success_is_nothing(self, action):
        assert read_returned(report(failed(action=action, status="2.0.0"))) == []

    def test_each_recipient_has_a_verdict_of_its_own(self):
        fields = failed() + "\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.2.2\n"

        found = [(each.recipient, each.judgement.verdict) for each in read_returned(report(fields))]

        assert found == [("ann@example.org", Verdict.HARD), ("bob@example.org", Verdict.SOFT)]

    def test_the_original_address_goes_before_where_it_was_passed_on_to(self):
        fields = failed("alias@elsewhere.example", more="Original-Recipient: rfc822;ann@example.org\n")

        assert only(report(fields)).recipient == "ann@example.org"

    def test_the_words_help_where_the_fields_say_little(self):
        text = "<ann@example.org>: host mx.example.org said: 550 no such user here"

        assert only(report(failed(status="5.0.0"), text=text)).judgement.verdict == Verdict.HARD

    def test_a_status_goes_before_a_footer(self):
        text = "Delivery failed: ann@example.org\n____\nThis mail was scanned for viruses and spam."

        assert only(report(failed(), text=text)).judgement.verdict == Verdict.HARD

    def test_what_the_returned_mail_says_counts_for_nothing(self):
        found = only(report(failed(status="5.0.0"), text="It failed: ann@example.org"))

        assert found.judgement.verdict == Verdict.SOFT

    def test_a_report_that_a_gateway_has_wrapped(self):
        inner = report(failed()).decode()
        headers = f'{DAEMON}Subject: x\nContent-Type: multipart/mixed; boundary="O"\n'
        mail = f"{headers}\n--O\nContent-Type: message/rfc822\n\n{inner}\n--O--\n"

        assert only(mail.encode()).judgement.verdict == Verdict.HARD


class TestWords:
    def test_qmail(self):
        text = (
            "Hi. This is the qmail-send program at mail.example.org.\n"
            "I'm afraid I wasn't able to deliver your message.\nThis is a permanent error; I've given up.\n\n"
            "<ann@example.org>:\nSorry, no mailbox here by that name. (#5.1.1)"
        )
        found = only(notice(text))

        assert (found.reference, found.recipient) == (REFERENCE, "ann@example.org")
        assert (found.judgement.verdict, found.judgement.code, found.is_final) == (Verdict.HARD, "5.1.1", True)

    def test_a_warning_is_not_final(self):
        text = "Your message to ann@example.org could not be delivered.\nNo such host: we will keep trying."

        assert only(notice(text, subject="Warning: could not send message")).type == EventType.DEFERRED

    def test_two_recipients_do_not_share_a_verdict(self):
        text = "Could not be delivered:\n<ann@example.org>:\n  user unknown\n<bob@example.org>:\n  mailbox is full"
        found = {each.recipient: each.judgement.verdict for each in read_returned(notice(text))}

        assert found == {"ann@example.org": Verdict.HARD, "bob@example.org": Verdict.SOFT}

    def test_a_notice_that_names_nobody(self):
        found = only(notice("Your message could not be delivered: the mailbox does not exist."))

        assert (found.recipient, found.reference, found.judgement.verdict) == ("", REFERENCE, Verdict.HARD)

    def test_a_notice_in_base64(self):
        text = base64.encodebytes(f"<ann@example.org>: user unknown\n\n{ORIGINAL}".encode()).decode()
        headers = f"{DAEMON}Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n"
        found = only(f"{headers}Subject: Undeliverable\n\n{text}".encode())

        assert (found.reference, found.judgement.verdict) == (REFERENCE, Verdict.HARD)

    def test_the_bounce_refers_to_our_mail_only_in_its_headers(self):
        headers = f"{DAEMON}In-Reply-To: <{REFERENCE}@corner-bar.example>\n"
        mail = f"{headers}Subject: Undeliverable\n\n<ann@example.org>: user unknown".encode()

        assert only(mail).reference == REFERENCE


class TestComplaints:
    def test_a_report_of_abuse(self):
        fields = "Feedback-Type: abuse\nUser-Agent: SomeISP/1.0\nVersion: 1\nOriginal-Rcpt-To: <ann@example.org>\n"
        found = only(report(fields, kind="feedback-report"))

        assert (found.type, found.recipient, found.reference) == (EventType.COMPLAINED, "ann@example.org", REFERENCE)
        assert found.judgement.verdict == Verdict.NONE

    @pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "dmarc"])
    def test_other_feedback_is_no_complaint(self, kind):
        fields = f"Feedback-Type: {kind}\nUser-Agent: x\nVersion: 1\n"

        assert read_returned(report(fields, kind="feedback-report")) == []


@pytest.mark.parametrize(
    "headers",
    [
        "Auto-Submitted: auto-replied\nReturn-Path: <>\nSubject: Re: Lunch\n",
        "Subject: Out of Office: Lunch\nReturn-Path: <>\n",
        "Subject: =?utf-8?q?Abwesenheitsnotiz=3A_Lunch?=\n",
        "X-Autoreply: yes\nSubject: Undeliverable\n",
        "Precedence: auto_reply\nSubject: Undeliverable\n",
        "Subject: Re: Lunch\n",
    ],
)
def test_a_note_of_absence_is_no_bounce(headers):
    text = "I have left the company, my mailbox does not exist any more; mail to it is rejected."
    mail = f"From: Ann <ann@example.org>\nTo: hello@corner-bar.example\n{headers}\n{text}\n\n{ORIGINAL}"

    assert read_returned(mail.encode()) == []


@given(st.binary(max_size=3000))
def test_arbitrary_bytes_never_break_the_reader(mail):
    read_returned(mail)


PIECES = [
    b"From: mailer-daemon@a.example\n",
    b"Subject: =?utf-8?b?/w==?= failure\n",
    b"Content-Type: multipart/report; boundary=B\n",
    b"Content-Type: text/html; charset=\xff\n",
    b"Content-Type: text/plain; charset=utf-16\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Type: message/delivery-status\n",
    b"Content-Type: message/feedback-report\n",
    b"Content-Type: message/rfc822\n",
    b"Date: Fri, 99 Foo 99999 99:99:99 +9999\n",
    b"Auto-Submitted: \x00\n",
    b"\n",
    b"\n--B\n",
    b"\n--B--\n",
    b"Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n",
    b"<a@b.example>: user unknown\n",
    b"\xff\x00\x80",
]


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.binary(max_size=40))
def test_broken_notices_never_break_the_reader(pieces, rubbish):
    read_returned(b"".join(pieces) + rubbish)


@pytest.mark.parametrize("name", ["bounceparser/postfix.eml", "flufl.bounce/dsn_05.eml", "baunsu/bounce_gmail.eml"])
def test_a_notice_cut_anywhere_never_breaks_the_reader(name):
    mail = (CORPUS / name).read_bytes()

    for length in range(0, len(mail), 37):
        read_returned(mail[:length])


def test_parts_within_parts_without_end():
    mail = b"".join(
        f"Content-Type: multipart/mixed; boundary=B{depth}\n\n--B{depth}\n".encode() for depth in range(3000)
    )

    assert read_returned(mail) == []


def test_the_id_of_the_bounce_itself_is_not_that_of_the_mail():
    """Exchange writes ids of the same form as ours."""
    own = "Message-ID: <0ae6a7b6-ab7d-4eb0-8a2f-a4d1b8d4e0a0@eur01.prod.example.com>\n"
    fields = "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n"

    (found,) = read_returned(own.encode() + report(fields))

    assert found.reference == REFERENCE


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [("553 Sender Policy Framework (SPF) fail", Verdict.SENDER), ("550 no such user", Verdict.HARD)],
)
def test_the_reply_goes_before_what_sendmail_makes_of_it(reply, verdict):
    text = f"""\
   ----- The following addresses had permanent fatal errors -----
ann@example.org

   ----- Transcript of session follows -----
... while talking to mx.example.org.:
>>> DATA
<<< {reply}
550 5.1.1 ann@example.org... User unknown"""

    (found,) = read_returned(notice(text))

    assert found.recipient == "ann@example.org"
    assert found.judgement.verdict == verdict


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Re: Lunch - coupon rejected", "The code you sent me was rejected at the till, she said it does not exist."),
        ("Coupon failure", "Your coupon was rejected. Account does not exist?"),
        ("Re: Returned to the shop", "I was told it could not be delivered to my address. User unknown at your shop."),
        ("Fwd: Re: coupon problem: rejected", "The voucher was rejected: no such user"),
        ("Re: Lunch not delivered", "Your driver did not find us, he said the address does not exist"),
    ],
)
def test_a_guest_who_writes_of_failures_is_no_bounce(subject, text):
    mail = f"""\
From: Ann <ann@example.org>
To: The Corner Bar <hello@corner-bar.example>
Subject: {subject}
In-Reply-To: <{REFERENCE}@corner-bar.example>
Return-Path: <ann@example.org>
Content-Type: text/plain

{text}
"""

    assert read_returned(mail.encode()) == []
