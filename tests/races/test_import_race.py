"""Several imports at the same moment, of the same people. The control shows what the lease keeps from happening."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from contacts.importing import Counts, advance_imports, ask_run, finish_here, stage, writing
from contacts.importing import run as run_module
from contacts.models import ConsentEvent, Contact, ContactTag, Import, ImportEntry, NameIndex
from contacts.services.leases import LEASE, take

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
PEOPLE = 400
FILES = 4


@pytest.fixture(autouse=True)
def several_writers(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")


def staged(numbers: list[int]) -> Import:
    rows = "".join(f"guest{number}@example.org,Guest{number},bar\n" for number in numbers)
    record = stage(
        io.BytesIO(f"Email,First Name,Tags\n{rows}".encode()), name="x.csv", at=AT, consent_email="Signed the list"
    )
    ask_run(record, at=AT)
    return record


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    barrier = threading.Barrier(len(jobs), timeout=30)

    def run(job: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait()
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result(60) for future in [pool.submit(run, job) for job in jobs]]


def test_the_same_people_in_several_files_become_one_contact_each(monkeypatch):
    monkeypatch.setattr(run_module, "CHUNK_ROWS", 50)
    forward = list(range(PEOPLE))
    records = [staged(forward if number % 2 else forward[::-1]) for number in range(FILES)]

    at_once(*(lambda record=record: finish_here(record, clock=lambda: AT) for record in records))

    assert Contact.objects.count() == PEOPLE
    assert Contact.objects.filter(email_status="subscribed").count() == PEOPLE
    assert ContactTag.objects.count() == PEOPLE
    assert NameIndex.objects.values("contact").distinct().count() == PEOPLE
    made = [Counts(**Import.objects.get(pk=record.pk).counts) for record in records]
    assert sum(counts.created for counts in made) == PEOPLE
    assert all(counts.created + counts.updated + counts.unchanged == PEOPLE for counts in made)
    assert ImportEntry.objects.count() == PEOPLE * FILES


def both_workers_on_one_file(monkeypatch: pytest.MonkeyPatch) -> tuple[Import, int]:
    """One worker is so slow that its lease ends; another takes over, and then the first one goes on.

    Return the import and how many rows were gone through in all.
    """
    rows_done: list[int] = []
    real = writing.do_chunk

    def counting(record: Import, number: int, plan: Any, rows: list[Any], *args: Any, **kwargs: Any) -> None:
        real(record, number, plan, rows, *args, **kwargs)
        rows_done.append(len(rows))

    monkeypatch.setattr(run_module, "CHUNK_ROWS", 50)
    monkeypatch.setattr(run_module, "do_chunk", counting)
    record = staged(list(range(PEOPLE)))
    slow = take(Import.objects.filter(pk=record.pk), at=AT)
    assert slow is not None
    late = AT + LEASE + timedelta(seconds=1)

    def go_on() -> None:
        with contextlib.suppress(run_module._Stopped):
            run_module._advance(slow, lambda: late, None, lambda rows: None)

    at_once(go_on, lambda: advance_imports(clock=lambda: late, deadline=float("inf")))
    record.refresh_from_db()
    return record, sum(rows_done)


def test_a_slow_worker_and_the_one_that_takes_over_do_each_row_once(monkeypatch):
    record, rows_done = both_workers_on_one_file(monkeypatch)

    counts = Counts(**record.counts)
    assert (record.status, record.position, rows_done) == (Import.Status.DONE, PEOPLE, PEOPLE)
    assert (counts.rows, counts.created, counts.duplicates) == (PEOPLE, PEOPLE, 0)
    assert Contact.objects.count() == ConsentEvent.objects.count() == PEOPLE


def test_without_the_lease_rows_are_gone_through_twice(monkeypatch):
    monkeypatch.setattr(run_module, "_locked", lambda record: Import.objects.get(pk=record.pk))

    _, rows_done = both_workers_on_one_file(monkeypatch)

    assert rows_done > PEOPLE
