"""Every provider's reports, as they are sent, in the one form that is stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from messaging.incoming import EventType, Incoming
from messaging.webhooks import brevo, mailgun, postmark, resend, sendgrid, ses
from messaging.webhooks.checked import Call
from tests.messaging.events.calls import payloads

AT = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
REFERENCE = "1f0c7c1e-6a55-4b5e-8d7e-0d2f5f1a9a01"
MODULES = {module.NAME: module for module in (brevo, mailgun, postmark, resend, sendgrid, ses)}


def read(provider: str, body: Any, headers: dict[str, str] | None = None, at: datetime = AT) -> list[Incoming]:
    found: list[Incoming] = MODULES[provider].read(Call(json.dumps(body).encode(), headers or {}, at))
    return found


def plain(event: Incoming) -> dict[str, Any]:
    reference = str(event.reference) if event.reference else None
    return {
        "type": event.type.value,
        "verdict": event.verdict.value,
        "code": event.code,
        "provider_id": event.provider_id,
        "reject_reason": event.reject_reason,
        "reference": reference,
    }


HAND_WRITTEN = [(name, case) for name in ("mailgun", "postmark", "brevo", "resend") for case in payloads(name)]


@pytest.mark.parametrize(
    ("provider", "case"), HAND_WRITTEN, ids=lambda part: part if isinstance(part, str) else part["name"]
)
def test_reads(provider, case):
    (event,) = read(provider, case["payload"], {"svix-id": "msg_1"})

    assert plain(event) | case["expected"] == plain(event)
    assert event.recipient == "guest@example.org"
    assert event.payload == case["payload"]
    assert event.at <= AT


def test_a_time_in_seconds_where_milliseconds_belong_is_not_believed():
    (seconds,) = [case for case in payloads("brevo") if "seconds" in case["name"]]

    assert read("brevo", seconds["payload"])[0].at == AT


@pytest.mark.parametrize("case", payloads("sendgrid"), ids=lambda case: case["test"])
def test_reads_sendgrid(case):
    expected, events = case["anymail_expected"], read("sendgrid", case["payload"])

    (event,) = events
    if "event_type" in expected:
        assert event.type == expected["event_type"]
    assert event.provider_id == expected.get("message_id", event.provider_id)
    assert event.recipient == expected.get("recipient", event.recipient)


def test_reads_sendgrids_documented_examples():
    events = read("sendgrid", payloads("sendgrid_documented")["events"])

    assert [event.type.value for event in events] == [
        "queued",
        "rejected",
        "delivered",
        "deferred",
        "bounced",
        "bounced",
        "opened",
        "clicked",
        "complained",
        "unsubscribed",
        "unsubscribed",
        "subscribed",
    ]


def test_our_reference_travels_among_sendgrids_own_fields():
    (event,) = read("sendgrid", [{"event": "delivered", "message": REFERENCE, "anymail_id": "a", "sg_event_id": "e"}])

    assert event.reference == UUID(REFERENCE)


@pytest.mark.parametrize(
    ("reason", "reject_reason"), [("Unsubscribed Address", "unsubscribed"), ("Spam Reporting Address", "spam")]
)
def test_what_a_person_told_sendgrid_is_their_word(reason, reject_reason):
    (event,) = read("sendgrid", [{"event": "dropped", "reason": reason, "email": "guest@example.org"}])

    assert (event.type, event.reject_reason) == (EventType.REJECTED, reject_reason)


@pytest.mark.parametrize("case", payloads("ses"), ids=lambda case: case["test"])
def test_reads_ses(case):
    expected, events = case["anymail_expected"], read("ses", case["payload"])

    if "event_type" not in expected:
        assert events == []
        return
    assert {event.type.value for event in events} == {expected["event_type"]}
    assert expected.get("recipient", events[0].recipient) in {event.recipient for event in events}
    assert len({event.key for event in events}) == len(events)


def ses_event(kind: str, **parts: Any) -> list[Incoming]:
    mail = {"messageId": "m", "destination": ["guest@example.org"], "headers": []}
    event = {"eventType": kind, "mail": mail, **parts}
    return read("ses", {"Type": "Notification", "MessageId": "1", "Message": json.dumps(event)})


def test_reads_our_reference_from_the_header_amazon_returns():
    header = {"name": "X-Metadata", "value": json.dumps({"message": REFERENCE})}
    mail = {"messageId": "m", "destination": ["guest@example.org"], "headers": [header]}

    assert ses_event("Send", mail=mail)[0].reference == UUID(REFERENCE)


def test_each_of_several_people_is_judged_alone():
    people = [
        {"emailAddress": "gone@example.org", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 unknown"},
        {"emailAddress": "full@example.org", "status": "4.2.2", "diagnosticCode": "smtp; 452 4.2.2 full"},
    ]
    bounce = {"bounceType": "Undetermined", "bounceSubType": "Undetermined", "bouncedRecipients": people}

    events = ses_event("Bounce", bounce=bounce)

    assert {event.recipient: event.verdict.value for event in events} == {
        "gone@example.org": "hard",
        "full@example.org": "soft",
    }


def test_a_report_that_a_mail_is_no_spam_is_no_complaint():
    complaint = {"complainedRecipients": [{"emailAddress": "a@example.org"}], "complaintFeedbackType": "not-spam"}

    assert [event.type for event in ses_event("Complaint", complaint=complaint)] == [EventType.UNKNOWN]


@pytest.mark.parametrize(
    ("wishes", "kind"),
    [
        ({"unsubscribeAll": True, "topicSubscriptionStatus": []}, EventType.UNSUBSCRIBED),
        ({"unsubscribeAll": False, "topicSubscriptionStatus": [{"subscriptionStatus": "OptOut"}]}, "unsubscribed"),
        ({"unsubscribeAll": False, "topicSubscriptionStatus": [{"subscriptionStatus": "OptIn"}]}, "subscribed"),
    ],
)
def test_reads_what_people_chose_at_amazon(wishes, kind):
    assert [event.type for event in ses_event("Subscription", subscription={"newTopicPreferences": wishes})] == [kind]


def test_a_delay_is_no_failure():
    delay = {
        "delayType": "MailboxFull",
        "delayedRecipients": [{"emailAddress": "guest@example.org", "status": "4.2.2"}],
    }

    (event,) = ses_event("DeliveryDelay", deliveryDelay=delay)

    assert (event.type, event.verdict) == (EventType.DEFERRED, "")


@pytest.mark.parametrize("metadata", [None, "", "text", 7, [], ["message"], {"message": 5}])
@pytest.mark.parametrize("provider", ["brevo", "mailgun", "postmark", "resend", "sendgrid"])
def test_metadata_may_be_anything(provider, metadata):
    mails = {
        "brevo": {"event": "complaint", "X-Mailin-custom": metadata},
        "mailgun": {"signature": {"token": "t"}, "event-data": {"event": "complained", "user-variables": metadata}},
        "postmark": {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "Metadata": metadata},
        "resend": {"type": "email.complained", "data": {"headers": metadata}},
        "sendgrid": [{"event": "spamreport", "message": metadata}],
    }
    assert [(event.type, event.reference) for event in read(provider, mails[provider])] == [("complained", None)]


# --- Poison -----------------------------------------------------------------------------------------------------------

GOOD = {"event": "delivered", "email": "guest@example.org", "sg_event_id": "good", "timestamp": 1769940000}
ODD: list[Any] = [
    None,
    7,
    "text",
    [],
    {},
    {"event": None},
    {"event": "bounce", "reason": 5},
    {"event": "dropped", "reason": ["x"]},
    {"event": "delivered", "timestamp": "yesterday"},
    {"event": "delivered", "timestamp": 1e300},
    {"event": "delivered", "email": {"a": 1}, "message": ["x"], "category": "text"},
    {"event": "delivered", "message": "no uuid", "anymail_id": 7},
    {"event": "bounce", "status": None, "type": {}, "reason": "\ud800\0"},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_one_that_cannot_be_read_costs_only_itself(odd, caplog):
    events = read("sendgrid", [GOOD, odd, {**GOOD, "sg_event_id": "also good"}])

    assert sum(event.recipient == "guest@example.org" for event in events) >= 2
    assert "guest@" not in caplog.text


def test_a_report_without_a_name_is_the_same_by_what_it_says():
    one: Any = {"event": "delivered", "email": "a@example.org", "timestamp": 5}
    again: Any = {"timestamp": 5, "email": "a@example.org", "event": "delivered"}

    keys = [event.key for event in read("sendgrid", [one, again, {**one, "timestamp": 6}])]

    assert keys[0] == keys[1] != keys[2]
    assert "example" not in keys[0]
