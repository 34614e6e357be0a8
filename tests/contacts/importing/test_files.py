"""From an upload to rows: what kind of file it is, its encoding, separator, header and lines."""

import io
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from contacts.importing.reading import files
from contacts.importing.reading.files import ImportFileError, NoAddressColumn, unpack
from contacts.importing.reading.sniff import TablePlan, detect, require_addresses, rows_of, sample_rows

HEADER = ["E-mail", "Vorname", "Telefon"]
PEOPLE = [["jose@example.org", "José", "217-555-0142"], ["zoe@example.org", "Zoë Müller", "217-555-0143"]]

JOINED = datetime(2024, 5, 1, 14, 3)  # noqa: DTZ001 - a workbook knows no zones


def tables(content, name="people.csv"):
    return [(table, b"".join(pieces)) for table, pieces in unpack(io.BytesIO(content), name)]


def only_table(content, name="people.csv"):
    ((_, raw),) = tables(content, name)
    return raw


def read(content, name="people.csv", size=None, **kwargs):
    """Return the plan and the rows of a one-table upload, handed on in pieces of `size` bytes."""
    raw = only_table(content, name)

    def pieces():
        step = size or len(raw) or 1
        return (raw[start : start + step] for start in range(0, len(raw), step))

    plan = detect(pieces, name, **kwargs)
    return plan, list(rows_of(pieces(), plan))


def text_of(separator=",", end="\n", rows=None):
    return end.join(separator.join(row) for row in rows or [HEADER, *PEOPLE]) + end


@pytest.mark.parametrize("size", [1, 7, None])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("codec", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
        ("mac_roman", "mac_roman"),
    ],
)
def test_reads_every_encoding_with_every_separator(codec, found, separator, size):
    plan, rows = read(text_of(separator).encode(codec), size=size)

    assert (plan.encoding, plan.separator, plan.header_line) == (found, separator, 1)
    assert plan.mapping == {0: "email", 1: "first_name", 2: "phone"}
    assert [row.cells for row in rows] == PEOPLE
    assert [row.line for row in rows] == [2, 3]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, None])
def test_counts_lines_whatever_they_end_with(end, size):
    rows = [["E-mail", "Notes"], ["a@example.org", '"likes' + end + 'jazz"'], ["b@example.org", "x"]]

    _, found = read(text_of(end=end, rows=rows).encode(), size=size)

    assert [(row.line, row.cells) for row in found] == [
        (2, ["a@example.org", "likes\njazz"]),
        (4, ["b@example.org", "x"]),
    ]


def test_tells_windows_apostrophes_from_mac_letters():
    windows = "E-mail,Name\na@example.org,Shannon O’Neil\nb@example.org,Rosie’s Bar – “The Fox”\n"
    mac = "E-mail,Name\na@example.org,Jesús García\nb@example.org,Muñoz León\n"

    assert read(windows.encode("cp1252"))[0].encoding == "cp1252"
    plan, rows = read(mac.encode("mac_roman"))
    assert plan.encoding == "mac_roman"
    assert rows[0].cells[1] == "Jesús García"


def test_decides_the_encoding_over_the_whole_table():
    late = text_of(rows=[HEADER, *[["a@example.org", "Ann", ""]] * 30_000]) + "z@example.org,Zoë,\n"

    plan, rows = read(late.encode("cp1252"), size=65536)

    assert plan.encoding == "cp1252"
    assert rows[-1].cells[1] == "Zoë"


def test_a_few_broken_bytes_do_not_spoil_utf_8():
    content = text_of(rows=[HEADER, *PEOPLE * 30]).encode() + b"c@example.org,Ren\xe9,\n"

    plan, rows = read(content)

    assert plan.encoding == "utf-8"
    assert rows[0].cells[1] == "José"
    assert rows[-1].cells[1] == "Ren\ufffd"


def test_takes_the_separator_from_its_own_line():
    plan, rows = read(b"sep=|\r\nE-mail|Notes\r\na@example.org|x;y;z\r\n")

    assert (plan.separator, plan.header_line, plan.first_line) == ("|", 2, 3)
    assert rows[0].cells == ["a@example.org", "x;y;z"]


