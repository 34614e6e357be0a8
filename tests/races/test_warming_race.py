"""Four workers claim at once while a domain warms up. The control looks without the lock, and claims too many."""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Business
from messaging.models import Message, WarmUp
from messaging.queries import warm_up as queries
from messaging.services import warming
from messaging.services.sending import claiming
from tests.admin.conftest import add_contact, write_draft
from tests.messaging.ledger import add, begun

AT = datetime(2026, 11, 21, 18, tzinfo=UTC)
WORKERS = 4
NUMBER = 5
PATIENCE_S = 20


@pytest.fixture(autouse=True)
def several_writers(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")


@pytest.fixture
def campaign() -> Campaign:
    people = [add_contact(f"guest{number}@example.org") for number in range(WORKERS * NUMBER)]
    campaign = begun(write_draft(), at=AT)
    for person in people:
        add(campaign, person, "queued", at=AT)
    warming.start(ramp=str(NUMBER))
    return campaign


def claimed_at_once(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let all workers look before any of them claims, as far as the lock lets them; return how many they hold."""
    looked = threading.Barrier(WORKERS)
    count = queries.used_today

    def count_together(*args: Any, **kwargs: Any) -> int:
        used = count(*args, **kwargs)
        with suppress(threading.BrokenBarrierError):  # the others wait for the lock
            looked.wait(0.5)
        return used

    monkeypatch.setattr(warming, "used_today", count_together)
    allowed = warming.allowance(Channel.EMAIL, Business.load(), at=AT)

    def work() -> None:
        try:
            claiming.claim([campaign], pump=uuid.uuid4(), at=AT, limit=200, allowed=allowed)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    return Message.objects.filter(status="sending").count()


def test_all_of_them_together_stay_within_the_number(campaign, monkeypatch):
    assert claimed_at_once(campaign, monkeypatch) == NUMBER


def test_without_the_lock_they_do_not(campaign, monkeypatch):
    monkeypatch.setattr(WarmUp.objects, "select_for_update", WarmUp.objects.all)

    assert claimed_at_once(campaign, monkeypatch) > NUMBER
