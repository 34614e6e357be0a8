"""Whoever asked for fewer messages gets at most one in thirty days, whatever campaigns there are."""

from datetime import timedelta

import pytest

from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import Contact
from messaging import services
from messaging.models import Message
from messaging.services.sending import claiming
from tests.messaging.conftest import run_all

Status = Message.Status


@pytest.fixture
def second(offer):
    return save_draft(Draft(name="Dinner", channel=Channel.EMAIL, subject="Hi", body="Come again", offer=offer))


def statuses(campaign, contact) -> tuple[str, str]:
    message = Message.objects.get(campaign=campaign, contact=contact)
    return message.status, message.reason


@pytest.mark.parametrize("days", [1, 29])
def test_leaves_out_who_had_one_lately(guests, planned, second, at, days):
    Contact.objects.filter(pk=guests[0].pk).update(fewer_messages=True)
    run_all(at)
    later = at + timedelta(days=days)
    second.offer.ends_at = None
    second.offer.save()
    services.launch(second, at=later)
    run_all(later)

    assert statuses(planned, guests[0]) == (Status.ACCEPTED, "")
    assert statuses(second, guests[0]) == (Status.SKIPPED, Message.Reason.FEWER)
    assert statuses(second, guests[1]) == (Status.ACCEPTED, "")


def test_sends_again_after_a_month(guests, planned, second, at):
    Contact.objects.update(fewer_messages=True)
    run_all(at)
    later = at + timedelta(days=30, seconds=1)
    second.offer.ends_at = None
    second.offer.save()
    services.launch(second, at=later)
    run_all(later)

    assert statuses(second, guests[0]) == (Status.ACCEPTED, "")


def test_counts_what_may_have_arrived_and_not_what_failed(guests, planned, second, at):
    Contact.objects.filter(pk__in=[guests[0].pk, guests[1].pk]).update(fewer_messages=True)
    run_all(at)
    Message.objects.filter(contact=guests[0]).update(status=Status.UNKNOWN, reason=Message.Reason.OUTCOME_UNKNOWN)
    Message.objects.filter(contact=guests[1]).update(status=Status.FAILED, reason=Message.Reason.REFUSED)
    services.launch(second, at=at)
    run_all(at)

    assert statuses(second, guests[0]) == (Status.SKIPPED, Message.Reason.FEWER)
    assert statuses(second, guests[1]) == (Status.ACCEPTED, "")


def test_two_at_once_are_one(guests, planned, second, at):
    Contact.objects.filter(pk=guests[0].pk).update(fewer_messages=True)
    services.launch(second, at=at)
    run_all(at)

    sent = Message.objects.filter(contact=guests[0])
    assert sorted(sent.values_list("status", flat=True)) == [Status.ACCEPTED, Status.SKIPPED]


def test_hears_the_wish_at_the_last_moment(guests, planned, second, at, monkeypatch):
    run_all(at)
    services.launch(second, at=at)
    services.plan_due(at=at)
    load = claiming.load

    def ask_for_fewer_meanwhile(*args, **kwargs):
        messages = load(*args, **kwargs)
        Contact.objects.filter(pk=guests[0].pk).update(fewer_messages=True)
        return messages

    monkeypatch.setattr(claiming, "load", ask_for_fewer_meanwhile)
    run_all(at)

    assert statuses(second, guests[0]) == (Status.SKIPPED, Message.Reason.FEWER)


def test_sends_to_who_took_the_wish_back_meanwhile(guests, planned, second, at, monkeypatch):
    Contact.objects.filter(pk=guests[0].pk).update(fewer_messages=True)
    run_all(at)
    services.launch(second, at=at)
    services.plan_due(at=at)
    load = claiming.load

    def take_it_back_meanwhile(*args, **kwargs):
        messages = load(*args, **kwargs)
        Contact.objects.filter(pk=guests[0].pk).update(fewer_messages=False)
        return messages

    monkeypatch.setattr(claiming, "load", take_it_back_meanwhile)
    run_all(at)

    assert statuses(second, guests[0]) == (Status.ACCEPTED, "")
