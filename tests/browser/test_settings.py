"""The settings pages in a real browser: the look of mails follows what is typed, on a laptop and on a phone."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect

from contacts.models import Business, Look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE: ViewportSize = {"width": 390, "height": 760}
PAGES = ["settings", "look", "quiet-hours", "system", "setup"]


@pytest.fixture(autouse=True)
def shop(transactional_db: None, settings: Any, live_server: Any) -> Business:
    settings.PUBLIC_BASE_URL = live_server.url
    return Business.load()


def logo() -> bytes:
    to = io.BytesIO()
    Image.new("RGBA", (480, 120), "teal").save(to, "PNG")
    return to.getvalue()


def test_the_preview_follows_what_is_typed_and_picked(admin_page: Page) -> None:
    admin_page.goto("/admin/look/")
    mail = admin_page.frame_locator("iframe[name=look]")
    button = mail.get_by_role("link", name="A button")
    expect(button).to_have_css("background-color", "rgb(27, 94, 123)")

    admin_page.get_by_label("Colour of buttons and links").fill("#ffd700")
    expect(button).to_have_css("background-color", "rgb(255, 215, 0)")
    expect(button).to_have_css("color", "rgb(0, 0, 0)")
    expect(mail.get_by_role("link", name="a link")).not_to_have_css("color", "rgb(255, 215, 0)")

    admin_page.get_by_label("Pick the colour").fill("#aa0011")
    expect(admin_page.get_by_label("Colour of buttons and links")).to_have_value("#aa0011")
    expect(button).to_have_css("background-color", "rgb(170, 0, 17)")
    expect(button).to_have_css("color", "rgb(255, 255, 255)")

    admin_page.get_by_label("Colour of buttons and links").fill("#fffffe")
    expect(mail.get_by_text("This is too light")).to_be_visible()
    assert not Look.objects.exists()


def test_keeps_the_place_in_the_preview(admin_page: Page) -> None:
    admin_page.set_viewport_size(PHONE)
    admin_page.goto("/admin/look/")
    mail = admin_page.frame_locator("iframe[name=look]")
    button = mail.get_by_role("link", name="A button")
    mail.get_by_text("Unsubscribe").scroll_into_view_if_needed()
    place = mail.locator("html").evaluate("root => root.scrollTop")

    admin_page.get_by_label("Colour of buttons and links").fill("#aa0011")

    expect(button).to_have_css("background-color", "rgb(170, 0, 17)")
    assert mail.locator("html").evaluate("root => root.scrollTop") == place > 0


def test_a_logo_is_shown_before_and_after_it_is_saved(admin_page: Page) -> None:
    admin_page.goto("/admin/look/")
    mail = admin_page.frame_locator("iframe[name=look]")
    file = {"name": "logo.png", "mimeType": "image/png", "buffer": logo()}
    admin_page.get_by_label("Logo", exact=True).set_input_files(file)  # type: ignore[arg-type]
    expect(mail.locator("img.rg-logo")).to_be_visible()

    admin_page.get_by_role("button", name="Dark").click()
    expect(mail.locator("img.rg-logo")).to_have_css("background-color", "rgb(255, 255, 255)")
    admin_page.get_by_role("button", name="Save").click()

    expect(admin_page.get_by_text("Your mails look like this from now on.")).to_be_visible()
    saved = admin_page.get_by_role("img", name="The logo of now")
    expect(saved).to_be_visible()
    assert saved.evaluate("image => image.complete && image.naturalWidth") == 480
    assert mail.locator("img.rg-logo").evaluate("async image => (await image.decode(), image.naturalWidth)") == 480


@pytest.mark.parametrize("page", PAGES)
def test_fits_a_phone(page: str, admin_page: Page) -> None:
    admin_page.set_viewport_size(PHONE)
    admin_page.goto(f"/admin/{page}/")

    expect(admin_page.locator("h1")).to_have_count(1)
    assert admin_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
