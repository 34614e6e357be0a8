"""Each provider's own words for a failure, as its documentation and real events have them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.bounces import classify
from messaging.incoming import Verdict

HARD, SOFT, SENDER, NONE = Verdict.HARD, Verdict.SOFT, Verdict.SENDER, Verdict.NONE
PROVIDERS = ("sendgrid", "ses", "mailgun", "postmark", "brevo", "resend")
PAYLOADS = Path(__file__).resolve().parents[2] / "wire" / "payloads"
UNKNOWN = "550 5.1.1 The email account that you tried to reach does not exist."
BLOCKED = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"
FULL = "552 5.2.2 mailbox full"


def sendgrid(event: str, **more: str) -> dict[str, str]:
    return {"event": event, **more}


def ses(kind: str, subtype: str = "General", said: str = "", status: str = "") -> dict:
    entry = {"emailAddress": "ann@example.org", "diagnosticCode": said, "status": status}
    return {
        "notificationType": "Bounce",
        "bounce": {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [entry]},
    }


def mailgun(severity: str, reason: str, said: str = "", code: int | str = 550) -> dict:
    status = {"code": code, "message": said, "description": ""}
    return {"event-data": {"event": "failed", "severity": severity, "reason": reason, "delivery-status": status}}


def postmark(kind: str, said: str = "", **more: object) -> dict:
    return {"RecordType": "Bounce", "Type": kind, "Details": said, **more}


def brevo(event: str, reason: str = "") -> dict:
    return {"event": event, "reason": reason}


def resend(kind: str, **bounce: object) -> dict:
    return {"type": kind, "data": {"email_id": "1", "bounce": bounce}}


@pytest.mark.parametrize(
    ("event", "verdict", "code"),
    [
        (sendgrid("bounce", type="bounce", status="5.1.1", reason=UNKNOWN), HARD, "5.1.1"),
        (sendgrid("bounce", type="bounce", status="5.0.0", reason="550 unknown"), HARD, "550"),
        (sendgrid("bounce", type="bounce", status="5.0.0", reason=""), HARD, "5.0.0"),
        (sendgrid("bounce", type="bounce", status="5.7.1", reason=BLOCKED), SENDER, "5.7.1"),
        (sendgrid("bounce", type="bounce", status="5.2.2", reason=FULL), SOFT, "5.2.2"),
        (sendgrid("bounce", type="bounce", reason="550 no", bounce_classification="Reputation"), SENDER, "550"),
        (sendgrid("bounce", type="bounce", reason="550 no", bounce_classification="Content"), SENDER, "550"),
        (sendgrid("bounce", type="bounce", reason="550 no", bounce_classification="Frequency/Volume"), SENDER, "550"),
        (sendgrid("bounce", type="bounce", reason="550 no", bounce_classification="Mailbox Unavailable"), SOFT, "550"),
        (sendgrid("bounce", type="bounce", reason="550 no", bounce_classification="Invalid Address"), HARD, "550"),
        (sendgrid("bounce", type="blocked", status="5.0.0", reason="550 not now"), SOFT, "550"),
        (sendgrid("bounce", type="blocked", reason=BLOCKED), SENDER, "5.7.1"),
        (sendgrid("deferred", response="451 try again later"), SOFT, "451"),
        (sendgrid("dropped", reason="Bounced Address"), HARD, "Bounced Address"),
        (sendgrid("dropped", reason="Invalid"), HARD, "Invalid"),
        (sendgrid("dropped", reason="Spam Reporting Address"), HARD, "Spam Reporting Address"),
        (sendgrid("dropped", reason="Unsubscribed Address"), HARD, "Unsubscribed Address"),
        (sendgrid("dropped", reason="Recipient List over Package Quota"), SENDER, ""),
        (sendgrid("dropped", reason="Spam Content (if Spam Checker app enabled)"), SENDER, ""),
        (sendgrid("spamreport"), NONE, ""),
        (sendgrid("delivered", response="250 OK"), NONE, ""),
    ],
)
def test_sendgrid(event, verdict, code):
    found = classify("sendgrid", event)

    assert (found.verdict, found.code) == (verdict, code)


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (ses("Permanent"), HARD),
        (ses("Permanent", "NoEmail", "smtp; " + UNKNOWN, "5.1.1"), HARD),
        (ses("Permanent", "Suppressed", "Amazon SES has suppressed sending to this address: blocked", "5.1.1"), HARD),
        (ses("Permanent", "OnAccountSuppressionList", "on the suppression list for your account", "5.1.1"), HARD),
        (ses("Permanent", "General", "smtp; " + BLOCKED, "5.7.1"), SENDER),
        (ses("Transient", "General"), SOFT),
        (ses("Transient", "General", "smtp; " + UNKNOWN), SOFT),
        (ses("Transient", "MailboxFull", "smtp; " + FULL), SOFT),
        (ses("Transient", "ContentRejected"), SENDER),
        (ses("Transient", "MessageTooLarge"), SENDER),
        (ses("Undetermined", "Undetermined"), SOFT),
        ({"eventType": "Reject", "reject": {"reason": "Bad content"}}, SENDER),
        ({"eventType": "Rendering Failure"}, SENDER),
        ({"eventType": "DeliveryDelay", "deliveryDelay": {"delayType": "MailboxFull"}}, SOFT),
        ({"eventType": "DeliveryDelay", "deliveryDelay": {"delayType": "SpamDetected"}}, SENDER),
        ({"notificationType": "Complaint"}, NONE),
        ({"notificationType": "Delivery"}, NONE),
    ],
)
def test_ses(event, verdict):
    assert classify("ses", event).verdict == verdict


def test_ses_tells_the_recipients_of_a_bounce_apart():
    event = ses("Permanent", "General", BLOCKED, "5.7.1")
    event["bounce"]["bouncedRecipients"].append({"emailAddress": "Bob@example.org", "diagnosticCode": UNKNOWN})

    assert classify("ses", event, recipient="ann@example.org").verdict == SENDER
    assert classify("ses", event, recipient="bob@example.org").verdict == HARD


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (mailgun("permanent", "bounce", UNKNOWN), HARD),
        (mailgun("permanent", "bounce", ""), HARD),
        (mailgun("permanent", "suppress-bounce", "Not delivering to previously bounced address", 605), HARD),
        (mailgun("permanent", "suppress-complaint", "Not delivering to a user who marked it as spam", 607), HARD),
        (mailgun("permanent", "suppress-unsubscribe", "Not delivering to unsubscribed address", 606), HARD),
        (mailgun("permanent", "generic", "5.1.1 no such user"), HARD),
        (mailgun("permanent", "generic", ""), SOFT),
        (mailgun("permanent", "old", "Too old", 602), SOFT),
        (mailgun("permanent", "espblock", "", 550), SENDER),
        (mailgun("permanent", "bounce", BLOCKED, 554), SENDER),
        (mailgun("temporary", "generic", "No MX for nomx.example.com", 498), SOFT),
        (mailgun("temporary", "greylisted", "Recipient address rejected: Greylisted", 450), SOFT),
        ({"event-data": {"event": "rejected", "reject": {"reason": "Sandbox"}}}, SENDER),
        ({"event-data": {"event": "complained"}}, NONE),
    ],
)
def test_mailgun(event, verdict):
    assert classify("mailgun", event).verdict == verdict


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (postmark("HardBounce", "smtp;" + UNKNOWN, Inactive=True), HARD),
        (postmark("HardBounce"), HARD),
        (postmark("HardBounce", "smtp;" + BLOCKED), SENDER),
        (postmark("BadEmailAddress"), HARD),
        (postmark("SoftBounce"), SOFT),
        (postmark("SoftBounce", Inactive=True), HARD),
        (postmark("Transient", "smtp;451 later"), SOFT),
        (postmark("DnsError"), SOFT),
        (postmark("Blocked"), SOFT),
        (postmark("Blocked", "smtp;" + BLOCKED), SENDER),
        (postmark("DMARCPolicy"), SENDER),
        (postmark("SMTPApiError"), SENDER),
        (postmark("AutoResponder"), NONE),
        ({"RecordType": "SpamComplaint", "Type": "SpamComplaint", "Inactive": True}, NONE),
        ({"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "HardBounce"}, HARD),
        ({"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "ManualSuppression"}, NONE),
        ({"RecordType": "SubscriptionChange", "SuppressSending": False, "SuppressionReason": "HardBounce"}, NONE),
        ({"RecordType": "Delivery"}, NONE),
    ],
)
def test_postmark(event, verdict):
    assert classify("postmark", event).verdict == verdict


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (brevo("hard_bounce", " RecipientError: 550 5.5.0 Requested action not taken: mailbox unavailable."), HARD),
        (brevo("hard_bounce"), HARD),
        (brevo("hard_bounce", BLOCKED), SENDER),
        (brevo("invalid_email"), HARD),
        (brevo("soft_bounce", "undefined"), SOFT),
        (brevo("deferred"), SOFT),
        (
            brevo("deferred", "550 RecipientError: 550 5.1.1 <ann@example.org>: User unknown in virtual alias table"),
            HARD,
        ),
        (brevo("blocked", "blocked : due to blacklist user"), HARD),
        (brevo("blocked"), SENDER),
        (brevo("error"), SENDER),
        (brevo("spam"), NONE),
        (brevo("delivered"), NONE),
    ],
)
def test_brevo(event, verdict):
    assert classify("brevo", event).verdict == verdict


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (resend("email.bounced", type="Permanent", subType="General"), HARD),
        (resend("email.bounced", type="Permanent", subType="Suppressed", message="blocked"), HARD),
        (resend("email.bounced", type="Permanent", subType="General", diagnosticCode=["smtp; " + BLOCKED]), SENDER),
        (resend("email.bounced", type="Transient", subType="MailboxFull"), SOFT),
        (resend("email.bounced", type="Transient", subType="ContentRejected"), SENDER),
        (resend("email.bounced", message="The recipient's email provider sent a hard bounce message"), HARD),
        (resend("email.bounced", message="Resend has suppressed sending to this address"), HARD),
        (resend("email.bounced", message="Something else"), SOFT),
        (resend("email.delivery_delayed"), SOFT),
        (resend("email.failed"), SENDER),
        (resend("email.suppressed"), HARD),
        (resend("email.complained"), NONE),
        (resend("email.delivered"), NONE),
    ],
)
def test_resend(event, verdict):
    assert classify("resend", event).verdict == verdict


def test_a_provider_nobody_knows_has_no_verdict():
    assert classify("outbox", {"event": "bounce"}).verdict == NONE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "event",
        "type",
        "reason",
        "status",
        "notificationType",
        "bounce",
        "bouncedRecipients",
        "event-data",
        "Type",
        "data",
    ]
)
WORDS = st.sampled_from(
    ["bounce", "dropped", "Bounce", "failed", "HardBounce", "hard_bounce", "email.bounced", "550 ann@a.example"]
)


@given(st.sampled_from(PROVIDERS), st.dictionaries(NAMES, WORDS | JSON, max_size=6))
def test_no_event_breaks_the_classifier_or_leaks_into_the_code(provider, event):
    found = classify(provider, event)

    assert len(found.code) <= 40
    assert "@" not in found.code


@pytest.mark.parametrize("name", ["sendgrid", "ses"])
def test_real_bounces_have_a_verdict(name):
    for sample in json.loads((PAYLOADS / f"{name}.json").read_text()):
        payload = sample["payload"]
        events = payload if isinstance(payload, list) else [json.loads(payload["Message"])]
        is_failure = sample["anymail_expected"].get("event_type") in {"bounced", "rejected", "deferred", "failed"}
        assert all(bool(classify(name, event).verdict) == is_failure for event in events), sample["test"]
