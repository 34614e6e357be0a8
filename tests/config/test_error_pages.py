"""The pages for what goes wrong: whole without the database, a visitor or collected files."""

import pytest
from django.core.exceptions import SuspiciousOperation
from django.test import Client
from django.urls import include, path
from playwright.sync_api import expect

INCOMPLETE = "The address may be mistyped, not complete or out of date. Open it again where you found it, or ask us."
COLLECTED = "whitenoise.storage.CompressedManifestStaticFilesStorage"


def fail(request):
    raise RuntimeError("a secret of the server")


def suspect(request):
    raise SuspiciousOperation("a secret of the server")


class WithFailures:
    """The site's addresses, and two that fail."""

    urlpatterns = [path("fail", fail), path("suspect", suspect), path("", include("config.urls"))]


@pytest.fixture
def with_failures(settings):
    settings.ROOT_URLCONF = WithFailures


@pytest.fixture
def visitor(with_failures):
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("address", ["/u/garbage", "/u/garbage/", "/nowhere", "/static/nowhere.css"])
def test_says_what_to_do_with_a_broken_link(address, visitor):
    page = visitor.get(address)

    assert page.status_code == 404
    assert INCOMPLETE in page.content.decode()
    assert "contacts/pages.css" in page.content.decode()


def test_says_so_to_a_broken_unsubscription_and_its_undoing(visitor):
    assert INCOMPLETE in visitor.post("/u/garbage").content.decode()
    assert INCOMPLETE in visitor.post("/u/garbage/undo").content.decode()


def test_keeps_the_coupons_own_words(visitor, db):
    page = visitor.get("/r/garbage")

    assert page.status_code == 404
    assert "We cannot find this coupon" in page.content.decode()


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [("/fail", 500, "Something went wrong here"), ("/suspect", 400, "We cannot read this request")],
)
def test_says_in_plain_words_what_went_wrong(address, status, words, visitor):
    page = visitor.get(address)

    assert page.status_code == status
    assert words in page.content.decode()
    assert "contacts/pages.css" in page.content.decode()
    assert "secret" not in page.content.decode()


@pytest.mark.parametrize("address", ["/fail", "/nowhere"])
def test_has_a_page_although_no_files_were_collected(address, visitor, settings):
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": COLLECTED}}

    page = visitor.get(address)

    assert page.status_code == 500
    assert "Something went wrong here" in page.content.decode()
    assert f"{settings.STATIC_URL}contacts/pages.css" in page.content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["400", "404", "500"])
def test_fits_a_phone_by_day_and_night(name, scheme, browser, with_failures, live_server):
    background = {"light": "rgb(255, 255, 255)", "dark": "rgb(28, 37, 44)"}[scheme]
    address = {"400": "/suspect", "404": "/u/garbage", "500": "/fail"}[name]
    with browser.new_context(
        base_url=live_server.url, viewport={"width": 390, "height": 844}, color_scheme=scheme
    ) as context:
        page = context.new_page()

        page.goto(address)

        expect(page.locator("main")).to_have_css("background-color", background)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
