"""Read a file of rows: its encoding, its separator, its header, and which column holds what. No database."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from contacts.channels import AddressError, clean_cell, normalise_email, normalise_phone

MAX_BYTES = 50 * 1024 * 1024
SAMPLE_ROWS = 200
SNIFFED_CHARACTERS = 20_000
SEPARATORS = ",;\t|"

FIELDS = {
    "email": "E-mail",
    "phone": "Phone",
    "first_name": "First name",
    "last_name": "Last name",
    "name": "Full name",
    "birthday": "Birthday",
    "postal_code": "Postal code",
    "tags": "Tags",
    "notes": "Notes",
}

# Headers after folding: lower case, letters and digits only.
HEADERS = {
    "email": "email emailaddress mail emailadresse e_mail primaryemail correo correoelectronico customeremail",
    "phone": "phone phonenumber mobile mobilephone mobilenumber cell cellphone telephone tel sms smsphone telefon "
    "telefono telefonnummer handy handynummer mobilnummer rufnummer celular movil",
    "first_name": "firstname first fname givenname forename vorname nombre prenom",
    "last_name": "lastname last lname surname familyname nachname familienname apellido apellidos nom",
    "name": "name fullname contact contactname customer customername",
    "birthday": "birthday birthdate dateofbirth dob geburtstag geburtsdatum cumpleanos fechadenacimiento",
    "postal_code": "postalcode zip zipcode postcode plz postleitzahl codigopostal",
    "tags": "tags tag labels label groups schlagworte schlagwort gruppen etiquetas",
    "notes": "notes note comment comments memo notizen notiz bemerkung notas",
}
FIELD_OF_HEADER = {header: field for field, headers in HEADERS.items() for header in headers.split()}


class ImportFileError(ValueError):
    """The file as a whole cannot be imported; the message says why and what to do."""


class NoAddressColumn(ImportFileError):
    """No column was recognised; each interface adds how to name one there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One data row; `line` is the line it starts on in the file, counted from 1, as a spreadsheet shows it."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A file that could be read: its columns, and which field each of them fills (None: left out)."""

    text: str
    separator: str
    header: list[str]
    mapping: dict[int, str]
    sha256: str
    has_header: bool = True

    def rows(self) -> Iterator[Row]:
        """Yield the data rows one by one; blank lines are passed over."""
        reader = csv.reader(io.StringIO(self.text), delimiter=self.separator)
        line = 1
        for number, cells in enumerate(_strict(reader)):
            start, line = line, reader.line_num + 1
            if number >= self.has_header and any(cell.strip() for cell in cells):
                yield Row(start, cells)

    @property
    def left_out(self) -> list[str]:
        """Headers of the columns that fill nothing."""
        return [name for position, name in enumerate(self.header) if position not in self.mapping]


def read_table(
    content: bytes, overrides: dict[str, str] | None = None, *, mapping: dict[int, str] | None = None
) -> Table:
    """Read a CSV and decide what its columns are.

    `overrides` maps a header, as it stands in the file, to one of FIELDS, or to "" to leave the column out. `mapping`
    is a decision made before, by position. A first line that holds an address is data: the file has no header.

    Raises ImportFileError: not text, empty, too large, or no column that holds an e-mail address or phone number.
    """
    text = _decode(content)
    separator = _separator(text)
    first = [clean_cell(cell) for cell in next(_strict(csv.reader(io.StringIO(text), delimiter=separator)), [])]
    if not any(first):
        raise ImportFileError("The file is empty. Export your contacts as CSV with a header line, and try again.")
    has_header = not any(_is_email(cell) or _is_phone(cell) for cell in first)
    header = first if has_header else [f"Column {number}" for number in range(1, len(first) + 1)]
    table = Table(text, separator, header, {}, hashlib.sha256(content).hexdigest(), has_header)
    if mapping is None:
        sample = [row for row, _ in zip(table.rows(), range(SAMPLE_ROWS), strict=False)]
        mapping = _map_columns(header, sample, overrides or {})
    if not {"email", "phone"} & set(mapping.values()):
        raise NoAddressColumn(
            "No column of this file looks like e-mail addresses or phone numbers. Its columns are: "
            f"{', '.join(name or '(no name)' for name in header)}. Add a first line that names them, such as "
            "'E-mail' or 'Phone', and try again."
        )
    return replace(table, mapping=mapping)


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise ImportFileError(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Split it and import the parts.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif content.startswith(b"PK\x03\x04"):
        raise ImportFileError("This is a spreadsheet or ZIP file, not CSV. Save it as CSV, and import that.")
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise ImportFileError("The file is not text. Export your contacts as CSV (UTF-8), and try again.")


def _separator(text: str) -> str:
    """Return the separator that splits the first lines into the most columns alike."""
    lines = [line for line in text[:SNIFFED_CHARACTERS].splitlines()[:20] if line.strip()]
    if not lines:
        return ","

    def score(separator: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        return (min(widths[0], 2) * sum(width == widths[0] for width in widths), widths[0])

    try:
        return max(SEPARATORS, key=score)
    except csv.Error:
        return ","


def _strict(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise ImportFileError(
            "The file cannot be read as CSV: a quoted cell is never closed or is far too long. "
            "Open it in a spreadsheet program, save it as CSV again, and import that."
        ) from error


def _map_columns(header: list[str], sample: list[Row], overrides: dict[str, str]) -> dict[int, str]:
    _check_overrides(header, overrides)
    by_name = {name.casefold(): field for name, field in overrides.items()}
    mapping: dict[int, str] = {}
    for position, name in enumerate(header):
        field = by_name.get(name.casefold(), FIELD_OF_HEADER.get(_folded(name), ""))
        if field and field not in mapping.values():
            mapping[position] = field
    for field, is_one in (("email", _is_email), ("phone", _is_phone)):
        if field not in mapping.values():
            _map_by_value(field, is_one, header, sample, mapping, by_name)
    return mapping


def _folded(header: str) -> str:
    """`E-Mail Adresse` -> `emailadresse`, `Cumpleaños` -> `cumpleanos`."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", header) if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", "", plain.lower())


def _check_overrides(header: list[str], overrides: dict[str, str]) -> None:
    known = {name.casefold() for name in header}
    for name, field in overrides.items():
        if name.casefold() not in known:
            raise ImportFileError(f"There is no column '{name}' in the file. Its columns are: {', '.join(header)}.")
        if field and field not in FIELDS:
            raise ImportFileError(f"'{field}' is not a field. The fields are: {', '.join(FIELDS)}.")


def _map_by_value(
    field: str,
    is_one: object,
    header: list[str],
    sample: list[Row],
    mapping: dict[int, str],
    overridden: dict[str, str],
) -> None:
    """Give `field` to the first unnamed column in which most filled cells are one."""
    assert callable(is_one)
    for position, name in enumerate(header):
        if position in mapping or name.casefold() in overridden:
            continue
        cells = [row.cells[position] for row in sample if position < len(row.cells) and row.cells[position].strip()]
        if cells and sum(map(is_one, cells)) > 0.8 * len(cells):
            mapping[position] = field
            return


def _is_email(cell: str) -> bool:
    try:
        normalise_email(cell)
    except AddressError:
        return False
    return True


def _is_phone(cell: str) -> bool:
    try:
        normalise_phone(cell)
    except AddressError:
        return False
    return len(re.sub(r"\D", "", cell)) >= 10
