"""Tables for spreadsheet programs: nothing in them runs, and pieces made apart join to one file."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from contacts.channels import clean_cell
from contacts.sheets import DANGEROUS, NOT_IN_XML, STREAMS, Cell, guard, to_csv, to_xlsx

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
DROPPED = ' "\ufeff\u00a0\u200b\x00\x0b'
# Any text, and often such as begins like a formula, behind what a program may drop.
TEXTS = st.text() | st.builds(
    "".join,
    st.tuples(
        st.text(' "\ufeff\u00a0\u200b\x00\x0b', max_size=3), st.sampled_from(FORMULA_STARTS), st.text(max_size=5)
    ),
)


def read_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def read_xlsx(content: bytes) -> list[tuple[object, ...]]:
    book = load_workbook(io.BytesIO(content), read_only=True)
    return list(book.worksheets[0].iter_rows(values_only=True))


def in_pieces(file_format: str, header: list[str], pages: list[list[list[str]]]) -> bytes:
    """Make each piece from nothing but the state the one before left, as processes that follow each other do."""
    first = STREAMS[file_format]({})
    content, state = first.start(header), first.state
    for page in pages:
        stream = STREAMS[file_format](dict(state))
        content, state = content + stream.rows(page), stream.state
    return content + STREAMS[file_format](dict(state)).end()


@given(TEXTS)
def test_no_text_begins_like_a_formula(text):
    guarded = guard(text)

    assert not guarded.startswith(DANGEROUS)
    assert not guarded.lstrip(DROPPED).startswith(FORMULA_STARTS)
    assert guarded in (text, f"'{text}")


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_guards_every_way_to_begin_a_formula(start):
    assert guard(f"{start}HYPERLINK(1)") == f"'{start}HYPERLINK(1)"


@pytest.mark.parametrize("text", ["Maria", "O'Neil", "a=b", "1-2", "maria@example.com", "", "'quoted"])
def test_leaves_other_texts_alone(text):
    assert guard(text) == text


@pytest.mark.parametrize("text", ["+12175550123", "=1+1", "-Ann", "@maria"])
def test_the_importer_takes_the_guard_off_again(text):
    assert clean_cell(guard(text)) == text


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
@settings(max_examples=40)
@given(pages=st.lists(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=3), max_size=3))
def test_pieces_join_to_one_file(file_format, pages):
    content = in_pieces(file_format, ["a", "b"], pages)

    rows = [row for page in pages for row in page]
    if file_format == "csv":
        expected = [[guard(cell).encode("utf-8", "replace").decode() for cell in row] for row in rows]
        assert read_csv(content) == [["a", "b"], *expected]
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
        read = read_xlsx(content)
        assert len(read) == len(rows) + 1
        for row, cells in zip(rows, read[1:], strict=True):
            for text, cell in zip(row, cells, strict=True):
                assert not str(cell or "").lstrip(' "\ufeff\u00a0\u200b').startswith(FORMULA_STARTS)
                if text.isalnum():
                    assert cell == text


def test_keeps_accents_markup_and_line_ends_in_a_workbook():
    rows = read_xlsx(in_pieces("xlsx", ["a", "b"], [[["Zoë <b> & co", "two\nlines"]], [["", " kept "]]]))

    assert rows == [("a", "b"), ("Zoë <b> & co", "two\nlines"), (None, " kept ")]


def test_a_workbook_of_pieces_opens_for_editing_too():
    content = in_pieces("xlsx", ["a"], [[[f"guest {number}"] for number in range(500)] for _ in range(4)])

    assert load_workbook(io.BytesIO(content)).worksheets[0].max_row == 2001


def test_writes_days_and_times_plainly():
    at = datetime(2026, 11, 20, 17, 0, 0, 9, UTC)
    row: list[Cell] = [date(1990, 5, 4), at, 7, None]

    assert read_csv(to_csv(["a", "b", "c", "d"], [row]))[1] == ["1990-05-04", "2026-11-20 17:00:00+00:00", "7", ""]
    assert read_xlsx(to_xlsx(["a", "b"], [[at, 7]]))[1] == (at.replace(tzinfo=None, microsecond=0), 7)


def test_leaves_what_xml_cannot_hold_out_of_a_workbook():
    assert read_xlsx(to_xlsx(["a"], [["x\x00\x0by"]]))[1] == ("xy",)
    assert not NOT_IN_XML.search("tab\tline\n")
