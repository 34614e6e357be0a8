"""From the cells of a row to a candidate: cleaned, normalised, indexed. No database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.translation import gettext_noop

from contacts.channels import AddressError, Channel
from contacts.fields import keyed_hash
from contacts.importing.reading.claims import Cells, ChannelClaim, read_claims
from contacts.importing.reading.files import CUT, MAX_CELL
from contacts.importing.reading.resource import ContactResource
from contacts.importing.reading.sniff import Row, TablePlan
from contacts.importing.reading.table import filled, is_email
from contacts.importing.reading.widgets import ReadingWidget, name_in, read_date
from contacts.sentences import kept

__all__ = ["Candidate", "ChannelClaim", "Problem", "read_date", "read_row", "split_name"]

WIDGETS: dict[str, ReadingWidget[Any]] = {name: field.widget for name, field in ContactResource.fields.items()}
TEXTS = ("first_name", "last_name", "postal_code", "region", "time_zone")
SWALLOWED = kept(
    "A quotation mark in this row is not closed where it should be, so %(count)s rows below were read as part of this "
    "cell. Mend it and import the rows again."
)
SLIPPED = gettext_noop(
    "The row has more cells than the table has columns, so cells may have slipped. See whether this person is right; a "
    "cell that holds the separator needs quotation marks."
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A row or a cell that was left out, or is doubtful. `value` is the cell as it stood in the file.

    `whole_row`: nobody was made of this row. Otherwise they were, without the cell, or with what was made of it.
    """

    line: int
    column: str
    value: str
    reason: str
    whole_row: bool


@dataclass(slots=True)
class Candidate:
    """A person as the file tells of them. `cells` is the row as it stood."""

    line: int
    email: str | None = None
    email_index: bytes | None = None
    phone: str | None = None
    phone_index: bytes | None = None
    texts: dict[str, str] = field(default_factory=dict)
    birthday: date | None = None
    tags: list[str] = field(default_factory=list)
    claims: dict[Channel, ChannelClaim] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)
    left_out_index: bytes | None = None

    def index(self, channel: Channel) -> bytes | None:
        return self.email_index if channel == Channel.EMAIL else self.phone_index

    def drop_phone(self) -> None:
        """Leave the number out of the contact. What was said of it is kept: a refusal holds, whoever has the number."""
        self.left_out_index = self.phone_index
        self.phone = self.phone_index = None


@dataclass(slots=True)
class _Reading:
    """A row while it is read: its filled cells by field, and what was found wrong so far."""

    row: Row
    candidate: Candidate
    cells: Cells
    problems: list[tuple[str, str, str]]

    def first(self, name: str) -> tuple[str, str]:
        return self.cells[name][0] if name in self.cells else ("", "")

    def take(self, name: str, empty: Any = "") -> Any:
        """Return the value of a field, and note what is wrong or doubtful about its cell."""
        if name not in self.cells:
            return empty
        header, cell = self.cells[name][0]
        try:
            cleaned = WIDGETS[name].read(cell)
        except AddressError as error:
            self.problems.append((header, cell, error.english))
        except ValueError as error:
            self.problems.append((header, cell, str(error)))
        else:
            if cleaned.doubt:
                self.problems.append((header, cell, cleaned.doubt))
            return cleaned.value
        return empty


def read_row(plan: TablePlan, row: Row) -> tuple[Candidate | None, list[Problem]]:
    """Return the person in a row, or None where no address of theirs can be used, and what was wrong or doubtful."""
    problems: list[tuple[str, str, str]] = []
    if (swallowed := _swallowed(plan, row)) is not None:
        return None, [Problem(row.line, *swallowed, whole_row=True)]
    reading = _Reading(row, Candidate(row.line, cells=list(row.cells)), _cells(plan, row, problems), problems)
    candidate = reading.candidate
    email, normal = reading.take("email", ("", ""))
    if normal:
        candidate.email, candidate.email_index = email, keyed_hash(Channel.EMAIL.value, normal)
    if phone := reading.take("phone"):
        candidate.phone, candidate.phone_index = phone, keyed_hash(Channel.SMS.value, phone)
    if candidate.email is None and candidate.phone is None:
        wrong = problems or [("", "", gettext_noop("The row has neither an e-mail address nor a phone number."))]
        return None, [Problem(row.line, *problem, whole_row=True) for problem in wrong]
    _set_details(reading)
    claims, doubts = read_claims(plan, reading.cells)
    candidate.claims = {channel: claim for channel, claim in claims.items() if candidate.index(channel) is not None}
    return candidate, [Problem(row.line, *problem, whole_row=False) for problem in problems + doubts]


