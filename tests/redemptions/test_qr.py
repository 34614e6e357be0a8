import io
import re

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps

from redemptions import qr
from redemptions.codes import CROCKFORD
from redemptions.links import coupon_url, qr_image_url, qr_payload
from redemptions.qr import png

TOKEN = "7K3Q9M2XW5VB8NTCRD4HJ6YPFA"
FIFTY_FOUR = f"https://DEALS.EXAMPLE.COM/R/{TOKEN}"


def read(image_bytes):
    image = Image.open(io.BytesIO(image_bytes))
    return image, zxingcpp.read_barcodes(image.convert("L"))


def test_draws_a_code_that_scanners_read_at_version_3():
    image, found = read(png(FIFTY_FOUR))

    assert [barcode.text for barcode in found] == [FIFTY_FOUR]
    assert len(FIFTY_FOUR) == 54
    assert image.mode == "1"
    assert image.size == ((29 + 8) * 8,) * 2  # version 3 is 29 modules wide
    assert len(png(FIFTY_FOUR)) < 600


@given(st.text(CROCKFORD, min_size=26, max_size=26))
def test_draws_every_token_at_the_same_size(token):
    image, found = read(png(f"https://DEALS.EXAMPLE.COM/R/{token}", scale=4))

    assert image.width == 37 * 4
    assert found[0].text.endswith(token)


def test_draws_digits_at_the_same_size():
    assert read(png("https://DEALS.EXAMPLE.COM/R/" + "1" * 26))[0].width == 37 * 8


def test_has_four_white_modules_around():
    image, _ = read(png(FIFTY_FOUR))

    box = Image.eval(image.convert("L"), lambda level: 255 - level).getbbox()

    assert box == (32, 32, 296 - 32, 296 - 32)


@pytest.mark.parametrize("scale", [1, 3, 6, 8])
def test_draws_any_scale(scale):
    image, _ = read(png(FIFTY_FOUR, scale=scale))

    assert image.width == 37 * scale


def test_draws_links_of_any_kind():
    link = "http://localhost:8000/scan/#enrol=aB-c_9"

    assert read(png(link))[1][0].text == link


@pytest.mark.parametrize("base", ["http://testserver", "https://deals.example.com:8443"])
def test_writes_the_addresses(base, settings):
    settings.PUBLIC_BASE_URL = base
    scheme, host = base.split("://")

    assert coupon_url(TOKEN) == f"{base}/r/{TOKEN.lower()}"
    assert qr_payload(TOKEN) == f"{scheme}://{host.upper()}/R/{TOKEN}"
    assert qr_image_url("abc") == f"{base}/q/abc.png"
    assert re.fullmatch(r"[0-9A-Z $%*+\-./:]+", qr_payload(TOKEN).removeprefix(scheme))


SITES = ["https://DEALS.EXAMPLE.COM/R/", "https://DEALS.EXAMPLE.CO/R/", "http://LOCALHOST:8000/R/", "h://A/"]


@pytest.mark.parametrize("site", SITES)  # the token begins within a group of two characters, or with one
@settings(max_examples=20)
@given(token=st.text(CROCKFORD, min_size=26, max_size=26), scale=st.sampled_from([1, 3, 8]))
def test_draws_the_codes_of_a_site_as_it_draws_any_code(site, token, scale):
    drawn_whole = qr._png(qr._bitmap(*qr._symbol(site + token), scale))

    assert png(site + token, scale=scale) == drawn_whole


def test_gives_every_token_a_code_of_its_own():
    tokens = [
        TOKEN[:place] + other + TOKEN[place + 1 :] for place in range(26) for other in "0Z" if TOKEN[place] != other
    ]

    drawn = {png(f"https://DEALS.EXAMPLE.COM/R/{token}", scale=1) for token in tokens}

    assert len(drawn) == len(tokens)


def on_a_dark_page(image):
    page = Image.new("L", (image.width + 80, image.height + 80), 18)
    page.paste(image, (40, 40))
    return page


TREATMENTS = {
    "as it is": lambda image: image,
    "on a dark page": on_a_dark_page,
    "inverted": ImageOps.invert,
    "on a dark page, inverted": lambda image: ImageOps.invert(on_a_dark_page(image)),
    "small": lambda image: image.resize((120, 120), Image.Resampling.BILINEAR),
    "not by a whole factor": lambda image: image.resize((317, 317), Image.Resampling.BICUBIC),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "on its side": lambda image: image.rotate(90, expand=True),
    "askew": lambda image: image.rotate(23, expand=True, fillcolor=255),
    "dim": lambda image: Image.eval(image, lambda level: 20 + level // 6),
}


@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize(
    ("text", "scale"),
    [
        pytest.param(FIFTY_FOUR, 8, id="coupon page and mail"),
        pytest.param("https://deals.example.com/scan/#enrol=" + "aB-c_9" * 7, 6, id="link of a device"),
    ],
)
def test_is_read_however_it_is_shown(text, scale, treatment):
    image = Image.open(io.BytesIO(png(text, scale=scale))).convert("L")

    found = zxingcpp.read_barcodes(TREATMENTS[treatment](image))

    assert [barcode.text for barcode in found] == [text]
