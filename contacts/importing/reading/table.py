"""Rows of cells from lines of text, and what a cell looks like. No database."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from contacts.channels import AddressError, normalise_email, normalise_phone
from contacts.importing.reading.files import ROW_BREAK, ImportFileError
from contacts.sentences import kept

UNCLOSED = kept(
    "A quotation mark in line %(line)s is never closed, or a cell there is far too long. Mend that line, or open the "
    "file in a spreadsheet program, save it as CSV again, and import that."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One data row; `line` is the line it starts on in the file, counted from 1, as a spreadsheet shows it."""

    line: int
    cells: list[str]


def records_of(lines: Iterable[str], separator: str) -> Iterator[Row]:
    ended = []

    def feed() -> Iterator[str]:
        yield from lines
        ended.append(True)

    reader = csv.reader(feed(), delimiter=separator)
    line = 1
    try:
        for cells in reader:
            if ended:
                raise _unclosed(line)
            start, line = line, reader.line_num + 1
            if any(map(filled, cells)):
                if line - start > 1 or any(ROW_BREAK in cell for cell in cells):
                    cells = [cell.replace(ROW_BREAK, "\n") for cell in cells]
                yield Row(start, cells)
    except csv.Error as error:
        raise _unclosed(line) from error


def _unclosed(line: int) -> ImportFileError:
    return ImportFileError(UNCLOSED % {"line": line})


def filled(cell: str) -> bool:
    return bool(cell) and not cell.isspace() and bool(cell.strip(" \t\r\n\x1a\ufeff\u200b"))


def is_address(cell: str) -> bool:
    return is_email(cell) or is_phone(cell)


def is_email(cell: str) -> bool:
    if ("@" not in cell and "\uff20" not in cell) or len(cell) > 400:
        return False
    try:
        normalise_email(cell.split(":::")[0])
    except AddressError:
        return False
    return True


def is_phone(cell: str) -> bool:
    if len(cell) > 60 or sum(char.isdigit() for char in cell) < 10:
        return False
    try:
        normalise_phone(cell.split(":::")[0])
    except AddressError:
        return False
    return True
