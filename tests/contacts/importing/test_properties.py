"""What holds for whatever people put into their files."""

import string
from contextlib import suppress

import phonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.channels import AddressError, clean_cell, clean_email, clean_name, normalise_email, normalise_phone
from contacts.importing.reading.encodings import lines_of
from contacts.importing.reading.files import ImportFileError
from contacts.importing.reading.rows import read_date, read_row
from contacts.importing.reading.sniff import TablePlan, detect, rows_of
from contacts.importing.reading.widgets import BirthdayWidget, EmailWidget, NameWidget, PhoneWidget, TagsWidget
from contacts.importing.reading.words import Claim, read_instant, read_status

texts = st.text(max_size=60) | st.text(alphabet=string.printable + "\u00a0\u200b\u202aéñ@＠０１", max_size=40)
near_addresses = st.builds(
    "{}{}@{}{}".format,
    st.sampled_from(["", " ", "'", "<", "mailto:", "Ann <", "\u200b", "(", "a@b.co, "]),
    st.text(alphabet="abcXYZ09._+-éß ", max_size=12),
    st.text(alphabet="abcXYZ09.-éß", max_size=12).map(lambda text: f"{text}.org"),
    st.sampled_from(["", " ", ">", ".", ",", ";", ")", "\u200d", "; b@example.org"]),
)
near_phones = st.builds(
    "{}{}{}{}{}{}{}".format,
    st.sampled_from(["", "+1", "1", "+1 ", "1-", "(", "+", "+1 (", "tel:", "'", "1(", "0", "001"]),
    st.integers(100, 999),
    st.sampled_from(["", "-", ".", " ", ") ", ")", ")-", "/"]),
    st.integers(100, 999),
    st.sampled_from(["", "-", ".", " ", "  ", "–"]),
    st.integers(0, 9999).map("{:04}".format),
    st.sampled_from(["", ".0", " x2", " ext. 23", ";", " ", " cell"]),
)


def outcome(function, *args):
    """Return a function's value, or that it refused."""
    try:
        return function(*args)
    except AddressError:
        return AddressError


@given(texts | near_addresses | near_phones)
def test_cleaning_twice_is_cleaning_once(text):
    for clean in (clean_cell, clean_email, clean_name):
        assert clean(clean(text)) == clean(text)


@given(texts | near_addresses)
def test_an_address_is_normal_or_refused(text):
    normal = outcome(normalise_email, text)

    assert normal is AddressError or normalise_email(normal) == normal


@given(texts | near_phones)
def test_a_number_is_normal_or_refused(text):
    normal = outcome(normalise_phone, text)

    assert normal is AddressError or normalise_phone(normal) == normal


def read_in_full(text):
    """Return what the library makes of a number, with nothing taken for granted."""
    number = phonenumbers.parse(text, "US")
    if number.extension or not phonenumbers.is_valid_number(number):
        return AddressError
    if phonenumbers.region_code_for_number(number) not in ("US", "PR", "GU", "VI", "AS", "MP"):
        return AddressError
    kinds = phonenumbers.PhoneNumberType
    if phonenumbers.number_type(number) in (kinds.TOLL_FREE, kinds.PREMIUM_RATE, kinds.SHARED_COST, kinds.UAN):
        return AddressError
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@given(
    st.sampled_from(["", "+1", "1", "+1 ", "1-", "1."]),
    st.integers(2, 9),
    st.integers(0, 99),
    st.integers(2, 9),
    st.integers(0, 99),
    st.integers(0, 9999),
    st.sampled_from(["{}{}{}", "({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "{} {} {}", "({}){}{}"]),
)
@settings(max_examples=500)
def test_the_short_way_to_a_number_leads_where_the_long_one_does(prefix, a, rest, b, more, line, written):
    text = prefix + written.format(f"{a}{rest:02}", f"{b}{more:02}", f"{line:04}")

    assert outcome(normalise_phone, text) == read_in_full(text)


def test_the_short_way_agrees_for_every_area_code():
    for area in range(200, 1000):
        text = f"{area}5550142"
        assert outcome(normalise_phone, text) == read_in_full(text), area


@given(texts | near_addresses | near_phones)
def test_widgets_return_or_say_why_not(text):
    for widget in (EmailWidget(), PhoneWidget()):
        outcome(widget.read, text)
    for widget in (NameWidget(), TagsWidget()):
        widget.read(text)
    with suppress(ValueError):
        BirthdayWidget().read(text)


@given(near_addresses | near_phones)
def test_what_a_widget_made_it_makes_again(text):
    if (cleaned := outcome(EmailWidget().read, text)) is not AddressError and cleaned.value[0]:
        assert EmailWidget().read(cleaned.value[0]).value == cleaned.value
        assert normalise_email(cleaned.value[0]) == cleaned.value[1]
    if (cleaned := outcome(PhoneWidget().read, text)) is not AddressError and cleaned.value:
        assert PhoneWidget().read(cleaned.value).value == cleaned.value


@given(texts | st.text(alphabet="0123456789/-.: TZ+APMapm,JanMay", max_size=30))
def test_dates_and_words_never_raise_and_read_the_same_again(text):
    day, instant, claim = read_date(text), read_instant(text), read_status(text)

    assert day is None or read_date(day.isoformat()) == day
    assert instant is None or (instant.tzinfo is not None and read_instant(instant.isoformat()) == instant)
    assert claim is None or isinstance(claim, Claim)


@given(st.text(alphabet=string.ascii_letters + " _-", max_size=20))
def test_a_word_says_the_same_in_any_case(text):
    assert read_status(text) == read_status(text.upper()) == read_status(text.replace(" ", "_"))


files = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
    st.text(alphabet='ab@.,;\t|"\n\r 019\u2028é', max_size=200).flatmap(
        lambda text: st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "mac_roman"]).map(
            lambda codec: text.encode(codec, "replace")
        )
    ),
)


@given(files, st.integers(1, 40))
@settings(max_examples=300)
def test_a_file_is_read_or_refused_but_nothing_else(content, size):
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    try:
        plan = detect(lambda: pieces, "people.csv")
        rows = list(rows_of(pieces, plan))
    except ImportFileError:
        return

    assert plan == detect(lambda: [content], "people.csv")
    assert TablePlan.from_json(plan.to_json()) == plan
    assert rows == list(rows_of([content], plan))
    assert [row.line for row in rows] == sorted({row.line for row in rows})
    for row in rows:
        candidate, problems = read_row(plan, row)
        assert candidate is not None or problems
        assert all(problem.whole_row is (candidate is None) for problem in problems)


@given(st.lists(st.text(alphabet="ab,é ", max_size=8), max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_lines_are_the_same_however_they_arrive(lines, end):
    content = end.join(lines).encode()

    whole = list(lines_of([content], "utf-8"))

    assert list(lines_of([content[at : at + 1] for at in range(len(content))], "utf-8")) == whole
    assert "".join(whole).rstrip("\n") == "\n".join(lines).rstrip("\n")
