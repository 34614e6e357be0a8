"""How a cell becomes a value: the widgets of django-import-export that clean before they judge. No database.

`read` returns the value and what is doubtful about it; `clean`, which django-import-export calls, returns the value
alone. Both raise ValueError with a reason in the user's words, which never holds the cell itself.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from email.utils import parseaddr
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.utils.translation import gettext_noop
from import_export.widgets import Widget

from contacts.channels import AddressError, clean_cell, clean_email, clean_name, normalise_email, normalise_phone
from contacts.days import UNKNOWN_YEAR, birthday_text
from contacts.importing.reading.files import CUT
from contacts.places import clean_region, clean_time_zone, is_no_place
from contacts.sentences import kept

Value = TypeVar("Value")

OLDEST_YEAR_OF_TWO = 2025  # a birthday in 26 or later is one of 1926 or later
MAX_TAGS = 50
FIRST_TAGS = kept("Only the first %(count)s tags were taken.")

BLANKS = frozenset(
    ["", "-", "--", "n/a", "na", "#n/a", "none", "null", "nil", "nan", "no email", "no e-mail", "no phone", "unknown"]
)


@dataclass(frozen=True, slots=True)
class Cleaned(Generic[Value]):
    """What a cell holds, and why a person should look at it; empty: nothing is doubtful."""

    value: Value
    doubt: str = ""


class ReadingWidget(Widget, Generic[Value]):  # type: ignore[misc]  # the library carries no types
    """A widget that tells doubt from value."""

    def read(self, cell: str) -> Cleaned[Value]:
        raise NotImplementedError

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Value:
        return self.read("" if value is None else str(value)).value

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "" if value is None else str(value)


# --- Addresses --------------------------------------------------------------------------------------------------------

_AROUND_ADDRESS = " .,;:<>()[]{}\"'`|/\\"
_BETWEEN = re.compile(r":::|[,;|\n]|\s+/\s+|\s+(?:and|or|und|oder|y|et|e|o)\s+|(?<=\w)/(?=\w)")
_SPOILED = re.compile(r"\d[.,]?\d*E[+-]?\d+", re.I)
_PHONE_WORDS = re.compile(
    r"(?i)^\W*(?:cell|mobile|mob|home|work|office|phone|tel|main|handy|movil|c|m|h|w|t|p)\W+(?=[\d(+])"
    r"|(?<=\d)\W+(?:cell|mobile|mob|home|work|office|main|handy|movil|c|m|h|w)\W*$"
)


class EmailWidget(ReadingWidget[tuple[str, str]]):
    """An address as it is kept, and its normal form; both empty where the cell is blank."""

    def read(self, cell: str) -> Cleaned[tuple[str, str]]:
        text = clean_cell(cell)
        if is_blank(text):
            return Cleaned(("", ""))
        if text.count("@") > 1 or ":::" in text:
            return _first_of(text, self._one, SEVERAL_EMAILS, NO_EMAIL_OF_SEVERAL)
        return Cleaned(self._one(text))

    def _one(self, text: str) -> tuple[str, str]:
        try:
            return clean_email(text), normalise_email(text)
        except AddressError:
            cleaned = clean_email(text).strip(_AROUND_ADDRESS)
            if cleaned.lower().startswith("mailto:"):
                cleaned = cleaned[7:]
            return cleaned, normalise_email(cleaned)

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        return self.read("" if value is None else str(value)).value[0]


def name_in(cell: str) -> str:
    """Return the name of `Maria Kim <maria@example.org>`, or nothing."""
    text = clean_cell(cell)
    return parseaddr(text)[0] if text.endswith(">") and "<" in text else ""


class PhoneWidget(ReadingWidget[str]):
    """A number in E.164, or nothing where the cell is blank."""

    def read(self, cell: str) -> Cleaned[str]:
        text = clean_cell(cell)
        if is_blank(text):
            return Cleaned("")
        try:
            return Cleaned(normalise_phone(text))
        except AddressError:
            return self._read_odd(text)

    def _read_odd(self, text: str) -> Cleaned[str]:
        text = unicodedata.normalize("NFKC", text)
        if _SPOILED.fullmatch(text):
            raise AddressError(
                gettext_noop(
                    "This was shortened by a spreadsheet program: show the column as a whole number, export again."
                )
            )
        parts = [part for part in _BETWEEN.split(text) if sum(map(str.isdigit, part)) >= 10]
        if len(parts) > 1:
            return _first_of(text, self._one, SEVERAL_PHONES, NO_PHONE_OF_SEVERAL)
        return Cleaned(self._one(text))

    def _one(self, text: str) -> str:
        return normalise_phone(_PHONE_WORDS.sub("", text.strip(" .,;'\"")).strip(" .,;:'\""))


Address = TypeVar("Address", str, tuple[str, str])
SEVERAL_EMAILS = gettext_noop("This cell holds several e-mail addresses. The first was taken.")
SEVERAL_PHONES = gettext_noop("This cell holds several phone numbers. The first was taken.")
NO_EMAIL_OF_SEVERAL = gettext_noop("This holds several e-mail addresses, and none of them is valid.")
NO_PHONE_OF_SEVERAL = gettext_noop("This holds several phone numbers, and none of them is valid.")


def _first_of(text: str, read: Callable[[str], Address], several: str, none: str) -> Cleaned[Address]:
    """Return the first address of several in one cell that is valid. Raises AddressError: none is."""
    refused = None
    for part in _BETWEEN.split(text):
        try:
            return Cleaned(read(part), several)
        except AddressError as error:
            refused = refused or error
    raise refused or AddressError(none)


def is_blank(text: str) -> bool:
    """Whether a cell says in words or signs that there is nothing."""
    return text.lower() in BLANKS


# --- Names and texts --------------------------------------------------------------------------------------------------


class NameWidget(ReadingWidget[str]):
    """A name that is safe to print in a mail."""

    def __init__(self, max_length: int = 40) -> None:
        self.max_length = max_length
        super().__init__()

    def read(self, cell: str) -> Cleaned[str]:
        text = clean_cell(cell)
        if is_blank(text) or ("@" in text and " " not in text):
            return Cleaned("")
        name = clean_name(text, max_length=400)
        if not name and text.strip("'<>{}| "):
            return Cleaned("", gettext_noop("This looks like a link, so the name was left empty."))
        if len(name) > self.max_length:
            return Cleaned(name[: self.max_length].strip(), CUT % {"count": self.max_length})
        return Cleaned(name)


class TextWidget(ReadingWidget[str]):
    """Text of limited length."""

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        super().__init__()

    def read(self, cell: str) -> Cleaned[str]:
        text = clean_cell(cell)
        if len(text) > self.max_length:
            return Cleaned(text[: self.max_length].strip(), CUT % {"count": self.max_length})
        return Cleaned(text)


class PostalCodeWidget(TextWidget):
    """A postal code; `62704.0` is what a spreadsheet makes of 62704."""

    def __init__(self) -> None:
        super().__init__(max_length=12)

    def read(self, cell: str) -> Cleaned[str]:
        text = unicodedata.normalize("NFKC", clean_cell(cell))
        return super().read("" if is_blank(text) else re.sub(r"^(\d{3,5})\.0$", r"\1", text))


class RegionWidget(ReadingWidget[str]):
    """A state or territory of the United States, as its two letters."""

    def read(self, cell: str) -> Cleaned[str]:
        text = clean_cell(cell)
        return Cleaned("" if is_blank(text) else clean_region(text))


class TimeZoneWidget(ReadingWidget[str]):
    """A time zone, as its IANA name; UTC says nothing of a person."""

    def read(self, cell: str) -> Cleaned[str]:
        text = clean_cell(cell)
        return Cleaned("" if is_blank(text) or is_no_place(text) else clean_time_zone(text))


_TAG = re.compile(r'"((?:[^"]|"")*)"|([^,;|\n"]+)')


class TagsWidget(ReadingWidget[list[str]]):
    """Labels: `vip, lunch`, `vip;lunch`, Mailchimp's `"vip","lunch"`, a JSON list, Google's `* vip ::: * lunch`."""

    def read(self, cell: str) -> Cleaned[list[str]]:
        text = clean_cell(cell)
        if not text or text in ("[]", "{}"):
            return Cleaned([])
        tags = _json_list(text) if text.startswith("[") else None
        if tags is None:
            tags = [quoted or plain for quoted, plain in _TAG.findall(text.strip("[]").replace(":::", ","))]
        cleaned = (" ".join(clean_cell(tag).removeprefix("* ").split())[:100].strip() for tag in tags)
        kept = {tag.casefold(): tag for tag in reversed(list(cleaned)) if tag and tag.casefold() != "mycontacts"}
        values = list(reversed(kept.values()))
        doubt = FIRST_TAGS % {"count": MAX_TAGS} if len(values) > MAX_TAGS else ""
        return Cleaned(values[:MAX_TAGS], doubt)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return ", ".join(str(tag) for tag in value or [])


_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _json_list(text: str) -> list[str] | None:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, list):
        return None
    # JSON brings back what the file itself cannot hold: control characters, and halves of characters.
    return [_UNSTORABLE.sub("", str(tag)) for tag in read if isinstance(tag, str | int)]


# --- Birthdays --------------------------------------------------------------------------------------------------------

_MONTHS = {
    word: number
    for number, words in enumerate(
        ("jan ene gen", "feb fev", "mar mrt mae", "apr abr avr", "may mai mag mei", "jun jui giu", "jul jui lug",
         "aug ago aou", "sep set", "oct okt ott out", "nov", "dec dez dic"), start=1)
    for word in words.split()
}  # fmt: skip
_MONTHS |= {"juin": 6, "juil": 7, "juillet": 7}
_ISO = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_COMPACT = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})")
_NUMBERS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})(?:\2(\d{4}|\d{2}))?\.?")
_VCARD = re.compile(r"--(\d{2})-?(\d{2})")
_DAY_FIRST_WORD = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|\.|º)?[ -]+(?:de )?([a-z]{3,10})\.?(?:[ ,-]+(?:de )?(\d{4}|\d{2}))?"
)
_MONTH_FIRST_WORD = re.compile(r"([a-z]{3,10})\.?[ -]+(\d{1,2})(?:st|nd|rd|th)?(?:[ ,-]+(\d{4}))?")


class BirthdayWidget(ReadingWidget["date | None"]):
    """A day; one without a year has UNKNOWN_YEAR."""

    def read(self, cell: str) -> Cleaned[date | None]:
        text = clean_cell(cell)
        if is_blank(text) or not text.strip("0/.-: T"):
            return Cleaned(None)
        day = read_date(text)
        if day is None:
            raise ValueError(gettext_noop("This is not a birthday that can be told. Write it as 1990-12-31."))
        return Cleaned(day)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return birthday_text(value)


@lru_cache(maxsize=65536)
def read_date(text: str) -> date | None:
    """Return the day meant, or None where it cannot be told.

    Month first where both are possible, as in the United States; day first after dots. A year of two digits is one of
    the last hundred; no year, or a year 0, is UNKNOWN_YEAR.
    """
    text = " ".join(unicodedata.normalize("NFKC", clean_cell(text[:60])).lower().split())
    text = re.sub(r"[t ]\d{1,2}:\d{2}.*$", "", text)
    try:
        return _date_of_numbers(text) or _date_of_words(text)
    except ValueError:
        return None


def _date_of_numbers(text: str) -> date | None:
    if match := _ISO.fullmatch(text):
        return _day(int(match[1]), int(match[3]), int(match[4]))
    if match := _COMPACT.fullmatch(text):
        return _day(int(match[1]), int(match[2]), int(match[3]))
    if match := _VCARD.fullmatch(text):
        return _day(0, int(match[1]), int(match[2]))
    if match := _NUMBERS.fullmatch(text):
        month, day = int(match[1]), int(match[3])
        if month > 12 or (match[2] == "." and day <= 12):
            month, day = day, month
        return _day(_year(match[4]), month, day)
    return None


def _date_of_words(text: str) -> date | None:
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    plain = re.sub(r"^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? ", "", plain)
    if match := _DAY_FIRST_WORD.fullmatch(plain):
        day, word, year = match.groups()
    elif match := _MONTH_FIRST_WORD.fullmatch(plain):
        word, day, year = match.groups()
    else:
        return None
    month = _MONTHS.get(word) or _MONTHS.get(word[:3])
    return _day(_year(year), month, int(day)) if month else None


def _year(text: str | None) -> int:
    if not text or int(text) == 0:
        return 0
    year = int(text)
    if len(text) == 2:
        year += 2000 if year + 2000 <= OLDEST_YEAR_OF_TWO else 1900
    return year


def _day(year: int, month: int, day: int) -> date | None:
    if year in (0, 1604):  # Apple's year for none
        year = UNKNOWN_YEAR
    return date(year, month, day) if 1900 <= year <= 2100 else None
