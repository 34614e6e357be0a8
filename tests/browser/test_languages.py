"""Spanish on the screen: by the browser, and by the keyboard alone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from contacts.models import SignupForm
from tests.admin.conftest import add_contact

pytestmark = pytest.mark.browser
NO_ANSWER = "the server responded with a status of 400"  # what a form says that is not filled in


@pytest.fixture
def spanish(browser: Browser, live_server) -> Iterator[Page]:
    """Return a page of a browser whose owner reads Spanish; fail the test on any error it reports."""
    errors: list[str] = []
    context = browser.new_context(base_url=live_server.url, locale="es-MX")
    context.on(
        "console",
        lambda message: (
            errors.append(message.text) if message.type == "error" and NO_ANSWER not in message.text else None
        ),
    )
    yield context.new_page()
    context.close()
    assert errors == []


@pytest.fixture
def signed_in(spanish, admin_client, live_server) -> Page:
    cookie = admin_client.cookies["sessionid"].value
    spanish.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    return spanish


def width_fits(page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_the_language_is_changed_by_keyboard_and_stays(signed_in):
    add_contact("maria@example.org", first_name="Maria")
    signed_in.goto("/admin/contacts/contact/")
    expect(signed_in.locator("html")).to_have_attribute("lang", "es")
    expect(signed_in.get_by_role("heading", level=1)).to_have_text(re.compile("ontactos"))
    button = signed_in.get_by_role("button", name="English", exact=True)
    button.focus()
    signed_in.keyboard.press("Enter")
    expect(signed_in.locator("html")).to_have_attribute("lang", "en")
    expect(signed_in).to_have_url(re.compile("/admin/contacts/contact/$"))
    signed_in.goto("/admin/")
    expect(signed_in.get_by_role("button", name="Español", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    "address",
    ["/admin/", "/admin/contacts/contact/", "/admin/contacts/import/add/", "/admin/contacts/segment/add/"],
)
def test_spanish_fits_the_screen(signed_in, address, width):
    add_contact("maria@example.org", "+12175550123", first_name="Maria")
    signed_in.set_viewport_size({"width": width, "height": 844})
    signed_in.goto(address)
    expect(signed_in.locator("html")).to_have_attribute("lang", "es")
    assert width_fits(signed_in)


def test_rules_are_built_in_spanish(signed_in):
    signed_in.goto("/admin/contacts/segment/add/")
    signed_in.route("**/live/", lambda route: route.fulfill(status=204))
    expect(signed_in.locator("[data-segment]")).to_have_attribute("data-no-answer", "Sin respuesta")
    signed_in.get_by_role("button", name="Agregar regla").click()
    expect(signed_in.get_by_role("button", name="Quitar", exact=False).first).to_be_visible()


def test_joining_in_spanish_on_a_phone(spanish, transactional_db):
    SignupForm.objects.create(name="Table", slug="table", asks_phone=True)
    spanish.set_viewport_size({"width": 390, "height": 844})
    spanish.goto("/join/table")
    spanish.get_by_role("button", name="Registrarme").click()
    expect(spanish.get_by_role("alert").first).to_have_text(
        "Dé al menos una manera de encontrarle y marque la casilla de abajo."
    )
    assert width_fits(spanish)
