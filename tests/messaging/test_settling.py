"""What a person, or a proof, decides about messages that failed or of which nobody knows: nothing else goes twice."""

import uuid
from datetime import timedelta

import pytest

from campaigns.models import Campaign
from campaigns.services import NotPossible
from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Suppression
from contacts.services import suppress, unsubscribe
from messaging.models import Message
from messaging.queries import undecided
from messaging.services.control import cancel, pause
from messaging.services.settling import leave, retry_failed, send_anyway, settle_unknown
from tests.messaging.ledger import add, begun, states

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def campaign(guests, email_campaign, at):
    return begun(email_campaign, at=at)


def finish(campaign, at):
    Campaign.objects.filter(pk=campaign.pk).update(status="sent", finished_at=at)


def unsubscribed(guest, at):
    unsubscribe(channel=Channel.EMAIL, address_index=guest.email_index, source=ConsentEvent.Source.ONE_CLICK, at=at)


def suppressed(guest, at):
    suppress(channel=Channel.EMAIL, address_index=guest.email_index, reason=Suppression.Reason.BOUNCED, at=at)


def erased(guest, at):
    Message.objects.filter(contact=guest).update(contact=None)
    Contact.objects.filter(pk=guest.pk).delete()


LEAVERS = [unsubscribed, suppressed, erased]


# --- Failed ones ---


@pytest.mark.parametrize("reason", ["gave_up", "error", "render"])
def test_a_failure_that_is_not_the_address_s_fault_is_tried_again(reason, campaign, guests, at):
    message = add(campaign, guests[0], "failed", at=at, reason=reason)
    finish(campaign, at)

    assert retry_failed(campaign, at=at + HOUR) == 1

    message.refresh_from_db()
    assert (message.status, message.reason, message.attempts, message.claim) == ("queued", "", 0, None)
    assert (message.handed_at, message.not_before) == (None, at + HOUR)
    campaign.refresh_from_db()
    assert (campaign.status, campaign.finished_at) == (Campaign.Status.SENDING, None)


@pytest.mark.parametrize("reason", ["refused", "too_long"])
def test_other_failures_stay(reason, campaign, guests, at):
    add(campaign, guests[0], "failed", at=at, reason=reason)
    finish(campaign, at)

    with pytest.raises(NotPossible, match="No failed message"):
        retry_failed(campaign, at=at)
    campaign.refresh_from_db()
    assert (campaign.status, states(campaign)) == (Campaign.Status.SENT, {"failed": 1})


@pytest.mark.parametrize("left", LEAVERS)
def test_who_left_meanwhile_is_not_tried_again(left, campaign, guests, at):
    for guest in guests[:2]:
        add(campaign, guest, "failed", at=at)
    left(guests[0], at)

    assert retry_failed(campaign, at=at) == 1
    assert states(campaign) == {"failed": 1, "queued": 1}


def test_a_retry_touches_nothing_else(campaign, guests, at):
    rest = ["accepted", "unknown", "handed", "queued"]
    before = [add(campaign, guest, status, at=at) for guest, status in zip(guests, rest, strict=False)]
    add(campaign, guests[4], "failed", at=at)

    retry_failed(campaign, at=at + HOUR)

    untouched = Message.objects.filter(pk__in=[message.pk for message in before]).order_by("pk")
    fields = ("pk", "status", "reason", "claim", "handed_at", "not_before", "status_at", "attempts")
    assert [[getattr(message, name) for name in fields] for message in untouched] == [
        [getattr(message, name) for name in fields] for message in before
    ]


def test_a_retry_is_done_once(campaign, guests, at):
    add(campaign, guests[0], "failed", at=at)

    assert retry_failed(campaign, at=at) == 1
    with pytest.raises(NotPossible):
        retry_failed(campaign, at=at)


def test_what_was_cancelled_stays_so(campaign, guests, at):
    add(campaign, guests[0], "failed", at=at)
    add(campaign, guests[1], "unknown", at=at)
    cancel(campaign, at=at)

    for again in (retry_failed, send_anyway):
        with pytest.raises(NotPossible, match="is cancelled and cannot be sent again"):
            again(campaign, at=at)
    assert states(campaign) == {"failed": 1, "unknown": 1}


