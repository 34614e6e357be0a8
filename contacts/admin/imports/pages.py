"""What the pages of an import show, put together from the record."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from contacts.admin.base import Number, badge, people
from contacts.importing import PRESETS, Counts, TablePlan, plans_of, samples_of
from contacts.importing.reading.resource import diff
from contacts.models import Import

Status = Import.Status
STATUS_KINDS = {
    Status.UPLOADED: "warn",
    Status.CHECKING: "info",
    Status.CHECKED: "warn",
    Status.QUEUED: "info",
    Status.RUNNING: "info",
    Status.DONE: "ok",
    Status.FAILED: "bad",
    Status.CANCELLED: "quiet",
    Status.UNDOING: "info",
    Status.UNDONE: "quiet",
}
MOVING = {Status.CHECKING, Status.QUEUED, Status.RUNNING, Status.UNDOING}
ENDED = {Status.DONE, Status.FAILED, Status.CANCELLED, Status.UNDONE}
SAMPLE_TITLES = {
    "created": gettext_lazy("New people"),
    "updated": gettext_lazy("People who are completed or changed"),
    "unchanged": gettext_lazy("Known already, nothing new"),
    "duplicates": gettext_lazy("Rows about somebody an earlier row was about"),
    "suppressed": gettext_lazy("Opted out or cannot be reached, and stay so"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its header, what it fills, and its first values."""

    position: int
    name: str
    field: str
    samples: list[str]


@dataclass(frozen=True, slots=True)
class TableView:
    """One table of the file, as the columns page shows it."""

    number: int
    name: str
    preset: str
    meaning: str
    used: list[Column]
    left_out: list[Column]

    @property
    def has_email(self) -> bool:
        return any(column.field == "email" for column in self.used)

    @property
    def has_phone(self) -> bool:
        return any(column.field == "phone" for column in self.used)


@dataclass(frozen=True, slots=True)
class SampleView:
    """One example row: label and text of each field, what changes marked."""

    line: int
    fields: list[tuple[str, SafeString]]


def counts_of(record: Import) -> Counts:
    known = Counts.__dataclass_fields__
    return Counts(**{name: value for name, value in record.counts.items() if name in known})


def numbers_of(record: Import) -> list[Number]:
    counts, done = counts_of(record), record.status in ENDED
    if record.status == Status.UNDONE:
        return [
            Number(_("Contacts removed"), record.counts.get("removed", 0)),
            Number(_("Contacts put back as they were"), record.counts.get("restored", 0)),
            Number(_("Kept: something happened to them since"), record.counts.get("kept", 0)),
        ]
    return [
        Number(_("Rows in the file"), counts.rows),
        Number(_("New") if done else _("Will be new"), counts.created, "good"),
        Number(_("Updated") if done else _("Will be updated"), counts.updated),
        Number(_("Unchanged"), counts.unchanged),
        Number(_("Duplicates"), counts.duplicates),
        Number(_("Problems, left out"), counts.invalid, "poor" if counts.invalid else ""),
        Number(_("Need a look"), counts.review),
        Number(_("Kept unsubscribed"), counts.suppressed),
    ]


def consent_lines(record: Import) -> list[str]:
    """Say in words who may be written to by this import, and who may not."""
    if record.undone_at is not None:
        return []
    counts, done = counts_of(record), record.status in ENDED
    e_mail = _("%(people)s may get e-mail") if done else _("%(people)s will be allowed to get e-mail")
    texts = _("%(people)s may get texts") if done else _("%(people)s will be allowed to get texts")
    left = _("%(people)s unsubscribed or bounced elsewhere, and will not be written to from here")
    kept_away = _("%(people)s unsubscribed here or cannot be reached, and stay so")
    lines = [
        line % {"people": people(count)}
        for count, line in (
            (counts.subscribed_email, e_mail),
            (counts.subscribed_sms, texts),
            (counts.opted_out, left),
            (counts.suppressed, kept_away),
        )
        if count
    ]
    if counts.conflicts:
        keeps = record.conflicts == Import.Conflicts.KEEP
        kept = _("what you have is kept") if keeps else _("the file's word is taken")
        differ = ngettext(
            "%(count)s cell differs from what you have: %(kept)s",
            "%(count)s cells differ from what you have: %(kept)s",
            counts.conflicts,
        )
        lines.append(differ % {"count": f"{counts.conflicts:,}", "kept": kept})
    return lines


def status_badge(record: Import) -> SafeString:
    status = Status(record.status)
    return badge(STATUS_KINDS[status], status.label)


def importable(record: Import) -> str:
    counts = counts_of(record)
    return people(counts.created + counts.updated + counts.unchanged)


def line_of(record: Import) -> str:
    """Say how far it is: `Being checked: 12,000 of 100,000 rows`."""
    words = {
        Status.CHECKING: _("Checking"),
        Status.QUEUED: _("Waiting for the background worker"),
        Status.RUNNING: _("Importing"),
        Status.UNDOING: _("Undoing"),
    }
    if record.status not in words:
        return str(Status(record.status).label)
    people_done = _("%(doing)s: %(done)s of %(total)s people")
    rows_done = _("%(doing)s: %(done)s of %(total)s rows")
    return (people_done if record.status == Status.UNDOING else rows_done) % {
        "doing": words[Status(record.status)],
        "done": f"{record.position:,}",
        "total": f"{record.total or 0:,}",
    }


def tables_of(record: Import) -> list[TableView]:
    """Return the tables of the file with their columns and first values."""
    return [_table(record, number, plan) for number, plan in enumerate(plans_of(record))]


def _table(record: Import, number: int, plan: TablePlan) -> TableView:
    rows = samples_of(record, plan)
    columns = [
        Column(
            position,
            name,
            plan.mapping.get(position, ""),
            [row.cells[position] for row in rows if position < len(row.cells) and row.cells[position].strip()],
        )
        for position, name in enumerate(plan.header)
    ]
    preset = PRESETS[plan.preset].label if plan.preset in PRESETS and plan.preset != "plain" else ""
    used = [column for column in columns if column.field]
    return TableView(number, plan.name, preset, plan.meaning, used, [column for column in columns if not column.field])


def samples_shown(record: Import) -> list[tuple[str, list[SampleView]]]:
    """Return a few rows of each kind, with what would change marked."""
    kept = json.loads(record.samples or "{}")
    return [
        (str(title), [SampleView(sample["line"], diff(sample["before"], sample["after"])) for sample in kept[kind]])
        for kind, title in SAMPLE_TITLES.items()
        if kept.get(kind)
    ]


def has_consent_columns(record: Import) -> bool:
    return any(
        field.startswith(("email_", "sms_")) or field == "status"
        for plan in plans_of(record)
        for field in plan.mapping.values()
    ) or any(plan.meaning for plan in plans_of(record))
