"""QR codes as small PNG images. Pure: text in, bytes out."""

import re
import struct
import zlib

from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode
from qrcode.util import QRData

QUIET_ZONE = 4  # modules; readers fail on a dark page without it, so it is part of the bitmap
# Fixed: scoring all eight takes five times as long and reads no better (150 codes, three levels of damage).
MASK = 2
SMALL_SCHEME = re.compile(r"(?P<scheme>[a-z]+)(?P<rest>://[0-9A-Z $%*+\-./:]+)")


def png(text: str, *, scale: int = 8) -> bytes:
    """Return a QR code, level M, as an opaque 1-bit grey PNG of `scale` pixels per module, quiet zone included."""
    return _png(_bitmap(_modules(text), scale))


def _modules(text: str) -> list[list[bool]]:
    code = QRCode(error_correction=ERROR_CORRECT_M, border=0, mask_pattern=MASK)
    # Two segments by hand and not by the library's search: digits by chance would part the second one further, and
    # some images would be a size larger than others.
    if match := SMALL_SCHEME.fullmatch(text):
        code.add_data(QRData(match["scheme"]))
        code.add_data(QRData(match["rest"]))
    else:
        code.add_data(text, optimize=0)
    code.make(fit=True)
    return [[bool(module) for module in row] for row in code.get_matrix()]


def _bitmap(modules: list[list[bool]], scale: int) -> list[bytes]:
    """Return the rows of the image, packed eight pixels to the byte; a set bit is white."""
    side = QUIET_ZONE * "1" * scale
    empty = "1" * (len(modules) + 2 * QUIET_ZONE) * scale
    rows = [side + "".join(("0" if dark else "1") * scale for dark in row) + side for row in modules]
    margin = [_pack(empty)] * QUIET_ZONE
    return [row for row in [*margin, *map(_pack, rows), *margin] for _ in range(scale)]


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
