"""Tables for spreadsheet programs: CSV and XLSX in which no cell can run. Pure."""

from __future__ import annotations

import csv
import io
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol
from xml.sax.saxutils import escape

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

Cell = str | int | Decimal | datetime | date | None
FULL_WIDTH = ("\uff1d", "\uff0b", "\uff0d", "\uff20")  # = + - @
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", *FULL_WIDTH)
# What a program may drop from the start of a cell: spaces, quotes, invisible and control characters.
PASSED_OVER = ' "\ufeff\u00a0\u200b\x7f' + "".join(chr(code) for code in range(32) if chr(code) not in "\t\r\n")
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
XLSX_ROWS = 1_048_576  # what a sheet holds, its header included


def guard(text: str) -> str:
    """Prefix with an apostrophe what a spreadsheet program would run as a formula."""
    return f"'{text}" if text.lstrip(PASSED_OVER).startswith(DANGEROUS) else text


# --- At once: small tables --------------------------------------------------------------------------------------------


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return UTF-8 CSV with a byte-order mark, which Excel needs to read accents."""
    stream = CsvStream({})
    return stream.start(header) + stream.rows(rows)


def to_xlsx(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return a workbook with one sheet: numbers as numbers, decimals with two places, local times as times."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet()
    sheet.append(list(header))
    for row in rows:
        sheet.append([_money(sheet, cell) if isinstance(cell, Decimal) else _typed(cell) for cell in row])
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def _money(sheet: Any, amount: Any) -> Any:
    cell = WriteOnlyCell(sheet, amount)
    cell.number_format = "0.00"
    return cell


def _plain(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    return guard(cell) if isinstance(cell, str) else "" if cell is None else str(cell)


def _typed(cell: Cell) -> Cell:
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=None, microsecond=0)
    return guard(NOT_IN_XML.sub("", cell)) if isinstance(cell, str) else cell


# --- In pieces: tables of any length ----------------------------------------------------------------------------------

State = dict[str, int]


class TableStream(Protocol):
    """A file made in pieces: `start`, `rows` as often as there are some, `end`; joined, the pieces are the file.

    `state` is all that is remembered between two pieces. It holds numbers only, so that another process can go on.
    """

    state: State

    def start(self, header: Sequence[str]) -> bytes: ...

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes: ...

    def end(self) -> bytes: ...


class CsvStream:
    """UTF-8 CSV with a byte-order mark."""

    def __init__(self, state: State) -> None:
        self.state = state

    def start(self, header: Sequence[str]) -> bytes:
        return "\ufeff".encode() + self._lines([header])

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        return self._lines([_plain(cell) for cell in row] for row in rows)

    def end(self) -> bytes:
        return b""

    def _lines(self, rows: Iterable[Sequence[str]]) -> bytes:
        file = io.StringIO()
        csv.writer(file).writerows(rows)
        return file.getvalue().encode("utf-8", "replace")


SHEET_NAME = b"xl/worksheets/sheet1.xml"
XML_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
RELATION = '<Relationships xmlns="{}/relationships"><Relationship Id="rId1" Type="{}/{}" Target="{}"/></Relationships>'
SMALL_FILES = {
    b"[Content_Types].xml": (
        f'<Types xmlns="{PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{CONTENT}.sheet.main+xml"/>'
        f'<Override PartName="/{SHEET_NAME.decode()}" ContentType="{CONTENT}.worksheet+xml"/></Types>'
    ),
    b"_rels/.rels": RELATION.format(PACKAGE, DOCUMENT, "officeDocument", "xl/workbook.xml"),
    b"xl/workbook.xml": (
        f'<workbook xmlns="{MAIN}" xmlns:r="{DOCUMENT}">'
        '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    b"xl/_rels/workbook.xml.rels": RELATION.format(PACKAGE, DOCUMENT, "worksheet", "worksheets/sheet1.xml"),
}
DEFLATED, SIZES_FOLLOW, LONG_AGO = 8, 0x08, 0x21  # method, general purpose bit 3, the first of January 1980


class XlsxStream:
    """A workbook with one sheet of texts.

    openpyxl needs the whole sheet in one process. Here each piece is a run of DEFLATE blocks that ends on a byte and
    looks back on nothing, so the pieces of several processes join to one valid ZIP entry; its checksum and sizes follow
    the data.
    """

    def __init__(self, state: State) -> None:
        self.state = state

    def start(self, header: Sequence[str]) -> bytes:
        self.state.update(crc=0, size=0, packed=0)
        local = _local_header(SHEET_NAME, 0, 0, 0, flags=SIZES_FOLLOW)
        head = f'{XML_HEAD}<worksheet xmlns="{MAIN}"><sheetData>{_row_xml(header)}'
        return local + self._pack(head.encode(), zlib.Z_FULL_FLUSH)

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        return self._pack("".join(_row_xml(row) for row in rows).encode("utf-8"), zlib.Z_FULL_FLUSH)

    def end(self) -> bytes:
        last = self._pack(b"</sheetData></worksheet>", zlib.Z_FINISH)
        crc, packed, size = (self.state[name] for name in ("crc", "packed", "size"))
        pieces = [last, struct.pack("<4sIII", b"PK\x07\x08", crc, packed, size)]
        directory = [_directory_entry(SHEET_NAME, crc, packed, size, offset=0, flags=SIZES_FOLLOW)]
        offset = len(_local_header(SHEET_NAME, 0, 0, 0)) + packed + 16
        for name, text in SMALL_FILES.items():
            content = (XML_HEAD + text).encode()
            facts = (name, zlib.crc32(content), len(content), len(content))
            pieces.append(_local_header(*facts, method=0) + content)
            directory.append(_directory_entry(*facts, offset=offset, method=0))
            offset += len(pieces[-1])
        listed = b"".join(directory)
        closing = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, len(directory), len(directory), len(listed), offset, 0)
        return b"".join([*pieces, listed, closing])

    def _pack(self, content: bytes, flush: int) -> bytes:
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(content) + packer.flush(flush)
        self.state["crc"] = zlib.crc32(content, self.state["crc"])
        self.state["size"] += len(content)
        self.state["packed"] += len(packed)
        return packed


def _row_xml(row: Iterable[Cell]) -> str:
    cells = (escape(NOT_IN_XML.sub("", _plain(cell))) for cell in row)
    marked = (f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>' if text else "<c/>" for text in cells)
    return f"<row>{''.join(marked)}</row>"


def _local_header(name: bytes, crc: int, packed: int, size: int, *, method: int = DEFLATED, flags: int = 0) -> bytes:
    fields = (b"PK\x03\x04", 20, flags, method, 0, LONG_AGO, crc, packed, size, len(name), 0)
    return struct.pack("<4sHHHHHIIIHH", *fields) + name


def _directory_entry(
    name: bytes, crc: int, packed: int, size: int, *, offset: int, method: int = DEFLATED, flags: int = 0
) -> bytes:
    fields = (b"PK\x01\x02", 20, 20, flags, method, 0, LONG_AGO, crc, packed, size, len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<4sHHHHHHIIIHHHHHII", *fields) + name


STREAMS: dict[str, type[CsvStream] | type[XlsxStream]] = {"csv": CsvStream, "xlsx": XlsxStream}
