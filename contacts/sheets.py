"""Tables for spreadsheet programs: CSV and XLSX in which no cell can run. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

from openpyxl import Workbook

Cell = str | int | Decimal | datetime | date | None
FULL_WIDTH = ("\uff1d", "\uff0b", "\uff0d", "\uff20")  # = + - @
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", *FULL_WIDTH)


def guard(text: str) -> str:
    """Prefix with an apostrophe what a spreadsheet program would run as a formula."""
    return f"'{text}" if text.lstrip(' "\ufeff').startswith(DANGEROUS) or text.startswith(("\t", "\r", "\n")) else text


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return UTF-8 CSV with a byte-order mark, which Excel needs to read accents."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return file.getvalue().encode("utf-8-sig")


def to_xlsx(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return a workbook with one sheet, numbers as numbers and local times as times."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet()
    sheet.append(list(header))
    for row in rows:
        sheet.append([_typed(cell) for cell in row])
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def _plain(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    return guard(cell) if isinstance(cell, str) else "" if cell is None else str(cell)


def _typed(cell: Cell) -> Cell:
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=None, microsecond=0)
    return guard(cell) if isinstance(cell, str) else cell
