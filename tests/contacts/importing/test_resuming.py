"""A run that is killed, stopped, sliced or broken goes on where it was, and does no row twice."""

import time

import pytest

from contacts.importing import (
    Counts,
    ImportBusy,
    advance_imports,
    advance_now,
    ask_run,
    cancel_import,
)
from contacts.importing import run as run_module
from contacts.importing.writing import do_chunk
from contacts.models import (
    ConsentEvent,
    Contact,
    Import,
    ImportEntry,
)
from contacts.services import (
    find_or_make_tag,
)
from contacts.services.leases import LEASE, take
from tests.contacts.importing.engine import AT, PEOPLE, run, staged, undo


@pytest.mark.django_db
class TestResuming:
    @pytest.fixture(autouse=True)
    def _small_chunks(self, monkeypatch):
        monkeypatch.setattr(run_module, "CHUNK_ROWS", 1)

    def test_a_worker_that_died_is_followed_by_the_next_one_after_its_lease(self):
        record = staged(PEOPLE, consent_email="Yes", tag=find_or_make_tag("till"))
        ask_run(record, at=AT)
        died = take(Import.objects.filter(pk=record.pk), at=AT)
        assert died is not None

        class Killed(BaseException):
            pass

        def die(rows):
            if rows == 2:
                raise Killed

        with pytest.raises(Killed):
            run_module._advance(died, lambda: AT, None, die)
        assert Contact.objects.count() == 2
        assert not advance_imports(clock=lambda: AT + LEASE / 2, deadline=time.monotonic() + 10)
        assert Contact.objects.count() == 2

        advance_imports(clock=lambda: AT + LEASE * 2, deadline=time.monotonic() + 10)

        record.refresh_from_db()
        assert record.status == Import.Status.DONE
        counts = Counts(**record.counts)
        assert (counts.rows, counts.created, counts.duplicates) == (3, 3, 0)
        assert (Contact.objects.count(), ConsentEvent.objects.count()) == (3, 2)
        assert ImportEntry.objects.filter(run=record).count() == 3

    def test_a_worker_that_lost_its_lease_writes_nothing_more(self):
        record = staged(PEOPLE)
        ask_run(record, at=AT)
        slow = take(Import.objects.filter(pk=record.pk), at=AT)
        assert slow is not None
        take(Import.objects.filter(pk=record.pk), at=AT + LEASE * 2)

        with pytest.raises(run_module._Stopped):
            run_module._advance(slow, lambda: AT, None, lambda rows: None)

        assert not Contact.objects.exists()

    def test_a_slice_ends_in_time_and_the_next_goes_on(self):
        record = staged(PEOPLE)
        ask_run(record, at=AT)

        more = advance_imports(clock=lambda: AT, deadline=time.monotonic() - 1)

        record.refresh_from_db()
        assert (more, record.position, record.status) == (True, 1, Import.Status.RUNNING)
        while advance_imports(clock=lambda: AT, deadline=time.monotonic() - 1):
            pass
        record.refresh_from_db()
        assert (record.status, Contact.objects.count()) == (Import.Status.DONE, 3)

    def test_can_be_stopped_on_its_way_and_undone(self):
        record = staged(PEOPLE)
        ask_run(record, at=AT)
        advance_imports(clock=lambda: AT, deadline=time.monotonic() - 1)

        assert cancel_import(Import.objects.get(pk=record.pk))
        advance_imports(clock=lambda: AT, deadline=time.monotonic() + 10)

        record.refresh_from_db()
        assert record.status == Import.Status.CANCELLED
        assert Contact.objects.count() == 1
        assert undo(record)["removed"] == 1
        assert not Contact.objects.exists()

    def test_what_failed_can_be_gone_on_with(self, monkeypatch):
        record = staged(PEOPLE)
        ask_run(record, at=AT)

        def fail_on_the_second(given, *args, **kwargs):
            if given.position == 1:
                raise RuntimeError("secret@example.org")
            do_chunk(given, *args, **kwargs)

        monkeypatch.setattr(run_module, "do_chunk", fail_on_the_second)
        assert advance_now(record, clock=lambda: AT, seconds=10)
        assert (record.status, record.failure) == (Import.Status.FAILED, "Something went wrong here (RuntimeError).")
        monkeypatch.setattr(run_module, "do_chunk", do_chunk)

        counts = run(record)

        assert (counts.rows, counts.created) == (3, 3)
        assert Contact.objects.count() == 3

    @pytest.mark.parametrize("bad", ["\\ud800", "a\\u0000b"])
    def test_a_cell_no_database_can_hold_stops_nothing(self, bad):
        record = staged(f'Email,Tags\nann@example.org,"[""{bad}""]"\nbob@example.org,\n')
        ask_run(record, at=AT)

        advance_now(record, clock=lambda: AT, seconds=10)

        assert (record.status, Contact.objects.count()) == (Import.Status.DONE, 2)

    def test_an_import_that_runs_cannot_be_started_again(self):
        record = staged(PEOPLE)
        ask_run(record, at=AT)

        with pytest.raises(ImportBusy):
            ask_run(record, at=AT)
