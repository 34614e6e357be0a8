"""The web scanner in a real browser: set up once, then codes are typed, and what staff see and may do then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Dialog, Page, Route, expect

from redemptions.codes import SAMPLE_TYPED
from redemptions.models import Code, Device, Location, Redemption, Scan
from redemptions.services import enrol_device_start, pause_offer, renew_enrolment, revoke_device
from tests.browser.scanner.conftest import (
    enter,
    expect_result,
    expect_status,
    journal,
    lose,
    problem,
    set_up,
    stop_clock,
    try_again,
    type_at_once,
    with_policy,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


# --- Setting up -------------------------------------------------------------------------------------------------------


def test_sets_itself_up_and_forgets_the_link(scanner: Page):
    assert scanner.url.endswith("/scan/")
    expect(scanner.locator("#setup")).to_be_hidden()
    assert scanner.evaluate("document.activeElement.id") == "code"
    assert scanner.evaluate("localStorage.getItem('scanner.enrolment')") is None

    scanner.reload()

    expect(scanner.locator("#device")).to_have_text("Bar phone · Main St")


def test_takes_the_link_out_of_the_address_before_it_is_answered(page: Page, enrol_token: str):
    page.route("**/devices/enrol", lambda route: None)  # on its way, never there

    page.goto(f"/scan/#enrol={enrol_token}")

    expect(page.locator("#enrolment-status")).to_have_text("Setting up this device …")
    assert "#" not in page.url


def test_asks_for_a_link_where_there_is_none(page: Page):
    page.goto("/scan/")

    expect(page.locator("#enrolment-status")).to_contain_text("Open the link")


def test_is_set_up_by_what_is_scanned_or_pasted(page: Page, enrol_token: str):
    page.goto("/scan/")
    expect(page.locator("#setup")).to_be_visible()

    enter(page, f"http://testserver/scan/#enrol={enrol_token}")

    expect(page.locator("#device")).to_have_text("Bar phone · Main St")


def test_redeems_nothing_before_it_is_set_up(page: Page, code: Code):
    asked: list[str] = []
    page.goto("/scan/")
    expect(page.locator("#setup")).to_be_visible()
    page.on("request", lambda request: asked.append(request.url))

    enter(page, code.token)

    expect(page.locator("#result")).to_be_hidden()
    assert asked == []


def test_says_that_a_link_was_used(scanner: Page, enrol_token: str, new_context: Any, browser: Any):
    other = new_context(browser).new_page()

    other.goto(f"/scan/#enrol={enrol_token}")

    expect(other.locator("#enrolment-status")).to_contain_text("This link was used already.")
    expect(other.locator("#enrolment-retry")).to_be_hidden()


def test_says_that_a_link_is_too_old(page: Page):
    then = timezone.now() - timedelta(minutes=16)
    _, token = enrol_device_start(name="Old", location_name="Main St", profile=Device.Profile.SCANNER, at=then)

    page.goto(f"/scan/#enrol={token}")

    expect(page.locator("#enrolment-status")).to_contain_text("This link is too old.")


def test_says_that_a_link_is_wrong(page: Page):
    page.goto(f"/scan/#enrol={'x' * 43}")

    expect(page.locator("#enrolment-status")).to_contain_text("This link is not known.")


@pytest.mark.parametrize("again", ["button", "reload"])
def test_sets_itself_up_although_the_answer_was_lost(again: str, page: Page, enrol_token: str):
    page.route("**/devices/enrol", lose)
    page.goto(f"/scan/#enrol={enrol_token}")
    expect(page.locator("#enrolment-status")).to_contain_text("No answer from the server")
    page.unroute("**/devices/enrol")

    if again == "button":
        page.locator("#enrolment-retry").click()
    else:
        page.reload()

    expect(page.locator("#device")).to_have_text("Bar phone · Main St")


def test_is_taken_out_of_use(scanner: Page):
    scanner.route("**/api/v1/device", lambda route: route.fulfill(status=204) if is_delete(route) else route.fallback())
    scanner.on("dialog", lambda dialog: dialog.accept())

    scanner.locator("#menu-open").click()
    scanner.locator("#sign-out").click()

    expect(scanner.locator("#enrolment-status")).to_contain_text("This device is no longer in use.")
    assert scanner.evaluate("localStorage.getItem('scanner.token')") is None


def test_stays_in_use_where_nobody_answers(scanner: Page):
    scanner.route("**/api/v1/device", lambda route: route.abort() if is_delete(route) else route.fallback())
    scanner.on("dialog", lambda dialog: dialog.accept())

    scanner.locator("#menu-open").click()
    scanner.locator("#sign-out").click()

    expect(scanner.locator("#banner")).to_contain_text("the device is still in use")
    assert scanner.evaluate("localStorage.getItem('scanner.token')") is not None


def test_warns_of_what_is_not_confirmed_before_it_is_taken_out_of_use(scanner: Page, code: Code):
    scanner.route("**/redemptions", lambda route: route.abort())
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    asked: list[str] = []

    def decline(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    scanner.on("dialog", decline)

    scanner.locator("#menu-open").click()
    with scanner.expect_event("dialog"):
        scanner.locator("#sign-out").click()

    assert asked == ["1 not confirmed would be lost for good. Take this device out of use anyway?"]
    assert len(journal(scanner)) == 1


def is_delete(route: Route) -> bool:
    return route.request.method == "DELETE"


# --- Staff ------------------------------------------------------------------------------------------------------------


def test_asks_who_scans_and_says_so_to_the_server(page: Page, enrol_token: str, code: Code):
    sent: list[Any] = []
    with_policy(page, asks_pin=True)
    page.route("**/staff/sign-in", lambda route: sign_in(route, "2468"))
    page.on("request", lambda asked: sent.append(asked.post_data_json) if asked.url.endswith("/redemptions") else None)
    page.goto(f"/scan/#enrol={enrol_token}")
    expect(page.locator("#pin")).to_be_visible()
    expect(page.locator("#scan")).to_be_hidden()

    page.locator("#pin-code").fill("1111")
    page.locator("#pin-code").press("Enter")
    expect(page.locator("#pin-error")).to_have_text("Wrong PIN, four tries left.")
    page.locator("#pin-code").fill("2468")
    page.locator("#pin-code").press("Enter")

    expect(page.locator("#staff")).to_have_text("Scanning: Jo")
    page.route("**/redemptions", lambda route: route.abort())
    enter(page, code.token)
    expect_result(page, "unsure", "Not confirmed")
    assert sent[0]["staff"] == "st_3"

    page.locator("#menu-open").click()
    page.locator("#change-staff").click()
    expect(page.locator("#pin")).to_be_visible()
    expect(page.locator("#staff")).to_have_text("")


def sign_in(route: Route, pin: str) -> None:
    if route.request.post_data_json == {"pin": pin}:
        return route.fulfill(json={"staff": {"id": "st_3", "name": "Jo"}})
    return problem(route, 409, code="pin_wrong", detail="Wrong PIN, four tries left.")


# --- Codes ------------------------------------------------------------------------------------------------------------


def test_redeems_what_is_typed_and_shows_the_second_try_in_amber(scanner: Page, code: Code):
    enter(scanner, code.typed_display.lower())
    expect_result(scanner, "good", "Redeemed", "One per table")
    expect(scanner.locator("#result-deal")).to_have_text("20 % off lunch")
    expect(scanner.locator("#result-detail")).to_contain_text("Maria K.")
    expect(scanner.locator("#today")).to_have_text("Today: 1 redeemed, 0 refused")
    assert Scan.objects.get().entry == Scan.Entry.TYPED

    enter(scanner, f"http://testserver/R/{code.token}")
    expect_result(scanner, "amber", "Already used", "on this phone")
    assert Scan.objects.latest("pk").entry == Scan.Entry.WEDGE
    assert scanner.locator("#code").input_value() == ""
    expect(scanner.locator("#today")).to_have_text("Today: 1 redeemed, 1 refused")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "You redeemed this 1 second ago on this phone."),
        (8, "You redeemed this 8 seconds ago on this phone."),
        (150, "You redeemed this 2 minutes ago on this phone."),
    ],
)
def test_says_when_it_was_this_phone(seconds: int, words: str, scanner: Page, code: Code):
    previous = {
        "this_device": True,
        "seconds_ago": seconds,
        "location": "Main St",
        "redeemed_at": "2026-11-21T10:00:00Z",
    }
    refusal = {"code": "already_redeemed", "title": "Already used", "detail": "Used at Main St.", "previous": previous}
    scanner.route("**/redemptions", lambda route: problem(route, 409, **refusal))

    enter(scanner, code.token)

    expect_result(scanner, "amber", "Already used", words)
    expect(scanner.locator("#result-detail")).to_contain_text("Used at Main St.")


def test_shows_a_refusal_in_red(scanner: Page, code: Code):
    pause_offer(offer=code.offer)

    enter(scanner, code.token)

    expect_result(scanner, "bad", "Deal paused", "This deal is paused")
    expect_status(scanner, "All sent")


def test_shows_the_servers_words_of_a_refusal_it_does_not_know(scanner: Page, code: Code):
    refusal = {"code": "wrong_moon", "title": "Not tonight", "detail": "Come back at full moon."}
    scanner.route("**/redemptions", lambda route: problem(route, 409, **refusal))

    enter(scanner, code.token)

    expect_result(scanner, "bad", "Not tonight", "Come back at full moon.")
    assert journal(scanner) == []


def test_shows_how_a_code_looks_by_one_that_is_a_test(scanner: Page):
    sample = scanner.locator("#code").get_attribute("placeholder")
    assert sample

    enter(scanner, sample)

    expect_result(scanner, "bad", "Test, not valid")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (SAMPLE_TYPED[:-1] + "A", "Typing error: check the code."),
        ("K7Q2M", "A code has ten letters and digits."),
        ("https://example.com/menu", "A code has ten letters and digits."),
    ],
)
def test_finds_typing_errors_without_asking(typed: str, words: str, scanner: Page):
    enter(scanner, typed)

    expect(scanner.locator("#code-error")).to_have_text(words)
    assert scanner.locator("#code").input_value() == typed  # to be mended
    assert Scan.objects.count() == 0


@pytest.mark.parametrize("focus", ["code", "nothing", "order-value"])
def test_takes_what_a_hand_scanner_types_wherever_the_focus_is(
    focus: str, scanner: Page, code: Code, new_code: Callable[[], Code]
):
    with_policy(scanner)
    scanner.reload()
    expect(scanner.locator("#change-staff")).to_be_hidden()
    if focus == "order-value":
        enter(scanner, new_code().token)
        scanner.locator("#order-open").click()
    elif focus == "nothing":
        scanner.evaluate("document.activeElement.blur()")

    type_at_once(scanner, f"http://testserver/R/{code.token}")

    expect_result(scanner, "good", "Redeemed", f"Code …{code.token[-4:]}")
    assert Scan.objects.latest("pk").entry == Scan.Entry.WEDGE
    assert scanner.locator("#code").input_value() == ""


def test_closes_what_is_settled_by_itself(page: Page, enrol_token: str, code: Code):
    page.clock.install()
    set_up(page, enrol_token)
    stop_clock(page)
    enter(page, code.token)
    expect_result(page, "good", "Redeemed")

    page.clock.fast_forward(14_000)
    expect(page.locator("#result")).to_be_visible()
    page.clock.fast_forward(1_500)

    expect(page.locator("#result")).to_be_hidden()
    expect(page.locator("#viewfinder")).to_be_visible()


@pytest.mark.parametrize("tap", ["#next", "#result-title"])
def test_makes_room_at_a_tap(tap: str, scanner: Page, code: Code):
    enter(scanner, code.token)
    expect_result(scanner, "good", "Redeemed")

    scanner.locator(tap).click()

    expect(scanner.locator("#result")).to_be_hidden()


# --- After a good scan ------------------------------------------------------------------------------------------------


@pytest.fixture
def redeemed(page: Page, enrol_token: str, code: Code) -> Page:
    with_policy(page)
    page.clock.install()
    set_up(page, enrol_token)
    expect(page.locator("#today")).to_contain_text("Today")
    enter(page, code.token)
    expect_result(page, "good", "Redeemed")
    return page


def test_adds_the_orders_value_in_two_taps(redeemed: Page, code: Code):
    sent: list[Any] = []

    def patch(route: Route) -> None:
        sent.append((route.request.method, route.request.post_data_json))
        deal = {"title": "20 % off lunch", "currency": "USD", "instructions": "One per table"}
        discount = {"amount": "8.50", "currency": "USD"}
        route.fulfill(
            json={"id": "rd_1", "result": "redeemed", "deal": deal, "discount": discount, "receipt": "R-000001"}
        )

    redeemed.route("**/redemptions/rd_*", patch)
    redeemed.locator("#order-open").click()
    redeemed.clock.fast_forward(60_000)  # somebody looks for the bill
    redeemed.locator("#order-value").fill("a lot")
    redeemed.locator("#order-value").press("Enter")
    expect(redeemed.locator("#order-error")).to_have_text("Type an amount such as 42.50.")
    redeemed.locator("#order-value").fill("42,50")
    redeemed.locator("#order-value").press("Enter")

    expect_result(redeemed, "good", "Redeemed", "Order $42.50")
    expect(redeemed.locator("#result-detail")).to_contain_text("$8.50 off")
    assert sent == [("PATCH", {"order_value": "42.50"})]
    assert journal(redeemed) == []


def test_takes_back_in_two_taps(redeemed: Page):
    sent: list[Any] = []

    def void(route: Route) -> None:
        sent.append((route.request.post_data_json, route.request.headers["idempotency-key"]))
        route.fulfill(
            json={"id": "rd_1", "result": "voided", "voided_at": "2026-11-21T10:00:00Z", "receipt": "R-000002"}
        )

    redeemed.route("**/redemptions/rd_*/void", void)
    redeemed.locator("#void-open").click()
    redeemed.get_by_role("button", name="Wrong item").click()

    expect_result(redeemed, "noted", "Taken back", "Receipt R-000002")
    assert [body for body, _ in sent] == [{"reason": "wrong_item"}]
    assert journal(redeemed) == []


def test_repeats_a_taking_back_under_its_key_until_it_is_answered(redeemed: Page):
    keys: list[str] = []
    answers = iter(["lost", "there"])

    def void(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if next(answers) == "lost":
            return route.abort()
        return problem(route, 409, code="void_window_passed", title="Too late", detail="Ask the owner.")

    redeemed.route("**/redemptions/rd_*/void", void)
    redeemed.locator("#void-open").click()
    redeemed.get_by_role("button", name="Only a test").click()
    expect_result(redeemed, "unsure", "Not confirmed")
    assert [item["kind"] for item in journal(redeemed)] == ["void"]

    try_again(redeemed)

    expect_result(redeemed, "bad", "Too late", "Ask the owner.")
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_offers_no_taking_back_where_it_is_not_allowed(page: Page, enrol_token: str, code: Code):
    with_policy(page, voids=False)
    set_up(page, enrol_token)
    expect(page.locator("#today")).to_contain_text("Today")

    enter(page, code.token)

    expect_result(page, "good", "Redeemed")
    expect(page.locator("#order-open")).to_be_visible()
    expect(page.locator("#void-open")).to_be_hidden()


def test_asks_for_the_orders_value_where_the_deal_needs_it(scanner: Page, code: Code):
    sent: list[Any] = []

    def answer(route: Route) -> None:
        sent.append((route.request.post_data_json.get("order_value"), route.request.headers["idempotency-key"]))
        if sent[-1][0] is None:
            return problem(
                route, 409, code="order_value_required", title="What does the order cost?", detail="From $30."
            )
        return route.continue_()

    scanner.route("**/redemptions", answer)
    enter(scanner, code.token)
    expect_result(scanner, "ask", "What does the order cost?", "From $30.")  # a question, not a refusal
    scanner.locator("#order-value").fill("50")
    scanner.locator("#order-save").click()

    expect_result(scanner, "good", "Redeemed", "$10.00 off")
    assert [value for value, _ in sent] == [None, "50"]
    assert len({key for _, key in sent}) == 2  # the first was refused, for good
    assert Redemption.objects.get().order_value == 50


# --- Seen and heard ---------------------------------------------------------------------------------------------------


@pytest.fixture
def felt(page: Page) -> Callable[[], dict[str, Any]]:
    """Return what was played and how the phone shook."""
    page.add_init_script("""
        window.felt = { tones: 0, buzzes: [] };
        const make = AudioContext.prototype.createOscillator;
        AudioContext.prototype.createOscillator = function () { felt.tones += 1; return make.call(this); };
        navigator.vibrate = (pattern) => { felt.buzzes.push(pattern); return true; };
    """)
    return lambda: page.evaluate("felt")


def test_can_be_told_apart_without_looking(felt: Callable[[], Any], page: Page, enrol_token: str, code: Code):
    set_up(page, enrol_token)
    page.locator("h1").click()  # browsers play nothing before the first tap

    enter(page, code.token)
    expect_result(page, "good", "Redeemed")
    good = felt()
    enter(page, code.token)
    expect_result(page, "amber", "Already used")
    amber = felt()

    assert good["tones"] == 2
    assert amber["tones"] == 4
    assert len(amber["buzzes"]) == 2
    assert amber["buzzes"][0] != amber["buzzes"][1]


def test_makes_a_question_feel_like_none_of_the_answers(
    felt: Callable[[], Any], page: Page, enrol_token: str, code: Code
):
    set_up(page, enrol_token)
    page.locator("h1").click()
    code.offer.min_spend = 30
    code.offer.save(update_fields=["min_spend"])

    enter(page, code.token)
    expect_result(page, "ask", "What does the order cost?")
    enter(page, SAMPLE_TYPED)
    expect_result(page, "bad", "Test, not valid")

    ask, bad = felt()["buzzes"]
    assert ask not in (bad, [60], [80, 60, 80])


def test_keeps_quiet_where_it_is_told_to(felt: Callable[[], Any], page: Page, enrol_token: str, code: Code):
    set_up(page, enrol_token)
    page.locator("#menu-open").click()
    page.locator("#sound").click()
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "false")

    enter(page, code.token)

    expect_result(page, "good", "Redeemed")
    assert felt()["tones"] == 0


@pytest.mark.parametrize("size", [(390, 844), (844, 390), (320, 568)])
def test_fits_every_phone(size: tuple[int, int], page: Page, enrol_token: str, code: Code):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    with_policy(page)
    set_up(page, enrol_token)
    for button in ("#start", "#code", "#status", "#menu-open"):
        expect(page.locator(button)).to_be_in_viewport(ratio=1)
    assert fits(page)

    enter(page, code.token)

    expect_result(page, "good", "Redeemed")
    expect(page.locator("#result-title")).to_be_in_viewport(ratio=1)
    assert fits(page)
    page.locator("#void-open").click()
    assert fits(page)
    page.locator("#menu-open").click()
    assert fits(page)


def fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_can_be_read_by_everybody(scanner: Page, code: Code):
    """White on each colour stands out at least 7 to 1."""
    luminance = """(() => {
        const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map((part) => {
            const value = part / 255;
            return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    })()"""
    scanner.emulate_media(reduced_motion="reduce")
    for tone in ("good", "amber", "ask", "bad", "unsure", "busy", "noted"):
        scanner.evaluate("(tone) => { document.body.dataset.tone = tone; }", tone)
        assert 0.97 / (scanner.evaluate(luminance) + 0.05) >= 7, tone
    assert scanner.locator("#result > [aria-live=assertive] #result-title").count() == 1


# --- Other places -----------------------------------------------------------------------------------------------------


def test_says_where_a_code_is_not_valid(scanner: Page, code: Code, elsewhere: Location):
    code.offer.locations.set([elsewhere])

    enter(scanner, code.token)

    expect_result(scanner, "bad", "Not valid here", "Airport")


def test_is_the_same_device_with_a_new_link(scanner: Page, code: Code):
    device = Device.objects.get()
    scanner.route("**/redemptions", lambda route: route.abort())
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    scanner.unroute("**/redemptions")
    Device.objects.update(token_hash=None)  # its token is lost to the server

    link = renew_enrolment(device=device, at=timezone.now())
    scanner.evaluate("(token) => { location.hash = 'enrol=' + token; }", link)

    expect_result(scanner, "good", "Redeemed", "Confirmed now")
    assert Device.objects.count() == 1
    assert Redemption.objects.get().device == device


def test_keeps_what_was_scanned_as_another_device(scanner: Page, code: Code):
    """Keys are a device's own: as another, a scan that had arrived would be refused, or count twice."""
    scanner.route("**/redemptions", lambda route: route.abort())
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    scanner.unroute("**/redemptions")
    now = timezone.now()
    revoke_device(device=Device.objects.get(), at=now)
    _, link = enrol_device_start(name="Terrace", location_name="Terrace", profile=Device.Profile.SCANNER, at=now)

    scanner.evaluate("(token) => { location.hash = 'enrol=' + token; }", link)

    expect(scanner.locator("#device")).to_have_text("Terrace · Terrace")
    expect_status(scanner, "1 to look at")
    scanner.locator("#status").click()
    expect(scanner.locator("#troubled-list")).to_contain_text("Scanned as “Bar phone”")
    assert Scan.objects.count() == 0
    scanner.get_by_role("button", name="Send again").click()
    expect_status(scanner, "All sent")
    assert Redemption.objects.get().device.name == "Terrace"
