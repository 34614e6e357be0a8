"""What staff turned down: nothing was given, so nothing is used up, whatever the server did meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from redemptions.models import Code, Redemption, Scan
from tests.browser.scanner.conftest import (
    BATCH,
    REDEEM,
    enter,
    expect_result,
    expect_status,
    journal,
    lose,
    problem,
    set_up,
    try_again,
    until_kept,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

VOID = "**/api/v1/redemptions/rd_*/void"


@pytest.fixture
def turned_down(scanner: Page, code: Code) -> Page:
    """Return a phone whose scan was redeemed, the answer to it lost, and the guest sent away."""
    scanner.route(REDEEM, lose)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    scanner.route(BATCH, lambda route: route.abort())
    scanner.get_by_role("button", name="Sent away").click()
    expect_result(scanner, "noted", "Sent away")
    scanner.unroute(REDEEM)
    return scanner


def kinds() -> list[str]:
    return list(Redemption.objects.order_by("entry_no").values_list("kind", flat=True))


def test_takes_back_what_was_redeemed_all_the_same(turned_down: Page, code: Code):
    turned_down.unroute(BATCH)

    try_again(turned_down)

    expect_result(turned_down, "noted", "Taken back", "The code is good again.")
    expect_status(turned_down, "All sent")
    code.refresh_from_db()
    assert code.used == 0
    assert kinds() == ["redeemed", "voided"]
    assert Redemption.objects.get(kind="voided").reason == "scanned_by_mistake"


def test_keeps_the_taking_back_until_it_is_answered(turned_down: Page, code: Code):
    keys: list[str] = []

    def lose_void(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        lose(route)

    turned_down.route(VOID, lose_void)
    turned_down.unroute(BATCH)
    try_again(turned_down)
    expect_result(turned_down, "noted", "Sent away", "The server had redeemed it all the same.")
    until_kept(turned_down, "({ journal }) => journal.all()", "([item]) => item?.kind === 'void' && item.tries > 0")
    turned_down.on("dialog", lambda dialog: dialog.accept())
    turned_down.unroute(VOID)

    with turned_down.expect_request(VOID) as asked:
        turned_down.reload()

    expect_status(turned_down, "All sent")
    assert {asked.value.headers["idempotency-key"]} == set(keys)
    assert kinds() == ["redeemed", "voided"]


def test_says_so_where_it_is_too_late_to_take_it_back(turned_down: Page):
    turned_down.route(
        VOID,
        lambda route: problem(route, 409, code="void_window_passed", title="Too late", detail="The owner still can."),
    )
    turned_down.unroute(BATCH)

    try_again(turned_down)

    expect_result(turned_down, "bad", "Was redeemed all the same", "The owner still can.")
    expect_status(turned_down, "1 to look at")
    expect(turned_down.locator("#troubled-list")).to_contain_text("Was redeemed all the same.")
    expect(turned_down.get_by_role("button", name="Send again")).to_have_count(0)
    turned_down.on("dialog", lambda dialog: dialog.accept())
    turned_down.get_by_role("button", name="Remove").click()
    expect_status(turned_down, "All sent")


def test_says_so_where_this_phone_may_take_nothing_back(turned_down: Page):
    turned_down.evaluate("""() => {
        const device = JSON.parse(localStorage.getItem("scanner.device"));
        device.policy.voids = false;
        localStorage.setItem("scanner.device", JSON.stringify(device));
    }""")
    turned_down.unroute(BATCH)

    try_again(turned_down)

    expect_result(turned_down, "bad", "Was redeemed all the same", "The owner can take it back.")
    expect_status(turned_down, "1 to look at")


def test_leaves_what_was_never_redeemed(scanner: Page, code: Code):
    scanner.route(REDEEM, lambda route: route.abort())
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    scanner.get_by_role("button", name="Sent away").click()
    expect_result(scanner, "noted", "Sent away")

    try_again(scanner)

    expect_status(scanner, "All sent")
    assert kinds() == []


def test_scans_anew_what_was_turned_down_on_record(scanner: Page, code: Code):
    """The server has it as turned down, for good under its key; the guest is back."""
    scanner.route(REDEEM, lambda route: route.abort())
    scanner.route(BATCH, lose)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    scanner.get_by_role("button", name="Sent away").click()
    expect_result(scanner, "noted", "Sent away")
    try_again(scanner)
    until_kept(scanner, "({ journal }) => journal.all()", "([{ tries }]) => tries > 1")
    assert Scan.objects.get().decision == "refused"
    scanner.unroute(REDEEM)
    scanner.unroute(BATCH)

    enter(scanner, code.token)

    expect_result(scanner, "good", "Redeemed")
    assert kinds() == ["redeemed"]
    assert journal(scanner) == []


# --- Answered in another tab ------------------------------------------------------------------------------------------


@pytest.fixture
def lonely(context: BrowserContext, page: Page, enrol_token: str, code: Code) -> Page:
    """Return a tab that shows a scan without an answer, which came to another tab; they cannot talk to each other."""
    context.add_init_script("delete window.BroadcastChannel")
    set_up(page, enrol_token)
    page.route(REDEEM, lose)
    page.route(BATCH, lambda route: route.abort())
    enter(page, code.token)
    expect_result(page, "unsure", "Not confirmed")
    other = context.new_page()
    other.goto("/scan/")
    until_kept(other, "({ journal }) => journal.all()", "(items) => items.length === 0")
    return page


def test_takes_back_what_another_tab_was_told_of(lonely: Page, code: Code):
    lonely.get_by_role("button", name="Sent away").click()

    expect_result(lonely, "noted", "Taken back")
    code.refresh_from_db()
    assert code.used == 0


def test_says_so_where_another_tab_was_told_and_nobody_answers(lonely: Page):
    lonely.route("**/by-key/*", lambda route: route.abort())

    lonely.get_by_role("button", name="Sent away").click()

    expect_result(lonely, "unsure", "Not confirmed", "It was answered in another window")


def test_shows_what_another_tab_was_told(context: BrowserContext, scanner: Page, code: Code):
    refused: dict[str, Any] = {"code": "offer_paused", "title": "Deal paused", "detail": "Ask the owner."}
    scanner.route(REDEEM, lambda route: route.abort())
    scanner.route(BATCH, lambda route: route.abort())
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    other = context.new_page()
    other.route(REDEEM, lambda route: problem(route, 409, **refused))

    other.goto("/scan/")

    expect_result(scanner, "bad", "Deal paused", "Ask the owner.")
    expect_status(scanner, "All sent · last answer")
    expect(scanner.locator("#pending")).to_be_hidden()
