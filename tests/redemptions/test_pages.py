import io
from datetime import datetime, timedelta

import pytest
import zxingcpp
from django.test import Client
from PIL import Image

from redemptions.codes import SAMPLE_TYPED, display, parse
from redemptions.models import Code, Scan
from redemptions.rendering import HEADLINES
from redemptions.services import issue_test_code, redeem, revoke_code


@pytest.fixture
def client():
    return Client(enforce_csrf_checks=True)


def read(response):
    return response.content.decode()


# --- The coupon ---


def test_shows_a_coupon(client, code, clock, change, elsewhere):
    change(code.offer, terms="Not with other deals.", ends_at=datetime.fromisoformat("2026-12-06T05:59Z"))
    code.offer.locations.set([elsewhere])

    page = client.get(f"/r/{code.token.lower()}")

    assert page.status_code == 200
    for words in [
        "The Corner Bar",
        "20 % off lunch",
        "Show this at the till",
        "Not with other deals.",
        "Valid at: Airport",
        "Valid until Saturday, December 5, 2026, 11:59 PM CST",
        code.typed_display,
        f'src="/q/{code.image_reference}.png"',
    ]:
        assert words in read(page)
    assert "Maria" not in read(page)
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert not page.cookies


@pytest.mark.parametrize("path", ["/r/{lower}", "/R/{upper}", "/r/{upper}", "/R/{lower}"])
def test_takes_capitals_and_small_letters_without_a_redirect(path, client, code):
    assert client.get(path.format(lower=code.token.lower(), upper=code.token)).status_code == 200


def test_changes_nothing_by_looking(client, code, django_assert_max_num_queries):
    client.get("/r/before")  # the business row is there from now on
    before = Code.objects.values().get()

    with django_assert_max_num_queries(6) as queries:
        client.get(f"/r/{code.token}")
        client.head(f"/q/{code.image_reference}.png")

    assert all(query["sql"].startswith("SELECT") for query in queries)
    assert Code.objects.values().get() == before
    assert not Scan.objects.exists()


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_takes_no_order_to_change(method, client, code):
    assert getattr(client, method)(f"/r/{code.token}").status_code in {403, 405}


@pytest.mark.parametrize("path", ["/r/nonsense", "/r/" + "0" * 26, "/R/%F0%9F%92%A9"])
def test_says_in_plain_words_that_a_coupon_is_unknown(path, client, db):
    page = client.get(path)

    assert page.status_code == 404
    assert "We cannot find this coupon" in read(page)
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert page.headers["Cache-Control"] == "no-store"


def test_does_not_answer_to_the_short_code(client, code):
    assert client.get(f"/r/{code.typed}").status_code == 404


@pytest.mark.parametrize(
    ("values", "headline", "explanation", "is_shown"),
    [
        ({"status": "paused"}, "Paused", "paused at the moment", True),
        ({"status": "ended"}, "This deal is over", "Watch out for the next one", False),
        (
            {"starts_at": "2026-12-01T15:00Z"},
            "Not valid yet",
            "Valid from Tuesday, December 1, 2026, 9:00 AM CST",
            True,
        ),
        ({"ends_at": "2026-11-20T15:00Z"}, "Expired", "valid until Friday, November 20, 2026, 9:00 AM CST", False),
    ],
)
def test_is_honest_about_the_deal(values, headline, explanation, is_shown, client, code, clock, change):
    change(code.offer, **{n: datetime.fromisoformat(v) if n.endswith("_at") else v for n, v in values.items()})

    page = read(client.get(f"/r/{code.token}"))

    assert headline in page
    assert explanation in page
    assert ("/q/" in page) is is_shown
    assert (code.typed_display in page) is is_shown
    assert "Show this at the till" not in page


def test_is_honest_about_a_used_code(client, code, device, clock, at):
    redeem(code_text=code.token, device=device, key="the-scan", at=at)
    clock.shift(timedelta(days=1))

    page = read(client.get(f"/r/{code.token}"))

    assert "Already used" in page
    assert "Used on Saturday, November 21, 2026, 12:00 PM CST at Main St." in page
    assert "/q/" not in page


def test_is_honest_about_a_withdrawn_code(client, code, at):
    revoke_code(code=code, at=at)

    assert "Withdrawn" in read(client.get(f"/r/{code.token}"))


def test_is_honest_about_a_test_code(client, offer):
    assert "Test, not valid" in read(client.get(f"/r/{issue_test_code(offer=offer).token}"))


def test_escapes_what_the_shop_typed(client, code, change):
    change(code.offer, name="<script>alert(1)</script>", terms="<b>bold</b>")

    page = read(client.get(f"/r/{code.token}"))

    assert "<script>alert" not in page
    assert "<b>bold" not in page


@pytest.mark.parametrize("path", ["/r/{token}", "/scan/"])
def test_needs_no_script_or_style_in_the_page(path, client, code):
    page = client.get(path.format(token=code.token))

    assert "<style" not in read(page)
    assert " style=" not in read(page)
    assert "<script>" not in read(page)
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


# --- The image ---


def test_draws_the_code_of_its_reference(client, code):
    image = client.get(f"/q/{code.image_reference}.png")

    assert image.headers["Content-Type"] == "image/png"
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(image.content)).convert("L"))
    assert found[0].text == f"http://TESTSERVER/R/{code.token}"
    assert image.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert not image.cookies
    assert "Vary" not in image.headers


def test_answers_a_cache_without_the_image(client, code):
    path = f"/q/{code.image_reference}.png"
    etag = client.get(path).headers["ETag"]

    again = client.get(path, headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("reference", ["unknown", "7K3Q9M2XW5VB8NTCRD4HJ6YPFA"])
def test_has_no_image_of_an_unknown_reference(reference, client, db):
    assert client.get(f"/q/{reference}.png").status_code == 404


def test_does_not_name_the_code_in_the_image_address(client, code):
    assert client.get(f"/q/{code.token}.png").status_code == 404


def test_is_open_to_whoever_has_no_account(client, db):
    page = client.get("/scan/")

    assert page.status_code == 200
    assert not page.cookies
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_counts_the_visits_that_are_left(client, code, change):
    change(code, max_uses=5, used=2)

    assert "Good for 3 more of 5 visits." in read(client.get(f"/r/{code.token}"))


def test_has_words_for_every_reason_a_coupon_can_be_bad_for():
    # The place, the device and the order are no matters of the page.
    of_scans = {
        Scan.Reason.UNKNOWN_CODE,
        Scan.Reason.WRONG_LOCATION,
        Scan.Reason.DEVICE_LOCKED,
        Scan.Reason.ORDER_VALUE_REQUIRED,
        Scan.Reason.MIN_SPEND_NOT_MET,
        Scan.Reason.REFUSED_BY_STAFF,
    }

    assert set(HEADLINES) == set(Scan.Reason) - of_scans | {None}


def test_shows_the_scanners_user_a_code_that_checks(client, db):
    page = client.get("/scan/").content.decode()

    sample = page.partition('placeholder="')[2].partition('"')[0]
    assert sample == display(SAMPLE_TYPED)
    assert parse(sample) == SAMPLE_TYPED
