"""What a camera sees: a short film for Chromium's pretended camera, which plays it over and over."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageFilter

from redemptions.qr import png

SIZE = (640, 480)
WALL = (96, 92, 88)


def scene(payload: str | None, *, side: int = 300, turned: float = 0, blur: float = 0) -> Image.Image:
    """Return a picture of a wall, with a phone before it that shows this payload as a QR code."""
    wall = Image.new("RGB", SIZE, WALL)
    if payload is not None:
        code = Image.open(io.BytesIO(png(payload))).convert("RGB").resize((side, side), Image.Resampling.NEAREST)
        turned_code = code.rotate(turned, expand=True, fillcolor=WALL)
        wall.paste(turned_code, ((SIZE[0] - turned_code.width) // 2, (SIZE[1] - turned_code.height) // 2))
    return wall.filter(ImageFilter.GaussianBlur(blur)) if blur else wall


def film(path: Path, *scenes: Image.Image, frames: int = 4) -> None:
    """Write a film that shows each scene for so many frames: JPEG pictures one behind the other."""
    pictures = []
    for picture in scenes:
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=90)
        pictures.append(data.getvalue() * frames)
    path.write_bytes(b"".join(pictures))
