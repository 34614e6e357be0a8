"""A guest's code, a phone at the bar that is set up, and a camera that sees what a test puts before it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect

from contacts.models import Contact
from redemptions.models import Code, Device, Location, Offer
from redemptions.services import create_offer, enrol_device_start, issue_codes
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS
from tests.settings import SCRATCH_DIR

FILM = SCRATCH_DIR / "camera.mjpeg"
REDEEM = "**/api/v1/redemptions"  # the addresses a test answers in the place of the server
BATCH = "**/api/v1/redemptions/batch"
PATIENCE_MS = 20_000  # a machine may have other work, too
# What Chromium says of every answer that is none, and of a service worker that is asked for without network.
EVERYDAY = "Failed to load resource"


@pytest.fixture(autouse=True)
def _rows_stay(transactional_db: None) -> None:
    """Let the server see the rows: it runs in a thread of its own."""


@pytest.fixture
def offer() -> Offer:
    return create_offer(name="20 % off lunch", type=Offer.Type.PERCENT, value=Decimal(20), instructions="One per table")


@pytest.fixture
def new_code(offer: Offer) -> Callable[[], Code]:
    """Return a maker of codes, each of a guest of its own."""

    def make() -> Code:
        count = Contact.objects.count()
        contact = Contact.objects.create(email=f"guest{count}@example.com", first_name="Maria", last_name="Kovacs")
        return Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk])

    return make


@pytest.fixture
def code(new_code: Callable[[], Code]) -> Code:
    return new_code()


@pytest.fixture
def elsewhere() -> Location:
    return Location.objects.create(name="Airport")


@pytest.fixture
def enrol_token() -> str:
    now = timezone.now()
    return enrol_device_start(name="Bar phone", location_name="Main St", profile=Device.Profile.SCANNER, at=now)[1]


# --- Browsers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def new_context(live_server: Any) -> Iterator[Callable[..., BrowserContext]]:
    """Return a maker of phones. Whatever a page reports as an error, or asks of another host, fails the test."""
    errors: list[str] = []
    contexts: list[BrowserContext] = []

    def note(said: ConsoleMessage) -> None:
        if said.type == "error" and EVERYDAY not in said.text:
            errors.append(said.text)

    def make(browser: Browser, **more: Any) -> BrowserContext:
        # Playwright cannot answer in the server's place where a service worker is; test_installed has one.
        usual = {"service_workers": "block", "viewport": {"width": 390, "height": 844}, "locale": "en-US"}
        options: dict[str, Any] = usual | more
        context = browser.new_context(base_url=live_server.url, **options)
        context.on("console", note)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on(
            "request", lambda asked: None if asked.url.startswith(f"{live_server.url}/") else errors.append(asked.url)
        )
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")  # one may be at its answer
        context.close()
    assert errors == []


@pytest.fixture
def context(browser: Browser, new_context: Callable[..., BrowserContext]) -> BrowserContext:
    return new_context(browser)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def scanner(page: Page, enrol_token: str) -> Page:
    """Return the page of a phone that is set up."""
    return set_up(page, enrol_token)


def set_up(page: Page, enrol_token: str) -> Page:
    page.goto(f"/scan/#enrol={enrol_token}")
    expect(page.locator("#device")).to_have_text("Bar phone · Main St", timeout=PATIENCE_MS)
    expect(page.locator("#scan")).to_be_visible(timeout=PATIENCE_MS)
    return page


@pytest.fixture(scope="session")
def camera_browser(browser: Browser) -> Iterator[Browser]:
    """Start a Chromium whose camera plays the film at FILM, which is opened anew each time the camera is."""
    flags = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={FILM}"]
    started = browser.browser_type.launch(executable_path=CHROMIUM, args=[*CHROMIUM_FLAGS, *flags])
    yield started
    started.close()


# --- What tests do ----------------------------------------------------------------------------------------------------


def enter(page: Page, text: str) -> None:
    page.locator("#code").fill(text)
    page.locator("#code").press("Enter")


def expect_result(page: Page, tone: str, title: str, detail: str = "") -> None:
    expect(page.locator("#result-title")).to_have_text(title, timeout=PATIENCE_MS)
    expect(page.locator("body")).to_have_attribute("data-tone", tone, timeout=PATIENCE_MS)
    expect(page.locator("#result-detail")).to_contain_text(detail, timeout=PATIENCE_MS)


def type_at_once(page: Page, text: str) -> None:
    """Type as a hand scanner does, without the pauses that a busy machine makes between two keys."""
    page.evaluate(
        """(text) => {
            const target = document.activeElement;
            for (const key of [...text, "Enter"]) {
                const press = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
                const goesOn = target.dispatchEvent(press);
                if (key !== "Enter" && target.form) target.value += key;
                else if (key === "Enter" && target.form && goesOn) target.form.requestSubmit();
            }
        }""",
        text,
    )


def try_again(page: Page) -> None:
    if page.locator("#queue").is_hidden():
        page.locator("#status").click()
    # Where the machine is slow, it was tried again already, and the button is gone.
    page.locator("#retry").dispatch_event("click")


def expect_status(page: Page, words: str) -> None:
    expect(page.locator("#status")).to_contain_text(words, timeout=PATIENCE_MS)


def journal(page: Page) -> list[dict[str, Any]]:
    """Return what the page has on disk."""
    found: list[dict[str, Any]] = page.evaluate(
        "import('/static/redemptions/scanner/journal.js').then(({ journal }) => journal.all())"
    )
    return found


def until(page: Page, expression: str) -> None:
    """Wait until this is so in the page. Playwright's own way evaluates text, which the page's policy forbids."""
    for _ in range(400):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"It never came to {expression}")


def until_kept(page: Page, read: str, holds: str) -> None:
    """Wait until what the page has on disk is so."""
    until(page, f"import('/static/redemptions/scanner/journal.js').then({read}).then({holds})")


def lose(route: Route) -> None:
    """Let the call arrive, and its answer not."""
    route.fetch()
    route.abort()


def with_policy(page: Page, **policy: Any) -> None:
    """Have the server say what this device may do."""
    allowed = {"offline": False, "asks_pin": False, "shows_names": True, "voids": True, "void_minutes": 15} | policy

    def answer(route: Route) -> None:
        if route.request.method != "GET":
            return route.continue_()
        body = route.fetch().json()
        return route.fulfill(json=body | {"policy": allowed})

    page.route("**/api/v1/device", answer)


def problem(route: Route, status: int, **body: Any) -> None:
    route.fulfill(
        status=status, content_type="application/problem+json", body=json.dumps({"status": status, "title": "", **body})
    )


def stop_clock(page: Page) -> None:
    """Let time pass only where the test says so, however slow the machine is. The clock was installed before."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
