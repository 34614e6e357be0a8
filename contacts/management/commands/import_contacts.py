"""Import contacts from a CSV file."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from contacts.importing import (
    FIELDS,
    Counts,
    ImportFileError,
    NoAddressColumn,
    Table,
    check,
    read_table,
    stage,
    stage_and_run,
)
from contacts.importing.run import problems_csv
from contacts.management.console import ConsoleCommand, past_instant
from contacts.models import Import
from contacts.services import find_or_make_tag

PRESETS = ("auto", "plain")


class Command(ConsoleCommand):
    help = (
        "Import contacts from a CSV file. Columns are recognised by their header or their values. People already "
        "known are completed, never cleared; people who opted out stay so. Without --consent-email or --consent-sms "
        "nobody may be written to."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("--preset", choices=PRESETS, default="auto", help="Where the file comes from.")
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
        parser.add_argument("--dry-run", action="store_true", help="Count only; write nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        content = _read(options["file"])
        try:
            table = read_table(content, dict(options["map"]))
            record, counts = self._import(table, content, options)
        except NoAddressColumn as error:
            raise CommandError(f"{error} Or name the column with --map COLUMN=email or --map COLUMN=phone.") from error
        except ImportFileError as error:
            raise CommandError(str(error)) from error
        problems_file = _write_problems(record)
        if options["dry_run"]:
            record.delete()
        data = {**asdict(counts), "problems_file": problems_file, "import": None if options["dry_run"] else record.pk}
        self.answer(options, {"id": data["import"], **data}, _words(counts, problems_file, dry_run=options["dry_run"]))

    def _import(self, table: Table, content: bytes, options: dict[str, Any]) -> tuple[Import, Counts]:
        for position, field in sorted(table.mapping.items()):
            self.remark(f"Column '{table.header[position]}' is read as {FIELDS[field]}.")
        if table.left_out:
            self.remark(f"Columns left out: {', '.join(name or '(no name)' for name in table.left_out)}.")
        dry_run = options["dry_run"]
        record = stage(
            table=table,
            content=content,
            file_name=options["file"].name,
            at=timezone.now(),
            tag=find_or_make_tag(options["tag"]) if options["tag"] and not dry_run else None,
            consent_email=options["consent_email"],
            consent_sms=options["consent_sms"],
            consent_at=options["consent_at"],
        )
        if dry_run:
            return record, check(record, table)
        return record, stage_and_run(record, table, at=timezone.now(), progress=self._progress)

    def _progress(self, rows: int) -> None:
        self.remark(f"{rows:,} rows")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error


def _pair(text: str) -> tuple[str, str]:
    column, equals, field = text.rpartition("=")
    if not equals:
        raise ArgumentTypeError(f"'{text}' is not COLUMN=FIELD, such as 'E-Mail Adresse=email'.")
    return column.strip(), field.strip()


def _write_problems(record: Import) -> str | None:
    """Write the rows and cells left out to a file only its owner can read; return its path."""
    if record.problems in (None, "[]"):
        return None
    folder = Path(settings.VAR_DIR) / "imports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"import-{record.pk}-problems.csv"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(problems_csv(record))
    return str(path)


def _words(counts: Counts, problems_file: str | None, *, dry_run: bool) -> str:
    lines = [
        f"{counts.rows} rows: {counts.created} new, {counts.updated} updated, {counts.unchanged} unchanged, "
        f"{counts.duplicates} duplicates, {counts.invalid} left out.",
    ]
    if counts.review:
        lines.append(f"{counts.review} imported without a cell that could not be used.")
    if counts.suppressed:
        lines.append(f"{counts.suppressed} had opted out or cannot be reached, and stay so.")
    if problems_file:
        lines.append(f"What was left out, and why: {problems_file}")
    if dry_run:
        lines.append("Dry run: nothing was written.")
    return "\n".join(lines)
