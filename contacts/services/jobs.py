"""Jobs on many contacts: tag, untag, export, erase, in chunks that a dying worker neither loses nor doubles.

A chunk is one transaction. It extends the lease first, which locks the job's row and fails where somebody else took the
job over, and ends by writing how far it came: what was done and where to go on are committed together or not at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, transaction
from django.db.models import Max, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from contacts.models import Business, Contact, ContactQuerySet, ContactTag, ImportEntry, Job, StoredFile, Tag
from contacts.queries import audience_contacts
from contacts.services.erasing import erase_all
from contacts.services.exporting import HEADER, UNFINISHED, audit_export, export_rows
from contacts.services.files import append_pieces, delete_file
from contacts.services.leases import give_back, keep, take, wake
from contacts.sheets import STREAMS, XLSX_ROWS
from contacts.stopping import asked_to_stop

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
Selection = dict[str, Any]
Kind, Status = Job.Kind, Job.Status

# Contacts in a transaction. SQLite keeps every other writer waiting meanwhile: 200 are erased in 0.2 s, and 0.1 s more
# for each 1,000 rows of imports that need a look, which are read once for all of them.
CHUNK = {Kind.TAG: 1000, Kind.UNTAG: 1000, Kind.EXPORT: 1000, Kind.ERASE: 200}
SMALL = 200  # contacts; so few are done while the person who asked waits
WAIT_S = 5
EXPORT_KEPT = timedelta(days=7)
MAX_IDS = 5000  # named one by one in a selection
FILTERS = ("email_status", "sms_status", "source")
WENT_WRONG = gettext_noop("Something went wrong on the way. What was done until then stays.")


class JobRefused(ValueError):
    """The job makes no sense; the message says why in the user's words."""


class _CannotGoOn(Exception):
    """What the job needs is gone; the message says so in the user's words."""


# --- Whom ---


def ids_selection(ids: Sequence[int]) -> Selection:
    """Return the selection of these people, at most 5,000."""
    if len(ids) > MAX_IDS:
        raise JobRefused(_("At most %(most)s people can be chosen this way.") % {"most": f"{MAX_IDS:,}"})
    return {"ids": sorted(ids)}


def filters_selection(filters: dict[str, Any]) -> Selection:
    """Return the selection of everybody who is there now and whom these filters of the list keep.

    `filters` may have `email_status`, `sms_status` and `source`, each a value of the column, and `tag` and `import`,
    each an id. Who is added or gets the tag later is no part of it.
    """
    return {
        "filters": filters,
        "up_to": Contact.objects.aggregate(newest=Max("pk"))["newest"] or 0,
        "tagged_up_to": ContactTag.objects.aggregate(newest=Max("pk"))["newest"] or 0,
    }


def selected(selection: Selection, *, at: datetime) -> ContactQuerySet:
    """Return the contacts of a selection: `{"ids": [...]}`, or one of `filters_selection`, narrowed by `audience`.

    Days of an audience's rules are counted back from `at`.

    Raises KeyError where it holds something that is not known: a question not understood is about nobody.
    """
    contacts = audience_contacts(selection["audience"], at=at) if "audience" in selection else Contact.objects.all()
    if "ids" in selection:
        contacts = contacts.filter(pk__in=selection["ids"])
    else:
        contacts = contacts.filter(pk__lte=selection["up_to"])
    filters = dict(selection.get("filters", {}))
    if (tag := filters.pop("tag", None)) is not None:
        rows = ContactTag.objects.filter(tag_id=tag, pk__lte=selection["tagged_up_to"])
        contacts = contacts.filter(pk__in=rows.values("contact_id"))
    if (run := filters.pop("import", None)) is not None:
        entries = ImportEntry.objects.filter(run_id=run, contact__isnull=False)
        contacts = contacts.filter(pk__in=entries.values("contact_id"))
    if unknown := filters.keys() - set(FILTERS):
        raise KeyError(*sorted(unknown))
    return contacts.filter(**filters)


