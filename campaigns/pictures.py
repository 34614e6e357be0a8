"""What is uploaded as a picture, made fit for mails. Pure: bytes in, bytes out."""

from __future__ import annotations

import io
import secrets
import warnings
from dataclasses import dataclass

from django.utils.translation import gettext as _
from PIL import Image, ImageCms, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

MOST_BYTES = 15_000_000
MOST_PIXELS = 60_000_000  # the largest phones make 50, as JPEG, which is decoded at a fraction of its size
MOST_PIXELS_WHOLE = 25_000_000  # of every other kind: decoded, that is 100 MB
WIDEST_PX = 1200  # twice what mails show, for screens with small pixels
TALLEST_PX = 3000
READ = ("JPEG", "PNG", "WEBP", "GIF")
JPEG_QUALITY = 82


class PictureRefused(ValueError):
    """The file cannot be used as a picture; the message says why."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture for mails: what is in the file, and nothing of where and when it was taken."""

    data: bytes
    format: str  # jpg, png
    width: int
    height: int


def new_reference() -> str:
    """Return the part of a picture's address that nobody can guess: 128 bits."""
    return secrets.token_urlsafe(16)


def fit(data: bytes) -> Fitted:
    """Turn, shrink and write a picture anew: the file that was uploaded is never served. Raises PictureRefused.

    Of a moving picture the first frame is kept. Sizes are looked at before anything is decoded.
    """
    if len(data) > MOST_BYTES:
        raise PictureRefused(_("The file is larger than %(most)d MB.") % {"most": MOST_BYTES // 1_000_000})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # counted here, by a number of our own
            with Image.open(io.BytesIO(data), formats=READ) as image:
                most = MOST_PIXELS if isinstance(image, JpegImageFile) else MOST_PIXELS_WHOLE
                if image.width * image.height > most:
                    raise PictureRefused(_("The picture has too many pixels. Make it smaller first."))
                return _written(_shrunk(image))
    except PictureRefused:
        raise
    except Image.DecompressionBombError as error:
        raise PictureRefused(_("The picture has too many pixels. Make it smaller first.")) from error
    except Exception as error:  # Pillow's decoders raise of every kind for what is broken
        raise PictureRefused(_("This is no picture that can be read. Save it as JPEG or PNG.")) from error


def _shrunk(image: Image.Image) -> Image.Image:
    """Return a picture upright, small, and in the colours every mail program knows."""
    if isinstance(image, JpegImageFile):
        image.draft("RGB", (WIDEST_PX, TALLEST_PX))  # decodes at a fraction of the size, and of the memory
    mode = "RGBA" if image.has_transparency_data else "RGB"
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    if upright.mode not in {"RGB", "RGBA", "CMYK"}:
        upright, profile = upright.convert(mode), None
    upright.thumbnail((WIDEST_PX, TALLEST_PX), Image.Resampling.LANCZOS)
    bare = _in_common_colours(upright, profile).convert(mode)
    if mode == "RGBA" and bare.getchannel("A").getextrema() == (255, 255):
        return bare.convert("RGB")  # nothing is seen through: a screenshot, which is small as a JPEG
    return bare


def _in_common_colours(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a picture in sRGB: phones write wider colours, which look dull without the profile that goes."""
    if not profile:
        return image
    try:
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        output = image.mode if image.mode in {"RGB", "RGBA"} else "RGB"
        converted = ImageCms.profileToProfile(image, source, target, outputMode=output)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a profile of another kind of picture, or a broken one
    return converted or image


def _written(image: Image.Image) -> Fitted:
    """Write a picture without a word of metadata: PNG where it can be seen through, JPEG otherwise."""
    bare = Image.frombytes(image.mode, image.size, image.tobytes())
    to, kind = io.BytesIO(), "png" if image.mode == "RGBA" else "jpg"
    if kind == "png":
        bare.save(to, "PNG", optimize=True)
    else:
        bare.save(to, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    return Fitted(to.getvalue(), kind, *bare.size)
