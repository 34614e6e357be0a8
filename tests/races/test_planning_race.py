"""Planners, and who cancels a campaign or erases somebody meanwhile. The controls show what the lock is for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from campaigns.models import Campaign
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import ChannelStatus, Contact
from messaging import services
from messaging.models import Message, Tally
from messaging.services import planning, starting
from redemptions.models import Code, Offer
from redemptions.services import create_offer

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
PEOPLE = 60
CHUNK = 7


@pytest.fixture(autouse=True)
def several_writers(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")
    monkeypatch.setattr(planning, "CHUNK", CHUNK)


@pytest.fixture
def campaign() -> Campaign:
    """A campaign with a deal that has begun, to sixty people."""
    Contact.objects.bulk_create(
        Contact(email=f"guest{number}@example.org", email_status=ChannelStatus.SUBSCRIBED) for number in range(PEOPLE)
    )
    offer = create_offer(name="Lunch", type=Offer.Type.ITEM, ends_at=AT + timedelta(days=9))
    campaign = save_draft(Draft(name="x", channel=Channel.EMAIL, subject="s", body="b", offer=offer))
    services.launch(campaign, at=AT)
    starting.start_due(at=AT)
    return campaign


@pytest.fixture
def without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)


class Halt:
    """A place at which a thread waits for its first time, until it is let on."""

    def __init__(self) -> None:
        self.reached, self.let_on = threading.Event(), threading.Event()

    def at(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> Halt:
        real = getattr(module, name)

        def halted(*args: Any, **kwargs: Any) -> Any:
            if not self.reached.is_set():
                self.reached.set()
                assert self.let_on.wait(20)
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, halted)
        return self


@pytest.fixture
def elsewhere() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Return what runs a job in a thread with a connection of its own."""

    def run(job: Callable[[], Any]) -> Any:
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        yield lambda job: pool.submit(run, job)


def plan_to_the_end(campaign: Campaign) -> int:
    """Plan as a worker does; return how many contacts were looked at."""
    looked_at = 0
    while Campaign.objects.filter(pk=campaign.pk, planned_at=None).exists():
        looked_at += planning.plan_due(at=AT)
    return looked_at


def each_is_planned_once() -> bool:
    people = list(Contact.objects.order_by("pk").values_list("pk", flat=True))
    rows = Message.objects.order_by("contact_id").values_list("contact_id", "code__contact_id")
    return list(rows) == [(pk, pk) for pk in people] and Code.objects.count() == len(people)


def test_several_planners_plan_everybody_once(campaign, elsewhere):
    planners = [elsewhere(lambda: plan_to_the_end(campaign)) for _ in range(3)]

    assert sum(planner.result(60) for planner in planners) == PEOPLE
    assert each_is_planned_once()


def one_chunk_each(monkeypatch: pytest.MonkeyPatch, campaign: Campaign, elsewhere: Any) -> list[int]:
    """Two planners begin the same chunk; return how many contacts each looked at."""
    halt = Halt().at(monkeypatch, planning, "people_of")
    first = elsewhere(lambda: planning.plan_chunk(campaign.pk, at=AT))
    assert halt.reached.wait(20)
    second = elsewhere(lambda: planning.plan_chunk(campaign.pk, at=AT)).result(20)
    halt.let_on.set()
    return [first.result(20), second]


def test_a_second_planner_leaves_the_campaign_to_the_first(campaign, elsewhere, monkeypatch):
    assert one_chunk_each(monkeypatch, campaign, elsewhere) == [CHUNK, 0]


def test_without_the_lock_both_do_the_same_and_the_constraints_keep_it_harmless(
    campaign, elsewhere, monkeypatch, without_lock
):
    assert one_chunk_each(monkeypatch, campaign, elsewhere) == [CHUNK, CHUNK]

    plan_to_the_end(campaign)
    assert each_is_planned_once()


def left_waiting_after_a_cancellation(monkeypatch: pytest.MonkeyPatch, campaign: Campaign, elsewhere: Any) -> int:
    """Cancel a campaign in the middle of a chunk; return how many rows still wait to be sent."""
    halt = Halt().at(monkeypatch, planning, "_make_rows")
    planner = elsewhere(lambda: planning.plan_chunk(campaign.pk, at=AT))
    assert halt.reached.wait(20)
    cancelled = elsewhere(lambda: services.cancel(campaign, at=AT))
    with contextlib.suppress(TimeoutError):
        cancelled.result(1)
    halt.let_on.set()
    assert planner.result(20) == CHUNK
    cancelled.result(20)
    return Message.objects.filter(status=Message.Status.QUEUED).count()


def test_who_cancels_finds_the_rows_of_the_chunk(campaign, elsewhere, monkeypatch):
    assert left_waiting_after_a_cancellation(monkeypatch, campaign, elsewhere) == 0
    assert Message.objects.filter(status=Message.Status.CANCELLED).count() == CHUNK


def test_without_the_lock_rows_of_a_cancelled_campaign_wait_for_ever(campaign, elsewhere, monkeypatch, without_lock):
    assert left_waiting_after_a_cancellation(monkeypatch, campaign, elsewhere) == CHUNK


def test_senders_do_not_wait_for_the_planner(campaign, elsewhere, monkeypatch):
    halt = Halt().at(monkeypatch, planning, "_make_rows")
    planner = elsewhere(lambda: planning.plan_chunk(campaign.pk, at=AT))
    assert halt.reached.wait(20)

    elsewhere(lambda: Tally.objects.create(campaign=campaign, at=AT, sent=1)).result(5)

    halt.let_on.set()
    assert planner.result(20) == CHUNK


def test_somebody_erased_during_a_chunk_is_left_out(campaign, elsewhere, monkeypatch):
    halt = Halt().at(monkeypatch, planning, "_make_rows")
    planner = elsewhere(lambda: planning.plan_chunk(campaign.pk, at=AT))
    assert halt.reached.wait(20)

    elsewhere(lambda: Contact.objects.earliest("pk").delete()).result(20)
    halt.let_on.set()

    assert planner.result(20) == CHUNK
    plan_to_the_end(campaign)
    assert each_is_planned_once()
    assert Message.objects.count() == PEOPLE - 1
