"""The PIN: who scans is asked before anything is scanned, whatever link is opened, and again after a shift."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from redemptions.models import Code, Scan
from tests.browser.scanner.conftest import PATIENCE_MS, enter, expect_result, type_at_once, with_policy

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ENROL = "**/devices/enrol"


@pytest.fixture
def asking(page: Page, enrol_token: str) -> Page:
    """Return a phone that asks who scans."""
    page.clock.install()
    with_policy(page, asks_pin=True)
    page.route("**/staff/sign-in", lambda route: route.fulfill(json={"staff": {"id": "st_3", "name": "Jo"}}))
    page.goto(f"/scan/#enrol={enrol_token}")
    expect(page.locator("#pin")).to_be_visible(timeout=PATIENCE_MS)
    return page


@pytest.fixture
def signed_in(asking: Page) -> Page:
    asking.locator("#pin-code").fill("2468")
    asking.locator("#pin-code").press("Enter")
    expect(asking.locator("#staff")).to_have_text("Scanning: Jo", timeout=PATIENCE_MS)
    return asking


def open_link(page: Page) -> None:
    page.evaluate("location.hash = 'enrol=' + 'x'.repeat(24)")


def expect_asked(page: Page) -> None:
    expect(page.locator("#pin")).to_be_visible(timeout=PATIENCE_MS)
    for part in ("#scan", "#stage", "#till", "#setup"):
        expect(page.locator(part)).to_be_hidden()


def test_lets_nobody_past_the_pin_with_a_link_that_is_none(asking: Page, code: Code):
    open_link(asking)

    expect(asking.locator("#banner")).to_contain_text("This link is not known.", timeout=PATIENCE_MS)
    expect_asked(asking)
    type_at_once(asking, f"http://testserver/R/{code.token}")
    asking.wait_for_timeout(300)
    expect_asked(asking)
    assert Scan.objects.count() == 0


@pytest.mark.parametrize(
    "answer", [lambda route: None, lambda route: route.abort()], ids=["on its way", "without network"]
)
def test_lets_nobody_past_the_pin_while_a_link_is_open(answer: Callable[[Route], None], asking: Page, code: Code):
    asking.route(ENROL, answer)

    with asking.expect_request(ENROL):
        open_link(asking)

    expect(asking.locator("#banner")).to_be_visible(timeout=PATIENCE_MS)
    expect_asked(asking)
    type_at_once(asking, f"http://testserver/R/{code.token}")
    asking.wait_for_timeout(300)
    assert Scan.objects.count() == 0


def test_goes_on_scanning_while_a_link_is_open(signed_in: Page, code: Code):
    signed_in.route(ENROL, lambda route: None)
    with signed_in.expect_request(ENROL):
        open_link(signed_in)

    enter(signed_in, code.token)

    expect_result(signed_in, "good", "Redeemed")


def test_asks_again_when_the_shift_is_over(signed_in: Page):
    signed_in.clock.fast_forward(11 * 3600 * 1000)
    expect(signed_in.locator("#scan")).to_be_visible()

    signed_in.clock.fast_forward(2 * 3600 * 1000)

    expect_asked(signed_in)
    expect(signed_in.locator("#staff")).to_have_text("")


def test_redeems_nothing_after_the_shift(signed_in: Page, code: Code):
    signed_in.evaluate("""() => {
        const person = JSON.parse(localStorage.getItem("scanner.staff"));
        localStorage.setItem("scanner.staff", JSON.stringify({ ...person, at: person.at - 13 * 3600 * 1000 }));
    }""")

    type_at_once(signed_in, f"http://testserver/R/{code.token}")

    expect_asked(signed_in)
    assert Scan.objects.count() == 0
