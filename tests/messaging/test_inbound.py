"""Texts that come in: signed or refused, stored once, understood where they are clear."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import RequestFactory
from twilio.request_validator import RequestValidator

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.models import ChannelStatus, Confirmation, ConsentEvent, Contact, SignupForm, Suppression
from contacts.queries import derive_states
from contacts.services import block, record_consent, suppress, suppress_many, unsubscribe
from messaging.models import Fact, InboundText
from messaging.services import confirm_due, receive_text
from messaging.services.inbound import MOST_ANSWERS
from messaging.services.reviewing import carry_on
from messaging.webhooks.twilio import MAX_BYTES, is_signed
from redemptions.models import WelcomeDeal
from tests.messaging.conftest import NOON

TOKEN = "12345"
ACCOUNT = "AC0123456789"
NUMBER = "+12175550123"
INDEX = keyed_hash("sms", NUMBER)
PATH = "/webhooks/twilio/inbound/"


@pytest.fixture
def twilio(settings, db):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_AUTH_TOKEN = TOKEN
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    settings.PUBLIC_BASE_URL = "https://deals.corner-bar.example"
    return settings


@pytest.fixture
def maria(db) -> Contact:
    contact = Contact.objects.create(phone=NUMBER, first_name="Maria")
    record_consent(
        channel=Channel.SMS,
        address_index=INDEX,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.FORM,
        at=NOON - timedelta(days=9),
    )
    return contact


@pytest.fixture
def form(db) -> SignupForm:
    return SignupForm.objects.create(name="Table", slug="table", keyword="join")


def post(client, body, *, path=PATH, sid="SM1", signature=None, **more):
    fields = {"MessageSid": sid, "From": NUMBER, "To": "+12175550199", "Body": body, "AccountSid": ACCOUNT, **more}
    url = f"https://deals.corner-bar.example{path}"
    signed = RequestValidator(TOKEN).compute_signature(url, fields) if signature is None else signature
    return client.post(path, fields, headers={"X-Twilio-Signature": signed})


def receive(body, *, sid="SM1", at=NOON, sender=NUMBER, **more) -> str:
    return receive_text(provider="twilio", provider_id=sid, sender=sender, body=body, at=at, **more)


def status() -> str:
    return Contact.objects.get(phone_index=INDEX).sms_status


def stop(at=NOON - timedelta(days=1)):
    unsubscribe(
        channel=Channel.SMS,
        address_index=INDEX,
        source=ConsentEvent.Source.KEYWORD,
        reason=Suppression.Reason.STOPPED,
        at=at,
    )


# --- Who may post ---


def test_is_not_there_without_twilio(client, db):
    assert post(client, "STOP").status_code == 404


@pytest.mark.parametrize("signature", ["", "x", "kvajT1Ptam85bY51eRf/AJRuM3w="])
def test_refuses_what_twilio_did_not_sign(client, twilio, maria, signature):
    assert post(client, "STOP", signature=signature).status_code == 403
    assert client.post(PATH, {"Body": "STOP"}).status_code == 403
    assert status() == ChannelStatus.SUBSCRIBED
    assert not InboundText.objects.exists()


def test_refuses_another_account(client, twilio):
    assert post(client, "STOP", AccountSid="AC-other").status_code == 403


def test_refuses_changed_fields(client, twilio, maria):
    url = f"https://deals.corner-bar.example{PATH}"
    signed = RequestValidator(TOKEN).compute_signature(url, {"Body": "Hello", "From": NUMBER, "MessageSid": "SM1"})

    assert post(client, "STOP", signature=signed).status_code == 403


def test_refuses_what_is_too_big(client, twilio):
    assert post(client, "x" * MAX_BYTES).status_code == 413


def test_takes_posts_only(client, twilio):
    assert client.get(PATH).status_code == 405


def test_an_incomplete_post_is_bad(client, twilio):
    assert post(client, "STOP", From="").status_code == 400


@pytest.mark.parametrize("path", [PATH, "/webhooks/twilio/sms-optout", "/webhooks/sms-optout/", "/sms-optout"])
def test_answers_at_each_of_its_names(client, twilio, maria, path):
    answer = post(client, "STOP", path=path)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/xml"
    assert answer.content.decode().endswith("<Response />")
    assert status() == ChannelStatus.UNSUBSCRIBED


FIELDS = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}


# From twilio-python's own tests (MIT): tests/unit/test_request_validator.py.
@pytest.mark.parametrize(
    ("base", "signature", "valid"),
    [
        ("https://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", True),
        ("https://mycompany.com:1234", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", True),
        ("http://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", True),
        ("https://mycompany.com", "kvajT1Ptam85bY51eRf/AJRuM3w=", True),
        ("http://mycompany.com", "0ZXoZLH/DfblKGATFgpif+LLRf4=", True),
        ("http://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", False),
        ("https://mycompany.com", "", False),
    ],
)
def test_knows_twilios_own_signatures(twilio, base, signature, valid):
    twilio.PUBLIC_BASE_URL = base
    request = RequestFactory().post(
        "/myapp.php?foo=1&bar=2", FIELDS, headers={"X-Twilio-Signature": signature} if signature else {}
    )

    assert is_signed(request) is valid


def test_counts_fields_that_come_twice(twilio):
    twilio.PUBLIC_BASE_URL = "https://mycompany.com"
    body = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"
    assert urlencode(list(QueryDict(body).lists()), doseq=True) == body
    request = RequestFactory().post(
        "/myapp.php?foo=1&bar=2",
        body,
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": "IK+Dwps556ElfBT0I3Rgjkr1wJU="},
    )

    assert is_signed(request)


def test_notes_good_calls_and_bad_ones(client, twilio, maria):
    post(client, "Hello", signature="x")
    assert Fact.objects.get(pk="webhook.twilio").is_good is False

    post(client, "Hello")

    fact = Fact.objects.get(pk="webhook.twilio")
    assert (fact.is_good, fact.detail) == (True, {})


# --- What is done ---


def test_stops_at_once_and_says_nothing_itself(maria):
    assert receive("Stop please") == ""

    assert status() == ChannelStatus.UNSUBSCRIBED
    suppression = Suppression.objects.get()
    assert (suppression.reason, suppression.source) == (Suppression.Reason.STOPPED, "keyword")
    text = InboundText.objects.get()
    assert (text.meaning, text.handled_at, text.body) == ("stop", NOON, "Stop please")
    event = maria.consent_events.get(action=ConsentEvent.Action.REVOKED)
    assert (event.source, event.reference, event.at) == ("keyword", f"text {text.pk}", NOON)


def test_a_stop_of_an_unknown_number_waits_for_it(db):
    receive("STOP")

    assert Suppression.objects.get(lifted_at=None).address_index == INDEX


def test_hears_what_twilio_took_it_for(maria):
    receive("no mas", provider_says="STOP")

    assert status() == ChannelStatus.UNSUBSCRIBED


def test_hears_a_stop_that_twilio_took_for_something_else(maria):
    receive("please stop texting me", provider_says="HELP")

    assert status() == ChannelStatus.UNSUBSCRIBED


@pytest.mark.parametrize("body", ["Please stop texting me", "wrong number", "no me manden más mensajes", "no more"])
def test_hears_a_stop_in_plain_words_at_once(client, twilio, maria, body):
    answer = post(client, body)

    assert answer.content.decode().endswith("<Response />")
    assert status() == ChannelStatus.UNSUBSCRIBED
    text = InboundText.objects.get()
    assert (text.meaning, text.handled_at is None) == (InboundText.Meaning.STOP, False)
    assert maria.consent_events.get(action=ConsentEvent.Action.REVOKED).reference == f"text {text.pk}"


def test_an_unknown_number_may_say_it_in_plain_words_too(db):
    receive("Remove me from your list!")

    (suppression,) = Suppression.objects.filter(lifted_at=None)
    assert (suppression.address_index, suppression.reason) == (INDEX, Suppression.Reason.STOPPED)


def pauses():
    return Suppression.objects.filter(reason=Suppression.Reason.PAUSED, lifted_at=None)


def test_a_doubtful_text_pauses_the_person_until_it_is_read(maria):
    assert receive("Can I stop by at 5?") == ""

    text = InboundText.objects.get()
    assert (text.meaning, text.handled_at) == (InboundText.Meaning.DOUBT, None)
    assert status() == ChannelStatus.SUPPRESSED
    assert pauses().get().source == f"text {text.pk}"
    assert not maria.consent_events.filter(action=ConsentEvent.Action.REVOKED).exists()


def test_a_doubtful_text_of_an_unknown_number_pauses_it_too(db):
    receive("How do I cancel my reservation?")

    assert pauses().get().address_index == INDEX


def test_a_second_doubt_adds_no_second_pause(maria):
    receive("Can I stop by at 5?")
    receive("Or at the end of the day?", sid="SM2")

    assert pauses().count() == 1


@pytest.mark.parametrize("how", ["by hand", "by an import"])
@pytest.mark.parametrize("end", ["read", "start"])
def test_a_block_of_the_shops_own_outlasts_the_pause(maria, how, end):
    receive("Can I stop by at 5?")
    if how == "by hand":
        assert block(channel=Channel.SMS, address_index=INDEX, reason="Asked at the bar to be left alone", at=NOON)
    else:
        suppress_many([(Channel.SMS, INDEX, Suppression.Reason.MANUAL, NOON, "import 7")])

    if end == "read":
        carry_on(InboundText.objects.get(), actor=User.objects.create(username="owner"), at=NOON)
    else:
        receive("START", sid="SM2")

    assert not pauses().exists()
    assert derive_states(Channel.SMS, [INDEX])[INDEX].state == ChannelStatus.SUPPRESSED


def test_start_ends_the_pause(maria):
    receive("When does this end?")
    receive("START", sid="SM2", at=NOON + timedelta(minutes=1))

    assert status() == ChannelStatus.SUBSCRIBED
    assert not InboundText.objects.filter(handled_at=None).exists()


def test_yes_ends_no_pause_as_it_may_answer_anything(maria):
    receive("too many texts")
    receive("Yes", sid="SM2", at=NOON + timedelta(minutes=1))

    assert status() == ChannelStatus.SUPPRESSED
    assert InboundText.objects.filter(handled_at=None).count() == 2


def test_start_ends_no_block_of_the_shop(maria):
    block(channel=Channel.SMS, address_index=INDEX, reason="Rude to the staff.", at=NOON - timedelta(days=1))
    receive("When does this end?")
    receive("START", sid="SM2", at=NOON + timedelta(minutes=1))

    assert status() == ChannelStatus.SUPPRESSED


def test_start_ends_the_pause_of_nobody_who_had_not_agreed(db):
    contact = Contact.objects.create(phone=NUMBER)
    receive("When does this end?")
    receive("START", sid="SM2", at=NOON + timedelta(minutes=1))

    contact.refresh_from_db()
    assert contact.sms_status == ChannelStatus.NONE
    assert InboundText.objects.get(provider_id="SM2").handled_at is None


def test_a_stop_takes_the_place_of_a_pause(maria):
    receive("Can I stop by at 5?")
    receive("STOP", sid="SM2", at=NOON + timedelta(minutes=1))

    assert [block.reason for block in Suppression.objects.filter(lifted_at=None)] == [Suppression.Reason.STOPPED]
    assert not InboundText.objects.filter(handled_at=None).exists()

    receive("START", sid="SM3", at=NOON + timedelta(minutes=2))
    assert status() == ChannelStatus.SUBSCRIBED


def test_start_lifts_the_persons_own_stop(maria):
    stop()

    assert receive("START") == ""

    assert status() == ChannelStatus.SUBSCRIBED
    assert maria.consent_events.first().wording == "Texted: START"


@pytest.mark.parametrize(
    "reason", [Suppression.Reason.MANUAL, Suppression.Reason.INVALID, Suppression.Reason.COMPLAINED]
)
def test_start_lifts_nothing_else(maria, reason):
    suppress(channel=Channel.SMS, address_index=INDEX, reason=reason, at=NOON - timedelta(days=1))

    receive("START")

    assert status() == ChannelStatus.SUPPRESSED
    assert InboundText.objects.get().handled_at is None


def test_start_never_turns_a_number_on_that_had_not_agreed(db):
    Contact.objects.create(phone=NUMBER)
    stop()

    receive("START")

    assert status() == ChannelStatus.UNSUBSCRIBED


def test_joins_by_keyword_and_yes(form, offer, outbox):
    WelcomeDeal.objects.create(form=form, offer=offer)

    assert receive("Join!") == ""
    assert status() == ChannelStatus.PENDING
    assert confirm_due(clock=lambda: NOON) == 1
    assert "Reply YES" in next((outbox / "sms").glob("*.txt")).read_text()

    answer = receive("Yes please", sid="SM2", at=NOON + timedelta(minutes=1))

    assert status() == ChannelStatus.SUBSCRIBED
    assert "The Corner Bar: Thanks, you are on the list." in answer
    assert "http://testserver/r/" in answer
    assert "STOP" in answer
    person = Contact.objects.get()
    assert person.source == "keyword"
    granted = person.consent_events.get(action=ConsentEvent.Action.GRANTED)
    assert (granted.source, granted.wording, granted.version) == ("keyword", form.sms_wording, "form table version 1")
    assert [text.meaning for text in InboundText.objects.order_by("pk")] == ["join", "start"]


@pytest.mark.parametrize("keyword", ["JOIN", "join"])
def test_hears_a_keyword_in_any_case(form, keyword):
    SignupForm.objects.update(keyword=keyword)

    receive("Join")

    assert status() == ChannelStatus.PENDING


def test_tells_somebody_on_the_list_so(form, maria):
    assert "already" in receive("join")
    assert not Confirmation.objects.exists()


def test_a_closed_form_has_no_keyword(form):
    SignupForm.objects.update(is_open=False)

    receive("join")

    assert InboundText.objects.get().meaning == InboundText.Meaning.REVIEW


def test_yes_is_too_late_after_a_stop(form):
    receive("join")
    receive("stop", sid="SM2", at=NOON + timedelta(minutes=1))

    receive("yes", sid="SM3", at=NOON + timedelta(minutes=2))

    assert status() == ChannelStatus.UNSUBSCRIBED


def test_yes_to_nothing_is_for_a_person_to_read(maria):
    assert receive("Yes") == ""
    assert InboundText.objects.get().handled_at is None


def test_says_who_it_is_and_how_to_stop(db):
    answer = receive("HELP")

    assert "The Corner Bar" in answer
    assert "STOP" in answer
    assert "hello@corner-bar.example" in answer
    assert receive("HELP", sid="SM2", provider_says="HELP") == ""


def test_answers_one_number_so_often_and_no_more(db):
    answers = [receive("HELP", sid=f"SM{number}", at=NOON + timedelta(seconds=number)) for number in range(20)]

    assert [bool(answer) for answer in answers] == [True] * MOST_ANSWERS + [False] * (20 - MOST_ANSWERS)
    assert receive("HELP", sid="other", sender="+12175550124", at=NOON + timedelta(seconds=20))
    assert receive("HELP", sid="later", at=NOON + timedelta(minutes=1))


def test_the_same_text_twice_is_answered_the_same_and_done_once(client, twilio, form, outbox):
    receive("join", sid="SM0")
    first, second = post(client, "YES"), post(client, "YES")

    assert first.content == second.content
    assert b"<Message>" in first.content
    assert InboundText.objects.filter(provider_id="SM1").count() == 1
    assert ConsentEvent.objects.filter(action=ConsentEvent.Action.GRANTED).count() == 1


def test_a_late_repeat_of_a_stop_does_not_undo_a_start(maria):
    receive("STOP", sid="SM1", at=NOON)
    receive("START", sid="SM2", at=NOON + timedelta(minutes=1))
    receive("STOP", sid="SM1", at=NOON + timedelta(minutes=2))

    assert status() == ChannelStatus.SUBSCRIBED


def test_keeps_what_a_person_should_read(maria):
    assert receive("Are you open on Monday?") == ""

    text = InboundText.objects.get()
    assert (text.meaning, text.handled_at) == ("review", None)
    assert status() == ChannelStatus.SUBSCRIBED


def test_takes_texts_of_short_codes(db):
    assert receive("STOP", sender="72727") == ""


def test_logs_neither_number_nor_words(client, twilio, maria, caplog):
    caplog.set_level("DEBUG")
    post(client, "STOP you scoundrels")
    post(client, "hello", signature="x")

    assert "scoundrels" not in caplog.text
    assert "2175550123" not in caplog.text
