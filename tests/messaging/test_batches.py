"""A provider's batch call: many people in one request, for large audiences where the owner allows it."""

from itertools import chain

import pytest

from campaigns.models import Campaign
from contacts.channels import Channel
from messaging import services
from messaging.models import Message, ProviderSettings
from messaging.queries import progress
from messaging.services import pacing
from messaging.services.composing import Composer
from messaging.services.sending import lanes, stock
from messaging.transports import Outcome, TransportError
from tests.messaging.conftest import run_all

pytestmark = pytest.mark.django_db
Status, Reason = Message.Status, Message.Reason


class Post:
    """A transport that takes batches, but for those it is told to refuse."""

    name = "post"
    batch_limit = 3

    def __init__(self):
        self.batches, self.alone, self.refusals = [], [], []

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def send(self, outbound):
        self.alone.append(outbound.to)
        return "alone"

    def send_batch(self, merged):
        if self.refusals:
            raise self.refusals.pop()
        self.batches.append([person.to for person in merged.recipients])
        return [f"batch-{person.reference}" for person in merged.recipients]


@pytest.fixture
def post(db, monkeypatch, settings):
    settings.SEND_CONCURRENCY = 2
    transport = Post()
    monkeypatch.setattr(lanes, "transport_for", lambda channel: transport)
    monkeypatch.setattr(stock, "batch_limit", lambda channel: 3 if channel == Channel.EMAIL else 0)
    monkeypatch.setattr(stock, "BATCHES_ABOVE", 4)
    pacing.settings_of(Channel.EMAIL)
    ProviderSettings.objects.filter(channel=Channel.EMAIL).update(uses_batches=True)
    return transport


def statuses(campaign: Campaign) -> dict[str, int]:
    return {status: count for status, count in progress(campaign).counts.items() if count}


def test_a_large_audience_goes_in_batches(post, planned, guests, at):
    run_all(at)

    assert sorted(map(len, post.batches)) == [2, 3]
    assert sorted(chain(*post.batches)) == sorted(guest.email for guest in guests)
    assert not post.alone
    assert statuses(planned) == {"accepted": 5}
    assert all(message.provider_id == f"batch-{message.reference}" for message in Message.objects.all())


@pytest.mark.parametrize(
    "off", [{"uses_batches": False}, {"rate": "1000/s"}, {"rate": "1000/m"}], ids=["not-asked", "a-second", "a-minute"]
)
def test_goes_one_by_one_where_batches_are_not_to_be(post, planned, at, off):
    ProviderSettings.objects.update(**off)

    run_all(at)

    assert (len(post.batches), len(post.alone)) == (0, 5)


def test_a_smaller_audience_goes_one_by_one(post, planned, monkeypatch, at):
    monkeypatch.setattr(stock, "BATCHES_ABOVE", 5)

    run_all(at)

    assert (len(post.batches), len(post.alone)) == (0, 5)


def test_who_may_not_be_written_to_is_taken_out_of_the_batch(post, planned, guests, after_claim, at):
    after_claim(lambda: type(guests[0]).objects.filter(pk=guests[0].pk).update(email_status="unsubscribed"))

    run_all(at)

    assert guests[0].email not in chain(*post.batches)
    assert statuses(planned) == {"accepted": 4, "skipped": 1}


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.RETRY])
def test_of_a_refused_batch_everybody_goes_alone(post, planned, at, outcome):
    post.refusals = [TransportError(outcome, "400")]

    run_all(at)

    assert len(post.alone) in {2, 3}
    assert len(post.alone) + sum(map(len, post.batches)) == 5
    assert statuses(planned) == {"accepted": 5}


def test_a_batch_without_an_answer_is_unknown_together(post, planned, at):
    post.refusals = [TransportError(Outcome.UNKNOWN, "no answer")]

    run_all(at)

    counts = statuses(planned)
    assert counts["unknown"] in {2, 3}
    assert counts["unknown"] + counts["accepted"] == 5
    assert not post.alone


def test_a_batch_is_as_large_as_what_is_left_of_the_day(post, planned, at):
    ProviderSettings.objects.filter(channel=Channel.EMAIL).update(rate="2/d")

    services.send_due(clock=lambda: at)

    assert [len(batch) for batch in post.batches] == [2]
    assert statuses(planned) == {"accepted": 2, "queued": 3}


def test_a_batch_that_cannot_be_composed_goes_one_by_one(post, planned, monkeypatch, at):
    def fail(*_):
        raise ValueError("guest@example.org")

    monkeypatch.setattr(Composer, "compose_batch", fail)

    run_all(at)

    assert (len(post.batches), len(post.alone)) == (0, 5)


def test_after_a_busy_answer_they_still_go_together(post, planned, at):
    post.refusals = [TransportError(Outcome.BUSY, "429", retry_after_s=1)]

    services.send_due(clock=lambda: at)

    assert not post.alone
    assert sorted(map(len, post.batches)) == [2, 3]