def test_a_paused_campaign_stays_paused(campaign, guests, at):
    add(campaign, guests[0], "failed", at=at)
    pause(campaign, reason="A reason")

    retry_failed(campaign, at=at)

    campaign.refresh_from_db()
    assert (campaign.status, campaign.pause_reason) == (Campaign.Status.PAUSED, "A reason")


# --- Unknown ones ---


def test_unknown_ones_are_sent_again_at_a_word_only(campaign, guests, at):
    unknown = [add(campaign, guest, "unknown", at=at) for guest in guests[:3]]
    finish(campaign, at)

    result = send_anyway(campaign, at=at, ids=[unknown[0].pk, unknown[1].pk])

    assert (result.queued, result.kept) == (2, 0)
    assert states(campaign) == {"queued": 2, "unknown": 1}
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.SENDING


def test_an_unknown_one_of_another_campaign_is_not_meant(campaign, guests, sms_campaign, at):
    add(campaign, guests[0], "unknown", at=at)
    other = add(begun(sms_campaign, at=at), guests[0], "unknown", at=at)

    with pytest.raises(NotPossible, match="None of these"):
        send_anyway(campaign, at=at, ids=[other.pk])
    assert (states(campaign), states(sms_campaign)) == ({"unknown": 1}, {"unknown": 1})


@pytest.mark.parametrize("left", LEAVERS)
def test_who_left_meanwhile_is_not_sent_again(left, campaign, guests, at):
    for guest in guests[:2]:
        add(campaign, guest, "unknown", at=at)
    left(guests[0], at)

    result = send_anyway(campaign, at=at)

    assert (result.queued, result.kept) == (1, 1)
    assert states(campaign) == {"unknown": 1, "queued": 1}


def test_where_nobody_agrees_any_more_nothing_changes(campaign, guests, at):
    add(campaign, guests[0], "unknown", at=at)
    finish(campaign, at)
    unsubscribed(guests[0], at)

    with pytest.raises(NotPossible, match="none of them agrees"):
        send_anyway(campaign, at=at)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.SENT


def test_what_is_left_is_not_asked_about_again(campaign, guests, at):
    for guest in guests[:2]:
        add(campaign, guest, "unknown", at=at)

    assert leave(campaign, at=at) == 2

    assert states(campaign) == {"unknown": 2}
    assert not undecided(campaign).exists()
    for word in (leave, send_anyway):
        with pytest.raises(NotPossible, match="None of these"):
            word(campaign, at=at)


def test_one_may_leave_those_of_a_cancelled_campaign(campaign, guests, at):
    add(campaign, guests[0], "unknown", at=at)
    cancel(campaign, at=at)

    assert leave(campaign, at=at) == 1


# --- Proof ---


@pytest.mark.parametrize("reason", ["outcome_unknown", "worker_died", "left"])
def test_a_proof_settles_an_unknown_one(reason, campaign, guests, at):
    message = add(campaign, guests[0], "unknown", at=at, reason=reason, provider="sendgrid")

    assert settle_unknown(message.reference, provider_id="x" * 300, at=at + HOUR)

    message.refresh_from_db()
    assert (message.status, message.reason, message.provider) == ("accepted", "", "sendgrid")
    assert (message.handed_at, message.status_at, len(message.provider_id)) == (at, at + HOUR, 200)
    assert guests[0].activity.last_sent_at == at + HOUR
    assert not settle_unknown(message.reference, provider_id="y", at=at)


@pytest.mark.parametrize("status", ["queued", "claimed", "handed", "delivered", "bounced", "failed", "cancelled"])
def test_a_proof_settles_nothing_else(status, campaign, guests, at):
    message = add(campaign, guests[0], status, at=at)

    assert not settle_unknown(message.reference, provider_id="x", at=at)
    assert Message.objects.get(pk=message.pk).status == message.status


def test_a_proof_of_nothing_settles_nothing(campaign, at):
    assert not settle_unknown(uuid.uuid4(), provider_id="x", at=at)


def test_a_proof_without_an_id_keeps_the_one_that_is_known(campaign, at):
    message = add(campaign, None, "unknown", at=at, provider_id="known")  # the person was erased

    assert settle_unknown(message.reference, provider_id="", at=at)
    assert Message.objects.get(pk=message.pk).provider_id == "known"