def _left(job: Job) -> ContactQuerySet:
    """Return whom the job is still about. Of those a filter found, it erases nobody whose row changed since then."""
    contacts = selected(job.selection, at=job.created_at).filter(pk__gt=job.last_contact_id)
    if job.kind == Kind.ERASE and "ids" not in job.selection:
        contacts = contacts.filter(updated_at__lte=job.created_at)
    return contacts.order_by("pk")


# --- Start and stop ---


def start_job(
    *, kind: Job.Kind, selection: Selection, at: datetime, actor: User | None, options: dict[str, Any] | None = None
) -> Job:
    """Write down what is to be done; `begin` sets it going. `options` is `{"tag": ID}` or `{"format": "csv"}`.

    Raises JobRefused.
    """
    total = selected(selection, at=at).count()
    if not total:
        raise JobRefused(_("Nobody is chosen."))
    options = options or {}
    if options.get("format") == "xlsx" and total >= XLSX_ROWS:
        words = _("An Excel sheet holds %(most)s people at most. Choose CSV.")
        raise JobRefused(words % {"most": f"{XLSX_ROWS - 1:,}"})
    return Job.objects.create(
        kind=kind, selection=selection, options=options, total=total, created_by=actor, created_at=at
    )


def record_export(selection: Selection, *, file_format: str, rows: int, at: datetime) -> Job:
    """Write down an export that a command has made by itself; it has no file here."""
    return Job.objects.create(
        kind=Kind.EXPORT,
        status=Status.DONE,
        selection=selection,
        options={"format": file_format, "changed": rows, "command": True},
        position=rows,
        total=rows,
        finished_at=at,
    )


def begin(job: Job, *, clock: Clock) -> Job:
    """Do a small job now, for up to five seconds, and leave anything longer to the worker."""
    if (job.total or 0) <= SMALL and (mine := take(_unfinished().filter(pk=job.pk), at=clock())):
        _advance(mine, clock=clock, deadline=time.monotonic() + WAIT_S)
    job.refresh_from_db()
    if job.status in UNFINISHED:
        wake()
    return job


def stop_job(job: Job, *, at: datetime) -> bool:
    """Cancel a job: at once where nobody works on it, after the chunk under way otherwise. False where it is over.

    A worker that takes the job in between finds it cancelled, or finds the wish to stop: both are one UPDATE.
    """
    free = Q(lease=None) | Q(lease_until__lt=at)
    with transaction.atomic():
        mine = _unfinished().filter(pk=job.pk)
        if mine.filter(free).update(stop_asked=True, status=Status.CANCELLED, finished_at=at, lease=None):
            delete_file(_file_of(job))
            return True
        return bool(mine.update(stop_asked=True))


def delete_old_exports(*, at: datetime) -> int:
    """Delete the files of exports that are a week old; return how many there were."""
    old = list(
        Job.objects.filter(result__isnull=False, finished_at__lt=at - EXPORT_KEPT).values_list("result", flat=True)
    )
    StoredFile.objects.filter(pk__in=old).delete()
    return len(old)


# --- Do ---


def advance_jobs(*, clock: Clock, deadline: float) -> bool:
    """Work on the oldest job nobody works on, until it is done or `time.monotonic()` passes `deadline`.

    Return whether there was one: then another may wait.
    """
    job = take(_unfinished(), at=clock())
    if job is None:
        return False
    _advance(job, clock=clock, deadline=deadline)
    return True


def _unfinished() -> Any:
    return Job.objects.filter(status__in=UNFINISHED)


def _advance(job: Job, *, clock: Clock, deadline: float) -> None:
    try:
        while _do_chunk(job, at=clock()) and time.monotonic() < deadline and not asked_to_stop():
            pass
    except OperationalError:
        give_back(job)  # a deadlock or a lock that was not free in time: the next wake-up tries again
        raise
    except _CannotGoOn as reason:
        _fail(job, str(reason), at=clock())
    except Exception as error:  # named by its kind alone: libraries put addresses into their texts
        logger.error("Job %s failed behind contact %s: %s", job.pk, job.last_contact_id, type(error).__name__)
        _fail(job, WENT_WRONG, at=clock())
    else:
        give_back(job)


