"""What became of texts nobody answered for: Twilio is asked, and nothing is ever sent again for it."""

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.models import Campaign
from campaigns.queries import person_of
from contacts.channels import Channel
from contacts.models import Business
from contacts.stopping import ask_to_stop, forget
from messaging.models import Message
from messaging.services.composing import Composer
from messaging.services.looking_up import LIMIT, look_up_unknown
from messaging.transports import TransportError, transport_for
from tests.messaging.ledger import add
from tests.wire.provider import provider

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def twilio(settings):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC1", "secret"
    settings.TWILIO_PHONE_NUMBER = "+12175550100"
    settings.PROVIDER_TIMEOUT_S = (0.5, 0.5)
    with provider() as server:
        settings.TWILIO_API_URL = server.url
        yield server


@pytest.fixture
def handed_at() -> datetime:
    """The provider's clock is the machine's."""
    return datetime.now(UTC).replace(microsecond=0)


def going(campaign: Campaign, at: datetime) -> Campaign:
    Campaign.objects.filter(pk=campaign.pk).update(status="sending", starts_at=at, begun_at=at, planned_at=at)
    campaign.refresh_from_db()
    return campaign


@pytest.fixture
def campaign(guests, sms_campaign, at):
    return going(sms_campaign, at)


@pytest.fixture
def unknown(campaign, guests, handed_at) -> Message:
    return lost(campaign, guests[0], handed_at)


def lost(campaign, guest, handed_at: datetime, **fields) -> Message:
    fields = {"reason": "outcome_unknown", "provider": "twilio"} | fields
    message = add(campaign, guest, fields.pop("status", "unknown"), at=handed_at, reason=fields.pop("reason"))
    Message.objects.filter(pk=message.pk).update(handed_at=handed_at, **fields)
    message.refresh_from_db()
    return message


def hand_over(server, message: Message, fault: str) -> None:
    """Give the text to the provider, who does not answer."""
    contact = message.contact
    assert contact is not None
    outbound = Composer(Business.load()).compose(
        campaign=message.campaign,
        variant=message.variant,
        person=person_of(contact),
        to=contact.phone,
        address_index=contact.phone_index,
        code=message.code,
        reference=message.reference,
        message_id=message.pk,
    )
    server.answers = [fault]
    with transport_for(Channel.SMS) as transport, pytest.raises(TransportError):
        transport.send(outbound)


def look_up(at: datetime) -> int:
    return look_up_unknown(clock=lambda: at)


def posts(server) -> int:
    return sum(request.method == "POST" for request in server.received)


def gets(server) -> int:
    return len(server.received) - posts(server)


@pytest.mark.parametrize("fault", ["hang", "drop", "bad-json"])
def test_what_the_provider_took_is_found(twilio, unknown, handed_at, fault):
    hand_over(twilio, unknown, fault)

    assert look_up(handed_at + MINUTE) == 1

    unknown.refresh_from_db()
    assert (unknown.status, unknown.reason) == ("accepted", "")
    assert unknown.provider_id == twilio.taken()[0].sid
    assert posts(twilio) == 1


def test_what_a_dead_worker_left_is_found_too(twilio, campaign, guests, handed_at):
    message = lost(campaign, guests[0], handed_at, reason="worker_died", provider="")
    hand_over(twilio, message, "drop")

    assert look_up(handed_at + MINUTE) == 1


def test_what_it_never_got_stays_unknown_and_is_never_sent_again(twilio, unknown, handed_at):
    hand_over(twilio, unknown, "lose")

    for minutes in range(20):
        assert look_up(handed_at + minutes * MINUTE) == 0

    unknown.refresh_from_db()
    assert (unknown.status, unknown.reason, unknown.look_ups) == ("unknown", "outcome_unknown", 2)
    assert posts(twilio) == 1


def test_asks_after_one_minute_and_after_ten(twilio, unknown, handed_at):
    asked = []
    for minutes in (0, 1, 2, 9, 10, 11, 60):
        look_up(handed_at + minutes * MINUTE)
        asked.append(gets(twilio))

    assert asked == [0, 2, 2, 2, 4, 4, 4]


def test_what_appears_late_is_found_the_second_time(twilio, unknown, handed_at):
    look_up(handed_at + MINUTE)
    hand_over(twilio, unknown, "drop")

    assert look_up(handed_at + 10 * MINUTE) == 1


@pytest.mark.parametrize("fault", ["429@3", "500", "401:20003", "drop"])
def test_a_provider_that_is_away_spends_nobodys_look_up(twilio, unknown, handed_at, fault):
    twilio.default = fault

    assert look_up(handed_at + MINUTE) == 0

    unknown.refresh_from_db()
    assert unknown.look_ups == 0
    assert len(twilio.received) == 1


def test_a_question_it_refuses_keeps_nobody_else_from_their_turn(twilio, campaign, guests, handed_at):
    older = lost(campaign, guests[0], handed_at - MINUTE)
    newer = lost(campaign, guests[1], handed_at)
    hand_over(twilio, older, "drop")
    twilio.answers = ["400:20001"]

    assert look_up(handed_at + MINUTE) == 1

    newer.refresh_from_db()
    assert (newer.status, newer.look_ups) == ("unknown", 1)


@pytest.mark.parametrize("status", ["queued", "accepted", "failed"])
def test_others_are_left_alone(twilio, campaign, guests, handed_at, status):
    lost(campaign, guests[0], handed_at, status=status, reason="gave_up" if status == "failed" else "")

    look_up(handed_at + MINUTE)

    assert not twilio.received


def test_mails_are_left_alone(twilio, guests, email_campaign, handed_at, at):
    lost(going(email_campaign, at), guests[0], handed_at, provider="")

    look_up(handed_at + MINUTE)

    assert not twilio.received


def test_without_twilio_nobody_is_asked(twilio, unknown, handed_at, settings):
    settings.SMS_PROVIDER = "outbox"

    assert look_up(handed_at + MINUTE) == 0

    unknown.refresh_from_db()
    assert unknown.look_ups == 0


def test_a_person_who_is_gone_is_counted_and_not_asked_for(twilio, unknown, handed_at):
    Message.objects.filter(pk=unknown.pk).update(contact=None)

    assert look_up(handed_at + MINUTE) == 0

    unknown.refresh_from_db()
    assert (unknown.status, unknown.look_ups) == ("unknown", 1)
    assert not twilio.received


def test_a_run_has_an_end(twilio, campaign, guests, handed_at, monkeypatch):
    monkeypatch.setattr("messaging.services.looking_up.LIMIT", 2)
    for guest in guests:
        lost(campaign, guest, handed_at)

    look_up(handed_at + MINUTE)

    assert LIMIT == 20
    assert sorted(Message.objects.values_list("look_ups", flat=True)) == [0, 0, 0, 1, 1]


def test_ends_when_asked_to_stop(twilio, unknown, handed_at):
    ask_to_stop()
    try:
        assert look_up(handed_at + MINUTE) == 0
    finally:
        forget()

    assert not twilio.received


def test_one_settled_meanwhile_keeps_what_it_has(twilio, unknown, handed_at, monkeypatch):
    hand_over(twilio, unknown, "drop")
    answered = twilio.next_answer

    def settle_first():
        Message.objects.filter(pk=unknown.pk).update(status="delivered", reason="", provider_id="SMfirst")
        return answered()

    monkeypatch.setattr("messaging.transports.text._is_it", lambda *args: bool(settle_first()))

    assert look_up(handed_at + MINUTE) == 0

    unknown.refresh_from_db()
    assert (unknown.status, unknown.provider_id, unknown.look_ups) == ("delivered", "SMfirst", 0)
