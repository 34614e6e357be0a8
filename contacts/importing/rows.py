"""From the cells of a row to a candidate: cleaned, normalised, indexed. No database."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime

from contacts.channels import (
    AddressError,
    Channel,
    clean_cell,
    clean_email,
    clean_name,
    normalise_email,
    normalise_phone,
)
from contacts.fields import keyed_hash
from contacts.importing.sniff import Row, Table

OLDEST_YEAR_OF_TWO = 2025  # a birthday in 26 or later is one of 1926 or later
# Month first, as in the United States; day first where it can be nothing else.
DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%Y", "%Y/%m/%d")


@dataclass(frozen=True, slots=True)
class Problem:
    """A row or a cell that was left out. `value` is the cell as it stood in the file."""

    line: int
    column: str
    value: str
    reason: str
    whole_row: bool


@dataclass(slots=True)
class Candidate:
    """A person as the file tells of them."""

    line: int
    email: str | None = None
    email_index: bytes | None = None
    phone: str | None = None
    phone_index: bytes | None = None
    texts: dict[str, str] = field(default_factory=dict)
    birthday: date | None = None
    tags: list[str] = field(default_factory=list)
    is_repeat: bool = False  # met in an earlier chunk: fills blanks, and is counted as a duplicate already

    def index(self, channel: Channel) -> bytes | None:
        return self.email_index if channel == Channel.EMAIL else self.phone_index

    def drop_phone(self) -> None:
        self.phone = self.phone_index = None

    def take_blanks_from(self, other: Candidate) -> None:
        """Fill what is empty here with what a later row of the same person says."""
        for name in ("email", "email_index", "phone", "phone_index", "birthday"):
            if getattr(self, name) is None:
                setattr(self, name, getattr(other, name))
        self.texts = {**other.texts, **self.texts}
        self.tags += [tag for tag in other.tags if tag not in self.tags]


def read_row(table: Table, row: Row) -> tuple[Candidate | None, list[Problem]]:
    """Return the person in a row, or None where no address of theirs can be used, and what was wrong."""
    cells = {
        name: (position, row.cells[position])
        for position, name in table.mapping.items()
        if position < len(row.cells) and clean_cell(row.cells[position])
    }
    candidate, problems = Candidate(row.line), []
    for name, normal in (("email", normalise_email), ("phone", normalise_phone)):
        if name not in cells:
            continue
        position, cell = cells[name]
        try:
            _set_address(candidate, name, cell, normal(cell))
        except AddressError as error:
            problems.append((table.header[position], cell, f"This {error}."))
    if candidate.email is None and candidate.phone is None:
        if not problems:
            problems = [("", "", "The row has neither an e-mail address nor a phone number.")]
        return None, [Problem(row.line, *problem, whole_row=True) for problem in problems]
    _set_details(candidate, {name: cell for name, (_, cell) in cells.items()})
    if "birthday" in cells:
        position, cell = cells["birthday"]
        candidate.birthday = read_date(cell)
        if candidate.birthday is None:
            problems.append((table.header[position], cell, "This is not a birthday that can be told. Use 1990-12-31."))
    return candidate, [Problem(row.line, *problem, whole_row=False) for problem in problems]


def _set_address(candidate: Candidate, name: str, cell: str, normal: str) -> None:
    if name == "email":
        candidate.email, candidate.email_index = clean_email(cell), keyed_hash(Channel.EMAIL.value, normal)
    else:
        candidate.phone, candidate.phone_index = normal, keyed_hash(Channel.SMS.value, normal)


def _set_details(candidate: Candidate, cells: dict[str, str]) -> None:
    first, last = clean_name(cells.get("first_name", "")), clean_name(cells.get("last_name", ""))
    if not first and not last and "name" in cells:
        first, last = split_name(clean_name(cells["name"], max_length=80))
    texts = {
        "first_name": first[:40],
        "last_name": last[:40],
        "postal_code": clean_cell(cells.get("postal_code", ""))[:12],
        "notes": clean_cell(cells.get("notes", ""))[:2000],
    }
    candidate.texts = {name: text for name, text in texts.items() if text}
    candidate.tags = [clean_cell(tag)[:100] for tag in re.split(r"[,;|]", cells.get("tags", "")) if clean_cell(tag)]


def split_name(name: str) -> tuple[str, str]:
    """`Kim, Maria` and `Maria Kim` -> (`Maria`, `Kim`)."""
    if "," in name:
        last, _, first = name.partition(",")
        return first.strip(), last.strip()
    first, _, last = name.partition(" ")
    return first, last.strip()


def read_date(text: str) -> date | None:
    """Return the day meant, or None where it cannot be told. A year of two digits is one of the last hundred."""
    text = clean_cell(text).partition(" ")[0].partition("T")[0]
    for date_format in DATE_FORMATS:
        try:
            day = datetime.strptime(text, date_format).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
        return day.replace(year=day.year - 100) if "%y" in date_format and day.year > OLDEST_YEAR_OF_TWO else day
    return None
