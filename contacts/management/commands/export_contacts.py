"""Export contacts to a spreadsheet file."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError
from django.utils import timezone

from contacts.management.console import ConsoleCommand
from contacts.models import Business, Segment, Tag
from contacts.services.exporting import HEADER, audit_export, export_pages
from contacts.services.jobs import Selection, filters_selection, record_export, selected
from contacts.sheets import STREAMS, XLSX_ROWS


class Command(ConsoleCommand):
    help = (
        "Write contacts with their full addresses as CSV or XLSX. The file is readable by its owner only, and every "
        "export is written down. Cells a spreadsheet program would run as a formula begin with an apostrophe."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--segment", metavar="NAME|ID", help="Only the people of this segment.")
        parser.add_argument("--tag", metavar="NAME", help="Only the people with this tag.")
        parser.add_argument("--format", choices=sorted(STREAMS), default="csv")
        parser.add_argument("--output", type=Path, metavar="FILE", help="Default: standard output, as CSV.")

    def handle(self, *args: Any, **options: Any) -> None:
        output, file_format = options["output"], options["format"]
        if output is None and (options["json"] or file_format != "csv"):
            raise CommandError("Name the file with --output FILE: standard output takes a CSV file and nothing else.")
        selection = _selection(options["segment"], options["tag"])
        at = timezone.now()
        total = selected(selection, at=at).count()
        if file_format == "xlsx" and total >= XLSX_ROWS:
            raise CommandError(f"A sheet holds {XLSX_ROWS - 1:,} people at most, and these are {total:,}. Use CSV.")
        with _opened(output) as file:
            rows = self._write(file, selection, file_format, total, at)
        job = record_export(selection, file_format=file_format, rows=rows, at=at)
        if output is None:
            self.remark(f"Wrote {rows:,} contacts.")
            return
        data = {"id": job.pk, "rows": rows, "file": str(output)}
        self.answer(options, data, f"Wrote {rows:,} contacts to {output}.")

    def _write(self, file: BinaryIO, selection: Selection, file_format: str, total: int, at: datetime) -> int:
        """Write all rows, and the audit line of those that were written, however it ends."""
        stream, rows = STREAMS[file_format]({}), 0
        file.write(stream.start(HEADER))
        try:
            for page in export_pages(selected(selection, at=at), Business.load().zone):
                rows += len(page)
                file.write(stream.rows(page))
                self.remark(f"{rows:,} of {total:,}")
            file.write(stream.end())
            file.flush()
        except OSError as error:
            raise CommandError(f"The file cannot be written: {error.strerror}.") from error
        finally:
            audit_export(rows, file_format, actor=None)
        return rows


def _selection(segment: str | None, tag: str | None) -> Selection:
    """Return whom the options ask for. Raises CommandError where there is no such segment or tag."""
    filters = {} if tag is None else {"tag": _tag(tag).pk}
    audience = {} if segment is None else {"audience": _segment(segment).rules or {}}
    return {**filters_selection(filters), **audience}


def _tag(name: str) -> Tag:
    if found := Tag.objects.filter(name__iexact=name).first():
        return found
    raise CommandError(f"There is no tag '{name}'.")


def _segment(text: str) -> Segment:
    """Return the segment of this name in any case, or else of this number."""
    found = Segment.objects.filter(name=text).first() or Segment.objects.filter(name__iexact=text).first()
    if found is None and text.isascii() and text.isdigit():
        found = Segment.objects.filter(pk=int(text)).first()
    if found is None:
        raise CommandError(f"There is no segment '{text}'.")
    return found


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """Yield standard output, or a file that only its owner can read. Raises CommandError."""
    if output is None:
        yield sys.stdout.buffer
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)  # it may have been there already
        yield file
