"""What became of texts, as Twilio reports it: signed, in any order, and as often as it likes."""

import itertools
import json
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.http import QueryDict
from twilio.request_validator import RequestValidator

from campaigns.models import Campaign
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import Business, ChannelStatus, Suppression
from messaging.incoming import EventType, Verdict
from messaging.models import Fact, Message, ProviderEvent
from messaging.webhooks.twilio import MAX_BYTES, report_of
from tests.messaging.conftest import NOON
from tests.messaging.ledger import add, begun

TOKEN, ACCOUNT, PUBLIC = "12345", "AC0123456789", "https://deals.corner-bar.example"
PAYLOADS = json.loads((Path(__file__).parent.parent / "wire" / "payloads" / "twilio.json").read_text())
Status, Reason = Message.Status, Message.Reason


@pytest.fixture(autouse=True)
def twilio(settings):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_AUTH_TOKEN = TOKEN
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    settings.PUBLIC_BASE_URL = PUBLIC
    return settings


@pytest.fixture
def own_address(db) -> None:
    """With a provider, the shop's example address lets nothing go."""
    business = Business.load()
    business.postal_address = "1 Elm Street, Springfield, IL 62701"
    business.save()


@pytest.fixture
def campaign(own_address, guests, sms_campaign, at) -> Campaign:
    return begun(sms_campaign, at=at)


@pytest.fixture
def messages(campaign, guests, at) -> list[Message]:
    """Texts that Twilio took, for three guests."""
    return [sent(campaign, guest, at) for guest in guests[:3]]


def sent(campaign, guest, at, status="accepted", **fields) -> Message:
    known = {"provider": "twilio", "provider_id": f"SM{guest.pk}", "address_index": guest.phone_index}
    return add(campaign, guest, status, at=at, **{**known, **fields})


def path_of(message) -> str:
    return f"/webhooks/twilio/status/{getattr(message, 'reference', message)}/"


def report(client, message, status, code="", *, to="", sid="", signature=None, token=TOKEN, **more):
    fields = {
        "MessageSid": sid or message.provider_id,
        "MessageStatus": status,
        "To": to or message.contact.phone,
        "From": "+12175550100",
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        **({"ErrorCode": code} if code else {}),
        **more,
    }
    url = f"{PUBLIC}{path_of(message)}"
    signed = RequestValidator(token).compute_signature(url, fields) if signature is None else signature
    return client.post(path_of(message), fields, headers={"X-Twilio-Signature": signed})


def state_of(message: Message) -> tuple[str, str]:
    message.refresh_from_db()
    return message.status, message.reason


# --- Who may report ---------------------------------------------------------------------------------------------------


def test_is_not_there_without_twilio(client, messages, settings):
    settings.SMS_PROVIDER = "outbox"

    assert report(client, messages[0], "delivered").status_code == 404


@pytest.mark.parametrize("signature", ["", "x", "kvajT1Ptam85bY51eRf/AJRuM3w="])
def test_refuses_what_twilio_did_not_sign(client, messages, signature):
    assert report(client, messages[0], "delivered", signature=signature).status_code == 403

    assert not ProviderEvent.objects.exists()
    assert Fact.objects.get(pk="webhook.twilio").detail["refused"] == 1


def test_refuses_a_report_that_was_signed_for_another_message(client, messages):
    """The address is part of what is signed: nobody can carry a report over to another row."""
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered", "AccountSid": ACCOUNT}
    signed = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}{path_of(messages[0])}", fields)

    answer = client.post(path_of(messages[1]), fields, headers={"X-Twilio-Signature": signed})

    assert answer.status_code == 403


def test_refuses_another_account(client, messages):
    assert report(client, messages[0], "delivered", AccountSid="AC-other").status_code == 403


def test_takes_an_older_token_while_it_is_named(client, messages, settings):
    assert report(client, messages[0], "delivered", token="older").status_code == 403
    settings.TWILIO_OTHER_AUTH_TOKENS = ["older"]

    assert report(client, messages[0], "delivered", token="older").status_code == 204
    assert report(client, messages[0], "delivered").status_code == 204


