"""The camera: Chromium's own pretended one, before which each test holds what it likes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from redemptions.links import enrol_url, qr_payload
from redemptions.models import Code, Location, Offer, Redemption, Scan
from tests.browser.scanner.conftest import (
    FILM,
    PATIENCE_MS,
    REDEEM,
    enter,
    expect_result,
    expect_status,
    lose,
    set_up,
    try_again,
)
from tests.wire.camera import film, scene

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def phone(camera_browser: Browser, new_context: Callable[..., BrowserContext]) -> BrowserContext:
    """Return a phone whose camera is allowed."""
    return new_context(camera_browser, permissions=["camera"])


@pytest.fixture
def scanner(phone: BrowserContext, enrol_token: str) -> Page:
    return set_up(phone.new_page(), enrol_token)


def hold_up(scanner: Page, *scenes: Any) -> None:
    """Show these scenes to the camera, and open it."""
    film(FILM, *scenes)
    scanner.locator("#start").click()


def test_reads_and_redeems_a_code(scanner: Page, code: Code):
    hold_up(scanner, scene(qr_payload(code.token)))

    expect_result(scanner, "good", "Redeemed", "Maria K.")
    assert Scan.objects.get().entry == Scan.Entry.QR


@pytest.mark.parametrize(
    "view",
    [
        pytest.param({"turned": 25}, id="turned"),
        pytest.param({"turned": 180, "side": 160}, id="upside down and far away"),
        pytest.param({"blur": 2}, id="out of focus"),
    ],
)
def test_reads_a_code_however_it_is_held(view: dict[str, Any], scanner: Page, code: Code):
    hold_up(scanner, scene(qr_payload(code.token), **view))

    expect_result(scanner, "good", "Redeemed")


def test_waits_for_a_code_to_come_into_view(scanner: Page, code: Code):
    film(FILM, *[scene(None)] * 8, *[scene(qr_payload(code.token))] * 8)
    scanner.locator("#start").click()

    expect_result(scanner, "good", "Redeemed")


def test_shows_a_used_code_in_amber(scanner: Page, code: Code):
    enter(scanner, code.token)
    expect_result(scanner, "good", "Redeemed")
    scanner.locator("#next").click()

    hold_up(scanner, scene(qr_payload(code.token)))

    expect_result(scanner, "amber", "Already used", "on this phone")


def test_shows_an_expired_code_in_red(scanner: Page, code: Code):
    Offer.objects.update(ends_at=timezone.now() - timedelta(days=1))

    hold_up(scanner, scene(qr_payload(code.token)))

    expect_result(scanner, "bad", "Expired")


def test_shows_a_code_of_another_place_in_red(scanner: Page, code: Code, elsewhere: Location):
    code.offer.locations.set([elsewhere])

    hold_up(scanner, scene(qr_payload(code.token)))

    expect_result(scanner, "bad", "Not valid here")


def test_redeems_once_although_the_answer_was_lost(scanner: Page, code: Code):
    scanner.route(REDEEM, lose)
    hold_up(scanner, scene(qr_payload(code.token)))
    expect_result(scanner, "unsure", "Not confirmed")
    scanner.unroute(REDEEM)

    try_again(scanner)

    expect_result(scanner, "good", "Redeemed", "Confirmed now")
    assert Redemption.objects.count() == Scan.objects.count() == 1


def test_takes_a_code_that_stays_in_view_for_one_scan(scanner: Page, code: Code):
    hold_up(scanner, scene(qr_payload(code.token)))
    expect_result(scanner, "good", "Redeemed")

    scanner.locator("#next").click()

    expect(scanner.locator("#hint")).to_have_text("Same code, still in view.")
    assert Scan.objects.count() == 1


def test_counts_no_guess_for_a_code_that_is_not_ours(scanner: Page):
    hold_up(scanner, scene("WIFI:S:bar;T:WPA;P:secret;;"))

    expect(scanner.locator("#hint")).to_have_text("This is not one of our codes.")
    assert Scan.objects.count() == 0


def test_is_set_up_by_the_owners_code(phone: BrowserContext, enrol_token: str):
    """An app on an iPhone's home screen shares nothing with the browser in which the link was opened."""
    page = phone.new_page()
    page.goto("/scan/")
    expect(page.locator("#setup")).to_be_visible()

    hold_up(page, scene(enrol_url(enrol_token)))

    expect(page.locator("#device")).to_have_text("Bar phone · Main St")


def test_lets_go_of_the_camera_while_nobody_looks(scanner: Page, code: Code):
    hold_up(scanner, scene(None))
    expect(scanner.locator("#video")).to_be_visible()
    before = scanner.evaluate("document.getElementById('video').srcObject.id")

    see(scanner, hidden=True)
    assert scanner.evaluate("document.getElementById('video').srcObject") is None
    film(FILM, scene(qr_payload(code.token)))
    see(scanner, hidden=False)

    expect_result(scanner, "good", "Redeemed")
    assert scanner.evaluate("document.getElementById('video').srcObject.id") != before