def _cells(plan: TablePlan, row: Row, problems: list[tuple[str, str, str]]) -> Cells:
    """Return the filled cells by field, and note what does not fit the table."""
    cells: Cells = {}
    for position, name in plan.mapping.items():
        if position >= len(row.cells) or not filled(row.cells[position]):
            continue
        header, cell = plan.header[position], row.cells[position]
        if len(cell) > MAX_CELL:
            problems.append((header, cell[:MAX_CELL], CUT % {"count": MAX_CELL}))
            cell = cell[:MAX_CELL]
        cells.setdefault(name, []).append((header, cell))
    if extra := [cell for cell in row.cells[plan.width :] if filled(cell)]:
        problems.append(
            (
                "",
                plan.separator.join(extra)[:MAX_CELL],
                SLIPPED,
            )
        )
    return cells


def _swallowed(plan: TablePlan, row: Row) -> tuple[str, str, str] | None:
    """Tell whether a quotation mark that is never closed drew the rows below into one cell."""
    for position, cell in enumerate(row.cells):
        if "\n" not in cell:
            continue
        for text in cell.split("\n")[1:]:
            parts = text.split(plan.separator)
            if len(parts) > max(plan.width // 2, 1) and any(map(is_email, parts)):
                header = plan.header[position] if position < plan.width else ""
                return header, cell, SWALLOWED % {"count": cell.count("\n")}
    return None


def _set_details(reading: _Reading) -> None:
    candidate = reading.candidate
    texts = {name: reading.take(name) for name in TEXTS}
    if not texts["first_name"]:
        _take_full_name(reading, texts)
    notes = "\n".join(cell.strip() for _, cell in reading.cells.get("notes", ()))
    cleaned = WIDGETS["notes"].read(notes)
    if cleaned.doubt:
        reading.problems.append((reading.first("notes")[0], notes, cleaned.doubt))
    texts["notes"] = cleaned.value
    candidate.texts = {name: text for name, text in texts.items() if text}
    candidate.birthday = reading.take("birthday", None)
    for header, cell in reading.cells.get("tags", ()):
        tags = WIDGETS["tags"].read(cell)
        if tags.doubt:
            reading.problems.append((header, cell, tags.doubt))
        known = {tag.casefold() for tag in candidate.tags}
        candidate.tags += [tag for tag in tags.value if tag.casefold() not in known]


def _take_full_name(reading: _Reading, texts: dict[str, str]) -> None:
    """Fill the names from a column of full names, or from `Maria Kim <maria@example.org>`."""
    full = reading.take("name")
    if not full and not texts["last_name"] and "email" in reading.cells:
        full = WIDGETS["name"].read(name_in(reading.first("email")[1])).value
    if not full:
        return
    if texts["last_name"]:
        first = full.removesuffix(texts["last_name"]).strip(" ,") or full
        texts["first_name"] = first[:40]
        return
    first, last = split_name(full)
    texts["first_name"], texts["last_name"] = first[:40].strip(), last[:40].strip()


def split_name(name: str) -> tuple[str, str]:
    """`Kim, Maria` and `Maria Kim` -> (`Maria`, `Kim`)."""
    if "," in name:
        last, _, first = name.partition(",")
        return first.strip(), last.strip()
    first, _, last = name.partition(" ")
    return first, last.strip()
