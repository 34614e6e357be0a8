"""How a table is read: its encoding, its separator, its header, and which column holds what. No database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from typing import Any

from django.utils.translation import gettext_noop

from contacts.importing.reading.columns import FIELDS, folded
from contacts.importing.reading.encodings import EncodingScan, known_encoding, lines_of
from contacts.importing.reading.files import MAX_COLUMNS, ImportFileError, NoAddressColumn, refuse_what_is_no_table
from contacts.importing.reading.headers import (
    SAMPLE_ROWS,
    from_first_address,
    head_rows,
    header_at,
    names_of,
    row_at_line,
    separator_of,
)
from contacts.importing.reading.mapping import MEANINGS, choose_preset, map_columns, meaning_of
from contacts.importing.reading.table import Row, records_of
from contacts.sentences import kept

__all__ = [
    "FIELDS",
    "MEANINGS",
    "ImportFileError",
    "NoAddressColumn",
    "Row",
    "TablePlan",
    "detect",
    "require_addresses",
    "rows_of",
    "sample_rows",
]

HEAD_BYTES = 512 * 1024
TOO_MANY_COLUMNS = kept("The table has more than %(most)s columns. Delete those that are not needed.")
NO_ADDRESSES = kept(
    "No column of this file looks like e-mail addresses or phone numbers. Its columns are: %(names)s. Add a first line "
    "that names them, such as 'E-mail' or 'Phone', and try again."
)


@dataclass(slots=True)
class TablePlan:
    """How one table of a file is read.

    `header_line` is 0 where there is no header: `header` is then `Column 1`, ... `mapping` is position -> field.
    `meaning` is one of MEANINGS: what being in this table says of a person. `first_part` and `last_part` say where the
    stored table lies, for whoever stores it.
    """

    name: str
    encoding: str
    separator: str
    header_line: int
    header: list[str]
    mapping: dict[int, str]
    preset: str
    meaning: str
    first_line: int
    width: int
    first_part: int = 0
    last_part: int = 0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "mapping": {str(position): field for position, field in self.mapping.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TablePlan:
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        known["mapping"] = {int(position): field for position, field in data["mapping"].items()}
        return cls(**known)

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex over the folded headers; empty where there is no header: nothing tells such files apart."""
        if not self.header_line:
            return ""
        return hashlib.sha256("\x1f".join(map(folded, self.header)).encode()).hexdigest()

    @property
    def left_out(self) -> list[str]:
        """Headers of the columns that fill nothing."""
        return [name for position, name in enumerate(self.header) if position not in self.mapping]

    @property
    def has_addresses(self) -> bool:
        """Whether a column holds e-mail addresses or phone numbers."""
        return not {"email", "phone"}.isdisjoint(self.mapping.values())


def _nothing_remembered(fingerprint: str) -> dict[int, str] | None:
    return None


def detect(
    pieces: Callable[[], Iterable[bytes]],
    name: str,
    *,
    overrides: Mapping[str, str] | None = None,
    preset: str = "auto",
    recall: Callable[[str], dict[int, str] | None] = _nothing_remembered,
    encoding: str | None = None,
    separator: str | None = None,
    header_line: int | None = None,
) -> TablePlan:
    """Decide how a table is read. Reads all of it once, in flat memory.

    `overrides` maps a header, as `TablePlan.header` has it, to one of FIELDS, or to "" to leave the column out;
    `recall` returns the mapping remembered for a fingerprint, which beats what the headers say, but no override.
    `preset` is "auto" or one of PRESETS. `encoding`, `separator` and `header_line` (0: none) are taken as given.

    A table without a column of addresses passes: see `require_addresses`.

    Raises ImportFileError: not text, empty, too wide, or an override, preset or encoding that is none.
    """
    scan, head = EncodingScan(), b""
    for piece in pieces():
        if len(head) < HEAD_BYTES:
            head += piece
        scan.feed(piece)
    refuse_what_is_no_table(head[:4096])
    encoding = known_encoding(encoding) if encoding else scan.encoding()
    lines = list(lines_of([head], encoding))
    if len(head) < scan.total and len(lines) > 1:
        lines.pop()
    separator = _known_separator(separator) if separator else separator_of(lines)
    rows = head_rows(lines, separator)
    if not rows:
        raise ImportFileError(
            gettext_noop("The file is empty. Export your contacts as CSV with a header line, and try again.")
        )
    at = header_at(rows) if header_line is None else row_at_line(rows, header_line)
    data = from_first_address(rows) if at is None else rows[at + 1 :]
    sample = data[:SAMPLE_ROWS]
    header = names_of([] if at is None else rows[at].cells, sample)
    if len(header) > MAX_COLUMNS:
        raise ImportFileError(TOO_MANY_COLUMNS % {"most": MAX_COLUMNS})
    chosen = choose_preset(preset, header)
    plan = TablePlan(
        name=name,
        encoding=encoding,
        separator=separator,
        header_line=0 if at is None else rows[at].line,
        header=header,
        mapping={},
        preset=chosen.name,
        meaning=meaning_of(name, chosen.name, header, sample),
        first_line=data[0].line if data else rows[-1].line + 1,
        width=len(header),
    )
    remembered = recall(plan.fingerprint) if plan.fingerprint else None
    plan.mapping = map_columns(header, None if at is None else chosen, sample, overrides or {}, remembered)
    return plan


def _known_separator(separator: str) -> str:
    if len(separator) == 1 and separator not in '"\n\r\x00 ':
        return separator
    raise ImportFileError(gettext_noop("The separator must be one character, such as a comma, a semicolon or a tab."))


def require_addresses(plans: Sequence[TablePlan]) -> None:
    """Raise NoAddressColumn where no table of a file has a column of e-mail addresses or phone numbers."""
    if any(plan.has_addresses for plan in plans):
        return
    columns = list(dict.fromkeys(name for plan in plans for name in plan.header))
    raise NoAddressColumn(NO_ADDRESSES % {"names": ", ".join(columns)})


def rows_of(pieces: Iterable[bytes], plan: TablePlan) -> Iterator[Row]:
    """Yield the data rows one by one, in flat memory; blank lines are passed over.

    Raises ImportFileError: a quotation mark is never closed, or a cell or line is far too long.
    """
    for row in records_of(lines_of(pieces, plan.encoding), plan.separator):
        if row.line >= plan.first_line:
            yield row


def sample_rows(pieces: Iterable[bytes], plan: TablePlan, limit: int) -> list[Row]:
    """Return the first `limit` data rows; stops reading there."""
    return list(islice(rows_of(pieces, plan), limit))
