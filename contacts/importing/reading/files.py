"""From an upload to tables of text: CSV as it is, the members of a ZIP, the sheets of a workbook.

What a file is, is told from its first bytes, never from its name.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from django.utils.translation import gettext_noop
from openpyxl import load_workbook

from contacts.sentences import kept

MEBIBYTE = 1024 * 1024
MAX_BYTES = 200 * MEBIBYTE
MAX_UNZIPPED = 400 * MEBIBYTE
MAX_SHARED_STRINGS = 100 * MEBIBYTE  # a workbook's texts are held in memory while it is read
MAX_RATIO = 200  # of unpacked to packed bytes; exports of contacts reach 30
RATIO_MATTERS_FROM = 10 * MEBIBYTE
MAX_TABLES = 20
MAX_MEMBERS = 2000
MAX_COLUMNS = 500
MAX_CELL = 10_000  # characters
PIECE_BYTES = 64 * 1024

ROW_BREAK = "\u2028"  # stands for a line break inside a cell of a workbook, so that its rows stay one line each
TEXT_ENDINGS = {".csv", ".tsv", ".txt", ".tab", ".text", ""}


class ImportFileError(ValueError):
    """The file as a whole cannot be imported; the message says why and what to do."""


class NoAddressColumn(ImportFileError):
    """No column was recognised; each interface adds how to name one there."""


_SAVE_AS_CSV = gettext_noop(
    "Open it, choose 'Save as' or 'Export', take CSV (UTF-8) or Excel (.xlsx), and import that."
)
TOO_LARGE = kept("The file is larger than %(most)s MB. Split it and import the parts.")
TOO_LARGE_UNPACKED = kept("Unpacked, the file is larger than %(most)s MB. Split it and import the parts.")
TOO_MANY_FILES = kept("The ZIP file holds more than %(most)s files. Import the ones with contacts alone.")
TOO_MANY_TABLES = kept("The ZIP file holds more than %(most)s tables. Import them in several parts.")
TOO_MANY_SHEETS = kept("The workbook has more than %(most)s sheets. Import them in several parts.")
CUT = kept("This was cut to %(count)s characters.")
_NOT_TABLES = (
    (
        b"\xd0\xcf\x11\xe0",
        kept("This is an old Excel file (.xls), or one with a password. %(how)s") % {"how": _SAVE_AS_CSV},
    ),
    (
        b"%PDF",
        gettext_noop("This is a PDF, which holds no rows and columns. Export the contacts as CSV where they are kept."),
    ),
    (b"{\\rtf", kept("This is a text document, not a table. %(how)s") % {"how": _SAVE_AS_CSV}),
    (b"\x1f\x8b", gettext_noop("This file is packed (.gz). Unpack it first, and import the file in it.")),
    (b"Rar!", gettext_noop("This file is packed (.rar). Unpack it first, and import the file in it.")),
    (b"7z\xbc\xaf", gettext_noop("This file is packed (.7z). Unpack it first, and import the file in it.")),
    (b"\x89PNG", gettext_noop("This is a picture. Export the contacts as CSV where they are kept.")),
    (b"\xff\xd8\xff", gettext_noop("This is a picture. Export the contacts as CSV where they are kept.")),
    (b"SQLite format 3", gettext_noop("This is a database. Export the contacts as CSV where they are kept.")),
)
_TEXTS_NOT_TABLES = (
    (
        re.compile(rb"(?i)<(!doctype|html|table|head|body|meta)\b"),
        kept("This is a web page, even if it is named .xls or .csv. %(how)s") % {"how": _SAVE_AS_CSV},
    ),
    (re.compile(rb"(?i)<\?xml|<workbook"), kept("This is an XML file, not a table. %(how)s") % {"how": _SAVE_AS_CSV}),
    (
        re.compile(rb"(?i)begin:vcard"),
        gettext_noop("These are contact cards (vCard). Export the contacts as CSV instead, for example 'Google CSV'."),
    ),
    (
        re.compile(rb'\{\s*"|\[\s*\{'),
        gettext_noop("This is a JSON file, not a table. Export the contacts as CSV, and import that."),
    ),
)
_ZIPPED = (
    ("xl/workbook.xml", "xlsx"),
    ("xl/workbook.bin", kept("This is a binary Excel file (.xlsb). %(how)s") % {"how": _SAVE_AS_CSV}),
    ("word/document.xml", kept("This is a Word document, not a table. %(how)s") % {"how": _SAVE_AS_CSV}),
    ("index/document.iwa", kept("This is an Apple Numbers file. %(how)s") % {"how": _SAVE_AS_CSV}),
    ("index.zip", kept("This is an Apple Numbers file. %(how)s") % {"how": _SAVE_AS_CSV}),
    ("content.xml", kept("This is a LibreOffice file (.ods). %(how)s") % {"how": _SAVE_AS_CSV}),
)


def unpack(file: BinaryIO, name: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the name and the raw bytes, in pieces, of each table in an upload.

    `file` must be seekable. The pieces of a table must be read before the next table is asked for; memory stays flat
    (but for the texts of a workbook). A CSV, TSV or TXT is one table, as it is. Of a ZIP, each text file in it. Of an
    XLSX, each visible sheet with something in it, as UTF-8 CSV: line n is row n of the sheet, since a line break in a
    cell is written as ROW_BREAK, which `rows_of` turns back.

    Raises ImportFileError, while tables or pieces are read as well.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > MAX_BYTES:
        raise ImportFileError(TOO_LARGE % {"most": MAX_BYTES // MEBIBYTE})
    start = file.read(4096)
    file.seek(0)
    if not start.strip():
        raise ImportFileError(
            gettext_noop("The file is empty. Export your contacts as CSV with a header line, and try again.")
        )
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _unpack_zip(file)
        return
    refuse_what_is_no_table(start)
    yield PurePosixPath(name.replace("\\", "/")).name, _pieces(file)


def refuse_what_is_no_table(start: bytes) -> None:
    """Raise ImportFileError where the first bytes are those of a PDF, a web page, an old workbook or the like."""
    for mark, message in _NOT_TABLES:
        if start.startswith(mark):
            raise ImportFileError(message)
    text = start.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    for pattern, message in _TEXTS_NOT_TABLES:
        if pattern.match(text):
            raise ImportFileError(message)


def _pieces(file: Any) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _unpack_zip(file: BinaryIO) -> Iterator[tuple[str, Iterator[bytes]]]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ImportFileError(
            gettext_noop("The ZIP file is damaged or incomplete. Download it again, and try again.")
        ) from error
    with archive:
        members = archive.infolist()
        names = {member.filename.lower() for member in members}
        kind = next((kind for mark, kind in _ZIPPED if mark in names), "zip")
        if kind not in ("xlsx", "zip"):
            raise ImportFileError(kind)
        _guard_against_bombs(members)
        yield from _sheets(file, members) if kind == "xlsx" else _members(archive)


def _guard_against_bombs(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise ImportFileError(TOO_MANY_FILES % {"most": MAX_MEMBERS})
    if sum(member.file_size for member in members) > MAX_UNZIPPED:
        raise ImportFileError(TOO_LARGE_UNPACKED % {"most": MAX_UNZIPPED // MEBIBYTE})
    for member in members:
        if member.file_size > RATIO_MATTERS_FROM and member.file_size > MAX_RATIO * max(member.compress_size, 1):
            raise ImportFileError(
                gettext_noop("The file unpacks to far more than it should, so it was not opened. Export it again.")
            )


def _members(archive: zipfile.ZipFile) -> Iterator[tuple[str, Iterator[bytes]]]:
    found = 0
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if member.is_dir() or any(part.startswith((".", "__MACOSX")) for part in path.parts):
            continue
        if member.flag_bits & 1:
            raise ImportFileError(
                gettext_noop("The ZIP file has a password. Unpack it first, and import the files in it.")
            )
        start = _start_of(archive, member)
        if start.startswith(b"PK\x03\x04"):
            raise ImportFileError(
                gettext_noop(
                    "The ZIP file holds another ZIP or Excel file. Unpack it first, and import the files in it one by "
                    "one."
                )
            )
        if path.suffix.lower() not in TEXT_ENDINGS or not start.strip():
            continue
        refuse_what_is_no_table(start)
        found += 1
        if found > MAX_TABLES:
            raise ImportFileError(TOO_MANY_TABLES % {"most": MAX_TABLES})
        yield path.name, _member_pieces(archive, member)
    if not found:
        raise ImportFileError(gettext_noop("The ZIP file holds no CSV, TSV or TXT file with something in it."))


_UNZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


def _start_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    return next(_member_pieces(archive, member), b"")[:4096]


def _member_pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as stream:
            yield from _pieces(stream)
    except _UNZIP_ERRORS as error:
        raise ImportFileError(
            gettext_noop("The ZIP file is damaged or incomplete. Download it again, and try again.")
        ) from error


def _sheets(file: BinaryIO, members: list[zipfile.ZipInfo]) -> Iterator[tuple[str, Iterator[bytes]]]:
    if any(member.filename.lower().endswith("sharedstrings.xml") and member.file_size > MAX_SHARED_STRINGS
           for member in members):  # fmt: skip
        raise ImportFileError(
            gettext_noop("The workbook is too large. Save its sheet as CSV (UTF-8), and import that.")
        )
    file.seek(0)
    try:
        workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl raises whatever its parts raise on a broken workbook
        raise _broken_workbook() from error
    found = 0
    try:
        for sheet in workbook.worksheets:
            if sheet.sheet_state != "visible":
                continue
            pieces = _sheet_pieces(sheet)
            first = next(pieces, None)
            if first is None:
                continue
            found += 1
            if found > MAX_TABLES:
                raise ImportFileError(TOO_MANY_SHEETS % {"most": MAX_TABLES})
            yield sheet.title, _after(first, pieces)
    finally:
        workbook.close()
    if not found:
        raise ImportFileError(gettext_noop("The workbook is empty: none of its visible sheets has anything in it."))


def _broken_workbook() -> ImportFileError:
    return ImportFileError(
        gettext_noop("The Excel file is damaged. Open it, save its sheet as CSV (UTF-8), and import that.")
    )


def _after(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _sheet_pieces(sheet: Any) -> Iterator[bytes]:
    """Yield a sheet as CSV, some hundred rows at a time; nothing where it is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    seen = False
    for cells in _sheet_rows(sheet):
        seen = seen or bool(cells)
        if cells and cells != [""]:
            writer.writerow(cells)
        else:
            out.write("\n")
        if seen and out.tell() > PIECE_BYTES:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    if seen and out.tell():
        yield out.getvalue().encode()


def _sheet_rows(sheet: Any) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # what the file says of its size is often wrong
    try:
        for row in sheet.iter_rows():
            cells = [_text_of(cell) for cell in row[: MAX_COLUMNS + 1]]
            while cells and not cells[-1]:
                cells.pop()
            yield cells
    except ImportFileError:
        raise
    except Exception as error:  # see above
        raise _broken_workbook() from error


def _text_of(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        if cell.data_type == "e":
            return ""
        return re.sub(r"\r\n|\r|\n", ROW_BREAK, value.replace("_x000D_", ""))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int) and re.fullmatch(r"0+", cell.number_format or ""):
        return str(value).zfill(len(cell.number_format))  # a postal code kept as a number with leading zeros
    return str(value)
