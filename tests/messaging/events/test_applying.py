"""What reports do: to the message, to the person, and what they leave alone."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Activity, ConsentEvent, Contact, Suppression
from contacts.queries import channel_state
from contacts.services import lift, resubscribe, save_contact
from messaging.incoming import EventType, Incoming, Verdict
from messaging.models import Message, ProviderEvent
from messaging.services import send_anyway
from messaging.services.events import apply_waiting, applying, consequences, forget_payloads, take_in
from tests.messaging.conftest import add_guest
from tests.messaging.events import calls
from tests.messaging.events.conftest import AT, LATER, new_campaign, report, sent

pytestmark = pytest.mark.django_db
HARD, SOFT, SENDER, EXPIRED = Verdict.HARD, Verdict.SOFT, Verdict.SENDER, Verdict.EXPIRED


def tell(*events: Incoming, at=LATER, provider: str = "sendgrid") -> int:
    return take_in(provider, events, at=at)


def fate(message: Message) -> tuple[str, str]:
    message.refresh_from_db()
    return message.status, message.reason


def blocks(contact: Contact, channel: Channel = Channel.EMAIL) -> list[str]:
    found = Suppression.objects.filter(address_index=contact.address_index(channel), lifted_at=None)
    return sorted(found.values_list("reason", flat=True))


# --- The message ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "verdict", "expected"),
    [
        ("queued", "", ("accepted", "")),
        ("sent", "", ("accepted", "")),
        ("deferred", SOFT, ("accepted", "")),
        ("opened", "", ("accepted", "")),
        ("clicked", "", ("accepted", "")),
        ("unknown", "", ("accepted", "")),
        ("subscribed", "", ("accepted", "")),
        ("rejected", "", ("failed", "refused")),
        ("failed", SENDER, ("failed", "senders_fault")),
        ("failed", SOFT, ("failed", "not_this_time")),
        ("bounced", "", ("bounced", "not_this_time")),
        ("bounced", SOFT, ("bounced", "not_this_time")),
        ("bounced", SENDER, ("bounced", "senders_fault")),
        ("delivered", "", ("delivered", "")),
        ("bounced", HARD, ("bounced", "no_such_address")),
        ("rejected", HARD, ("bounced", "no_such_address")),
        ("complained", "", ("complained", "")),
    ],
)
def test_what_each_report_makes_of_a_message(kind, verdict, expected, message):
    assert tell(report(message, kind, Verdict(verdict))) == 1
    assert fate(message) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (("delivered", ""), ("bounced", SOFT), ("delivered", "")),
        (("delivered", ""), ("bounced", HARD), ("bounced", "no_such_address")),
        (("delivered", ""), ("rejected", ""), ("delivered", "")),
        (("delivered", ""), ("queued", ""), ("delivered", "")),
        (("bounced", HARD), ("delivered", ""), ("bounced", "no_such_address")),
        (("bounced", SOFT), ("delivered", ""), ("delivered", "")),
        (("complained", ""), ("bounced", HARD), ("complained", "")),
        (("rejected", ""), ("delivered", ""), ("delivered", "")),
    ],
)
def test_a_message_only_moves_on(before, after, expected, message):
    tell(report(message, before[0], Verdict(before[1])))
    tell(report(message, after[0], Verdict(after[1])), at=LATER + timedelta(hours=1))

    assert fate(message) == expected


def test_the_same_report_again_is_not_new(message):
    event = report(message, "delivered")

    assert [tell(event), tell(event), tell(event, event)] == [1, 0, 0]
    assert ProviderEvent.objects.count() == 1


def test_the_key_counts_for_its_provider_alone(message):
    event = report(message, "delivered")

    assert tell(event) + tell(event, provider="mailbox") == 2


@pytest.mark.parametrize(
    ("kind", "verdict", "expected"),
    [
        ("queued", "", ("accepted", "")),
        ("delivered", "", ("delivered", "")),
        ("bounced", HARD, ("bounced", "no_such_address")),
        ("rejected", "", ("failed", "refused")),
        ("unknown", "", ("unknown", "outcome_unknown")),
    ],
)
@pytest.mark.parametrize("reason", ["outcome_unknown", "worker_died", "left"])
def test_a_report_settles_what_nobody_knew(reason, kind, verdict, expected, campaign, guest):
    unknown = sent(campaign, guest, "unknown", reason=reason, provider="")
    expected = expected if expected[0] != "unknown" else ("unknown", reason)

    tell(report(unknown, kind, Verdict(verdict), provider_id="found"))

    assert fate(unknown) == expected
    if expected[0] != "unknown":
        assert (unknown.provider, unknown.provider_id) == ("sendgrid", "found")
        assert Activity.objects.get(pk=guest.pk).last_sent_at == LATER


def test_a_mail_on_its_way_is_settled_when_it_has_left(campaign, guest):
    going = sent(campaign, guest, "handed")

    tell(report(going, "delivered", provider_id="p"))
    assert fate(going)[0] == "sending"
    assert apply_waiting(at=LATER) == 0

    Message.objects.filter(pk=going.pk).update(status="accepted", provider_id="p")
    assert apply_waiting(at=LATER) == 1
    assert fate(going)[0] == "delivered"
    assert apply_waiting(at=LATER) == 0


@pytest.mark.parametrize(
    ("kind", "verdict", "expected"),
    [
        ("delivered", "", "delivered"),
        ("bounced", SOFT, "bounced"),
        ("complained", "", "complained"),
        ("queued", "", "queued"),
        ("rejected", "", "queued"),
    ],
)
def test_what_is_to_be_sent_anyway_is_not_once_it_has_arrived(kind, verdict, expected, campaign, guest):
    unknown = sent(campaign, guest, "unknown")
    send_anyway(campaign, at=AT)

    tell(report(unknown, kind, Verdict(verdict), provider_id="first try"))

    assert fate(unknown)[0] == expected
    if expected != "queued":
        assert unknown.handed_at == LATER
        assert unknown.provider_id == "first try"


@pytest.mark.parametrize(("status", "reason"), [("skipped", "unsubscribed"), ("cancelled", "")])
def test_what_was_never_sent_stays_and_its_report_is_kept(status, reason, campaign, guest):
    row = sent(campaign, guest, status, reason=reason)

    tell(report(row, "delivered"))

    assert fate(row) == (status, reason)
    assert ProviderEvent.objects.get().applied_at == LATER


def test_a_failed_one_that_arrived_did_not_fail(campaign, guest):
    failed = sent(campaign, guest, "failed")

    tell(report(failed, "queued"))
    assert fate(failed) == ("failed", "gave_up")
    tell(report(failed, "delivered"))
    assert fate(failed) == ("delivered", "")


def test_a_report_finds_its_message_by_the_providers_id(message):
    assert tell(report(message, "delivered", reference=None)) == 1
    assert fate(message)[0] == "delivered"


def test_a_report_that_came_before_the_id_was_known_finds_it_later(campaign, guest):
    going = sent(campaign, guest, "handed", provider="resend")
    event = report(going, "delivered", reference=None, provider_id="early", recipient="guest1@example.org")
    tell(Incoming(**{**fields_of(event), "payload": {"to": ["Guest1@Example.org"]}}), provider="resend")

    Message.objects.filter(pk=going.pk).update(status="accepted", provider_id="early")
    apply_waiting(at=LATER)

    assert fate(going)[0] == "delivered"
    assert ProviderEvent.objects.get().address_index is not None


def test_found_later_it_still_must_name_the_address(campaign, guest):
    going = sent(campaign, guest, "handed", provider="resend")
    event = report(going, "bounced", HARD, reference=None, provider_id="early", recipient="else@example.org")
    tell(Incoming(**{**fields_of(event), "payload": {"to": ["else@example.org"]}}), provider="resend")

    Message.objects.filter(pk=going.pk).update(status="accepted", provider_id="early")
    apply_waiting(at=LATER)

    assert fate(going)[0] == "accepted"
    assert blocks(guest) == []


def fields_of(event: Incoming) -> dict[str, Any]:
    return {name: getattr(event, name) for name in Incoming.__slots__}


def test_what_is_nobodys_waits_an_hour_and_no_longer(db):
    loose = Incoming("k", EventType.DELIVERED, LATER, provider_id="a test", payload={"to": "x"})
    lost = Incoming("l", EventType.BOUNCED, LATER, reference=uuid4(), verdict=HARD)

    assert tell(loose, lost) == 2
    apply_waiting(at=LATER + timedelta(minutes=59))
    assert list(ProviderEvent.objects.filter(applied_at=None).values_list("event_key", flat=True)) == ["k"]
    apply_waiting(at=LATER + timedelta(minutes=61))
    assert not ProviderEvent.objects.filter(applied_at=None).exists()


# --- The person -------------------------------------------------------------------------------------------------------


def test_an_address_that_does_not_work_is_written_to_no_more(message, guest):
    tell(report(message, "bounced", HARD, code="5.1.1"))

    assert blocks(guest) == ["bounced"]
    assert Suppression.objects.get().source == "sendgrid 5.1.1"
    guest.refresh_from_db()
    assert guest.email_status == "suppressed"
    assert not ConsentEvent.objects.filter(action="revoked").exists()


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("complained", {}, "complained"),
        ("rejected", {"reject_reason": "spam", "verdict": HARD}, "complained"),
        ("unsubscribed", {}, "unsubscribed"),
        ("rejected", {"reject_reason": "unsubscribed", "verdict": HARD}, "unsubscribed"),
    ],
)
def test_what_the_person_said_is_their_withdrawal(kind, fields, reason, message, guest):
    tell(report(message, kind, **fields))

    assert blocks(guest) == [reason]
    event = ConsentEvent.objects.get(action="revoked")
    assert (event.source, event.contact_id, event.reference) == ("provider", guest.pk, f"message {message.pk}")
    assert channel_state(guest, Channel.EMAIL).withdrawn


@pytest.mark.parametrize("kind", ["subscribed", "opened", "clicked", "delivered", "deferred", "unknown"])
def test_nothing_else_concerns_the_person(kind, message, guest):
    tell(report(message, kind))

    assert blocks(guest) == []


def test_nobody_is_subscribed_again_by_a_provider(message, guest):
    tell(report(message, "unsubscribed"))
    tell(report(message, "subscribed"))

    assert blocks(guest) == ["unsubscribed"]


@pytest.mark.parametrize("recipient", ["other@example.org", "guest2@example.org", "nonsense", "+12175550101"])
def test_a_report_on_another_address_changes_nothing(recipient, message, guest):
    neighbour = add_guest(2)

    tell(report(message, "bounced", HARD, recipient=recipient), report(message, "complained", recipient=recipient))

    assert fate(message) == ("accepted", "")
    assert blocks(guest) == blocks(neighbour) == []


@pytest.mark.parametrize("recipient", ["guest1@example.org", "GUEST1@Example.ORG", "Guest <guest1@example.org>", ""])
def test_the_address_may_be_spelled_in_any_way(recipient, message, guest):
    tell(report(message, "bounced", HARD, recipient=recipient))

    assert blocks(guest) == ["bounced"]


def test_an_address_that_changed_hands_stays_the_one_the_mail_went_to(message, guest):
    guest.email = "new@example.org"
    save_contact(guest)
    heir = save_contact(Contact(email="guest1@example.org"))

    tell(report(message, "complained"))

    guest.refresh_from_db()
    heir.refresh_from_db()
    assert (guest.email_status, heir.email_status) == ("none", "suppressed")


def test_once_lifted_an_old_report_suppresses_no_more(message, guest, django_user_model):
    bounce = report(message, "bounced", HARD)
    tell(bounce)
    (block,) = Suppression.objects.all()
    owner = django_user_model.objects.create(username="o")
    lift(block, actor=owner, reason="They called: the address works again.", at=LATER)

    tell(bounce, report(message, "delivered"))

    assert blocks(guest) == []


def test_an_unsubscription_holds_until_the_person_comes_back(message, guest):
    tell(report(message, "unsubscribed"))
    resubscribe(
        channel=Channel.EMAIL,
        address_index=message.address_index,
        source=ConsentEvent.Source.UNSUBSCRIBE_PAGE,
        at=LATER + timedelta(days=1),
        wording="Write to me again",
    )

    tell(report(message, "opened"), at=LATER + timedelta(days=2))

    assert blocks(guest) == []


# --- Several times in a row -------------------------------------------------------------------------------------------


def soft(campaigns: list[Campaign], guest: Contact, days: list[float], code: str = "4.2.2") -> None:
    """Bounce softly on these days, in these campaigns by turns."""
    messages = {
        campaign.pk: Message.objects.filter(campaign=campaign, contact=guest).first() or sent(campaign, guest)
        for campaign in campaigns
    }
    for number, day in enumerate(days):
        at = AT + timedelta(days=day)
        message = messages[campaigns[number % len(campaigns)].pk]
        tell(report(message, "bounced", SOFT, at=at, code=code), at=at)


@pytest.mark.parametrize(
    ("campaigns", "days", "expected"),
    [
        (3, [0, 4, 8, 12, 14], ["bounced"]),
        (3, [0, 4, 8, 12, 13.9], []),
        (3, [0, 5, 10, 20], []),
        (2, [0, 4, 8, 12, 14, 20], []),
        (1, [0, 4, 8, 12, 14, 20], []),
    ],
)
def test_an_address_that_fails_often_enough_and_long_enough_is_left(campaigns, days, expected, guest, offer):
    soft([new_campaign(offer) for _ in range(campaigns)], guest, days)

    assert blocks(guest) == expected


def test_a_delivery_begins_the_count_anew(guest, offer):
    campaigns = [new_campaign(offer) for _ in range(3)]
    soft(campaigns, guest, [0, 4, 8, 12])
    other = sent(new_campaign(offer), guest)
    tell(report(other, "delivered", at=AT + timedelta(days=13)), at=AT + timedelta(days=13))

    soft(campaigns, guest, [14, 18, 22, 26])
    assert blocks(guest) == []
    soft(campaigns, guest, [28])
    assert blocks(guest) == ["bounced"]


@pytest.mark.parametrize("sign", ["last_clicked_at", "last_redeemed_at"])
def test_a_click_or_a_redemption_begins_the_count_anew(sign, guest, offer):
    Activity.objects.update_or_create(pk=guest.pk, defaults={sign: AT + timedelta(days=1)})

    soft([new_campaign(offer) for _ in range(3)], guest, [0, 4, 8, 12, 15])

    assert blocks(guest) == []


def test_lifting_the_block_begins_the_count_anew(guest, offer, django_user_model):
    campaigns = [new_campaign(offer) for _ in range(3)]
    soft(campaigns, guest, [0, 4, 8, 12, 14])
    owner = django_user_model.objects.create(username="o")
    lift(Suppression.objects.get(), actor=owner, reason="They cleaned their mailbox up.", at=AT + timedelta(days=15))

    soft(campaigns, guest, [16])

    assert blocks(guest) == []


def test_the_senders_fault_never_touches_the_person(guest, offer):
    for day in range(0, 40, 4):
        message = sent(new_campaign(offer), guest)
        at = AT + timedelta(days=day)
        tell(report(message, "bounced", SENDER, at=at, code="5.7.1"), at=at)

    assert blocks(guest) == []


# --- Texts ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def text(guest, offer) -> Message:
    return sent(new_campaign(offer, Channel.SMS), guest, provider="twilio", provider_id="SM1")


@pytest.mark.parametrize(("code", "reason"), [("30006", "invalid"), ("21610", "stopped")])
def test_a_number_that_does_not_work_or_said_stop(code, reason, text, guest):
    tell(report(text, "bounced", HARD, code=code, recipient="+12175550101"), provider="twilio")

    assert blocks(guest, Channel.SMS) == [reason]
    assert blocks(guest) == []
    assert ConsentEvent.objects.filter(action="revoked").exists() is (reason == "stopped")


@pytest.mark.parametrize(
    ("code", "days", "expected"),
    [
        ("30003", [0, 10, 29], ["bounced"]),
        ("30003", [0, 10, 31], []),
        ("30004", [0, 29], ["bounced"]),
        ("30003", [0, 29], []),
    ],
)
def test_texts_that_fail_within_a_month(code, days, expected, guest, offer):
    for day in days:
        text = sent(new_campaign(offer, Channel.SMS), guest, provider="twilio")
        at = AT + timedelta(days=day)
        tell(report(text, "bounced", SOFT, code=code, at=at), at=at, provider="twilio")

    assert blocks(guest, Channel.SMS) == expected


def expired(text: Message, **fields: Any) -> Incoming:
    return report(text, "failed", EXPIRED, code="30036", **fields)


def test_a_text_that_ran_out_of_time_goes_again_once(text):
    Campaign.objects.update(status="sent", finished_at=AT)
    first = expired(text)

    tell(first, provider="twilio")
    assert fate(text) == ("queued", "")
    assert (text.provider_id, text.handed_at, text.not_before) == ("", None, LATER)
    assert Campaign.objects.get().status == "sending"

    Message.objects.update(status="accepted", provider="twilio", provider_id="SM2", handed_at=LATER)
    tell(
        first, report(text, "sent", provider_id="SM1"), expired(text, provider_id="SM1", key="late"), provider="twilio"
    )
    assert fate(text) == ("accepted", "")

    tell(expired(text, provider_id="SM2"), provider="twilio")
    assert fate(text) == ("failed", "not_this_time")


def test_of_a_cancelled_campaign_it_does_not_go_again(text):
    Campaign.objects.update(status="cancelled", finished_at=AT)

    tell(expired(text), provider="twilio")

    assert fate(text) == ("failed", "not_this_time")


@pytest.mark.parametrize("order", [1, -1])
def test_one_that_arrived_all_the_same_does_not_go_again(order, text):
    for event in [expired(text), report(text, "delivered")][::order]:
        tell(event, provider="twilio")

    assert fate(text) == ("delivered", "")


@pytest.mark.parametrize("late", [("sent", ""), ("bounced", SOFT), ("queued", "")])
def test_the_rest_of_what_is_told_of_a_try_that_ran_out_does_not_count(late, text):
    tell(expired(text), provider="twilio")

    tell(report(text, late[0], Verdict(late[1]), provider_id="SM1"), provider="twilio")

    assert fate(text) == ("queued", "")


def test_a_text_nobody_knew_of_goes_again_when_it_is_known_not_to_have_left(guest, offer):
    unknown = sent(new_campaign(offer, Channel.SMS), guest, "unknown", provider="twilio")

    tell(expired(unknown, provider_id="SM1"), provider="twilio")
    assert fate(unknown) == ("queued", "")

    Message.objects.update(status="unknown", reason="outcome_unknown", handed_at=LATER)
    tell(report(unknown, "unknown", provider_id="SM2"), provider="twilio")
    assert fate(unknown) == ("unknown", "outcome_unknown")


# --- Poison, size, and what is kept -----------------------------------------------------------------------------------


def test_one_that_cannot_be_applied_costs_only_itself(campaign, guest, monkeypatch, caplog):
    bad, good = sent(campaign, guest), sent(campaign, add_guest(2))
    stop = consequences._stop

    def fail(channel, index, *args):
        if index == bad.address_index:
            raise RuntimeError("guest1@example.org")
        stop(channel, index, *args)

    monkeypatch.setattr(consequences, "_stop", fail)

    with caplog.at_level(logging.ERROR):
        assert tell(report(bad, "bounced", HARD), report(good, "bounced", HARD)) == 2

    assert (fate(bad)[0], fate(good)[0]) == ("accepted", "bounced")
    assert f"message {bad.pk}" in caplog.text
    assert "guest1@" not in caplog.text

    monkeypatch.undo()
    apply_waiting(at=LATER)
    assert fate(bad)[0] == "bounced"


@pytest.mark.parametrize(
    "fields",
    [
        {"code": "x" * 100, "reject_reason": "y" * 100, "provider_id": "z" * 500, "key": "k" * 500},
        {"code": "5\0", "provider_id": "\ud800", "key": "\0"},
        {"payload": {"a": {1, 2}, "b": "\0\ud800"}},
        {"at": AT - timedelta(days=100_000)},
        {"at": AT + timedelta(days=100_000)},
    ],
    ids=["long", "odd", "payload", "long ago", "far ahead"],
)
def test_whatever_a_report_holds_it_is_stored(fields, message):
    event = report(message, "delivered", **fields)

    assert tell(event, event) == 1
    assert fate(message)[0] == "delivered"
    assert ProviderEvent.objects.get().occurred_at <= LATER


def test_a_thousand_reports_in_one_call_take_few_queries(campaign, use, client, monkeypatch):
    monkeypatch.setattr(applying, "CALL_S", 600.0)  # however busy the machine is
    people = [Contact(email=f"p{number}@example.org") for number in range(1000)]
    Contact.objects.bulk_create(people)
    variant, unknown = campaign.variants.get(), {"status": "unknown", "reason": "outcome_unknown"}
    messages = [
        Message(
            campaign=campaign,
            variant=variant,
            contact=person,
            channel=Channel.EMAIL,
            address_index=person.address_index(Channel.EMAIL),
            **(unknown if number % 3 else {"status": "accepted", "provider_id": f"a{number}"}),
        )
        for number, person in enumerate(people)
    ]
    Message.objects.bulk_create(messages)
    use("sendgrid")
    call = calls.sendgrid(
        *(
            {
                "event": "delivered",
                "email": person.email,
                "timestamp": 1769940000,
                "sg_event_id": f"e{number}",
                "anymail_id": f"a{number}",
                "message": str(message.reference),
            }
            for number, (person, message) in enumerate(zip(people, messages, strict=True))
        ),
        at=calls.now(),
    )

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert call.post(client).status_code == 200

    assert len(queries) < 150, len(queries)
    assert Message.objects.filter(status="delivered").count() == 1000
    assert ProviderEvent.objects.exclude(applied_at=None).count() == 1000


def test_what_there_is_no_time_for_is_applied_by_the_clock(campaign, guest, monkeypatch):
    message = sent(campaign, guest)
    monkeypatch.setattr(applying, "CALL_S", -1.0)

    tell(report(message, "bounced", HARD))
    assert fate(message)[0] == "accepted"
    assert apply_waiting(at=LATER) == 1
    assert fate(message)[0] == "bounced"
    assert blocks(guest) == ["bounced"]


def test_after_ninety_days_what_a_provider_wrote_is_gone(message):
    tell(report(message, "delivered", payload={"email": "guest1@example.org"}))
    tell(report(message, "opened", payload={"email": "guest1@example.org"}), at=LATER + timedelta(days=2))
    old, new = ProviderEvent.objects.order_by("pk")

    assert forget_payloads(at=LATER + timedelta(days=89)) == 0
    assert forget_payloads(at=LATER + timedelta(days=90)) == 1
    assert forget_payloads(at=LATER + timedelta(days=90, minutes=59)) == 0
    assert forget_payloads(at=LATER + timedelta(days=91)) == 0

    old.refresh_from_db()
    assert (old.payload, old.event_type) == ("{}", "delivered")
    assert json.loads(ProviderEvent.objects.get(pk=new.pk).payload)
    assert forget_payloads(at=LATER + timedelta(days=93)) == 1
