"""From an upload to an import that knows how to read it: kept encrypted, its tables recognised, nothing written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO

from django.db import transaction
from django.utils.translation import gettext_noop

from contacts.importing.reading.columns import FIELDS, FROM_IMPORT, MULTIPLE, STATE
from contacts.importing.reading.files import ImportFileError, unpack
from contacts.importing.reading.sniff import Row, TablePlan, detect, rows_of, sample_rows
from contacts.models import ColumnMemory, Import, ImportEntry, ImportProblem, StoredFile, Tag
from contacts.sentences import kept
from contacts.services import append_pieces, delete_file, read_file

if TYPE_CHECKING:
    from django.contrib.auth.models import User

READ_BYTES = 1024 * 1024
NO_FIELD = kept("'%(name)s' is not a field. Choose one from the list.")
SAME_MEANING = kept("Two columns were given the same meaning: %(names)s. Choose one of them.")
FIRST = ("cleaned", "unsubscribed")  # tables that take people off are read before those that bring them


class NotWaiting(Exception):
    """The import runs, is done or was cancelled: it cannot be changed any more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a person may say of how a file is read; empty: it is found out."""

    overrides: Mapping[str, str] | None = None
    preset: str = "auto"


def stage(
    file: BinaryIO,
    *,
    name: str,
    at: datetime,
    reading: Reading | None = None,
    tag: Tag | None = None,
    consent_email: str = "",
    consent_sms: str = "",
    consent_at: datetime | None = None,
    conflicts: Import.Conflicts = Import.Conflicts.KEEP,
    actor: User | None = None,
) -> Import:
    """Keep an upload, encrypted, with how it is read and what was asked of it. Nothing is imported yet.

    Raises ImportFileError where the file cannot be read at all.
    """
    reading = reading or Reading()
    with transaction.atomic():
        upload = StoredFile.objects.create()
        plans = [
            _detect(upload, table, *append_pieces(upload, pieces), reading) for table, pieces in unpack(file, name)
        ]
        if not plans:
            raise ImportFileError(
                gettext_noop("There is no table in this file. Export your contacts as CSV, and try again.")
            )
        parent = _parent_of(upload, plans)
        if parent is not None:
            _read_as(parent, plans[0])
            consent_email, consent_sms = consent_email or parent.consent_email, consent_sms or parent.consent_sms
            tag, consent_at = tag or parent.tag, consent_at or parent.consent_at
        total = sum(1 for plan in plans for _ in rows_of(_pieces(upload, plan)(), plan))
        if not total:
            raise ImportFileError(gettext_noop("There are headers in this file, but no rows below them."))
        return Import.objects.create(
            file_name=name[:255],
            file_sha256=_sha256(file),
            upload_file=upload,
            plan=_packed(sorted(plans, key=lambda plan: plan.meaning not in FIRST)),
            total=total,
            tag=tag,
            consent_email=consent_email.strip(),
            consent_sms=consent_sms.strip(),
            consent_at=min(consent_at or at, at),  # nobody agrees in the future
            conflicts=conflicts,
            created_by=actor,
        )


def _parent_of(upload: StoredFile, plans: list[TablePlan]) -> Import | None:
    """Return the import whose mended problems this file is; its own column says which."""
    if len(plans) != 1 or FROM_IMPORT not in plans[0].header:
        return None
    at = plans[0].header.index(FROM_IMPORT)
    first = next(iter(sample_rows(_pieces(upload, plans[0])(), plans[0], 1)), None)
    number = first.cells[at].strip("' ") if first and at < len(first.cells) else ""
    return Import.objects.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 10 else None


def _read_as(parent: Import, plan: TablePlan) -> None:
    """Let the columns of a mended file mean what they meant before."""
    fields = {
        table.header[at]: field
        for table in plans_of(parent)
        for at, field in table.mapping.items()
        if at < len(table.header)
    }
    if fields:
        mapping = {at: fields[name] for at, name in enumerate(plan.header) if fields.get(name)}
        plan.mapping = mapping | {plan.header.index(STATE): "email_status"} if STATE in plan.header else mapping


def plans_of(record: Import) -> list[TablePlan]:
    return [TablePlan.from_json(data) for data in json.loads(record.plan or "[]")]


def pieces_of(record: Import, plan: TablePlan) -> Callable[[], Iterable[bytes]]:
    """Return what reads a table's bytes anew at each call."""
    assert record.upload_file is not None
    return _pieces(record.upload_file, plan)


def samples_of(record: Import, plan: TablePlan, limit: int = 3) -> list[Row]:
    """Return the first rows of a table."""
    return sample_rows(pieces_of(record, plan)(), plan, limit)


