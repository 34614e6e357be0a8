"""Pictures in mails: made small, freed of what cameras write into them, served for ever."""

import io
import struct
import zlib

import pytest
from django.test import Client
from PIL import Image, ImageCms

from campaigns.models import Picture
from campaigns.pictures import MOST_BYTES, PictureRefused, fit
from campaigns.services import keep_picture


def file_of(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    to = io.BytesIO()
    image.save(to, kind, **options)
    return to.getvalue()


def test_shrinks_and_strips_a_photo():
    exif = Image.Exif()
    exif[0x010F] = "Camera maker"
    exif[0x0112] = 6  # turned by a quarter
    exif.get_ifd(0x8825).update({1: "N", 2: (39.0, 47.0, 1.5), 3: "W", 4: (89.0, 39.0, 2.5)})  # where it was taken
    photo = file_of(Image.effect_noise((3000, 2000), 80).convert("RGB"), exif=exif, comment=b"at home")

    fitted = fit(photo)

    image = Image.open(io.BytesIO(fitted.data))
    assert (fitted.format, fitted.width, fitted.height) == ("jpg", 1200, 1800)
    assert image.size == (1200, 1800)
    assert not image.getexif()
    assert b"Camera maker" not in fitted.data
    assert b"at home" not in fitted.data
    assert b"Exif" not in fitted.data


def test_leaves_a_small_picture_its_size():
    fitted = fit(file_of(Image.new("RGB", (300, 200), "teal"), "PNG"))

    assert (fitted.format, fitted.width, fitted.height) == ("jpg", 300, 200)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_keeps_what_can_be_seen_through(kind):
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 0))

    fitted = fit(file_of(image, kind))

    assert fitted.format == "png"
    pixel = Image.open(io.BytesIO(fitted.data)).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 0


def test_makes_the_colours_of_a_phone_those_of_mails():
    """A profile that swaps red and blue says what the pixels mean; without it nobody would know."""
    matrix = ImageCms.createProfile("sRGB")
    profile = bytearray(ImageCms.ImageCmsProfile(matrix).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    photo = file_of(Image.new("RGB", (20, 20), (255, 0, 0)), "PNG", icc_profile=bytes(profile))

    image = Image.open(io.BytesIO(fit(photo).data))

    pixel = image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    assert pixel[2] > 200 > 60 > pixel[0]
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("profile", [b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()])
def test_does_without_a_profile_that_cannot_be_used(profile):
    fitted = fit(file_of(Image.new("RGB", (20, 20), "teal"), "PNG", icc_profile=profile))

    assert (fitted.format, fitted.width) == ("jpg", 20)


def test_makes_a_jpeg_of_a_screenshot():
    fitted = fit(file_of(Image.effect_noise((200, 200), 80).convert("RGBA"), "PNG"))

    assert fitted.format == "jpg"


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK", "I;16", "YCbCr"])
def test_takes_every_kind_of_pixels(mode):
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG", "I;16": "PNG"}.get(mode, "PNG")

    assert fit(file_of(Image.new(mode, (30, 20)), kind)).width == 30


def bomb(width: int, height: int) -> bytes:
    """Return a PNG that says to be so large, of a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no picture"),
        (b"\xff\xd8\xff\xe0 broken", "no picture"),
        (file_of(Image.new("RGB", (50, 50)), "BMP"), "no picture"),
        (file_of(Image.effect_noise((900, 900), 80))[:5000], "no picture"),
        (bomb(9000, 9000), "too many pixels"),
        (bomb(6000, 6000), "too many pixels"),
        (bomb(60_000, 60_000), "too many pixels"),
        (b"x" * (MOST_BYTES + 1), "larger than 15 MB"),
    ],
    ids=["empty", "svg", "broken", "bmp", "cut", "many pixels", "many of a PNG", "bomb", "large"],
)
def test_refuses_what_is_no_picture_for_mails(data, why):
    with pytest.raises(PictureRefused, match=why):
        fit(data)


def test_keeps_the_same_picture_once(db):
    photo = file_of(Image.new("RGB", (30, 30), "teal"), "PNG")

    assert keep_picture(photo) == keep_picture(photo)
    assert Picture.objects.count() == 1


def test_serves_a_picture_to_everybody_for_a_year(db):
    picture = keep_picture(file_of(Image.new("RGB", (30, 30), "teal"), "PNG"))

    answer = Client().get(f"/i/{picture.name}")

    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer.content == bytes(picture.data)
    assert not answer.cookies
    assert len(picture.reference) == 22


@pytest.mark.parametrize("name", ["AAAAAAAAAAAAAAAAAAAAAA.jpg", "1.jpg", "AAAAAAAAAAAAAAAAAAAAAA.svg"])
def test_knows_no_other_address(name, db):
    assert Client().get(f"/i/{name}").status_code == 404