def see(page: Page, *, hidden: bool) -> None:
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_switches_the_light_on_where_there_is_one(phone: BrowserContext, enrol_token: str):
    page = phone.new_page()
    page.add_init_script("""
        window.asked = [];
        MediaStreamTrack.prototype.getCapabilities = () => ({ torch: true });
        MediaStreamTrack.prototype.applyConstraints = async ({ advanced }) => { asked.push(advanced[0].torch); };
    """)
    set_up(page, enrol_token)
    expect(page.locator("#torch")).to_be_hidden()
    hold_up(page, scene(None))

    page.locator("#torch").click()
    expect(page.locator("#torch")).to_have_attribute("aria-pressed", "true")
    page.locator("#torch").click()
    expect(page.locator("#torch")).to_have_attribute("aria-pressed", "false")

    assert page.evaluate("asked") == [True, False]


def test_uses_the_browsers_own_reader_where_there_is_one(phone: BrowserContext, enrol_token: str, code: Code):
    asked: list[str] = []
    page = phone.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(f"""
        window.BarcodeDetector = class {{
            static async getSupportedFormats() {{ return ["qr_code"]; }}
            async detect() {{ return [{{ rawValue: "https://example.com/R/{code.token}" }}]; }}
        }};
    """)
    set_up(page, enrol_token)

    hold_up(page, scene(None))

    expect_result(page, "good", "Redeemed")
    assert [url for url in asked if "vendor" in url] == []


def test_remembers_the_camera_that_was_chosen(phone: BrowserContext, enrol_token: str):
    page = phone.new_page()
    page.add_init_script("""
        window.asked = [];
        const media = MediaDevices.prototype;
        const get = media.getUserMedia;
        media.getUserMedia = function (wish) { asked.push(wish.video); return get.call(this, { video: true }); };
        const devices = ["back", "wide"].map((deviceId) => ({ kind: "videoinput", deviceId, label: "" }));
        media.enumerateDevices = async () => devices;
    """)
    set_up(page, enrol_token)
    hold_up(page, scene(None))
    page.locator("#menu-open").click()
    expect(page.locator("#camera option")).to_have_text(["Camera 1", "Camera 2"])

    page.locator("#camera").select_option("wide")

    expect(page.locator("#video")).to_be_visible()
    page.reload()
    page.locator("#start").click()
    expect(page.locator("#video")).to_be_visible()
    assert page.evaluate("asked[0].deviceId") == {"exact": "wide"}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", "The camera is not allowed."),
        ("NotReadableError", "Another app uses the camera."),
        ("NotFoundError", "This device has no camera."),
        ("TypeError", "The camera did not start."),
    ],
    ids=["denied", "busy", "none", "broken"],
)
def test_says_what_keeps_the_camera_from_starting(
    script: str, words: str, camera_browser: Browser, new_context: Any, enrol_token: str, code: Code
):
    page = new_context(camera_browser).new_page()  # nobody allowed it
    if script:
        page.add_init_script(
            f"MediaDevices.prototype.getUserMedia = async () => {{ throw new DOMException('', '{script}'); }}"
        )
    set_up(page, enrol_token)

    hold_up(page, scene(qr_payload(code.token)))

    expect(page.locator("#hint")).to_contain_text(words)
    expect(page.locator("#start")).to_be_visible()
    enter(page, code.typed_display)
    expect_result(page, "good", "Redeemed")


def test_says_that_there_is_no_camera_without_https(page: Page, enrol_token: str):
    page.add_init_script("""
        Object.defineProperty(navigator, "mediaDevices", { value: undefined });
        Object.defineProperty(window, "isSecureContext", { value: false });
    """)
    set_up(page, enrol_token)

    page.locator("#start").click()

    expect(page.locator("#hint")).to_contain_text("The camera works on https only.")


def test_says_that_the_reader_did_not_load(phone: BrowserContext, enrol_token: str):
    page = phone.new_page()
    page.route("**/vendor/ponyfill.js", lambda route: route.abort())
    set_up(page, enrol_token)

    hold_up(page, scene(None))

    expect(page.locator("#hint")).to_contain_text("The code reader did not load.")


def wait_for_the_reader(page: Page) -> None:
    """Wait until the reader of codes is loaded: without network it never is."""
    is_here = "performance.getEntriesByType('resource').some((one) => one.name.includes('.wasm') && one.responseEnd)"
    give_up_at = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(is_here):
        assert time.monotonic() < give_up_at, "the reader is not loaded"
        page.wait_for_timeout(50)


def test_scans_offline_and_sends_later(scanner: Page, code: Code):
    hold_up(scanner, scene(None))
    expect(scanner.locator("#hint")).to_have_text("Point the camera at the guest's code.")
    wait_for_the_reader(scanner)
    scanner.context.set_offline(True)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")

    scanner.context.set_offline(False)

    expect_result(scanner, "good", "Redeemed", "Confirmed now")
    expect_status(scanner, "All sent")