def test_decimal_commas_do_not_hide_the_semicolon():
    plan, _ = read(b"Name;E-mail;Umsatz\nMaria;a@example.org;12,50\nAna;b@example.org;7,00\n")

    assert plan.separator == ";"


def test_passes_over_title_rows():
    plan, rows = read(
        b"Customers of The Fox,,\nExported 2024-05-01,,\n,,\nEmail,First name,Phone\na@example.org,Ann,\n"
    )

    assert (plan.header_line, plan.first_line) == (4, 5)
    assert plan.header == ["Email", "First name", "Phone"]
    assert [row.line for row in rows] == [5]


def test_a_title_of_one_word_is_not_the_header():
    plan, _ = read(b"Customers\nAdresa,Jmeno\na@example.org,Ann\n")

    assert plan.header_line == 2
    assert plan.mapping == {0: "email"}


def test_a_first_line_with_an_address_is_data():
    plan, rows = read(b"Ann,a@example.org,(217) 555-0142\nBob,b@example.org,\n")

    assert (plan.header_line, plan.header) == (0, ["Column 1", "Column 2", "Column 3"])
    assert plan.mapping == {1: "email", 2: "phone"}
    assert plan.fingerprint == ""
    assert len(rows) == 2


def test_tells_blank_and_repeated_headers_apart():
    plan, _ = read(b"Email,,Email,Phone,,\na@example.org,x,b@example.org,,,\n")

    assert plan.header == ["Email", "Column 2", "Email (2)", "Phone"]
    assert plan.mapping == {0: "email", 3: "phone"}
    assert plan.left_out == ["Column 2", "Email (2)"]


@pytest.mark.parametrize(
    ("header", "mapping"),
    [
        ("E-Mail-Adresse;Vorname;Nachname;Geburtstag;PLZ;Handynummer", "email first last birthday postal phone"),
        ("Correo electrónico;Nombre;Apellidos;Cumpleaños;Código postal;Teléfono móvil", None),
        ("Adresse e-mail;Prénom;Nom;Date de naissance;Code postal;Téléphone portable", None),
        ("Indirizzo e-mail;Nome;Cognome;Data di nascita;CAP;Cellulare", "name"),
        ("Endereço de e-mail;Nome;Sobrenome;Data de nascimento;CEP;Telemóvel", "name"),
        ("E-mailadres;Voornaam;Achternaam;Geboortedatum;Postcode;Mobiel nummer", None),
        ("Email Address;First Name;Last Name;Birth Date;ZIP code;Cell phone", None),
    ],
)
def test_knows_headers_in_seven_languages(header, mapping):
    plan, _ = read(f"{header}\na@example.org;Ann;Kim;1990-12-31;62701;2175550142\n".encode())

    first = "name" if mapping == "name" else "first_name"
    assert list(plan.mapping.values()) == ["email", first, "last_name", "birthday", "postal_code", "phone"]


def test_finds_addresses_by_value_where_the_header_says_nothing():
    plan, _ = read("邮箱,电话,x\na@example.org,217-555-0142,1\nb@example.org,217-555-0143,2\n".encode())

    assert plan.mapping == {0: "email", 1: "phone"}


def test_a_column_named_mail_that_holds_no_address_gives_way():
    plan, _ = read(b"Mail,Reach\nyes,a@example.org\nno,b@example.org\n")

    assert plan.mapping == {1: "email"}


def test_finds_a_refusal_by_its_words():
    plan, _ = read(b"Mail;Vom Newsletter abgemeldet\na@example.org;ja\nb@example.org;\n")

    assert plan.mapping == {0: "email", 1: "email_status"}


def test_a_column_of_states_is_not_a_status():
    plan, _ = read(b"Email,State,Status\na@example.org,IL,Gold\nb@example.org,IN,Silver\n")

    assert plan.mapping == {0: "email", 1: "region"}