def test_refuses_what_is_too_big_and_what_is_no_post(client, messages):
    assert report(client, messages[0], "delivered", Padding="x" * MAX_BYTES).status_code == 413
    assert client.get(path_of(messages[0])).status_code == 405
    assert client.post("/webhooks/twilio/status/nonsense/").status_code == 404


@pytest.mark.parametrize("missing", ["MessageSid", "MessageStatus"])
def test_an_incomplete_report_is_bad(client, messages, missing):
    assert report(client, messages[0], "delivered", **{missing: ""}).status_code == 400
    assert not ProviderEvent.objects.exists()


def test_logs_no_number(client, messages, caplog):
    caplog.set_level("DEBUG")

    report(client, messages[0], "undelivered", "30005")
    report(client, messages[0], "delivered", signature="x")

    assert messages[0].contact.phone[-7:] not in caplog.text


# --- What a report says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload["name"])
def test_reads_what_twilio_sends(payload):
    fields = QueryDict(mutable=True)
    fields.update(payload["fields"])
    reference = uuid.uuid4()

    event = report_of(fields, reference, NOON)

    kind, verdict, code = payload["means"]
    assert event is not None
    assert (event.type, event.verdict, event.code) == (EventType(kind), Verdict(verdict), code)
    assert (event.reference, event.at, event.recipient) == (reference, NOON, "+12175550101")
    assert event.key == f"{payload['fields']['MessageSid']} {payload['fields']['MessageStatus']}"
    assert event.provider_id == payload["fields"]["MessageSid"]
    assert event.payload == payload["fields"]


HARD = [21211, 21214, 21217, 21401, 21604, 21614, 21635, 30005, 30006]
SOFT = [21612, 30003, 30004, 30008, 30017, 30410]
SENDER = [
    21408,
    21602,
    21606,
    21611,
    21617,
    30001,
    30002,
    30007,
    30022,
    30023,
    30026,
    30027,
    30032,
    30033,
    30034,
    30035,
]
VERDICTS = [
    *((str(code), "hard") for code in [21610, *HARD]),
    *((str(code), "soft") for code in SOFT),
    *((str(code), "sender") for code in [*SENDER, 30035, 30450]),
    ("30036", "expired"),
    ("", "soft"),  # "unknown error"
    ("0", "soft"),
    ("99999", "sender"),  # says nothing against the person
    ("null", "sender"),
    ("9" * 5_000, "sender"),
    ("²", "sender"),
]


@pytest.mark.parametrize(("code", "verdict"), VERDICTS, ids=lambda value: value[:8])
@pytest.mark.parametrize("status", ["undelivered", "failed", "FAILED"])
def test_judges_every_code(status, code, verdict):
    fields = QueryDict(mutable=True)
    fields.update({"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": code})

    event = report_of(fields, uuid.uuid4(), NOON)

    assert event is not None
    assert event.verdict == verdict
    assert event.type in {EventType.BOUNCED, EventType.REJECTED, EventType.FAILED}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("accepted", "queued"),
        ("scheduled", "queued"),
        ("queued", "queued"),
        ("sending", "queued"),
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "delivered"),
        ("canceled", "failed"),
        ("receiving", "unknown"),
    ],
)
def test_knows_every_status(status, kind):
    fields = QueryDict(mutable=True)
    fields.update({"SmsSid": "SM1", "SmsStatus": status})

    event = report_of(fields, uuid.uuid4(), NOON)

    assert event is not None
    assert (event.type, event.verdict) == (EventType(kind), Verdict.NONE)


# --- What follows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "state", "reason"),
    [
        ("delivered", "", (Status.DELIVERED, ""), ""),
        ("undelivered", "30005", (Status.BOUNCED, Reason.NO_SUCH_ADDRESS), "invalid"),
        ("failed", "21610", (Status.FAILED, Reason.UNSUBSCRIBED), "opted out"),
        ("undelivered", "30003", (Status.BOUNCED, Reason.NOT_THIS_TIME), ""),
        ("undelivered", "30007", (Status.FAILED, Reason.SENDERS_FAULT), ""),
        ("failed", "99999", (Status.FAILED, Reason.SENDERS_FAULT), ""),
    ],
)
def test_notes_what_became_of_it(client, messages, status, code, state, reason):
    first, *others = messages

    assert report(client, first, status, code).status_code == 204

    assert state_of(first) == state
    assert {state_of(other) for other in others} == {(Status.ACCEPTED, "")}
    blocked = list(Suppression.objects.filter(lifted_at=None))
    assert len(blocked) == bool(reason)
    if reason:
        assert blocked[0].address_index == first.address_index
        assert blocked[0].reason in (Suppression.OPT_OUTS if reason == "opted out" else [Suppression.Reason.INVALID])


