"""Who may report: every call proves where it comes from, is small, and is for the provider in use."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from django.core.cache import cache
from django.test import Client

from messaging.models import Fact, ProviderEvent
from messaging.webhooks import sns
from messaging.webhooks.checked import MAX_BYTES
from tests.messaging.events import calls
from tests.messaging.events.calls import Sent, now

pytestmark = pytest.mark.django_db
PROVIDERS = ("sendgrid", "mailgun", "postmark", "brevo", "resend", "ses")


def first(name: str) -> Any:
    return calls.payloads(name)[0]["payload"]


def a_call(provider: str, at: datetime | None = None) -> Sent:
    """Return a good call of this provider."""
    at = at or now()
    if provider == "sendgrid":
        return calls.sendgrid(*first("sendgrid"), at=at)
    if provider == "mailgun":
        return calls.mailgun(first("mailgun"), at=at)
    if provider == "resend":
        return calls.resend(first("resend"), at=at)
    if provider == "ses":
        return calls.ses(json.loads(first("ses")["Message"]), at=at)
    return calls.with_password(provider, first(provider))


@pytest.fixture(autouse=True)
def everybody_has_amazon(amazon) -> None:
    pass


# --- For all alike ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_good_call_is_stored_and_answered_with_nothing(provider, use, client):
    use(provider)

    response = a_call(provider).post(client)

    assert (response.status_code, response.content) == (200, b"")
    assert ProviderEvent.objects.filter(provider=provider).count() == 1
    assert Fact.objects.get(pk=f"webhook.{provider}").is_good


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("configured", ["outbox", "smtp", "another"])
def test_only_the_provider_in_use_has_an_address(provider, configured, use, client):
    other = PROVIDERS[(PROVIDERS.index(provider) + 1) % len(PROVIDERS)]
    use(other if configured == "another" else configured)

    assert a_call(provider).post(client).status_code == 404
    assert not ProviderEvent.objects.exists()


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options"])
def test_only_a_post_reports(method, use, client):
    use("postmark")

    assert getattr(client, method)("/webhooks/postmark/tracking/").status_code == 405


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_too_big_is_not_read(provider, use, client):
    use(provider)

    assert a_call(provider).post(client, body=b" " * (MAX_BYTES + 1)).status_code == 413


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_a_key_nothing_is_believed_and_the_log_names_it_once(provider, use, client, settings, caplog):
    use(provider)
    for name in calls.KEYS:
        setattr(settings, name, [])

    with caplog.at_level(logging.WARNING, logger="messaging"):
        answers = {a_call(provider).post(client).status_code for _ in range(3)}

    assert answers == {403}
    assert not ProviderEvent.objects.exists()
    named = [name for name in calls.KEYS for record in caplog.records if f": {name} is not set" in record.getMessage()]
    assert len(named) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_a_proof_nothing_is_believed(provider, use, client):
    use(provider)
    call = a_call(provider)
    body = json.loads(call.body)
    if isinstance(body, dict):
        for name in ("signature", "Signature"):
            body.pop(name, None)

    response = Sent(provider, json.dumps(body).encode()).post(client)

    assert response.status_code == (401 if provider in {"postmark", "brevo"} else 403)
    assert not ProviderEvent.objects.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'"words"', b"7", b"null", b"[" * 100_000, b"{}"])
@pytest.mark.parametrize("provider", ["postmark", "brevo", "sendgrid", "resend"])
def test_what_is_no_report_is_refused_and_breaks_nothing(provider, body, use, client):
    use(provider)
    call = signed_bytes(provider, body)

    response = call.post(client)

    # Postmark's reports have no field that all of them have.
    assert response.status_code == (200 if (provider, body) == ("postmark", b"{}") else 400)


def signed_bytes(provider: str, body: bytes) -> Sent:
    """Return a call whose proof is good, whatever is in it."""
    at = now()
    if provider == "sendgrid":
        call, time = calls.sendgrid(at=at), str(int(at.timestamp()))
        signature = calls.SENDGRID_KEY.sign(time.encode() + body, ec.ECDSA(SHA256()))
        call.headers["X-Twilio-Email-Event-Webhook-Signature"] = base64.b64encode(signature).decode()
    elif provider == "resend":
        call = calls.resend({}, at=at)
        signed = f"{call.headers['svix-id']}.{call.headers['svix-timestamp']}.".encode() + body
        made = hmac.new(calls.RESEND_SECRET, signed, hashlib.sha256).digest()
        call.headers["svix-signature"] = f"v1,{base64.b64encode(made).decode()}"
    else:
        call = calls.with_password(provider, {})
    call.body = body
    return call


def test_refusals_are_counted_beside_the_last_good_call(use, client):
    use("postmark")
    good, bad = a_call("postmark"), calls.with_password("postmark", {}, "regulars:guessed")

    bad.post(client)
    before = Fact.objects.get(pk="webhook.postmark")
    cache.clear()
    good.post(client)
    bad.post(client)
    bad.post(client)  # of ten seconds one is counted: anybody may call, and as often as they like
    cache.clear()
    bad.post(client)
    after = Fact.objects.get(pk="webhook.postmark")

    assert (before.is_good, before.detail["refused"]) == (False, 1)
    assert (after.is_good, after.detail["refused"]) == (True, 2)
    assert datetime.fromisoformat(after.detail["refused_at"]) >= after.at

    good.post(client)
    assert Fact.objects.get(pk="webhook.postmark").detail == {}


def test_a_call_needs_no_token_against_forgery(use):
    use("postmark")

    assert a_call("postmark").post(Client(enforce_csrf_checks=True)).status_code == 200


# --- SendGrid ---------------------------------------------------------------------------------------------------------

VECTOR = calls.payloads("sendgrid_signed")


def vector(**changes: Any) -> Sent:
    return Sent("sendgrid", base64.b64decode(VECTOR["body_b64"]), VECTOR["headers"] | changes)


@pytest.fixture
def published(use, settings):
    use("sendgrid")
    settings.SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY = [VECTOR["public_key_setting"]]
    with time_machine.travel(datetime(2020, 9, 14, 20, tzinfo=UTC), tick=False):
        yield settings


def test_sendgrids_published_vector_is_good_on_its_day(published, client):
    assert vector().post(client).status_code == 200
    assert ProviderEvent.objects.get().event_type == "rejected"


def test_with_the_published_wrong_key_signature_or_body_it_is_not(published, client):
    bad = VECTOR["must_fail"]
    signature = "X-Twilio-Email-Event-Webhook-Signature"

    assert vector(**{signature: bad["wrong_signature"]}).post(client).status_code == 403
    assert vector(**{signature: "not base64!"}).post(client).status_code == 403
    assert vector(**{signature: base64.b64encode(b"no DER").decode()}).post(client).status_code == 403
    assert vector(**{"X-Twilio-Email-Event-Webhook-Timestamp": bad["wrong_timestamp"]}).post(client).status_code == 403
    assert vector(**{"X-Twilio-Email-Event-Webhook-Timestamp": "1600112503"}).post(client).status_code == 403
    assert vector().post(client, body=vector().body.rstrip()).status_code == 403
    published.SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY = [bad["wrong_key"]]
    assert vector().post(client).status_code == 403
    assert not ProviderEvent.objects.exists()


def test_years_later_it_is_refused(use, client, settings):
    use("sendgrid")
    settings.SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY = [VECTOR["public_key_setting"]]

    assert vector().post(client).status_code == 403


def test_a_repeat_of_a_day_is_taken_and_stored_once(use, client):
    use("sendgrid")
    call = a_call("sendgrid", now() - timedelta(hours=24))

    assert [call.post(client).status_code for _ in range(2)] == [200, 200]
    assert ProviderEvent.objects.count() == 1


def test_the_old_and_the_new_key_are_both_good(use, client, settings):
    use("sendgrid")
    new = ec.generate_private_key(ec.SECP256R1())
    settings.SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY = [calls.public_key(), calls.public_key(new)]

    assert calls.sendgrid(at=now()).post(client).status_code == 200
    assert calls.sendgrid(at=now(), key=new).post(client).status_code == 200
    assert calls.sendgrid(at=now(), key=ec.generate_private_key(ec.SECP256R1())).post(client).status_code == 403


# --- Mailgun ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "answer"),
    [
        (timedelta(hours=8), 200),  # the last of its repeats, with the first one's signature
        (timedelta(hours=10), 403),
        (timedelta(minutes=-4), 200),
        (timedelta(minutes=-6), 403),
    ],
)
def test_mailguns_signature_grows_old(age, answer, use, client):
    use("mailgun")

    assert a_call("mailgun", now() - age).post(client).status_code == answer


@pytest.mark.parametrize("name", ["timestamp", "token", "signature"])
@pytest.mark.parametrize("value", ["", "x", None, 7, [], float("nan")])
def test_a_changed_block_of_mailguns_is_refused(name, value, use, client):
    use("mailgun")
    body = json.loads(a_call("mailgun").body)
    body["signature"][name] = value

    assert Sent("mailgun", json.dumps(body).encode()).post(client).status_code == 403


def test_a_token_of_mailguns_carries_one_event_and_no_other(use, client, message):
    """Its signature does not cover the event: whoever has seen a call could put another one in its place."""
    use("mailgun")
    type(message).objects.update(provider="mailgun")
    mine = {"user-variables": {"message": str(message.reference)}, "recipient": "guest1@example.org", "timestamp": 1.0}
    harmless = {"event-data": {**mine, "event": "delivered"}}
    forged = {"event-data": {**mine, "event": "complained"}}

    calls.mailgun(harmless, at=now(), token="seen").post(client)
    response = calls.mailgun(forged, at=now(), token="seen").post(client)

    assert response.status_code == 200
    message.refresh_from_db()
    assert message.status == "delivered"
    assert ProviderEvent.objects.count() == 1


# --- Resend -----------------------------------------------------------------------------------------------------------


def test_resends_signature_covers_id_time_and_body(use, client):
    use("resend")
    call = a_call("resend")

    assert call.post(client, body=call.body.replace(b"sent", b"bounced")).status_code == 403
    assert call.post(client, headers={"svix-id": "msg_other"}).status_code == 403
    assert call.post(client, headers={"svix-timestamp": str(int(now().timestamp()) - 60)}).status_code == 403
    assert call.post(client, headers={"svix-signature": "v1,abc v2,def"}).status_code == 403
    assert calls.resend(first("resend"), at=now(), secret=b"another").post(client).status_code == 403
    assert not ProviderEvent.objects.exists()
    assert call.post(client, headers={"svix-signature": f"v1,abc {call.headers['svix-signature']}"}).status_code == 200


@pytest.mark.parametrize(("seconds", "answer"), [(290, 200), (310, 403), (-290, 200), (-310, 403)])
def test_resends_time_may_be_five_minutes_off(seconds, answer, use, client):
    use("resend")

    assert a_call("resend", now() - timedelta(seconds=seconds)).post(client).status_code == answer


def test_a_repeat_of_resends_is_stored_once(use, client):
    use("resend")
    event = first("resend")

    for seconds in (60, 5):
        calls.resend(event, at=now() - timedelta(seconds=seconds), name="msg_1").post(client)

    assert ProviderEvent.objects.count() == 1


# --- Postmark and Brevo -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["postmark", "brevo"])
@pytest.mark.parametrize(
    "value",
    ["", "Basic", "Basic !!!", "Bearer cmVndWxhcnM6YSBsb25nIHdvcmQ=", "Basic cmVndWxhcnM6Z3Vlc3NlZA==", "Basic /w=="],
)
def test_a_wrong_password_is_asked_for_again(provider, value, use, client):
    use(provider)

    response = a_call(provider).post(client, headers={"Authorization": value})

    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Basic realm="webhook"')


def test_the_old_and_the_new_password_are_both_good(use, client, settings):
    use("brevo")
    settings.WEBHOOK_SECRET = ["regulars:old", "regulars:ne:w"]

    for password, answer in (("regulars:old", 200), ("regulars:ne:w", 200), ("regulars:ne", 401)):
        assert calls.with_password("brevo", first("brevo"), password).post(client).status_code == answer


# --- Amazon -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
def test_amazons_signature_is_checked_with_its_certificate_fetched_once(version, use, client, amazon):
    use("ses")
    event = json.loads(first("ses")["Message"])

    answers = [calls.ses(event, at=now(), version=version).post(client).status_code for _ in range(3)]

    assert answers == [200, 200, 200]
    assert amazon.asked == ["/SimpleNotificationService-0123.pem"]


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp", "SignatureVersion", "Signature"])
@pytest.mark.parametrize("value", ["", "x", "3", None, 5])
def test_a_changed_field_of_amazons_is_refused(name, value, use, client):
    use("ses")
    body = json.loads(a_call("ses").body)
    body[name] = value

    assert Sent("ses", json.dumps(body).encode()).post(client).status_code == 403


def test_another_key_than_amazons_is_refused(use, client):
    use("ses")
    forged = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    assert calls.ses({}, at=now(), key=forged).post(client).status_code == 403


def test_a_topic_nobody_named_is_refused_before_anything_is_fetched(use, client, amazon):
    use("ses")

    assert calls.ses({}, at=now(), TopicArn=f"{calls.TOPIC}-of-theirs").post(client).status_code == 403
    assert amazon.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
        "https://user:pw@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns.us-east-1.amazonaws.com\\@evil.example/a.pem",
        "https://sns.us-east-1.amazonaws.com\n.evil.example/a.pem",
        "https://SNS.us-east-1.amazonaws.com/a.pem",
        "https://sns.us_east.amazonaws.com/a.pem",
        "https://s3.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.cn.evil/a.pem",
        "https://[::1/a.pem",
        "file:///etc/passwd",
        "",
        None,
        7,
    ],
)
def test_a_certificate_from_elsewhere_is_never_fetched(url, use, client, amazon):
    use("ses")

    assert calls.ses({}, at=now(), SigningCertURL=url).post(client).status_code == 403
    assert amazon.asked == []


@pytest.mark.parametrize("host", ["sns.us-east-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"])
def test_amazons_own_addresses_are_known(host):
    assert sns.is_amazons(f"https://{host}/a.pem")


def test_a_certificate_that_has_run_out_is_refused(use, client, amazon):
    use("ses")
    amazon.serve(calls.CERTIFICATE_URL, calls.certificate(at=now(), for_=timedelta(days=-1)))

    assert a_call("ses").post(client).status_code == 403


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (500, b"", {}),
        (302, b"", {"Location": "http://127.0.0.1:1/"}),
        (200, b"no certificate", {}),
        (200, b"x" * 70_000, {}),
    ],
)
def test_where_amazon_does_not_answer_the_call_is_to_come_again(status, body, headers, use, client, amazon):
    use("ses")
    amazon.serve(calls.CERTIFICATE_URL, body, status, **headers)

    assert a_call("ses").post(client).status_code == 503
    assert len(amazon.asked) == 1

    amazon.serve(calls.CERTIFICATE_URL, calls.certificate(at=now()))
    assert a_call("ses").post(client).status_code == 200


def subscription(url: str) -> Sent:
    return calls.ses("Confirm", at=now(), Type="SubscriptionConfirmation", Token="t", SubscribeURL=url)


def test_a_topic_of_ours_is_told_that_it_is_welcome(use, client, amazon):
    use("ses")
    url = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    amazon.serve(url)

    assert subscription(url).post(client).status_code == 200
    assert amazon.asked[-1] == "/?Action=ConfirmSubscription&Token=t"
    assert not ProviderEvent.objects.exists()


def test_an_invitation_elsewhere_is_not_followed(use, client, amazon):
    use("ses")

    assert subscription("https://evil.example/").post(client).status_code == 403
    assert amazon.asked == ["/SimpleNotificationService-0123.pem"]


def test_an_invitation_that_fails_is_to_come_again(use, client, amazon):
    use("ses")

    assert subscription("https://sns.us-east-1.amazonaws.com/?gone").post(client).status_code == 503


@pytest.mark.parametrize(
    "text", ["Successfully validated SNS topic for Amazon SES event publishing.", "{}", '{"a": 1}']
)
def test_a_greeting_of_the_topic_is_no_event(text, use, client):
    use("ses")

    assert calls.ses(text, at=now()).post(client).status_code == 200
    assert not ProviderEvent.objects.exists()


# --- A password where there is no key ---------------------------------------------------------------------------------

KEY_OF = {"sendgrid": "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY", "mailgun": "MAILGUN_WEBHOOK_SIGNING_KEY"}
KEY_OF["resend"] = "RESEND_WEBHOOK_SECRET"


def unsigned(provider: str) -> Sent:
    event, made_up = first(provider), {"timestamp": "1", "token": "a" * 50, "signature": "0" * 64}
    return calls.with_password(provider, event if provider != "mailgun" else {**event, "signature": made_up})


@pytest.mark.parametrize("provider", KEY_OF)
def test_without_a_key_the_password_is_proof(provider, use, settings, client):
    use(provider)
    setattr(settings, KEY_OF[provider], [])
    sent = unsigned(provider)

    assert sent.post(client).status_code == 200
    assert ProviderEvent.objects.exists()
    settings.WEBHOOK_SECRET = ["regulars:another"]
    assert sent.post(client).status_code == 401


@pytest.mark.parametrize("provider", KEY_OF)
def test_with_a_key_the_password_is_none(provider, use, client):
    use(provider)

    assert unsigned(provider).post(client).status_code == 403
    assert not ProviderEvent.objects.exists()
