"""What stands on the page: what a deal is worth, questions, numbers, and nobody's name for longer than needed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from redemptions.models import Code, Offer
from tests.browser.scanner.conftest import (
    PATIENCE_MS,
    REDEEM,
    enter,
    expect_result,
    expect_status,
    problem,
    set_up,
    stop_clock,
    try_again,
    with_policy,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TODAY = "**/api/v1/stats/today"


# --- What a deal is worth ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "20 % off"),
        ({"max_discount": Decimal(15)}, "20 % off, at most $15.00"),
        ({"type": Offer.Type.AMOUNT, "value": Decimal(5)}, "$5.00 off"),
        ({"type": Offer.Type.ITEM, "value": None}, "Free item"),
        ({"type": Offer.Type.BOGO, "value": None}, "Buy one, get one"),
    ],
    ids=["percent", "capped", "money", "item", "two for one"],
)
def test_says_what_a_deal_is_worth(changes: dict[str, Any], words: str, scanner: Page, code: Code):
    Offer.objects.update(name="Lunch deal", **changes)

    enter(scanner, code.token)

    expect_result(scanner, "good", "Redeemed", f"{words}\n")


def test_says_what_a_deal_is_worth_where_it_asks(scanner: Page, code: Code):
    sums = {name: {"amount": amount, "currency": "USD"} for name, amount in
            {"min_spend": "30.00", "max_discount": "15.00"}.items()}  # fmt: skip
    deal = {"title": "Lunch deal", "type": "percent", "value": "20", "currency": "USD", "instructions": "", **sums}
    refusal = {"code": "order_value_required", "title": "What does the order cost?", "detail": "Type it.", "deal": deal}
    scanner.route(REDEEM, lambda route: problem(route, 409, **refusal))

    enter(scanner, code.token)

    expect_result(scanner, "ask", "What does the order cost?", "20 % off, at most $15.00\nFor orders from $30.00")
    expect(scanner.locator("#result-deal")).to_have_text("Lunch deal")
    expect(scanner.locator("#order")).to_be_visible()


# --- Waiting ----------------------------------------------------------------------------------------------------------


def test_lets_nobody_wait_for_a_code_that_is_being_sent_once_more(page: Page, enrol_token: str, code: Code):
    page.clock.install()
    set_up(page, enrol_token)
    stop_clock(page)
    page.route(REDEEM, lambda route: None)  # on its way, never there
    enter(page, code.token)
    expect_result(page, "busy", "Checking …")
    page.clock.run_for(8_100)
    expect_result(page, "unsure", "Not confirmed")
    page.locator("#next").click()
    with page.expect_request(REDEEM):
        page.clock.run_for(3_000)

    enter(page, code.token)
    expect_result(page, "busy", "Checking …")
    page.clock.run_for(8_100)

    expect_result(page, "unsure", "Not confirmed")
    expect(page.locator("#next")).to_be_visible()


def test_lets_nobody_wait_for_longer_than_a_call(page: Page, enrol_token: str, code: Code):
    page.add_init_script("AbortController.prototype.abort = () => {}")  # a call that never ends
    page.clock.install()
    set_up(page, enrol_token)
    stop_clock(page)
    page.route(REDEEM, lambda route: None)
    enter(page, code.token)
    expect_result(page, "busy", "Checking …")

    page.clock.run_for(10_100)

    expect_result(page, "unsure", "Not confirmed")
    page.locator("#next").click()
    expect(page.locator("#viewfinder")).to_be_visible()


# --- The day ----------------------------------------------------------------------------------------------------------


def test_asks_for_the_days_numbers_once_for_all_that_was_sent(scanner: Page, new_code: Callable[[], Code]):
    scanner.context.set_offline(True)
    for code in [new_code() for _ in range(4)]:
        enter(scanner, code.token)
        expect_result(scanner, "unsure", "Not confirmed", f"Code …{code.token[-4:]}")
    asked: list[str] = []
    scanner.on("request", lambda request: asked.append(request.url) if request.url.endswith("today") else None)

    scanner.context.set_offline(False)

    expect(scanner.locator("#today")).to_have_text("Today: 4 redeemed, 0 refused", timeout=PATIENCE_MS)
    expect_status(scanner, "All sent")
    assert len(asked) <= 2  # the timer may have begun with some of them


def test_counts_nothing_that_was_taken_back(scanner: Page):
    scanner.route(TODAY, lambda route: route.fulfill(json={"redeemed": 5, "voided": 2, "refused": 1}))

    scanner.reload()

    expect(scanner.locator("#today")).to_have_text("Today: 3 redeemed, 1 refused", timeout=PATIENCE_MS)


# --- Names ------------------------------------------------------------------------------------------------------------


def test_forgets_everybody_when_it_is_taken_out_of_use(
    context: BrowserContext, scanner: Page, new_code: Callable[[], Code]
):
    other = context.new_page()
    other.goto("/scan/")
    expect(other.locator("#device")).to_have_text("Bar phone · Main St", timeout=PATIENCE_MS)
    for page in (other, scanner):
        page.bring_to_front()
        with page.expect_response(TODAY):
            enter(page, new_code().token)
        expect_result(page, "good", "Redeemed", "Maria K.")
    scanner.evaluate("""import('/static/redemptions/scanner/screen.js')
        .then(({ noteRecent }) => noteRecent({ title: 'Redeemed', detail: 'Maria K.', tone: 'good' }))""")
    scanner.on("dialog", lambda dialog: dialog.accept())

    scanner.locator("#menu-open").click()
    scanner.locator("#sign-out").click()

    for page in (scanner, other):
        expect(page.locator("#enrolment-status")).to_contain_text("no longer in use", timeout=PATIENCE_MS)
        assert "Maria" not in page.content()
        assert page.locator("#today").text_content() == ""


# --- Room -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(740, 360), (844, 390), (667, 375)])
def test_keeps_the_buttons_in_sight_when_it_is_held_across(
    size: tuple[int, int], page: Page, enrol_token: str, code: Code
):
    Offer.objects.update(max_discount=15, instructions="One per table, not with other deals. Ask for the lunch menu.")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    with_policy(page)
    set_up(page, enrol_token)
    expect(page.locator("#today")).to_contain_text("Today", timeout=PATIENCE_MS)
    assert fits(page)

    enter(page, code.token)

    expect_result(page, "good", "Redeemed")
    expect_in_sight(page, "#result-title", "#order-open", "#void-open", "#next")
    page.locator("#order-open").click()
    expect_in_sight(page, "#result-title", "#order-value", "#order-save", "#next")
    page.locator("#void-open").click()
    expect(page.locator("#order")).to_be_hidden()  # one question at a time
    expect_in_sight(page, "#result-title", "#reasons-list button:last-child", "#next")
    page.locator("#order-open").click()
    expect(page.locator("#reasons")).to_be_hidden()
    assert fits(page)


def expect_in_sight(page: Page, *parts: str) -> None:
    for part in parts:
        expect(page.locator(part)).to_be_in_viewport(ratio=1)


def fits(page: Page) -> bool:
    return page.evaluate(
        "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
    )


def test_says_that_nothing_is_waiting(scanner: Page, new_code: Callable[[], Code]):
    scanner.locator("#status").click()
    expect(scanner.locator("#queue")).to_have_text("Nothing is waiting.", use_inner_text=True)

    scanner.route(REDEEM, lambda route: route.abort())
    enter(scanner, new_code().token)
    expect_status(scanner, "1 not confirmed")
    expect(scanner.locator("#queue-empty")).to_be_hidden()

    scanner.unroute(REDEEM)
    scanner.locator("#next").click()
    enter(scanner, new_code().token)
    try_again(scanner)
    expect(scanner.locator("#recent-list li")).to_have_count(1, timeout=PATIENCE_MS)
    expect(scanner.locator("#queue-empty")).to_be_hidden()
