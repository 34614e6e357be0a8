"""Where the columns of a table begin: its separator, its header line, and the names in it. No database."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from contacts.channels import clean_cell
from contacts.importing.reading.columns import FIELD_OF_HEADER, folded
from contacts.importing.reading.files import ImportFileError
from contacts.importing.reading.presets import PRESETS
from contacts.importing.reading.table import Row, filled, is_address, records_of
from contacts.sentences import kept

SEPARATORS = ",;\t|"
SAMPLE_ROWS = 200
HEADER_WITHIN = 20  # rows
SEPARATOR_LINE = re.compile(r'(?i)"?sep=(.?)"?')
NO_SUCH_LINE = kept("There is no line %(line)s near the beginning of the table that could be its header.")


def separator_of(lines: list[str]) -> str:
    """Return the separator that makes the most cells known, then the most rows alike."""
    match = SEPARATOR_LINE.fullmatch(lines[0].removesuffix("\n")) if lines else None
    if match:
        return match[1] if match[1] not in ("", '"') else ","
    return max(SEPARATORS, key=lambda separator: _score(lines[:60], separator))


def _score(lines: list[str], separator: str) -> tuple[int, float, int]:
    rows = [row.cells for row in _lenient(lines, separator)]
    if not rows:
        return (0, 0.0, 0)
    widths = Counter(len(row) for row in rows)
    width, count = max(widths.items(), key=lambda item: (item[0] > 1, item[1]))
    known = sum(folded(cell) in FIELD_OF_HEADER or is_address(cell) for row in rows for cell in row)
    return (known, count / len(rows) if width > 1 else 0.0, width)


def _lenient(lines: Iterable[str], separator: str) -> list[Row]:
    rows: list[Row] = []
    with suppress(ImportFileError):
        rows.extend(records_of(lines, separator))
    return rows


def head_rows(lines: list[str], separator: str) -> list[Row]:
    rows = []
    try:
        for row in records_of(lines, separator):
            rows.append(row)
            if len(rows) == SAMPLE_ROWS + HEADER_WITHIN:
                break
    except ImportFileError:
        if not rows:
            raise
    if rows and rows[0].line == 1 and SEPARATOR_LINE.fullmatch(lines[0].removesuffix("\n")):
        del rows[0]
    return rows


def _known_headers(row: Row) -> int:
    """How many cells of a row are headers known by their words, in whatever product or language."""
    return sum((name := folded(cell)) in FIELD_OF_HEADER or name in _PRESET_HEADERS for cell in row.cells)


_PRESET_HEADERS = frozenset(header for preset in PRESETS.values() for header, field in preset.columns.items() if field)


def header_at(rows: list[Row]) -> int | None:
    """Return which row is the header. None: the table has none, since a row that holds an address comes first."""
    for index, row in enumerate(rows[:HEADER_WITHIN]):
        if any(map(is_address, row.cells)):
            return _header_before(rows, index)
        known, full = _known_headers(row), sum(map(filled, row.cells))
        if known >= 2 or (known == 1 and full in (1, len(row.cells)) and not _is_title(rows, index)):
            return index
    widest = max(len(row.cells) for row in rows)
    return next(index for index, row in enumerate(rows) if len(row.cells) == widest)


def _is_title(rows: list[Row], index: int) -> bool:
    """Whether a row of one cell stands above a wider one: `Customers` as a title, not as a header."""
    following = rows[index + 1].cells if index + 1 < len(rows) else []
    return len(following) > len(rows[index].cells) or (
        sum(map(filled, rows[index].cells)) == 1 and sum(map(filled, following)) > 1
    )


def _header_before(rows: list[Row], index: int) -> int | None:
    if index == 0:
        return None
    above, wanted = (sum(map(filled, row.cells)) for row in rows[index - 1 : index + 1])
    return index - 1 if above * 2 >= wanted else None


def from_first_address(rows: list[Row]) -> list[Row]:
    first = next((index for index, row in enumerate(rows) if any(map(is_address, row.cells))), 0)
    return rows[first:]


def row_at_line(rows: list[Row], line: int) -> int | None:
    if line <= 0:
        return None
    at = next((index for index, row in enumerate(rows) if row.line >= line), None)
    if at is None:
        raise ImportFileError(NO_SUCH_LINE % {"line": line})
    return at


def names_of(cells: list[str], data: list[Row]) -> list[str]:
    """Return a name for each column: blank ones are numbered, repeated ones are told apart."""
    sample = data[:SAMPLE_ROWS]
    if not cells:
        return [f"Column {number}" for number in range(1, max((len(row.cells) for row in sample), default=1) + 1)]
    cells = list(cells)
    while cells and not filled(cells[-1]) and not any_filled(sample, len(cells) - 1):
        cells.pop()
    names: list[str] = []
    for position, cell in enumerate(cells):
        name = " ".join(clean_cell(cell).split())[:100] or f"Column {position + 1}"
        number, unique = 1, name
        while unique in names:
            number += 1
            unique = f"{name} ({number})"
        names.append(unique)
    return names


def any_filled(rows: list[Row], position: int) -> bool:
    return any(position < len(row.cells) and filled(row.cells[position]) for row in rows)
