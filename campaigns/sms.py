"""What a text costs: its alphabet, its length, its parts. Pure.

GSM 03.38: 160 characters, or 153 in each of several parts; the extension table counts double and is never split over
two parts. Anything outside it turns the whole text into UCS-2: 70 units, or 67 a part, an emoji being two units.
"""
# ruff: noqa: RUF001 - odd letters are what this is about

import unicodedata
from dataclasses import dataclass

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("^{}\\[~]|€\f")
# What looks like a character of the short alphabet, by that character. All that Twilio's "smart encoding" replaces, and
# more of the kind: https://www.twilio.com/docs/messaging/services/smart-encoding-char-list
LOOK_ALIKES = {
    '"': "«»“”„‟ʺˮ″‶❝❞〝〞",
    "'": "‘’‛´`ʹʻʼʽˈˊˋ′‵❛❜︐︑‗",
    "-": "‐‑‒–—―−⁃•⎼⎽﹣",
    "/": "÷⁄∕⧸",
    "\\": "⧵⧹﹨",
    "|": "∣⎸⎹⏐⎜⎟",
    "_": "﹍﹎﹏",
    ",": "‚、﹐﹑､",
    ".": "。﹒｡",
    ":": "ː˸⦂꞉︓﹕",
    ";": "⁏︔﹔",
    "!": "ǃ︕﹗",
    "?": "︖﹖",
    "#": "﹟",
    "$": "﹩",
    "%": "﹪",
    "&": "﹠",
    "@": "﹫",
    "+": "˖﹢",
    "=": "꞊﹦",
    "<": "‹﹤",
    ">": "›﹥",
    "(": "❨❪﹙⟮⦅",
    ")": "❩❫﹚⟯⦆",
    "{": "❴﹛",
    "}": "❵﹜",
    "^": "ˆ",
    "~": "˜˷∼",
    "*": "⁎∗⊛✢✣✤✥✱✲✳✺✻✼✽❃❉❊❋⧆﹡",
    " ": "\t\x80\x8d\x90\x9b\x9f\xa0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000",
}
SMALL_CAPITALS = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "ABCDEFGHIJKLMNOPRSTUVWYZ", strict=True))
FULL_WIDTH = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
SPELT_OUT = {"…": "...", "‼": "!!", "¼": "1/4", "½": "1/2", "¾": "3/4"}
# Joiners, soft hyphens, marks of direction, controls, and marks over a letter that has no such form.
DROPPED = (
    "\x00\x03\x04\x10\x11\x12\x13\x14\x17\x19\xad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060"
    "\u2066\u2067\u2068\u2069\ufeff\u0302\u0303\u0313\u0314\u0326\u0330\u0332\u0334\u0337\u0338\u0347\u1dcd\u20d2\u20d3"
    "\u20e5"
)
# Letters whose stroke is no mark that could be taken away.
STROKED = {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ħ": "h", "Ħ": "H", "ŧ": "t", "Ŧ": "T", "ı": "i"}
STROKED |= {"œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th"}
FOLDED = str.maketrans(
    FULL_WIDTH
    | SMALL_CAPITALS
    | SPELT_OUT
    | {char: plain for plain, chars in LOOK_ALIKES.items() for char in chars}
    | {"\uff40": "'"}
    | dict.fromkeys(DROPPED, "")
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
    folded = unicodedata.normalize("NFC", text).translate(FOLDED)
    # What was taken out from between a letter and its mark may let the two become one.
    return folded if folded == text else fold(folded)


def plain(text: str) -> str:
    """Replace letters outside GSM-7 by their base letter, where there is one: `María` -> `Maria`."""
    return "".join(char if char in GSM_BASIC else _base(char) for char in text)


def _base(char: str) -> str:
    if char in STROKED:
        return STROKED[char]
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