def test_what_was_said_beats_what_was_remembered_beats_what_is_found():
    content = b"Email,Phone,Memo\na@example.org,2175550142,x\n"
    seen = []

    def recall(fingerprint):
        seen.append(fingerprint)
        return {"0": "email", "2": "tags", "9": "notes", "1": "nonsense"}

    plan, _ = read(content, recall=recall, overrides={"memo": "notes"})

    assert plan.mapping == {0: "email", 2: "notes"}
    assert seen == [plan.fingerprint]
    assert read(content)[0].mapping == {0: "email", 1: "phone", 2: "notes"}
    assert read(content, overrides={"Memo": ""})[0].left_out == ["Memo"]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"overrides": {"Telex": "phone"}}, "no column 'Telex'.*Email, Memo"),
        ({"overrides": {"Memo": "telex"}}, "not a field.*birthday"),
        ({"overrides": {"Memo": "email", "Email": "email"}}, "Two columns"),
        ({"preset": "acme"}, "mailchimp"),
        ({"encoding": "rot13"}, "not an encoding"),
        ({"separator": "ab"}, "one character"),
        ({"header_line": 400}, "no line 400"),
    ],
)
def test_names_what_there_is_when_asked_for_what_there_is_not(kwargs, words):
    with pytest.raises(ImportFileError, match=words):
        read(b"Email,Memo\na@example.org,x\n", **kwargs)


def test_takes_encoding_separator_and_header_as_given():
    content = "x;y\nMail;Nom\na@example.org;Zoé\n".encode("mac_roman")

    plan, rows = read(content, encoding="cp1252", separator=";", header_line=2)

    assert (plan.encoding, plan.header) == ("cp1252", ["Mail", "Nom"])
    assert plan.mapping == {0: "email", 1: "name"}
    assert rows[0].cells[1] == "ZoŽ"
    assert read(content, header_line=0)[0].header_line == 0


def test_a_plan_goes_through_json_unchanged():
    plan, _ = read(text_of().encode())

    assert TablePlan.from_json(plan.to_json()) == plan


def test_only_a_file_without_any_address_is_refused():
    plan, _ = read(b"Name,Shoe size\nAnn,38\n")
    other, _ = read(text_of().encode())

    require_addresses([plan, other])
    with pytest.raises(NoAddressColumn, match="Name, Shoe size"):
        require_addresses([plan])


def test_a_quote_that_is_never_closed_is_told_with_its_line():
    content = b'Email,Name\na@example.org,Ann\nb@example.org,"Bob\nc@example.org,Cy\n'

    with pytest.raises(ImportFileError, match="line 3"):
        read(content)


def test_a_monstrous_line_is_refused():
    with pytest.raises(ImportFileError, match=r"longer|too long"):
        read(b"Email,Notes\na@example.org," + b"x" * 1_200_000 + b"\n")


def test_reads_a_sample_without_reading_on():
    plan, _ = read(text_of().encode())

    def endless():
        yield text_of().encode()
        while True:
            yield b"x@example.org,X,\n" * 10_000

    assert [row.line for row in sample_rows(endless(), plan, 3)] == [2, 3, 4]


def test_drops_nul_characters():
    _, rows = read(b"Email,Name\n" + b"a@example.org,Ann\x00Lee\n" * 50)

    assert rows[0].cells[1] == "AnnLee"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\r\n  \r\n", "empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, r"\.xls"),
        (b"%PDF-1.7\n...", "PDF"),
        (b"<html><table><tr><td>a@example.org", "web page"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><Workbook>', "XML"),
        (b"BEGIN:VCARD\nVERSION:3.0\n", "vCard"),
        (b'[{"email": "a@example.org"}]', "JSON"),
        (b"\x1f\x8b\x08abc", "packed"),
        (bytes(range(256)) * 40, "not text"),
    ],
)
def test_says_what_to_do_with_a_file_that_is_no_table(content, words):
    with pytest.raises(ImportFileError, match=words):
        read(content, "people.xls")


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_reads_the_text_files_of_a_zip():
    content = zipped(
        **{
            "export/a.csv": "Email\na@example.org\n",
            "export/b.tsv": "Email\tName\nb@example.org\tBo\n",
            "c.TXT": "Email|Name\nc@example.org|Cy\n",
            "__MACOSX/._a.csv": "junk",
            ".hidden.csv": "junk",
            "export/empty.csv": "",
            "logo.png": b"\x89PNG",
        }
    )

    assert [name for name, _ in tables(content, "export.zip")] == ["a.csv", "b.tsv", "c.TXT"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(**{"inner.zip": zipped(a="b")}), "another ZIP"),
        (zipped(**{"logo.png": b"\x89PNG"}), "no CSV"),
        (zipped(**{f"{number}.csv": "Email\na@example.org" for number in range(21)}), "more than 20"),
        (zipped(**{"word/document.xml": "<x/>"}), "Word"),
        (zipped(**{"Index/Document.iwa": "x"}), "Numbers"),
        (zipped(**{"content.xml": "<x/>"}), "LibreOffice"),
        (zipped(**{"bomb.csv": b"0" * 20_000_000}), "far more"),
        (zipped(**{"a.csv": "Email\n"})[:40], "damaged"),
        (zipped(), "no CSV"),
    ],
    ids=lambda value: value if isinstance(value, str) else "zip",  # the bytes of a ZIP hold the time it was made
)
def test_refuses_a_zip_that_is_none_of_tables(content, words):
    with pytest.raises(ImportFileError, match=words):
        tables(content, "export.zip")


