"""Codes and texts against each other: what is clear in words goes before the code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.bounces import Judgement, judge
from messaging.bounces.judging import TEXT_LIMIT
from messaging.incoming import Verdict

HARD, SOFT, SENDER = Verdict.HARD, Verdict.SOFT, Verdict.SENDER


@pytest.mark.parametrize(
    ("said", "verdict", "code"),
    [
        # The text agrees with the code.
        ("550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown in virtual alias table", HARD, "5.1.1"),
        ("550-5.1.1 The email account that you tried to reach does not exist.", HARD, "5.1.1"),
        ("550 5.2.1 The email account that you tried to reach is disabled.", HARD, "5.2.1"),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", HARD, "5.1.10"),
        ("550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", HARD, "5.5.0"),
        ("554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30).", HARD, "554"),
        ("552-5.2.2 The email account that you tried to reach is over quota.", SOFT, "5.2.2"),
        ("450 4.2.0 <ann@example.com>: Recipient address rejected: Greylisted", SOFT, "4.2.0"),
        ("550-5.7.26 Your email has been blocked because the sender is unauthenticated.", SENDER, "5.7.26"),
        ("550 5.7.515 Access denied, sending domain example.com doesn't meet the required level.", SENDER, "5.7.515"),
        ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", SENDER, "5.7.1"),
        ("552 5.2.3 Message size exceeds fixed maximum message size (10485760)", SENDER, "5.2.3"),
        ("550 No one by that name here", HARD, "550"),
        ("550 the email addresses couldn't be found", HARD, "550"),
        ("553 example.com does not exist", HARD, "553"),
        ("551 This user has moved; please try <ann@example.net>", HARD, "551"),
        ("550 archived recipient", HARD, "550"),
        # It does not.
        ("550 5.7.1 No such user", HARD, "5.7.1"),
        ("553 sorry, badrcptto (user mail-box not found) (#5.7.1)", HARD, "5.7.1"),
        ("550 5.1.1 blocked: see https://www.spamhaus.org/query/ip/192.0.2.1", SENDER, "5.1.1"),
        ("550 5.1.1 message rejected as spam", SENDER, "5.1.1"),
        ("550 5.1.1 mailbox full", SOFT, "5.1.1"),
        ("550 5.1.8 Domain of sender address example.com does not exist", SENDER, "5.1.8"),
        ("553 5.1.1 Sender address rejected: User unknown", SENDER, "5.1.1"),
        ("550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", HARD, "5.4.1"),
        # It is the sender's side that is unknown or closed.
        ("550 5.7.1 <mail.example.com>: Helo command rejected: Host not found", SENDER, "5.7.1"),
        ("550 5.7.1 reverse DNS not found for 192.0.2.1", SENDER, "5.7.1"),
        ("550 Your account has been suspended", SENDER, "550"),
        ("452 4.5.3 your daily quota is exceeded", SENDER, "4.5.3"),
        ("550 5.1.7 no such domain", SENDER, "5.1.7"),
        ("550 5.5.4 bad helo: domain not found", SENDER, "5.5.4"),
        ("550 The sending domain does not exist", SENDER, "550"),
        ("550 sender's domain could not be found", SENDER, "550"),
        ("550 From address is not valid", SENDER, "550"),
        ("554 client blocked from sending from unregistered domains", SENDER, "554"),
        ("554 <ann@example.com> Invalid SPF record", SENDER, "554"),
        ("554 This IP sent to too many unknown recipients", SENDER, "554"),
        ("554 5.7.1 <ann@example.com>: Recipient address rejected: Access denied", SENDER, "5.7.1"),
        ("550 5.2.1 The user is receiving mail at a rate that prevents further messages", SENDER, "5.2.1"),
        ("550 this message does not exist", SOFT, "550"),
        ("550 /home/ann/mail does not exist", SOFT, "550"),
        ("550 delivery to the recipient failed, the cause is not known", SOFT, "550"),
        ("554 An infected attachment has been replaced by a note", SENDER, "554"),
        ("550 You are not a member of this list", SOFT, "550"),
        ("550 This account has been set to accept mail from friends alone", SOFT, "550"),
        # Who is unknown today may be there tomorrow.
        ("450 4.1.1 <ann@example.com>: Recipient address rejected: User unknown", SOFT, "4.1.1"),
        ("451 4.7.650 The mail server has been temporarily rate limited due to IP reputation.", SENDER, "4.7.650"),
        ("421 4.7.28 Gmail has detected an unusual rate of mail", SENDER, "4.7.28"),
        ("421 Too many connections", SOFT, "421"),
        ("550 5.7.1 Recipient address rejected: user temporarily locked. Please try again later!", SOFT, "5.7.1"),
        ("550 account disabled temporarily for exceeding limits", SOFT, "550"),
        ("550 the destination server could not be found", SOFT, "550"),
        # Nothing is clear: it is counted, and suppresses nobody at once.
        ("554 Transaction failed", SOFT, "554"),
        ("", SOFT, ""),
    ],
)
def test_what_servers_say(said, verdict, code):
    assert judge(diagnostic=said) == Judgement(verdict, code)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("5.1.1", HARD),
        ("5.1.2", HARD),
        ("5.1.3", HARD),
        ("5.1.6", HARD),
        ("5.1.10", HARD),
        ("5.2.1", HARD),
        ("5.4.4", HARD),
        ("5.2.2", SOFT),
        ("5.0.0", SOFT),
        ("5.3.0", SOFT),
        ("4.2.2", SOFT),
        ("4.1.1", SOFT),
        ("4.4.7", SOFT),
        ("5.7.1", SENDER),
        ("5.7.27", SENDER),
        ("5.6.0", SENDER),
        ("4.7.27", SENDER),
    ],
)
def test_codes_alone(status, verdict):
    assert judge(status) == Judgement(verdict, status)


def test_a_reply_code_is_a_code_where_there_is_no_other():
    assert judge(reply=550) == Judgement(SOFT, "550")
    assert judge("5.1.1", 550) == Judgement(HARD, "5.1.1")
    assert judge("5.0.0", 550, "5.2.1 not here") == Judgement(HARD, "5.2.1")


@pytest.mark.parametrize("name", ["no.such.user@example.com", "spam@blocked.example", "quota@full.example"])
def test_an_address_or_a_link_says_nothing(name):
    assert judge(diagnostic=f"554 <{name}>: https://example.com/blocked/{name}") == Judgement(SOFT, "554")


@pytest.mark.parametrize(
    "word", ["recipient ", "destination ", "from address ", "no such ", "<> ", "a", "a@", "5.1.1 "]
)
def test_a_text_without_end_comes_to_an_end(word):
    """A pattern that tries all the ways to part a text would go on for years."""
    assert judge(diagnostic=f"550 {word * TEXT_LIMIT}!").verdict in {HARD, SOFT, SENDER}


@given(st.text(), st.text(), st.text(max_size=2000))
def test_whatever_comes_the_code_is_a_code(status, reply, said):
    found = judge(status, reply, said)

    assert found.verdict in {HARD, SOFT, SENDER}
    assert len(found.code) <= 11
    assert not set(found.code) - set("0123456789.")
