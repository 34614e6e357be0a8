"""QR codes, as small PNG images or as their modules. Pure: text in, bytes out."""

import re
import struct
import zlib
from functools import lru_cache

from qrcode.constants import ERROR_CORRECT_M, ERROR_CORRECT_Q
from qrcode.main import QRCode
from qrcode.util import QRData

SCREEN, PAPER = ERROR_CORRECT_M, ERROR_CORRECT_Q  # paper gets dirty
QUIET_ZONE = 4  # modules; readers fail on a dark page without it, so it is part of the bitmap
# Fixed: scoring all eight takes five times as long and reads no better (150 codes, three levels of damage).
MASK = 2
ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
VALUES = {char: value for value, char in enumerate(ALPHANUMERIC)}
PAIRS = [ALPHANUMERIC[2**bit // 45] + ALPHANUMERIC[2**bit % 45] for bit in range(11)]  # a pair is 11 bits
SINGLES = [ALPHANUMERIC[2**bit] for bit in range(6)]  # what is left over is 6
LINK = re.compile(r"(?P<site>[a-z]+://[0-9A-Z $%*+\-./:]+/)(?P<token>[0-9A-Z]{26})")  # a coupon's
SMALL_SCHEME = re.compile(r"(?P<scheme>[a-z]+)(?P<rest>://[0-9A-Z $%*+\-./:]+)")


def png(text: str, *, scale: int = 8) -> bytes:
    """Return a QR code, level M, as an opaque 1-bit grey PNG of `scale` pixels per module, quiet zone included.

    The first code of a site takes a tenth of a second more: what the codes of one site share is worked out then.
    """
    return _png(_bitmap(*_drawn(text, SCREEN), scale))


def modules(text: str, *, level: int = SCREEN) -> list[str]:
    """Return the rows of a QR code without its quiet zone: `1` is a dark module."""
    width, symbol = _drawn(text, level)
    bits = f"{symbol:0{width * width}b}"
    return [bits[at : at + width] for at in range(0, width * width, width)]


def _drawn(text: str, level: int) -> tuple[int, int]:
    match = LINK.fullmatch(text)
    if match is None:
        return _symbol(text, level)
    return _sheet(match["site"], len(match["token"]), level).symbol(match["token"])


def _symbol(text: str, level: int = SCREEN) -> tuple[int, int]:
    """Return a code's width in modules, and its modules as the bits of a number, row by row; a set bit is dark."""
    code = QRCode(error_correction=level, border=0, mask_pattern=MASK)
    # Two segments by hand and not by the library's search: digits by chance would part the second one further, and
    # some images would be a size larger than others.
    if match := SMALL_SCHEME.fullmatch(text):
        code.add_data(QRData(match["scheme"]))
        code.add_data(QRData(match["rest"]))
    else:
        code.add_data(text, optimize=0)
    code.make(fit=True)
    rows = code.get_matrix()
    return len(rows), int("".join("1" if module else "0" for row in rows for module in row), 2)


class _Sheet:
    """All codes of one site: what they share, and what each bit of a token turns over in it.

    Error correction, placing and mask are linear, so every bit of the data turns over the same modules whatever the
    others are: a code is one exclusive-or for each bit set, a hundredth of the work of drawing it.
    """

    def __init__(self, site: str, token_length: int, level: int) -> None:
        rest = len(site) - site.index(":")
        self.lead = site[-(rest % 2) :] if rest % 2 else ""  # two characters make a group, and sites end in the midst
        start, length = site.removesuffix(self.lead), len(self.lead) + token_length
        self.width, self.blank = _symbol(start + "0" * length, level)
        self.groups = [
            [
                _symbol(f"{start}{'0' * place}{chars}".ljust(len(start) + length, "0"), level)[1] ^ self.blank
                for chars in ones
            ]
            for place in range(0, length, 2)
            for ones in [PAIRS if place + 1 < length else SINGLES]
        ]

    def symbol(self, token: str) -> tuple[int, int]:
        symbol, text = self.blank, self.lead + token
        for place, turns in zip(range(0, len(text), 2), self.groups, strict=True):
            value = 0
            for char in text[place : place + 2]:
                value = value * 45 + VALUES[char]
            for bit, turn in enumerate(turns):
                if value >> bit & 1:
                    symbol ^= turn
        return self.width, symbol


_sheet = lru_cache(maxsize=4)(_Sheet)


def _bitmap(width: int, symbol: int, scale: int) -> list[bytes]:
    """Return the rows of the image, packed eight pixels to the byte; a set bit is white."""
    pixels = {ord("0"): "1" * scale, ord("1"): "0" * scale}
    side = QUIET_ZONE * "1" * scale
    margin = [_pack("1" * (width + 2 * QUIET_ZONE) * scale)] * QUIET_ZONE
    modules = f"{symbol:0{width * width}b}"
    rows = [_pack(side + modules[at : at + width].translate(pixels) + side) for at in range(0, width * width, width)]
    return [row for row in [*margin, *rows, *margin] for _ in range(scale)]


def _pack(bits: str) -> bytes:
    size = -(-len(bits) // 8)
    return int(bits.ljust(size * 8, "1"), 2).to_bytes(size, "big")


def _png(rows: list[bytes]) -> bytes:
    # Square by nature, so the height is the width: 1 bit per pixel, grey, no filter, not interlaced.
    header = struct.pack(">IIBBBBB", len(rows), len(rows), 1, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\x00" + row for row in rows), 6)  # level 9 takes five times as long, and is larger
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