def read_again(
    record: Import, number: int, *, encoding: str | None, separator: str | None, header_line: int | None
) -> TablePlan:
    """Read a table in the way somebody says, where what was found out is wrong.

    Raises NotWaiting, and ImportFileError where it cannot be read so.
    """
    plans = plans_of(_waiting(record))
    old = plans[number]
    new = detect(
        pieces_of(record, old),
        old.name,
        recall=recall,
        encoding=encoding,
        separator=separator,
        header_line=header_line,
    )
    new.first_part, new.last_part = old.first_part, old.last_part
    plans[number] = new
    record.total = sum(1 for plan in plans for _ in rows_of(pieces_of(record, plan)(), plan))
    _keep_plans(record, plans)
    return new


def match_columns(record: Import, number: int, mapping: dict[int, str], *, meaning: str | None = None) -> None:
    """Say what the columns of a table mean; remembered for the next file with the same headers.

    Raises NotWaiting, and ImportFileError where two columns are given what only one can be.
    """
    plans = plans_of(_waiting(record))
    taken = [field for field in mapping.values() if field]
    if unknown := set(taken) - FIELDS.keys():
        raise ImportFileError(NO_FIELD % {"name": min(unknown)})
    doubled = {field for field in taken if field not in MULTIPLE and taken.count(field) > 1}
    if doubled:
        names = ", ".join(sorted(FIELDS[field] for field in doubled))
        raise ImportFileError(SAME_MEANING % {"names": names})
    plan = plans[number]
    plan.mapping = {position: field for position, field in mapping.items() if field}
    if meaning is not None:
        plan.meaning = meaning
    if plan.fingerprint:
        remembered = {str(position): field for position, field in plan.mapping.items()}
        ColumnMemory.objects.update_or_create(fingerprint=plan.fingerprint, defaults={"mapping": remembered})
    _keep_plans(record, plans)


def state_consent(
    record: Import, *, email: str, sms: str, since: datetime, conflicts: Import.Conflicts, tag: Tag | None
) -> None:
    """Say what everyone in the file agreed to, in which words and since when. Raises NotWaiting."""
    waiting = Import.objects.filter(pk=record.pk, status__in=(Import.Status.UPLOADED, Import.Status.CHECKED))
    said = {"consent_email": email, "consent_sms": sms, "consent_at": since, "conflicts": conflicts, "tag": tag}
    if not waiting.update(**said, status=Import.Status.UPLOADED):
        raise NotWaiting(gettext_noop("This file is not waiting to be imported any more."))
    record.refresh_from_db()


def recall(fingerprint: str) -> dict[int, str] | None:
    """Return what the columns of such a file were last said to mean."""
    memory = ColumnMemory.objects.filter(fingerprint=fingerprint).first() if fingerprint else None
    return {int(position): field for position, field in memory.mapping.items()} if memory else None


def discard_upload(record: Import) -> None:
    """Delete the file and what a check left; the import keeps its counts."""
    delete_file(record.upload_file)
    record.upload_file = None
    Import.objects.filter(pk=record.pk).update(upload_file=None)


def forget_check(record: Import) -> None:
    """Delete what a check found; nothing of it was written to contacts."""
    ImportEntry.objects.filter(run=record).delete()
    ImportProblem.objects.filter(run=record).delete()


def _detect(upload: StoredFile, name: str, first: int, last: int, reading: Reading) -> TablePlan:
    plan = detect(
        lambda: read_file(upload, first, last),
        name,
        overrides=reading.overrides,
        preset=reading.preset,
        recall=recall,
    )
    plan.first_part, plan.last_part = first, last
    return plan


def _pieces(upload: StoredFile, plan: TablePlan) -> Callable[[], Iterator[bytes]]:
    return lambda: read_file(upload, plan.first_part, plan.last_part)


def _waiting(record: Import) -> Import:
    fresh = Import.objects.get(pk=record.pk)
    if fresh.status not in {Import.Status.UPLOADED, Import.Status.CHECKED} or fresh.upload_file is None:
        raise NotWaiting(gettext_noop("This file is not waiting to be imported any more."))
    return fresh


def _keep_plans(record: Import, plans: list[TablePlan]) -> None:
    """Write how the file is read; what an earlier check found does not hold any more."""
    with transaction.atomic():
        record.plan = _packed(plans)
        changed = Import.objects.filter(
            pk=record.pk, status__in=(Import.Status.UPLOADED, Import.Status.CHECKED)
        ).update(
            plan=record.plan, total=record.total, status=Import.Status.UPLOADED, position=0, counts={}, samples=None
        )
        if not changed:
            raise NotWaiting(gettext_noop("This file is not waiting to be imported any more."))
        forget_check(record)
    record.refresh_from_db()


def _packed(plans: Iterable[TablePlan]) -> str:
    return json.dumps([plan.to_json() for plan in plans])


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(READ_BYTES):
        digest.update(piece)
    return digest.hexdigest()
