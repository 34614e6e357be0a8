"""Jobs on many contacts: done once, whoever dies on the way, and on nobody but those who were chosen."""

from __future__ import annotations

import csv
import io
import logging
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from django_q.models import OrmQ

from contacts import tasks
from contacts.models import AuditEvent, ChannelStatus, Contact, ContactTag, FilePart, Job, StoredFile, Tag
from contacts.services import jobs, read_file
from contacts.services.exporting import forget_exports
from contacts.services.jobs import (
    EXPORT_KEPT,
    JobRefused,
    advance_jobs,
    begin,
    delete_old_exports,
    filters_selection,
    ids_selection,
    selected,
    start_job,
    stop_job,
)
from contacts.services.leases import take
from tests.contacts.test_sheets import read_xlsx

Kind, Status = Job.Kind, Job.Status
CHUNK = 10


class Killed(BaseException):
    """A worker that ends at once, as by SIGKILL: nothing of its own runs any more."""


class Clock:
    """A clock that stands still until it is put forward."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **parts: int) -> None:
        self.now += timedelta(**parts)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "CHUNK", dict.fromkeys(Kind, CHUNK))


@pytest.fixture
def lunch(db: None) -> Tag:
    return Tag.objects.create(name="Lunch")


def add_people(count: int, **fields: Any) -> list[int]:
    start = Contact.objects.count()
    people = [Contact(email=f"guest{start + number}@example.com", **fields) for number in range(count)]
    return [contact.pk for contact in Contact.objects.bulk_create(people)]


def start(kind: Job.Kind, selection: dict[str, Any], clock: Clock, **options: Any) -> Job:
    return start_job(kind=kind, selection=selection, options=options, at=clock(), actor=None)


def start_any(kind: Job.Kind, selection: dict[str, Any], clock: Clock, lunch: Tag) -> Job:
    options: dict[str, Any] = {"format": "csv"} if kind == Kind.EXPORT else {"tag": lunch.pk}
    return start(kind, selection, clock, **options)


def advance(clock: Callable[[], datetime]) -> bool:
    return advance_jobs(clock=clock, deadline=time.monotonic() + 60)


def finish(clock: Callable[[], datetime]) -> None:
    while advance(clock):
        pass


def lines_of(job: Job) -> list[str]:
    """Return the e-mail addresses in the file of an export."""
    job.refresh_from_db()
    assert job.result is not None
    text = b"".join(read_file(job.result)).decode("utf-8-sig")
    return [row[0] for row in csv.reader(io.StringIO(text))][1:]


def before_chunk(monkeypatch: pytest.MonkeyPatch, kind: Job.Kind, number: int, act: Callable[[], object]) -> None:
    _around_chunk(monkeypatch, kind, number, act, after=False)


def after_chunk(monkeypatch: pytest.MonkeyPatch, kind: Job.Kind, number: int, act: Callable[[], object]) -> None:
    """Act when the work of the chunk is done and not yet committed."""
    _around_chunk(monkeypatch, kind, number, act, after=True)


def _around_chunk(
    monkeypatch: pytest.MonkeyPatch, kind: Job.Kind, number: int, act: Callable[[], object], *, after: bool
) -> None:
    work, seen = jobs.WORK[kind], []

    def watched(job: Job, ids: list[int], at: datetime) -> None:
        seen.append(1)
        if len(seen) == number and not after:
            act()
        work(job, ids, at)
        if len(seen) == number and after:
            act()

    monkeypatch.setitem(jobs.WORK, kind, watched)


def die() -> None:
    raise Killed


# --- What is done ---


def test_tags_everybody_who_is_chosen(lunch, clock):
    ids = add_people(25)
    ContactTag.objects.create(tag=lunch, contact_id=ids[3])
    job = start(Kind.TAG, ids_selection(ids), clock, tag=lunch.pk)

    finish(clock)

    job.refresh_from_db()
    assert set(lunch.contact_set.values_list("pk", flat=True)) == set(ids)
    assert (job.status, job.position, job.total, job.options["changed"]) == (Status.DONE, 25, 25, 24)
    assert (job.lease, job.finished_at) == (None, clock())


def test_takes_a_tag_off_and_leaves_the_others(lunch, clock):
    ids = add_people(12)
    other = Tag.objects.create(name="Dinner")
    ContactTag.objects.bulk_create([ContactTag(tag=tag, contact_id=pk) for pk in ids for tag in (lunch, other)])
    start(Kind.UNTAG, ids_selection(ids[:11]), clock, tag=lunch.pk)

    finish(clock)

    assert list(lunch.contact_set.values_list("pk", flat=True)) == ids[11:]
    assert other.contact_set.count() == 12


def test_erases_those_who_are_chosen_and_nobody_else(lunch, clock):
    ids = add_people(25)
    job = start(Kind.ERASE, ids_selection(ids[:21]), clock)

    finish(clock)

    job.refresh_from_db()
    assert list(Contact.objects.order_by("pk").values_list("pk", flat=True)) == ids[21:]
    assert (job.status, job.options["changed"]) == (Status.DONE, 21)
    assert AuditEvent.objects.filter(action=AuditEvent.Action.ERASED).count() == 21


def test_exports_and_writes_down_that_it_did(lunch, clock, admin_user):
    ids = add_people(25)
    job = start_job(
        kind=Kind.EXPORT, selection=ids_selection(ids), options={"format": "csv"}, at=clock(), actor=admin_user
    )

    finish(clock)

    assert lines_of(job) == [f"guest{number}@example.com" for number in range(25)]
    line = AuditEvent.objects.get()
    assert (line.action, line.detail, line.actor) == (AuditEvent.Action.EXPORTED, "25 contacts, csv", admin_user)


def test_keeps_an_export_unreadable_at_rest(lunch, clock):
    start(Kind.EXPORT, ids_selection(add_people(5)), clock, format="csv")

    finish(clock)

    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM contacts_filepart")
        stored = " ".join(row[0] for row in cursor.fetchall())
    assert stored
    assert "guest" not in stored


@pytest.mark.parametrize("count", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
@pytest.mark.parametrize("kind", Kind)
def test_ends_wherever_the_last_chunk_ends(kind, count, lunch, clock):
    job = start_any(kind, ids_selection(add_people(count)), clock, lunch)

    finish(clock)

    job.refresh_from_db()
    assert (job.status, job.position) == (Status.DONE, count)
    if kind == Kind.EXPORT:
        assert len(lines_of(job)) == count


# --- Who dies, who takes over ---


@pytest.mark.parametrize("kind", Kind)
def test_goes_on_where_a_dead_worker_was(kind, lunch, clock, monkeypatch):
    ids = add_people(25)
    if kind == Kind.UNTAG:
        ContactTag.objects.bulk_create([ContactTag(tag=lunch, contact_id=pk) for pk in ids])
    job = start_any(kind, ids_selection(ids), clock, lunch)
    with monkeypatch.context() as patch:
        after_chunk(patch, kind, 2, die)
        with pytest.raises(Killed):
            advance(clock)

    job.refresh_from_db()
    assert (job.status, job.position, job.last_contact_id) == (Status.RUNNING, CHUNK, ids[CHUNK - 1])
    assert not advance(clock), "the dead worker's lease lasts"
    assert Job.objects.get().position == CHUNK

    clock.forward(minutes=3)
    finish(clock)

    job.refresh_from_db()
    assert (job.status, job.position) == (Status.DONE, 25)
    assert job.options.get("changed") == 25
    if kind == Kind.EXPORT:
        assert lines_of(job) == [f"guest{number}@example.com" for number in range(25)]
        assert AuditEvent.objects.count() == 1
        assert StoredFile.objects.count() == 1
    if kind == Kind.ERASE:
        assert not Contact.objects.exists()
        assert AuditEvent.objects.count() == 25
    if kind == Kind.TAG:
        assert lunch.contact_set.count() == 25
    if kind == Kind.UNTAG:
        assert not lunch.contact_set.exists()


def test_goes_on_with_a_workbook_in_another_process(lunch, clock, monkeypatch):
    job = start(Kind.EXPORT, ids_selection(add_people(25)), clock, format="xlsx")
    with monkeypatch.context() as patch:
        after_chunk(patch, Kind.EXPORT, 3, die)
        with pytest.raises(Killed):
            advance(clock)
    clock.forward(minutes=3)
    finish(clock)

    job.refresh_from_db()
    assert job.result is not None
    rows = read_xlsx(b"".join(read_file(job.result)))
    assert [row[0] for row in rows] == ["E-mail", *(f"guest{number}@example.com" for number in range(25))]


def test_a_worker_that_was_thought_dead_writes_no_more(lunch, clock):
    job = start(Kind.EXPORT, ids_selection(add_people(25)), clock, format="csv")
    slow = take(Job.objects.all(), at=clock())
    assert slow is not None
    assert jobs._do_chunk(slow, at=clock())
    clock.forward(minutes=3)
    finish(clock)

    assert not jobs._do_chunk(slow, at=clock())

    assert lines_of(job) == [f"guest{number}@example.com" for number in range(25)]


def test_tries_again_what_the_database_refused_for_now(lunch, clock, monkeypatch):
    job = start(Kind.TAG, ids_selection(add_people(25)), clock, tag=lunch.pk)

    def deadlock() -> None:
        raise OperationalError("deadlock detected")

    with monkeypatch.context() as patch:
        after_chunk(patch, Kind.TAG, 2, deadlock)
        with pytest.raises(OperationalError):
            advance(clock)
    finish(clock)  # at once: the lease was given back

    job.refresh_from_db()
    assert (job.status, job.options["changed"]) == (Status.DONE, 25)


def test_gives_up_what_cannot_work_and_says_so_without_names(lunch, clock, monkeypatch, caplog):
    job = start(Kind.EXPORT, ids_selection(add_people(25)), clock, format="csv")

    def fail() -> None:
        raise ValueError("a bug about guest1@example.org")

    after_chunk(monkeypatch, Kind.EXPORT, 2, fail)
    with caplog.at_level(logging.ERROR):
        assert advance(clock)

    job.refresh_from_db()
    assert (job.status, job.failure, job.position, job.result) == (Status.FAILED, jobs.WENT_WRONG, CHUNK, None)
    assert not FilePart.objects.exists()
    assert f"Job {job.pk} failed" in caplog.text
    assert "ValueError" in caplog.text
    assert "guest" not in caplog.text
    assert not advance(clock)


def test_gives_up_where_the_tag_is_gone(lunch, clock, monkeypatch):
    ids = add_people(25)
    job = start(Kind.TAG, ids_selection(ids), clock, tag=lunch.pk)

    before_chunk(monkeypatch, Kind.TAG, 2, lunch.delete)
    advance(clock)

    job.refresh_from_db()
    assert (job.status, job.failure) == (Status.FAILED, "The tag was deleted meanwhile.")


# --- Several workers, PostgreSQL only ---


@pytest.fixture
def several_workers(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")


def in_thread(do: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        try:
            return do()
        finally:
            connection.close()

    return run


def overtaken(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Job:
    """Run an export in which the first worker is so slow in its first chunk that a second one takes over."""
    job = start(Kind.EXPORT, ids_selection(add_people(35)), clock, format="csv")
    in_chunk, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        in_chunk.set()
        assert go_on.wait(30)

    before_chunk(monkeypatch, Kind.EXPORT, 1, wait)
    late = Clock()
    late.now = clock() + timedelta(minutes=3)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(in_thread(lambda: finish(clock)))
        assert in_chunk.wait(30)
        second = pool.submit(in_thread(lambda: finish(late)))
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and not second.done():
            time.sleep(0.02)
        go_on.set()
        slow.result(30)
        second.result(30)
    finish(late)
    return job


def test_a_slow_worker_and_the_one_that_takes_over_write_each_line_once(several_workers, monkeypatch, clock):
    job = overtaken(monkeypatch, clock)

    assert lines_of(job) == [f"guest{number}@example.com" for number in range(35)]
    assert AuditEvent.objects.count() == 1


def test_without_the_lease_in_the_chunk_lines_are_lost_or_doubled(several_workers, monkeypatch, clock):
    monkeypatch.setattr(jobs, "keep", lambda work, at: True)

    job = overtaken(monkeypatch, clock)

    written = lines_of(job) if Job.objects.get().result else []
    right = [f"guest{number}@example.com" for number in range(35)]
    assert written != right or AuditEvent.objects.count() != 1


def test_many_workers_at_once_do_a_job_once(several_workers, clock):
    ids = add_people(95)
    job = start(Kind.EXPORT, ids_selection(ids), clock, format="csv")
    second = start(Kind.ERASE, ids_selection(add_people(95)), clock)
    barrier = threading.Barrier(6, timeout=30)

    def work() -> None:
        connection.ensure_connection()
        barrier.wait()
        for _ in range(40):
            # A turn that is over at once: every chunk may be another worker's.
            advance_jobs(clock=timezone.now, deadline=0)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(in_thread(work)) for _ in range(6)]:
            done.result(60)
    finish(timezone.now)

    second.refresh_from_db()
    job.refresh_from_db()
    # The erasures restarted no export: nobody of them is in it.
    assert lines_of(job) == [f"guest{number}@example.com" for number in range(95)]
    assert (second.status, second.options["changed"]) == (Status.DONE, 95)
    assert AuditEvent.objects.filter(action=AuditEvent.Action.ERASED).count() == 95
    assert AuditEvent.objects.filter(action=AuditEvent.Action.EXPORTED).count() == 1


# --- Stop ---


def test_stops_between_two_chunks(lunch, clock, monkeypatch):
    job = start(Kind.TAG, ids_selection(add_people(35)), clock, tag=lunch.pk)

    def ask() -> None:
        Job.objects.update(stop_asked=True)

    after_chunk(monkeypatch, Kind.TAG, 2, ask)
    finish(clock)

    job.refresh_from_db()
    assert (job.status, job.position, lunch.contact_set.count()) == (Status.CANCELLED, 2 * CHUNK, 2 * CHUNK)


def test_stops_at_once_what_nobody_works_on_and_drops_its_file(lunch, clock):
    job = start(Kind.EXPORT, ids_selection(add_people(35)), clock, format="csv")
    advance_jobs(clock=clock, deadline=0)
    assert Job.objects.get().position == CHUNK

    assert stop_job(job, at=clock())

    job.refresh_from_db()
    assert (job.status, job.result, job.finished_at) == (Status.CANCELLED, None, clock())
    assert not StoredFile.objects.exists()
    assert not advance(clock)
    assert not AuditEvent.objects.exists()


def test_asks_the_worker_to_stop_where_one_is_at_it(lunch, clock):
    job = start(Kind.TAG, ids_selection(add_people(35)), clock, tag=lunch.pk)
    Job.objects.update(lease="6f1c0c5e-0000-4000-8000-000000000000", lease_until=clock() + timedelta(minutes=1))

    assert stop_job(job, at=clock())

    job.refresh_from_db()
    assert (job.status, job.stop_asked) == (Status.QUEUED, True)
    clock.forward(minutes=2)
    finish(clock)
    assert Job.objects.get().status == Status.CANCELLED
    assert not lunch.contact_set.exists()


def test_does_not_stop_what_is_over(lunch, clock):
    job = start(Kind.TAG, ids_selection(add_people(5)), clock, tag=lunch.pk)
    finish(clock)

    assert not stop_job(job, at=clock())
    assert Job.objects.get().status == Status.DONE


# --- Whom ---


def test_holds_all_of_a_filter_without_their_ids(lunch, clock):
    add_people(15, email_status=ChannelStatus.SUBSCRIBED, source="import")
    others = add_people(5, email_status=ChannelStatus.SUBSCRIBED) + add_people(5, source="import")
    selection = filters_selection({"email_status": "subscribed", "source": "import"})
    start(Kind.TAG, selection, clock, tag=lunch.pk)

    finish(clock)

    assert lunch.contact_set.count() == 15
    assert not lunch.contact_set.filter(pk__in=others).exists()
    assert "ids" not in Job.objects.get().selection


def test_leaves_alone_who_came_later(lunch, clock):
    dinner = Tag.objects.create(name="Dinner")
    first, second, third = add_people(3)
    ContactTag.objects.create(tag=dinner, contact_id=first)
    everybody, diners = filters_selection({}), filters_selection({"tag": dinner.pk})
    ContactTag.objects.create(tag=dinner, contact_id=second)
    later = add_people(1)[0]
    ContactTag.objects.create(tag=dinner, contact_id=later)

    assert set(selected(everybody, at=clock()).values_list("pk", flat=True)) == {first, second, third}
    assert list(selected(diners, at=clock()).values_list("pk", flat=True)) == [first]


def test_erases_nobody_whom_a_filter_kept_but_who_changed_since(lunch, clock):
    ids = add_people(12, email_status=ChannelStatus.UNSUBSCRIBED)
    clock.forward(seconds=1)
    job = start(Kind.ERASE, filters_selection({"email_status": "unsubscribed"}), clock)
    changed = Contact.objects.get(pk=ids[4])
    Contact.objects.filter(pk=changed.pk).update(updated_at=clock() + timedelta(seconds=1))

    finish(clock)

    job.refresh_from_db()
    assert list(Contact.objects.values_list("pk", flat=True)) == [changed.pk]
    assert (job.total, job.options["changed"]) == (12, 11)


@pytest.mark.parametrize("selection", [{}, {"filters": {}}, {"up_to": 9, "filters": {"postal_code": "62701"}}])
def test_a_selection_not_understood_is_nobody(selection, lunch, clock):
    with pytest.raises(KeyError):
        selected(selection, at=clock())


def test_refuses_a_job_on_nobody(lunch, clock):
    with pytest.raises(JobRefused):
        start(Kind.TAG, ids_selection([]), clock, tag=lunch.pk)
    assert not Job.objects.exists()


def test_refuses_more_people_than_a_sheet_holds(lunch, clock, monkeypatch):
    monkeypatch.setattr(jobs, "XLSX_ROWS", 5)
    ids = add_people(5)

    with pytest.raises(JobRefused, match="Choose CSV"):
        start(Kind.EXPORT, ids_selection(ids), clock, format="xlsx")
    assert start(Kind.EXPORT, ids_selection(ids[:4]), clock, format="xlsx").total == 4


# --- When ---


def test_does_a_small_job_at_once(lunch, clock, django_capture_on_commit_callbacks):
    job = start(Kind.TAG, ids_selection(add_people(25)), clock, tag=lunch.pk)

    with django_capture_on_commit_callbacks(execute=True):
        job = begin(job, clock=clock)

    assert (job.status, lunch.contact_set.count(), OrmQ.objects.count()) == (Status.DONE, 25, 0)


def test_leaves_a_large_job_to_the_worker(lunch, clock, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(jobs, "SMALL", 20)
    job = start(Kind.TAG, ids_selection(add_people(25)), clock, tag=lunch.pk)

    with django_capture_on_commit_callbacks(execute=True):
        job = begin(job, clock=clock)

    assert (job.status, lunch.contact_set.count(), OrmQ.objects.count()) == (Status.QUEUED, 0, 1)


def test_the_worker_finishes_what_waits(lunch, clock):
    job = start(Kind.TAG, ids_selection(add_people(25)), clock, tag=lunch.pk)

    tasks.work()

    job.refresh_from_db()
    assert job.status == Status.DONE


def test_imports_and_jobs_take_turns(monkeypatch, db):
    turns: list[tuple[str, float]] = []

    def busy(name: str, times: int) -> Callable[..., bool]:
        def take_turn(*, clock: Any, deadline: float) -> bool:
            turns.append((name, deadline - time.monotonic()))
            return [done for done, _ in turns].count(name) < times

        return take_turn

    monkeypatch.setattr(tasks, "advance_imports", busy("import", 3))
    monkeypatch.setattr(tasks, "advance_jobs", busy("job", 2))

    tasks.work()

    assert [name for name, _ in turns] == ["import", "job", "import", "job", "import", "job"]
    assert all(length <= tasks.TURN_S for _, length in turns)


def test_asks_to_be_called_again_where_more_is_left(monkeypatch, db, django_capture_on_commit_callbacks):
    monkeypatch.setattr(tasks, "BUDGET_S", 0)
    monkeypatch.setattr(tasks, "advance_jobs", lambda **_: True)

    with django_capture_on_commit_callbacks(execute=True):
        tasks.work()

    assert OrmQ.objects.count() == 1


# --- Files ---


def test_deletes_the_file_of_an_export_after_a_week(lunch, clock):
    job = start(Kind.EXPORT, ids_selection(add_people(3)), clock, format="csv")
    finish(clock)

    assert delete_old_exports(at=clock() + EXPORT_KEPT) == 0
    assert delete_old_exports(at=clock() + EXPORT_KEPT + timedelta(seconds=1)) == 1

    job.refresh_from_db()
    assert (job.status, job.result) == (Status.DONE, None)
    assert not FilePart.objects.exists()


def test_drops_the_export_of_somebody_who_is_erased(lunch, clock):
    ids = add_people(6)
    with_them = start(Kind.EXPORT, ids_selection(ids[:3]), clock, format="csv")
    without = start(Kind.EXPORT, ids_selection(ids[3:]), clock, format="csv")
    finish(clock)

    forget_exports([ids[1]])

    with_them.refresh_from_db()
    without.refresh_from_db()
    assert with_them.result is None
    assert without.result is not None


def test_begins_anew_an_export_under_way_when_somebody_in_it_is_erased(lunch, clock):
    ids = add_people(25)
    job = start(Kind.EXPORT, ids_selection(ids), clock, format="csv")
    advance_jobs(clock=clock, deadline=0)

    start(Kind.ERASE, ids_selection([ids[2]]), clock)
    Job.objects.filter(pk=job.pk).update(lease="6f1c0c5e-0000-4000-8000-000000000000", lease_until=clock())
    assert advance(clock)  # the erasure: the export is another worker's
    finish(clock)

    assert lines_of(job) == [f"guest{number}@example.com" for number in range(25) if number != 2]


def test_an_export_of_ten_thousand_takes_no_more_memory_than_one_of_two_thousand(lunch, clock, monkeypatch):
    monkeypatch.setattr(jobs, "CHUNK", dict.fromkeys(Kind, 500))
    few = add_people(2_000)
    peaks = []
    for selection in (ids_selection(few), None):
        if selection is None:
            add_people(8_000)
            selection = filters_selection({})
        start(Kind.EXPORT, selection, clock, format="xlsx")
        tracemalloc.start()
        finish(clock)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert Job.objects.latest("pk").position == 10_000
    assert peaks[1] < 1.3 * peaks[0]
