"""Import contacts from a file."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError
from django.utils import timezone

from contacts.importing import (
    FIELDS,
    PRESETS,
    Counts,
    ImportFileError,
    NoAddressColumn,
    Reading,
    ask_check,
    ask_run,
    cancel_import,
    finish_here,
    plans_of,
    problems_csv,
    stage,
)
from contacts.management.console import ConsoleCommand, past_instant
from contacts.models import Import, ImportProblem
from contacts.services import find_or_make_tag, write_private_file


class Command(ConsoleCommand):
    help = (
        "Import contacts from a CSV, TSV, text, Excel (.xlsx) or ZIP file. Columns are recognised by their header or "
        "their values. People already known are completed, never cleared; people who opted out stay so. Without "
        "consent columns in the file, --consent-email or --consent-sms nobody may be written to. May be stopped and "
        "run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("--preset", choices=("auto", *PRESETS), default="auto", help="Where the file comes from.")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            type=_pair,
            metavar="COLUMN=FIELD",
            help=f"Say what a column is, or leave it out with COLUMN= . Fields: {', '.join(FIELDS)}.",
        )
        parser.add_argument("--tag", help="Tag everyone in the file.")
        parser.add_argument("--consent-email", default="", metavar="TEXT", help="What they agreed to, when and how.")
        parser.add_argument("--consent-sms", default="", metavar="TEXT", help="The same for texts, in writing.")
        parser.add_argument("--consent-at", type=past_instant, metavar="ISO", help="When they agreed. Default: now.")
        parser.add_argument(
            "--conflicts",
            choices=Import.Conflicts.values,
            default=Import.Conflicts.KEEP.value,
            help="Where the file differs from what is known: keep that (default), or overwrite it.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Count only; write nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run: bool = options["dry_run"]
        try:
            with _opened(options["file"]) as file:
                record = self._stage(file, options)
            try:
                ask_check(record) if dry_run else ask_run(record, at=timezone.now())
                finish_here(record, clock=timezone.now, progress=self._progress)
            except BaseException:
                cancel_import(record)  # its upload is deleted; running the command again changes nothing twice
                raise
        except NoAddressColumn as error:
            raise CommandError(f"{error} Or name the column with --map COLUMN=email or --map COLUMN=phone.") from error
        except ImportFileError as error:
            raise CommandError(str(error)) from error
        counts, problems_file = Counts(**record.counts), _write_problems(record)
        pk = record.pk
        if dry_run:
            cancel_import(record)
            Import.objects.filter(pk=pk).delete()
        answer = {**asdict(counts), "problems_file": problems_file, "import": None if dry_run else pk}
        self.answer(options, {"id": answer["import"], **answer}, _words(counts, problems_file, dry_run=dry_run))

    def _stage(self, file: BinaryIO, options: dict[str, Any]) -> Import:
        dry_run: bool = options["dry_run"]
        record = stage(
            file,
            name=options["file"].name,
            at=timezone.now(),
            reading=Reading(overrides=dict(options["map"]), preset=options["preset"]),
            tag=find_or_make_tag(options["tag"]) if options["tag"] and not dry_run else None,
            consent_email=options["consent_email"],
            consent_sms=options["consent_sms"],
            consent_at=options["consent_at"],
            conflicts=Import.Conflicts(options["conflicts"]),
        )
        for plan in plans_of(record):
            for position, field in sorted(plan.mapping.items()):
                self.remark(f"Column '{plan.header[position]}' is read as {FIELDS[field]}.")
            if plan.left_out:
                self.remark(f"Columns left out: {', '.join(name or '(no name)' for name in plan.left_out)}.")
        return record

    def _progress(self, rows: int) -> None:
        self.remark(f"{rows:,} rows")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error


def _pair(text: str) -> tuple[str, str]:
    column, equals, field = text.rpartition("=")
    if not equals:
        raise ArgumentTypeError(f"'{text}' is not COLUMN=FIELD, such as 'E-Mail Adresse=email'.")
    return column.strip(), field.strip()


def _write_problems(record: Import) -> str | None:
    """Write the rows and cells left out to a file only its owner can read; return its path."""
    if not ImportProblem.objects.filter(run=record).exists():
        return None
    return str(write_private_file(f"import-{record.pk}-problems.csv", problems_csv(record)))


def _words(counts: Counts, problems_file: str | None, *, dry_run: bool) -> str:
    lines = [
        f"{counts.rows} rows: {counts.created} new, {counts.updated} updated, {counts.unchanged} unchanged, "
        f"{counts.duplicates} duplicates, {counts.invalid} left out.",
        f"{counts.subscribed_email} may get e-mail and {counts.subscribed_sms} texts by this import.",
    ]
    if counts.review:
        lines.append(f"{counts.review} imported without a cell that could not be used, or with a doubtful one.")
    if counts.suppressed:
        lines.append(f"{counts.suppressed} had opted out or cannot be reached, and stay so.")
    if counts.opted_out:
        lines.append(f"{counts.opted_out} unsubscribed or bounced elsewhere, and are not written to from here.")
    if problems_file:
        lines.append(f"What was left out, and why (deleted after a week): {problems_file}")
    if dry_run:
        lines.append("Dry run: nothing was written.")
    return "\n".join(lines)
