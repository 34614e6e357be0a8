"""What a text costs: its alphabet, its length, its parts. Pure.

GSM 03.38: 160 characters, or 153 in each of several parts; the extension table counts double and is never split over
two parts. Anything outside it turns the whole text into UCS-2: 70 units, or 67 a part, an emoji being two units.
"""

import unicodedata
from dataclasses import dataclass

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("^{}\\[~]|€\f")
FOLDED = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201a": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "\u2022": "-",
        "\u00b4": "'",
        "`": "'",
        "\u200b": None,
        "\u200c": None,
        "\u200d": None,
        "\ufeff": None,
    }
)


@dataclass(frozen=True, slots=True)
class Size:
    """`units` are septets for GSM-7 and UTF-16 units for UCS-2; `special` are the characters that force UCS-2."""

    encoding: str
    units: int
    parts: int
    special: str


def fold(text: str) -> str:
    """Replace the punctuation that word processors put in and that would double the price of a text."""
    return text.translate(FOLDED)


def plain(text: str) -> str:
    """Replace letters outside GSM-7 by their base letter, where there is one: `María` -> `Maria`."""
    return "".join(char if char in GSM_BASIC else _base(char) for char in text)


def _base(char: str) -> str:
    base = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    return base if base and set(base) <= GSM_BASIC else char


def measure(text: str) -> Size:
    """Return alphabet, length and parts of a text as it will be billed."""
    special = "".join(dict.fromkeys(char for char in text if char not in GSM_BASIC and char not in GSM_EXTENSION))
    if special:
        units = [2 if ord(char) > 0xFFFF else 1 for char in text]
        return Size("UCS-2", sum(units), _parts(units, 70, 67), special)
    units = [2 if char in GSM_EXTENSION else 1 for char in text]
    return Size("GSM-7", sum(units), _parts(units, 160, 153), "")


def _parts(units: list[int], single: int, multi: int) -> int:
    """Count parts; a character of two units is not split over two parts."""
    if sum(units) <= single:
        return 1
    parts, room = 1, multi
    for unit in units:
        if unit > room:
            parts, room = parts + 1, multi
        room -= unit
    return parts