def _do_chunk(job: Job, *, at: datetime) -> bool:
    """Do the next chunk, or cancel the job where that is asked; return whether this worker has more to do."""
    with transaction.atomic():
        if not keep(job, at=at):
            return False
        if Job.objects.filter(pk=job.pk, stop_asked=True).exists():
            delete_file(_file_of(job))
            _end(job, Status.CANCELLED, at)
            return False
        size = CHUNK[Kind(job.kind)]
        ids = list(_left(job).values_list("pk", flat=True)[:size])
        WORK[Kind(job.kind)](job, ids, at)
        job.position += len(ids)
        job.last_contact_id = ids[-1] if ids else job.last_contact_id
        job.status = Status.RUNNING
        job.save(update_fields=["position", "last_contact_id", "status", "options", "result"])
        if len(ids) == size:
            return True
        if job.kind == Kind.EXPORT:
            _close_file(job)
        _end(job, Status.DONE, at)
        return False


def _end(job: Job, status: Job.Status, at: datetime, failure: str = "") -> bool:
    """Close the job where this worker still holds it."""
    mine = Job.objects.filter(pk=job.pk, lease=job.lease)
    return bool(mine.update(status=status, finished_at=at, failure=failure, lease=None, lease_until=None))


def _fail(job: Job, reason: str, *, at: datetime) -> None:
    with transaction.atomic():
        if _end(job, Status.FAILED, at, reason):
            delete_file(_file_of(job))


def _file_of(job: Job) -> StoredFile | None:
    """Return the file as the database has it: what a rolled back chunk made is not there."""
    return StoredFile.objects.filter(pk__in=Job.objects.filter(pk=job.pk).values("result")).first()


# --- What is done to a chunk ---


def _count(job: Job, changed: int) -> None:
    job.options = {**job.options, "changed": job.options.get("changed", 0) + changed}


def _tag(job: Job, ids: list[int], at: datetime) -> None:
    tag = Tag.objects.filter(pk=job.options["tag"]).first()
    if tag is None:
        raise _CannotGoOn(gettext_noop("The tag was deleted meanwhile."))
    # Locked, so that nobody is erased between the look and the write.
    there = Contact.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    tagged = set(ContactTag.objects.filter(tag=tag, contact__in=ids).values_list("contact_id", flat=True))
    missing = [pk for pk in there.values_list("pk", flat=True) if pk not in tagged]
    ContactTag.objects.bulk_create([ContactTag(tag=tag, contact_id=pk) for pk in missing], ignore_conflicts=True)
    _count(job, len(missing))


def _untag(job: Job, ids: list[int], at: datetime) -> None:
    removed, _ = ContactTag.objects.filter(tag_id=job.options["tag"], contact__in=ids).delete()
    _count(job, removed)


def _export(job: Job, ids: list[int], at: datetime) -> None:
    stream = STREAMS[job.options["format"]](dict(job.options.get("stream", {})))
    pieces = []
    if job.result is None:
        job.result = StoredFile.objects.create()
        pieces.append(stream.start(HEADER))
    rows = export_rows(Contact.objects.filter(pk__in=ids).order_by("pk"), Business.load().zone)
    append_pieces(job.result, [*pieces, stream.rows(rows)])
    job.options = {**job.options, "stream": stream.state}
    _count(job, len(rows))


def _close_file(job: Job) -> None:
    stream = STREAMS[job.options["format"]](dict(job.options["stream"]))
    assert job.result is not None
    if last := stream.end():
        append_pieces(job.result, [last])
    audit_export(job.options["changed"], job.options["format"], actor=job.created_by)


def _erase(job: Job, ids: list[int], at: datetime) -> None:
    _count(job, erase_all(list(Contact.objects.filter(pk__in=ids)), at=at, actor=job.created_by))


WORK: dict[Job.Kind, Callable[[Job, list[int], datetime], None]] = {
    Kind.TAG: _tag,
    Kind.UNTAG: _untag,
    Kind.EXPORT: _export,
    Kind.ERASE: _erase,
}
