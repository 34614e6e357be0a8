"""The form of a deal and the coupon page in a real browser: on a phone, dark and light, without a script."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import zxingcpp
from django.utils import timezone
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from contacts.models import Contact
from redemptions.links import qr_payload
from redemptions.models import Code, Location, Offer
from redemptions.services import issue_codes

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NO_OVERFLOW = "document.documentElement.scrollWidth <= window.innerWidth"
# The contrast of each text with the nearest background behind it (WCAG 2).
CONTRASTS = """() => {
  const channel = (value) => {
    const part = value / 255
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number)
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
  }
  const behind = (element) => {
    const colour = element ? getComputedStyle(element).backgroundColor : 'rgb(255, 255, 255)'
    return /, 0\\)$/.test(colour) ? behind(element.parentElement) : colour
  }
  const texts = [...document.querySelectorAll('h1, h2, p, li, a')].filter((element) => element.textContent.trim())
  return texts.map((element) => {
    const [text, ground] = [light(getComputedStyle(element).color), light(behind(element))]
    return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05)
  })
}"""


@pytest.fixture
def code(db: None) -> Code:
    offer = Offer.objects.create(
        name="20 % off lunch",
        value=20,
        terms="One per table. Not with other deals.",
        ends_at=timezone.now() + timedelta(days=30),
        min_spend=20,
    )
    offer.locations.set([Location.objects.create(name="Main Street")])
    guest = Contact.objects.create(email="guest@example.org")
    return Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[guest.pk])[guest.pk])


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shows_a_coupon_that_a_till_can_read(width: int, scheme: Any, page: Page, code: Code, live_server: Any) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"/r/{code.token}")

    expect(page.get_by_role("heading", name="20 % off lunch")).to_be_visible()
    image = page.get_by_alt_text("QR code of this coupon")
    expect(image).to_have_js_property("complete", True)
    assert page.evaluate(NO_OVERFLOW)
    assert min(page.evaluate(CONTRASTS)) >= 4.5
    assert all(url.startswith(live_server.url) for url in asked)
    screen = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L")
    assert [found.text for found in zxingcpp.read_barcodes(screen)] == [qr_payload(code.token)]
    assert (image.bounding_box() or {"width": 0})["width"] >= 280


def test_prints_a_coupon(page: Page, code: Code) -> None:
    page.goto(f"/r/{code.token}")
    expect(page.get_by_text("Add to calendar")).to_be_visible()

    page.emulate_media(media="print", color_scheme="dark")

    expect(page.get_by_text("Add to calendar")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert min(page.evaluate(CONTRASTS)) >= 4.5


def test_writes_a_deal_with_its_hours_and_looks_at_it_first(admin_page: Page, shot: Callable[..., None]) -> None:
    page = admin_page
    page.goto("/admin/redemptions/offer/add/")
    page.get_by_label("Name:").fill("20 % off lunch")
    page.get_by_label("Value:").fill("20")
    first = page.get_by_role("group", name="Days and hours 1")
    for day in ("Mon", "Tue", "Wed"):
        first.get_by_label(day).check()
    first.get_by_label("from").fill("11:00")

    page.get_by_role("button", name="Show the preview").click()
    frame = page.frame_locator("iframe[name=deal-preview]")
    expect(frame.get_by_text("say from when to when")).to_be_visible()
    first.get_by_label("to", exact=True).fill("15:00")
    page.get_by_role("button", name="Show the preview").click()

    expect(frame.get_by_text("Days and hours: Mon to Wed 11:00 to 15:00")).to_be_visible()
    expect(frame.get_by_role("heading", name="At the till, staff see")).to_be_visible()
    assert not Offer.objects.exists()
    shot(page, "deal", height=1200)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#result_list")).to_contain_text("20 % off lunch")
    assert Offer.objects.get().hours == [{"days": [0, 1, 2], "from": "11:00", "to": "15:00"}]


@pytest.mark.parametrize(
    "path",
    [
        "offer/{offer}/change/",
        "redemption/report/",
        "redemption/signals/",
        "codesheet/add/",
        "staff/add/",
        "device/add/",
    ],
)
def test_fits_on_a_phone(path: str, admin_page: Page, code: Code) -> None:
    admin_page.set_viewport_size({"width": 390, "height": 844})

    admin_page.goto("/admin/redemptions/" + path.format(offer=code.offer_id))

    expect(admin_page.locator("#content")).to_be_visible()
    assert admin_page.evaluate(NO_OVERFLOW)


def test_needs_no_script(browser: Browser, live_server: Any, admin_client: Any, db: None) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False, locale="en-US")
    cookie = admin_client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    page = context.new_page()
    page.goto("/admin/redemptions/offer/add/")
    page.get_by_label("Name:").fill("Soup")
    page.get_by_label("Value:").fill("10")

    page.get_by_role("button", name="Show the preview").click()
    expect(page.frame_locator("iframe[name=deal-preview]").get_by_role("heading", name="Soup")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator("#result_list")).to_contain_text("Soup")
    context.close()
