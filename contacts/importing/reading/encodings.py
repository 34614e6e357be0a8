"""From bytes to lines: which encoding a text is in, decided over all of it, and its lines whatever they end with."""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from django.utils.translation import gettext_noop

from contacts.importing.reading.files import ImportFileError
from contacts.sentences import kept

MAX_LINE = 1_000_000  # characters
WINDOWS_KEPT = 20_000
BAD_UTF8_TOLERATED = 20  # one wrong byte in so many that are not ASCII: a few broken names, not another encoding

_ASCII = bytes(range(128))
_CONTROLS = bytes(set(range(32)) - set(b"\x00\t\n\x0b\x0c\r\x1a\x1b"))
_WINDOW = re.compile(rb"([A-Za-z]?)([\x80-\xff])(?=([A-Za-z]?[A-Za-z]?))")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = gettext_noop("The file is not text. Export your contacts as CSV (UTF-8) or Excel (.xlsx), and try again.")
NO_ENCODING = kept("'%(name)s' is not an encoding. Take utf-8, utf-16, cp1252 or mac_roman.")
TOO_LONG = kept("Line %(line)s is longer than %(most)s characters, so this is hardly a table. Export it again.")

_COMMON = frozenset("éèêëáàâäãåíìîïóòôöõøúùûüñçßæœ")
_CAPITALS = frozenset("ÉÈÊËÁÀÂÄÃÅÍÌÎÏÓÒÔÖÕØÚÙÛÜÑÇÆŒ")
_SIGNS = frozenset("\u00a0\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2026\u2022€©®™°£¡¿«»·§")
_APOSTROPHES = "\u2018\u2019"
_AFTER_APOSTROPHE = ("s", "t", "ll", "re", "ve", "d", "m")


class EncodingScan:
    """Takes a text piece by piece, in flat memory, and then tells its encoding."""

    def __init__(self) -> None:
        self.total = 0
        self._start = b""
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._broken = self._high = self._controls = 0
        self._nuls = [0, 0]
        self._carried, self._seen = b"", 0  # the end of what came, and how many bytes of it were looked at
        self._windows: Counter[tuple[bytes, bytes, bytes]] = Counter()

    def feed(self, piece: bytes) -> None:
        if len(self._start) < 4:
            self._start = (self._start + piece)[:4]
        parity = self.total % 2
        self.total += len(piece)
        if b"\x00" in piece:
            self._nuls[parity] += piece[0::2].count(0)
            self._nuls[1 - parity] += piece[1::2].count(0)
        self._controls += len(piece) - len(piece.translate(None, _CONTROLS))
        self._scan_high(piece)

    def _scan_high(self, piece: bytes) -> None:
        if piece.isascii() and not self._utf8.getstate()[0] and self._carried.isascii():
            self._carried, self._seen = piece[-1:], len(piece[-1:])
            return
        self._high += len(piece.translate(None, _ASCII))
        self._broken += self._utf8.decode(piece).count("\ufffd") - piece.count(b"\xef\xbf\xbd")
        self._see(piece)

    def _see(self, piece: bytes, *, is_last: bool = False) -> None:
        """Count the letters around each byte that is not ASCII; the last two bytes wait for the next piece."""
        data = self._carried + piece
        end = len(data) if is_last else len(data) - 2
        if self._windows.total() < WINDOWS_KEPT:
            self._windows.update(
                (match[1], match[2], match[3]) for match in _WINDOW.finditer(data) if self._seen <= match.start(2) < end
            )
        kept = min(len(data), 3)
        self._carried, self._seen = data[-kept:], max(end, self._seen) - (len(data) - kept)

    def encoding(self) -> str:
        """Return the name of the Python codec. Raises ImportFileError: not text."""
        for bom, encoding in _BOMS:
            if self._start.startswith(bom):
                return encoding
        if sum(self._nuls) * 10 > self.total:
            return self._wide()
        if self._controls * 50 > self.total:
            raise ImportFileError(_NOT_TEXT)
        broken = self._broken + len(self._utf8.getstate()[0])
        if broken * BAD_UTF8_TOLERATED <= self._high:
            return "utf-8"
        return self._narrow()

    def _wide(self) -> str:
        even, odd = self._nuls
        if odd > 8 * even:
            return "utf-16-le"
        if even > 8 * odd:
            return "utf-16-be"
        raise ImportFileError(_NOT_TEXT)

    def _narrow(self) -> str:
        """Windows-1252 or Mac Roman, by which of them makes likelier letters; Latin-1 where Windows has none."""
        self._see(b"", is_last=True)
        if self._score("mac_roman") > self._score("cp1252"):
            return "mac_roman"
        undefined = {b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"}
        return "latin-1" if any(byte in undefined for _, byte, _ in self._windows) else "cp1252"

    def _score(self, encoding: str) -> float:
        return sum(
            count * _likelihood(byte.decode(encoding, "replace"), before.decode(), after.decode())
            for (before, byte, after), count in self._windows.items()
        )


def _likelihood(char: str, before: str, after: str) -> float:
    """How likely a letter or sign stands between these: 3 for é in a word, -3 for what no name holds."""
    inside = bool(before) and bool(after)
    if char in _COMMON:
        if after[:1].isupper() or not (before or after):
            return -2
        return 0 if not after and char in "ìî" else 3
    if char in _CAPITALS:
        return 2 if (not before or before.isupper()) else -2
    if char in _SIGNS:
        if not inside:
            return 1
        return 3 if char in _APOSTROPHES and (after[0].isupper() or after in _AFTER_APOSTROPHE) else -2
    if char.isalpha() and char.isprintable():
        return 0.5 if before or after else -1
    return -3


def known_encoding(name: str) -> str:
    """Return `name` where it names an encoding of text. Raises ImportFileError."""
    try:
        if codecs.lookup(name)._is_text_encoding:
            codecs.getincrementaldecoder(name)("replace").decode(b"a\xff", final=True)
            return name
    except (LookupError, ValueError):
        pass
    raise ImportFileError(NO_ENCODING % {"name": name})


def lines_of(pieces: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Yield the lines of a text, each ending in one line feed, whether it was written with LF, CR LF or CR.

    NUL characters are left out, and a byte that is nothing in the encoding becomes U+FFFD.

    Raises ImportFileError: a line longer than MAX_LINE.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("replace"), translate=True)
    rest, number, first = "", 0, True
    for piece in pieces:
        text = decoder.decode(piece)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        lines = (rest + text.replace("\x00", "")).split("\n")
        rest = lines.pop()
        number += len(lines)
        yield from [line + "\n" for line in lines]
        if len(rest) > MAX_LINE:
            raise ImportFileError(TOO_LONG % {"line": number + 1, "most": MAX_LINE})
    rest += decoder.decode(b"", final=True).replace("\x00", "")
    if rest:
        yield from [line + "\n" for line in rest.removesuffix("\n").split("\n")]
