"""The web scanner in a real browser."""

import json

import pytest
from django.utils import timezone
from playwright.sync_api import Route, expect

from redemptions.models import Device, Redemption, Scan
from redemptions.services import enrol_device_start, pause_offer, revoke_device

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NO_ANSWER = "Failed to load resource"  # what Chromium says of every 4xx, which are everyday answers here


@pytest.fixture
def page(browser, live_server):
    errors = []
    context = browser.new_context(base_url=live_server.url, viewport={"width": 390, "height": 844})
    context.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert [error for error in errors if not error.startswith(NO_ANSWER)] == []


@pytest.fixture
def enrol_token(transactional_db):
    now = timezone.now()
    return enrol_device_start(name="Bar phone", location_name="Main St", profile=Device.Profile.SCANNER, at=now)[1]


@pytest.fixture
def scanner(page, enrol_token):
    page.goto(f"/scan/#enrol={enrol_token}")
    expect(page.locator("#device")).to_have_text("Bar phone · Main St")
    return page


def enter(page, text):
    page.locator("#code").fill(text)
    page.keyboard.press("Enter")


def expect_result(page, tone, title, detail=""):
    expect(page.locator("#result-title")).to_have_text(title)
    expect(page.locator("#result")).to_have_class(f"state {tone}")
    expect(page.locator("#result-detail")).to_contain_text(detail)


def test_sets_itself_up_and_forgets_the_link(scanner):
    assert scanner.url.endswith("/scan/")
    expect(scanner.locator("#enrolment")).to_be_hidden()
    assert scanner.evaluate("document.activeElement.id") == "code"
    assert scanner.evaluate("document.documentElement.scrollWidth <= innerWidth")

    scanner.reload()

    expect(scanner.locator("#device")).to_have_text("Bar phone · Main St")


def test_asks_for_a_link_where_there_is_none(page, transactional_db):
    page.goto("/scan/")

    expect(page.locator("#enrolment-status")).to_contain_text("Open the link")
    expect(page.locator("#scan")).to_be_hidden()


def test_says_that_a_link_was_used(scanner, enrol_token, browser, live_server):
    with browser.new_context(base_url=live_server.url) as context:
        other = context.new_page()
        other.goto(f"/scan/#enrol={enrol_token}")

        expect(other.locator("#enrolment-status")).to_contain_text("This link was used already.")


def test_sets_itself_up_although_the_answer_was_lost(page, enrol_token):
    page.route("**/devices/enrol", lambda route: (route.fetch(), route.abort()))
    page.goto(f"/scan/#enrol={enrol_token}")
    expect(page.locator("#enrolment-status")).to_contain_text("No answer from the server")

    page.unroute("**/devices/enrol")
    page.get_by_role("button", name="Try again").first.click()

    expect(page.locator("#device")).to_have_text("Bar phone · Main St")


def test_redeems_what_is_typed_and_shows_the_second_try_in_amber(scanner, code):
    enter(scanner, code.typed_display.lower())
    expect_result(scanner, "good", "Redeemed", "One per table")
    assert Scan.objects.get().entry == Scan.Entry.TYPED

    enter(scanner, f"http://testserver/R/{code.token}")
    expect_result(scanner, "amber", "Already used", "By this device")
    assert Scan.objects.latest("pk").entry == Scan.Entry.WEDGE
    assert scanner.locator("#code").input_value() == ""


def test_shows_a_refusal_in_red(scanner, code):
    pause_offer(offer=code.offer)

    enter(scanner, code.token)

    expect_result(scanner, "bad", "Deal paused", "This deal is paused")
    expect(scanner.locator("#pending")).to_be_hidden()


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(lambda route: route.abort(), id="before it arrived"),
        pytest.param(lambda route: (route.fetch(), route.abort()), id="after it was redeemed"),
        pytest.param(lambda route: route.fulfill(body="<h1>Welcome to our Wi-Fi</h1>"), id="to a login page"),
        pytest.param(lambda route: route.fulfill(json={"hello": "world"}), id="to something that is no answer"),
        pytest.param(lambda route: route.fulfill(status=503, body="busy"), id="to a broken server"),
        pytest.param(lambda route: route.fulfill(status=409, json={"code": "x"}), id="to a stranger's refusal"),
        pytest.param(lambda route: route.fulfill(status=404, body="no"), id="to another server"),
    ],
)
def test_repeats_the_same_scan_until_there_is_an_answer(lose, scanner, code):
    scanner.route("**/redemptions", lose)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    expect(scanner.locator("#pending-title")).to_have_text("1 not confirmed")

    scanner.unroute("**/redemptions")
    scanner.get_by_role("button", name="Try again now").click()

    expect_result(scanner, "good", "Redeemed", "confirmed now")
    expect(scanner.locator("#pending")).to_be_hidden()
    assert Redemption.objects.count() == Scan.objects.count() == 1


def test_takes_a_second_scan_of_an_open_code_for_the_first(scanner, code):
    scanner.route("**/redemptions", lambda route: (route.fetch(), route.abort()))
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    scanner.unroute("**/redemptions")

    enter(scanner, code.token)

    expect_result(scanner, "good", "Redeemed")
    assert Scan.objects.count() == 1


def test_sends_what_is_open_when_it_is_opened_again_or_back_online(scanner, code):
    scanner.context.set_offline(True)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")

    scanner.context.set_offline(False)

    expect_result(scanner, "good", "Redeemed", "confirmed now")


def test_keeps_an_open_scan_when_the_device_was_withdrawn(scanner, code):
    revoke_device(device=Device.objects.get(), at=timezone.now())

    enter(scanner, code.token)

    expect_result(scanner, "unsure", "Not confirmed", "This device was withdrawn.")
    expect(scanner.locator("#pending-title")).to_have_text("1 not confirmed")


def test_journals_a_scan_before_it_is_sent(scanner, code):
    held: list[Route] = []
    scanner.route("**/redemptions", lambda route: held.append(route))  # on its way, never there

    enter(scanner, code.token)

    expect_result(scanner, "busy", "Checking …")
    kept = scanner.evaluate("JSON.parse(localStorage.getItem('scanner.journal'))")
    assert [(item["code"], item["key"]) for item in kept] == [(code.token, held[0].request.headers["idempotency-key"])]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shows_a_coupon_that_fits_a_phone(scheme, page, code):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"/r/{code.token}")

    expect(page.get_by_role("heading", name="20 % off lunch")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".qr").evaluate("image => image.naturalWidth") > 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 second before."), (0, "0 seconds before."), (8, "8 seconds before.")]
)
def test_counts_seconds_as_people_do(seconds, words, scanner, code):
    def answer(route: Route) -> None:
        body = route.fetch().json()
        body["previous"]["seconds_ago"] = seconds
        route.fulfill(status=409, content_type="application/problem+json", body=json.dumps(body))

    enter(scanner, code.token)
    expect_result(scanner, "good", "Redeemed")
    scanner.route("**/redemptions", answer)

    enter(scanner, code.token)

    expect_result(scanner, "amber", "Already used", f"By this device, {words}")


def test_shows_how_a_code_looks_by_one_that_is_a_test(scanner):
    sample = scanner.locator("#code").get_attribute("placeholder")

    enter(scanner, sample)

    expect_result(scanner, "bad", "Test, not valid")