def test_a_text_that_expired_waits_for_the_next_hours(client, messages):
    report(client, messages[0], "failed", "30036")

    assert state_of(messages[0])[0] == Status.QUEUED
    assert not Suppression.objects.exists()


def test_a_report_settles_what_nobody_answered_for(client, campaign, guests, at):
    """The create call timed out; the address of the report names the row all the same."""
    unknown = sent(campaign, guests[0], at, "unknown", provider_id="")

    report(client, unknown, "sent", sid="SM77")

    assert state_of(unknown) == (Status.ACCEPTED, "")
    assert unknown.provider_id == "SM77"


@pytest.mark.parametrize("order", [*itertools.permutations(["queued", "sent", "delivered"])])
def test_any_order_and_any_number_of_times_end_the_same(client, messages, order):
    for status in (*order, *reversed(order), order[0]):
        assert report(client, messages[0], status).status_code == 204

    assert state_of(messages[0]) == (Status.DELIVERED, "")
    assert ProviderEvent.objects.count() == 3


@pytest.mark.parametrize(
    "order", list(itertools.permutations([("sent", ""), ("undelivered", "30005"), ("queued", "")]))
)
def test_a_failure_stays_one_whatever_comes_late(client, messages, order):
    for status, code in order * 2:
        report(client, messages[0], status, code)

    assert state_of(messages[0]) == (Status.BOUNCED, Reason.NO_SUCH_ADDRESS)
    assert Suppression.objects.count() == 1


def test_a_report_about_nobody_changes_nothing(client, messages):
    """A row that is not there, with the id of one that is."""
    nobody = uuid.uuid4()

    answer = report(client, nobody, "undelivered", "30005", to=messages[0].contact.phone, sid=messages[0].provider_id)

    assert answer.status_code == 204
    assert state_of(messages[0]) == (Status.ACCEPTED, "")
    assert not Suppression.objects.exists()


def test_a_report_about_another_number_blocks_nobody(client, messages):
    report(client, messages[0], "undelivered", "30005", to="+12175559999")

    assert not Suppression.objects.exists()


def test_a_status_of_tomorrow_does_no_harm(client, messages):
    assert report(client, messages[0], "teleported", NewField="1").status_code == 204

    assert state_of(messages[0]) == (Status.ACCEPTED, "")


def test_three_failures_in_thirty_days_suppress_and_never_send_again(client, own_address, guests, offer, at):
    guest = guests[0]
    for number in range(3):
        draft = Draft(name=f"Lunch {number}", channel=Channel.SMS, body="Come", offer=offer)
        campaign = begun(save_draft(draft), at=at)
        message = sent(campaign, guest, at, provider_id=f"SM-{number}")
        guest.refresh_from_db()
        assert guest.sms_status == ChannelStatus.SUBSCRIBED
        report(client, message, "undelivered", "30003")

    guest.refresh_from_db()
    assert guest.sms_status == ChannelStatus.SUPPRESSED
    assert not Message.objects.filter(status=Status.QUEUED).exists()


@pytest.mark.parametrize("code", ["30034", "30032", "30002"])
def test_an_account_that_may_not_text_stops_every_text_campaign(client, messages, campaign, offer, at, code):
    other = begun(save_draft(Draft(name="Dinner", channel=Channel.SMS, body="Come", offer=offer)), at=at)

    report(client, messages[0], "undelivered", code)

    for stopped in (campaign, other):
        stopped.refresh_from_db()
        assert stopped.status == Campaign.Status.PAUSED
        assert code in stopped.pause_reason


def test_keeps_when_it_came(client, messages):
    before = datetime.now(tz=NOON.tzinfo) - timedelta(minutes=5)
    report(client, messages[0], "delivered")

    event = ProviderEvent.objects.get()
    assert event.occurred_at > before
    assert event.message == messages[0]
