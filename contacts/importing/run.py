"""Check, run, resume, cancel: a chunk of rows per transaction, which also keeps how far it got.

A check takes the same path as the run and writes no contact. Whoever holds the lease goes on at `position`; a chunk of
which the database did not hear was never done.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice

from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_noop

from contacts.importing.counts import Counts, Tally
from contacts.importing.reading.files import ImportFileError
from contacts.importing.reading.sniff import Row, TablePlan, require_addresses, rows_of
from contacts.importing.staging import discard_upload, forget_check, pieces_of, plans_of
from contacts.importing.undo import take_grants_back, undo_chunk
from contacts.importing.writing import do_chunk
from contacts.models import UNDO_FOR, AuditEvent, Import, ImportEntry, ImportProblem
from contacts.sentences import kept
from contacts.services import audit, delete_private_files, wake
from contacts.services.leases import LEASE, give_back, take
from contacts.stopping import asked_to_stop

logger = logging.getLogger(__name__)

CHUNK_ROWS = 1000
TRIES = 3
PROBLEM_FILES_KEPT = timedelta(days=7)
Status = Import.Status
DUE = (Status.CHECKING, Status.QUEUED, Status.RUNNING, Status.UNDOING)
STARTABLE = (Status.UPLOADED, Status.CHECKED, Status.FAILED)
Clock = Callable[[], datetime]
Progress = Callable[[int], None]
NOT_WAITING = kept("Import %(number)s is not waiting to be checked.")
NOT_STARTED = kept("Import %(number)s is running, done or cancelled already.")
WORKED_ON = kept("Import %(number)s is worked on by another process.")
NO_UNDO = gettext_noop("This import cannot be undone: it never ran, was undone already, or is older than 30 days.")
WENT_WRONG = kept("Something went wrong here (%(name)s).")


class ImportBusy(Exception):
    """The import cannot be started, changed or undone: it runs, is done, or was cancelled. The message says which."""


class _Stopped(Exception):
    """Somebody asked to stop, or another worker took over."""


# --- What people ask for ----------------------------------------------------------------------------------------------


def ask_check(record: Import) -> None:
    """Let the whole file be gone through without writing.

    Raises ImportBusy, and NoAddressColumn where no column holds addresses.
    """
    require_addresses(plans_of(record))
    with transaction.atomic():
        changed = Import.objects.filter(pk=record.pk, status__in=(Status.UPLOADED, Status.CHECKED)).update(
            status=Status.CHECKING, position=0, counts={}, samples=None, failure="", stop_asked=False
        )
        if not changed:
            raise ImportBusy(NOT_WAITING % {"number": record.pk})
        forget_check(record)
    record.refresh_from_db()
    wake()


def ask_run(record: Import, *, at: datetime) -> None:
    """Let the file be imported; one that failed goes on where it stopped.

    Raises ImportBusy, and NoAddressColumn where no column holds addresses.
    """
    require_addresses(plans_of(record))
    with transaction.atomic():
        waiting = Import.objects.select_for_update().filter(
            pk=record.pk, upload_file__isnull=False, undone_at__isnull=True
        )
        status = waiting.filter(status__in=STARTABLE).values_list("status", flat=True).first()
        if status is None:
            raise ImportBusy(NOT_STARTED % {"number": record.pk})
        fresh = {"position": 0, "counts": {}, "started_at": at} if status != Status.FAILED else {}
        waiting.update(status=Status.QUEUED, failure="", stop_asked=False, **fresh)
        if fresh:
            forget_check(record)
    record.refresh_from_db()
    wake()


def ask_undo(record: Import, *, at: datetime, actor: object = None) -> None:
    """Take back what the import created and changed, where nobody touched it since. Opt-outs stay.

    Raises ImportBusy where there is nothing to undo, and after 30 days.
    """
    if not can_undo(record, at=at):
        raise ImportBusy(NO_UNDO)
    with transaction.atomic():
        changed = Import.objects.filter(pk=record.pk, status__in=(Status.DONE, Status.CANCELLED, Status.FAILED)).update(
            status=Status.UNDOING,
            undone_at=record.undone_at or at,
            position=0,
            total=ImportEntry.objects.filter(run=record).count(),
            failure="",
            stop_asked=False,
        )
        if not changed:
            raise ImportBusy(gettext_noop("This import is being undone already."))
        audit(AuditEvent.Action.UNDONE, detail=f"import {record.pk}", actor=actor)  # type: ignore[arg-type]
    record.refresh_from_db()
    wake()


def can_undo(record: Import, *, at: datetime) -> bool:
    """Whether the import wrote anything, within the last 30 days, that was not taken back to the end."""
    ended = record.status in {Status.DONE, Status.CANCELLED, Status.FAILED}
    begun = record.undone_at is not None
    in_time = record.started_at is not None and (begun or at - record.started_at < UNDO_FOR)
    return ended and in_time


def cancel_import(record: Import) -> bool:
    """Give an import up: at once where it only waits, after the chunk at hand where it runs. What is written stays.

    Return False where it is done or cancelled already.
    """
    waiting = Import.objects.filter(pk=record.pk, status__in=(*STARTABLE, Status.QUEUED))
    stopped = bool(waiting.filter(lease=None).update(status=Status.CANCELLED))
    if stopped:
        if record.started_at is None:
            forget_check(record)
        discard_upload(record)
    else:
        running = Import.objects.filter(pk=record.pk, status__in=(Status.CHECKING, Status.QUEUED, Status.RUNNING))
        stopped = bool(running.update(stop_asked=True))
    record.refresh_from_db()
    return stopped


# --- What a worker does -----------------------------------------------------------------------------------------------


def advance_imports(*, clock: Clock, deadline: float) -> bool:
    """Work on the oldest import that waits until `deadline` (time.monotonic); return whether more can be done now."""
    record = take(Import.objects.filter(status__in=DUE), at=clock())
    if record is None:
        return False
    _guarded(record, clock, deadline)
    return _free(clock()).exists()


def advance_now(record: Import, *, clock: Clock, seconds: float) -> bool:
    """Work on this import for up to so many seconds, here and now; the worker does the rest. Return whether it is done.

    Where a worker has it already, nothing is done.
    """
    taken = take(Import.objects.filter(pk=record.pk, status__in=DUE), at=clock())
    if taken is not None:
        _guarded(taken, clock, time.monotonic() + seconds)
    record.refresh_from_db()
    if record.status in DUE:
        wake()
    return record.status not in DUE


def finish_here(record: Import, *, clock: Clock, progress: Progress = lambda rows: None) -> Import:
    """Do all that was asked of this import in this process. A failure is recorded and raised.

    Raises ImportBusy where a worker has it, and ImportFileError.
    """
    taken = take(Import.objects.filter(pk=record.pk, status__in=DUE), at=clock())
    if taken is None:
        raise ImportBusy(WORKED_ON % {"number": record.pk})
    try:
        _advance(taken, clock, None, progress)
    except BaseException as error:
        _fail(taken, error)
        raise
    finally:
        give_back(taken)
    record.refresh_from_db()
    return record


def _free(at: datetime) -> QuerySet[Import]:
    return Import.objects.filter(Q(lease=None) | Q(lease_until__lt=at), status__in=DUE)


def _guarded(record: Import, clock: Clock, deadline: float) -> None:
    """Work on a leased import; its failure is recorded, not raised."""
    try:
        _advance(record, clock, deadline, lambda rows: None)
    except _Stopped:
        logger.info("import %s was taken over", record.pk)
    except Exception as error:
        if isinstance(error, OperationalError | InterfaceError):
            raise  # the database is away: whoever comes next goes on
        logger.error("import %s failed: %s", record.pk, type(error).__name__)
        _fail(record, error)
    finally:
        give_back(record)


def _fail(record: Import, error: BaseException) -> None:
    words = str(error) if isinstance(error, ImportFileError) else WENT_WRONG % {"name": type(error).__name__}
    back = {Status.CHECKING: Status.UPLOADED}.get(Status(record.status), Status.FAILED)
    mine = Import.objects.filter(pk=record.pk, lease=record.lease, status__in=DUE)
    mine.update(status=back, failure=words[:300])


def _advance(record: Import, clock: Clock, deadline: float | None, progress: Progress) -> None:
    if record.status == Status.QUEUED:
        Import.objects.filter(pk=record.pk, lease=record.lease).update(status=Status.RUNNING)
        record.status = Status.RUNNING
    work = _undo if record.status == Status.UNDOING else _read
    work(record, clock, deadline, progress)


def _read(record: Import, clock: Clock, deadline: float | None, progress: Progress) -> None:
    """Go through the rows that are left, and say so at the end."""
    for number, plan, rows in _chunks(record, skip=record.position):
        if not _one_chunk(record, number, plan, rows, clock()):
            _cancel_running(record)
            return
        progress(record.position)
        if _is_over(deadline):
            return
    _finish(record, clock())


def _chunks(record: Import, *, skip: int) -> Iterator[tuple[int, TablePlan, list[Row]]]:
    """Yield table number, plan and up to 1,000 rows, leaving out the first `skip` rows of the file."""
    for number, plan in enumerate(plans_of(record)):
        rows = rows_of(pieces_of(record, plan)(), plan)
        skipped = sum(1 for _ in islice(rows, skip))
        skip -= skipped
        while chunk := list(islice(rows, CHUNK_ROWS)):
            yield number, plan, chunk


def _one_chunk(record: Import, number: int, plan: TablePlan, rows: list[Row], at: datetime) -> bool:
    """Do a chunk and keep how far it got; False where somebody asked to stop.

    Where another writer was in the way, look again. Raises _Stopped where the lease is lost.
    """
    write = record.status == Status.RUNNING
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                fresh = _locked(record)
                if fresh.stop_asked:
                    return False
                # Read anew: whoever is erased meanwhile is taken out of the samples.
                tally = Tally(Counts(**fresh.counts), json.loads(fresh.samples or "{}"))
                do_chunk(record, number, plan, rows, tally, write=write, at=at)
                counts, samples = asdict(tally.counts), None if write else json.dumps(tally.samples)
                position = record.position + len(rows)
                fields = {"counts": counts, "samples": samples, "position": position, "lease_until": at + LEASE}
                Import.objects.filter(pk=record.pk).update(**fields)
        except (IntegrityError, OperationalError):  # another writer's address, or a deadlock with one
            if attempt == TRIES:
                raise
            continue
        record.counts, record.samples, record.position = counts, samples, position
        return True
    raise AssertionError("unreachable")


def _locked(record: Import) -> Import:
    """Return the import as it is now, its row locked. Raises _Stopped where another worker has it."""
    mine = Import.objects.select_for_update().filter(pk=record.pk, lease=record.lease, position=record.position)
    fresh = mine.only("stop_asked", "counts", "samples").first()
    if fresh is None:
        raise _Stopped
    return fresh


def _cancel_running(record: Import) -> None:
    Import.objects.filter(pk=record.pk, lease=record.lease).update(status=Status.CANCELLED, stop_asked=False)
    if record.status == Status.CHECKING:
        forget_check(record)
    discard_upload(record)


def _finish(record: Import, at: datetime) -> None:
    done = {"status": Status.CHECKED, "total": record.position}
    if record.status == Status.RUNNING:
        done = {"status": Status.DONE, "total": record.position, "finished_at": at}
    Import.objects.filter(pk=record.pk, lease=record.lease).update(**done)
    if record.status == Status.RUNNING:
        discard_upload(record)


def _undo(record: Import, clock: Clock, deadline: float | None, progress: Progress) -> None:
    while True:
        with transaction.atomic():
            _locked(record)
            tally, position = undo_chunk(record)
            record.counts, done = tally, position == record.position
            fields: dict[str, object] = {"counts": tally, "position": position, "lease_until": clock() + LEASE}
            Import.objects.filter(pk=record.pk).update(**fields)
        record.position = position
        if done:
            take_grants_back(record)
            ImportProblem.objects.filter(run=record).delete()
            Import.objects.filter(pk=record.pk, lease=record.lease).update(status=Status.UNDONE)
            discard_upload(record)
            return
        progress(record.position)
        if _is_over(deadline):
            return


def _is_over(deadline: float | None) -> bool:
    """Whether the time is up, or the worker is to stop; without a deadline this is no worker."""
    return deadline is not None and (time.monotonic() > deadline or asked_to_stop())


def sweep(*, at: datetime) -> int:
    """Delete what is not needed any more: files nobody imported, and the trails of imports too old to be undone."""
    delete_private_files(before=at - PROBLEM_FILES_KEPT)
    kept = Import.objects.annotate(since=Coalesce("started_at", "created_at"))  # undo counts from the run
    old = kept.filter(since__lt=at - UNDO_FOR, forgotten_at=None, lease=None).exclude(status__in=DUE)
    count = 0
    for record in old.only("pk", "status", "started_at", "upload_file"):
        cancel_import(record)
        ImportEntry.objects.filter(run=record).update(before=None, left=None)
        ImportProblem.objects.filter(run=record).delete()
        Import.objects.filter(pk=record.pk).update(forgotten_at=at, samples=None, plan=None)
        count += 1
    return count
