"""Reports at the edges: what only looks like a complaint, what nobody can read, and what comes after an erasure."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from contacts.models import ConsentEvent, Suppression
from contacts.services import erase
from messaging.incoming import EventType, Incoming
from messaging.models import Message, ProviderEvent
from messaging.services import events
from messaging.webhooks.sns import is_amazons
from tests.messaging.events import calls
from tests.messaging.events.conftest import LATER, report

pytestmark = pytest.mark.django_db


@pytest.fixture
def postmark(message, use):
    use("postmark")
    Message.objects.update(provider="postmark")
    return {"MessageID": "m", "Metadata": {"message": str(message.reference)}}


def test_a_filters_word_is_no_persons_complaint(postmark, message, guest, client):
    bounce = {"RecordType": "Bounce", "Type": "SpamNotification", "ID": 4, "Email": guest.email, "Inactive": False}
    said = {"Details": "smtp;550 5.7.1 Message contains spam", "BouncedAt": "2026-11-21T18:02:00Z"}

    assert calls.with_password("postmark", {**postmark, **bounce, **said}).post(client).status_code == 200

    event = ProviderEvent.objects.get()
    assert (event.event_type, event.verdict) == ("bounced", "sender")
    assert not Suppression.objects.exists()
    message.refresh_from_db()
    assert (message.status, message.reason) == ("bounced", "senders_fault")


@pytest.mark.parametrize(("origin", "withdrawn"), [("Customer", 0), ("Admin", 0), ("Recipient", 1)])
def test_what_the_owner_does_at_postmark_is_nobodys_withdrawal(postmark, guest, client, origin, withdrawn):
    change = {"RecordType": "SubscriptionChange", "Recipient": guest.email, "SuppressSending": True, "Origin": origin}
    change |= {"SuppressionReason": "ManualSuppression", "ChangedAt": "2026-11-21T18:02:00Z"}

    assert calls.with_password("postmark", {**postmark, **change}).post(client).status_code == 200

    assert ConsentEvent.objects.filter(action="revoked").count() == withdrawn
    assert ProviderEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("mailgun", {"signature": {"timestamp": "NOW", "token": "\ud800", "signature": "a"}, "event-data": {}}),
        ("mailgun", {"signature": {"timestamp": "NOW", "token": "a", "signature": "\ud800"}, "event-data": {}}),
        ("ses", {"Type": []}),
        ("ses", {"Type": "Notification", "TopicArn": calls.TOPIC, "SignatureVersion": []}),
    ],
)
def test_no_stranger_makes_it_fall_over(use, provider, body):
    use(provider)
    text = json.dumps(body).replace("NOW", str(int(calls.now().timestamp())))
    client = Client(raise_request_exception=False)

    answer = client.post(f"/webhooks/{provider}/tracking/", data=text, content_type="application/json")

    assert answer.status_code in {400, 403}


@pytest.mark.parametrize("path", ["/?Action=GetEndpointAttributes", "/SimpleNotificationService-01.pem?a=b", "/a.pem"])
def test_a_certificate_is_fetched_from_where_certificates_are(use, message, client, monkeypatch, amazon, path):
    use("ses")
    url = f"https://sns.us-east-1.amazonaws.com{path}"
    assert is_amazons(url)
    sent = calls.ses(json.loads(calls.payloads("ses")[0]["payload"]["Message"]), at=calls.now())
    forged = json.dumps({**json.loads(sent.body), "SigningCertURL": url}).encode()

    answer = client.post("/webhooks/ses/tracking/", data=forged, content_type="application/json")

    assert answer.status_code == 403
    assert not amazon.asked


def test_nothing_personal_is_kept_of_who_was_erased(message, guest):
    address = guest.email
    erase(guest, at=LATER)
    message.refresh_from_db()

    events.take_in("sendgrid", [report(message, "complained", recipient=address, payload={"email": address})], at=LATER)

    assert ProviderEvent.objects.get().payload == "{}"


def test_no_payload_is_missed_where_what_came_later_has_a_lower_number(db):
    came = LATER - timedelta(days=90)
    for key, at in (("a", came + timedelta(seconds=2)), ("b", came)):
        one = Incoming(key=key, type=EventType.UNKNOWN, at=came, payload={"email": "guest@example.org"})
        events.take_in("sendgrid", [one], at=at)

    assert events.forget_payloads(at=LATER) == 1
    events.forget_payloads(at=LATER + timedelta(days=30))

    assert set(ProviderEvent.objects.values_list("pk", flat=True)) == {
        event.pk for event in ProviderEvent.objects.all() if event.payload == "{}"
    }