def test_refuses_a_zip_with_a_password():
    content = bytearray(zipped(**{"a.csv": "Email\na@example.org\n"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1

    with pytest.raises(ImportFileError, match="password"):
        tables(bytes(content))


def test_refuses_what_is_too_large_packed_or_unpacked(monkeypatch):
    content = zipped(**{"a.csv": "Email\na@example.org\n" * 9})
    monkeypatch.setattr(files, "MAX_UNZIPPED", 100)
    with pytest.raises(ImportFileError, match="Unpacked"):
        tables(content)

    monkeypatch.setattr(files, "MAX_BYTES", 100)
    with pytest.raises(ImportFileError, match="larger than"):
        tables(content)


def test_a_damaged_member_is_told():
    content = bytearray(zipped(**{"a.csv": "Email\n" + "a@example.org\n" * 900}))
    content[40] ^= 0xFF

    with pytest.raises(ImportFileError, match="damaged"):
        tables(bytes(content))


def workbook(*rows, **sheets):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    for title, (state, more) in sheets.items():
        sheet = book.create_sheet(title)
        sheet.sheet_state = state
        for row in more:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_reads_a_workbook_with_its_row_numbers():
    content = workbook(
        ["My customers"],
        [],
        ["E-mail", "Phone", "Birthday", "Opted in", "Joined", "Notes"],
        ["a@example.org", 2175550142.0, date(1990, 12, 31), True, JOINED, "two\nlines"],
        [None, 2175550143, None, False, None, "x"],
    )

    plan, rows = read(content, "people.xlsx")

    assert (plan.header_line, plan.name, plan.encoding) == (3, "people.xlsx", "utf-8")
    assert [(row.line, row.cells) for row in rows] == [
        (4, ["a@example.org", "2175550142", "1990-12-31", "yes", "2024-05-01 14:03:00", "two\nlines"]),
        (5, ["", "2175550143", "", "no", "", "x"]),
    ]


def test_takes_visible_sheets_with_something_in_them():
    content = workbook(
        ["Email"],
        ["a@example.org"],
        Hidden=("hidden", [["Email"], ["b@example.org"]]),
        Empty=("visible", []),
        More=("visible", [[], [], ["Email"], ["c@example.org"]]),
    )

    assert tables(content) == [("Sheet", b"Email\na@example.org\n"), ("More", b"\n\nEmail\nc@example.org\n")]


def test_keeps_the_leading_zero_of_a_postal_code():
    book = Workbook()
    book.active.append(["Email", "Zip"])
    book.active.append(["a@example.org", 2138])
    book.worksheets[0]["B2"].number_format = "00000"
    out = io.BytesIO()
    book.save(out)

    assert only_table(out.getvalue()) == b"Email,Zip\na@example.org,02138\n"


def test_a_broken_or_empty_workbook_is_told():
    with pytest.raises(ImportFileError, match="empty"):
        tables(workbook())
    with pytest.raises(ImportFileError, match="damaged"):
        tables(zipped(**{"xl/workbook.xml": "<broken"}))


def test_a_table_of_more_than_500_columns_is_refused():
    with pytest.raises(ImportFileError, match="500 columns"):
        read((",".join(f"Email{number}" for number in range(501)) + "\n").encode())
