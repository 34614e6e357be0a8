"""Scans without an answer: journalled first, kept whatever comes back, sent again under the same key, never twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Dialog, Page, Route, expect

from redemptions.models import Code, Device, Offer, Redemption, Scan
from redemptions.services import offline as uploading
from redemptions.services import redeeming, revoke_device
from redemptions.services.redeeming import Attempt, Outcome
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
    stop_clock,
    try_again,
    until_kept,
    with_policy,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


# --- One at a time ----------------------------------------------------------------------------------------------------


def test_journals_a_scan_before_it_is_sent(scanner: Page, code: Code):
    held: list[Route] = []
    scanner.route(REDEEM, lambda route: held.append(route))  # on its way, never there

    enter(scanner, code.token)

    expect_result(scanner, "busy", "Checking …")
    with_key = held[0].request.headers["idempotency-key"]
    assert [(item["body"]["code"], item["key"]) for item in journal(scanner)] == [(code.token, with_key)]


def test_sends_nothing_that_it_could_not_journal(page: Page, enrol_token: str, code: Code):
    page.add_init_script(
        "IDBObjectStore.prototype.add = () => { throw new DOMException('full', 'QuotaExceededError'); }"
    )
    set_up(page, enrol_token)

    enter(page, code.token)

    expect_result(page, "bad", "Not confirmed", "Leave private browsing.")
    assert Scan.objects.count() == 0


NO_ANSWERS = {
    "before it arrived": lambda route: route.abort(),
    "after it was redeemed": lose,
    "to a login page": lambda route: route.fulfill(body="<h1>Welcome to our Wi-Fi</h1>", content_type="text/html"),
    "to a way to a login page": lambda route: route.fulfill(status=302, headers={"Location": "/scan/"}),
    "to something that is no answer": lambda route: route.fulfill(json={"hello": "world"}),
    "to a broken server": lambda route: route.fulfill(status=503, body="busy"),
    "to a busy server": lambda route: problem(route, 429, code="throttled", detail="Slower, please."),
    "to a stranger's refusal": lambda route: route.fulfill(status=409, json={"code": "x"}),
    "to another server": lambda route: route.fulfill(status=404, body="no"),
    "to an address that is not there": lambda route: problem(route, 404, code="not_found", detail="No such address."),
    "to a proxy that forbids": lambda route: route.fulfill(status=403, body="no"),
}


@pytest.mark.parametrize("answer", [pytest.param(answer, id=name) for name, answer in NO_ANSWERS.items()])
def test_repeats_the_same_scan_until_there_is_an_answer(answer: Callable[[Route], None], scanner: Page, code: Code):
    scanner.route(REDEEM, answer)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed", "Wait for the answer, or send the guest away.")
    expect_status(scanner, "1 not confirmed")

    scanner.unroute(REDEEM)
    try_again(scanner)

    expect_result(scanner, "good", "Redeemed", "Confirmed now")
    expect_status(scanner, "All sent")
    expect(scanner.locator("#pending")).to_be_hidden()
    assert Redemption.objects.count() == Scan.objects.count() == 1


def test_waits_eight_seconds_and_no_longer(page: Page, enrol_token: str, code: Code):
    page.clock.install()
    set_up(page, enrol_token)
    stop_clock(page)
    page.route(REDEEM, lambda route: None)
    enter(page, code.token)
    expect_result(page, "busy", "Checking …")

    page.clock.run_for(7_900)
    expect_result(page, "busy", "Checking …")
    page.clock.run_for(200)

    expect_result(page, "unsure", "Not confirmed")


def test_tries_again_by_itself(page: Page, enrol_token: str, code: Code):
    page.clock.install()
    set_up(page, enrol_token)
    stop_clock(page)
    answers = iter([False, False, True])
    page.route(REDEEM, lambda route: route.fallback() if next(answers) else route.abort())
    enter(page, code.token)
    expect_result(page, "unsure", "Not confirmed")

    for tries in (2, 3):  # two and four seconds at most
        page.clock.run_for(5_000)
        if tries == 2:
            until_kept(page, "({ journal }) => journal.all()", "([{ tries }]) => tries === 2")

    expect_result(page, "good", "Redeemed", "Confirmed now")
    assert Scan.objects.count() == 1


def test_does_not_hurry_a_busy_server(page: Page, enrol_token: str, code: Code):
    page.clock.install()
    set_up(page, enrol_token)
    stop_clock(page)
    asked: list[str] = []

    def busy(route: Route) -> None:
        asked.append(route.request.method)
        route.fulfill(status=429, headers={"Retry-After": "45"}, content_type="application/problem+json", body="{}")

    page.route(REDEEM, busy)
    enter(page, code.token)
    expect_result(page, "unsure", "Not confirmed")

    page.clock.run_for(40_000)
    assert len(asked) == 1
    with page.expect_request(REDEEM):
        page.clock.run_for(10_000)


def test_takes_a_second_scan_of_an_open_code_for_the_first(scanner: Page, code: Code):
    scanner.route(REDEEM, lose)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    scanner.unroute(REDEEM)

    enter(scanner, f"http://testserver/r/{code.token.lower()}")

    expect_result(scanner, "good", "Redeemed")
    assert Scan.objects.count() == 1


def test_sends_what_is_open_when_it_is_back_online(scanner: Page, code: Code):
    scanner.context.set_offline(True)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed", "This phone has no network.")
    expect_status(scanner, "1 not confirmed · no network")
    assert Scan.objects.count() == 0

    scanner.context.set_offline(False)

    expect_result(scanner, "good", "Redeemed", "Confirmed now")
    assert Redemption.objects.count() == 1


def test_sends_a_full_queue_when_it_is_opened_again(scanner: Page, new_code: Callable[[], Code]):
    codes = [new_code() for _ in range(5)]
    scanner.context.set_offline(True)
    for code in codes:
        enter(scanner, code.token)
        expect_result(scanner, "unsure", "Not confirmed", f"Code …{code.token[-4:]}")
    expect_status(scanner, "5 not confirmed")
    warned: list[str] = []

    def leave(dialog: Dialog) -> None:
        warned.append(dialog.type)
        dialog.accept()

    scanner.on("dialog", leave)
    scanner.context.set_offline(False)
    scanner.route(REDEEM, lambda route: route.abort())  # the page comes back, the answers do not yet

    scanner.reload()

    expect_status(scanner, "5 not confirmed")
    assert warned == ["beforeunload"]
    scanner.unroute(REDEEM)
    try_again(scanner)
    expect_status(scanner, "All sent")
    assert Redemption.objects.count() == Scan.objects.count() == 5
    expect(scanner.locator("#recent-list li")).to_have_count(4)  # and one is shown


def test_lets_no_scan_hold_up_the_others(scanner: Page, new_code: Callable[[], Code], monkeypatch: pytest.MonkeyPatch):
    poison, *others = (new_code() for _ in range(4))
    scanner.route(REDEEM, lambda route: route.abort())
    for code in (poison, *others):
        enter(scanner, code.token)
        expect_result(scanner, "unsure", "Not confirmed", f"Code …{code.token[-4:]}")

    def settle(attempt: Attempt) -> Outcome:
        if attempt.text == poison.token:
            raise RuntimeError("What the server cannot digest.")
        return redeeming.settle(attempt)

    monkeypatch.setattr(uploading, "settle", settle)
    scanner.unroute(REDEEM)

    try_again(scanner)

    expect_status(scanner, "1 not confirmed")
    assert Redemption.objects.count() == 3
    assert [item["code"] for item in journal(scanner)] == [poison.token]


@pytest.mark.parametrize("status", [400, 422])
def test_sets_aside_what_the_server_cannot_take(status: int, scanner: Page, code: Code, new_code: Callable[[], Code]):
    detail = "This key was used for another code."
    scanner.route(REDEEM, lambda route: problem(route, status, code="idempotency_key_reused", detail=detail))
    enter(scanner, code.token)
    expect_result(scanner, "bad", "Not confirmed", detail)
    scanner.unroute(REDEEM)

    enter(scanner, new_code().token)
    expect_result(scanner, "good", "Redeemed")

    expect_status(scanner, "1 to look at")
    scanner.locator("#status").click()
    expect(scanner.locator("#troubled-list")).to_contain_text(detail)
    scanner.reload()
    expect_status(scanner, "1 to look at")  # neither sent nor forgotten
    assert Scan.objects.count() == 1
    scanner.locator("#status").click()
    scanner.on("dialog", lambda dialog: dialog.accept())
    scanner.get_by_role("button", name="Remove").click()
    expect_status(scanner, "All sent")


def test_keeps_an_open_scan_when_the_device_is_withdrawn(scanner: Page, code: Code):
    revoke_device(device=Device.objects.get(), at=timezone.now())

    enter(scanner, code.token)

    expect_result(scanner, "unsure", "Not confirmed", "This device was withdrawn.")
    expect(scanner.locator("#result-detail")).to_contain_text("Ask the owner for a new link.")
    expect(scanner.locator("#banner")).to_contain_text("Ask the owner for a new link.")
    expect_status(scanner, "1 not confirmed")
    assert len(journal(scanner)) == 1


def test_keeps_an_open_scan_when_the_device_is_not_known(scanner: Page, code: Code):
    Device.objects.update(token_hash=None)

    enter(scanner, code.token)

    expect_result(scanner, "unsure", "Not confirmed", "Ask the owner for a new link.")
    scanner.on("dialog", lambda dialog: dialog.accept())
    scanner.reload()
    expect(scanner.locator("#banner")).to_contain_text("Ask the owner for a new link.")
    expect_status(scanner, "1 not confirmed")


def test_says_that_the_page_is_too_old(scanner: Page, code: Code):
    scanner.route(REDEEM, lambda route: problem(route, 426, code="app_too_old", detail="Version 2 is the oldest."))

    enter(scanner, code.token)

    expect_result(scanner, "unsure", "Not confirmed", "This page is too old.")
    expect(scanner.locator("#reload")).to_be_visible()
    assert len(journal(scanner)) == 1


def test_sends_from_one_tab_only(context: BrowserContext, scanner: Page, code: Code):
    other = context.new_page()
    other.goto("/scan/")
    expect(other.locator("#device")).to_have_text("Bar phone · Main St")
    context.set_offline(True)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    sent: list[str] = []
    context.on("response", lambda answer: sent.append(answer.url) if answer.url.endswith("/redemptions") else None)

    context.set_offline(False)

    until_kept(scanner, "({ journal }) => journal.all()", "(items) => items.length === 0")
    assert len(sent) == 1
    assert Redemption.objects.count() == 1


def test_says_how_it_stands_at_all_times(page: Page, enrol_token: str, code: Code):
    set_up(page, enrol_token)
    expect_status(page, "All sent · last answer")

    page.route("**/api/v1/**", lambda route: route.fulfill(body="<h1>Log in to our Wi-Fi</h1>"))
    enter(page, code.token)

    expect_status(page, "1 not confirmed · no network · last answer")
    page.locator("#status").click()
    expect(page.locator("#pending-list")).to_contain_text(f"Code …{code.token[-4:]}")


# --- Given without network --------------------------------------------------------------------------------------------


def short_hash(text: str) -> str:
    return sha256(text.encode()).digest()[:8].hex()


def pack(offer: Offer, *codes: Code, **changes: Any) -> dict[str, Any]:
    """Return the list of what may be given without network, as the server hands it out."""
    deal = {
        "id": offer.pk,
        "title": offer.name,
        "type": "percent",
        "value": "20",
        "min_spend": None,
        "max_discount": None,
        "instructions": "One per table",
        "starts_at": None,
        "ends_at": None,
        "hours": [],
        "offline": "honour_known",
        "offline_per_day": 2,
        "offline_max_value": None,
    }
    return {
        "as_of": timezone.now().isoformat(),
        "cursor": "1",
        "deals": [deal | changes],
        "codes": {str(offer.pk): [short_hash(code.token) for code in codes]},
        "typed": {str(offer.pk): [short_hash(code.typed) for code in codes]},
        "removed": [],
    }


@pytest.fixture
def offline(page: Page, enrol_token: str) -> Callable[..., Page]:
    """Return a maker of a phone that has this list and no network."""

    def make(listed: dict[str, Any]) -> Page:
        allow(page, listed)
        set_up(page, enrol_token)
        until_kept(page, "({ kept }) => kept.read('pack')", "Boolean")
        go_offline(page)
        return page

    return make


def allow(page: Page, listed: dict[str, Any]) -> None:
    with_policy(page, offline=True)
    page.route("**/offline-pack**", lambda route: route.fulfill(json=listed))


def go_offline(page: Page) -> None:
    # What a test answers itself would be answered without network, too.
    page.unroute_all(behavior="wait")
    page.context.set_offline(True)


def go_online(page: Page, listed: dict[str, Any]) -> None:
    allow(page, listed)
    page.context.set_offline(False)
    expect_status(page, "All sent")


def batch(page: Page, answer: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Answer uploads, each of their lines by `answer(line)`; return the lines that came."""
    lines: list[dict[str, Any]] = []

    def upload(route: Route) -> None:
        body: Any = route.request.post_data_json
        assert body["sent_at"]
        lines.extend(body["items"])
        results = [{"key": line["key"], "status": status, "body": said}
                   for line in body["items"] for status, said in [answer(line)]]  # fmt: skip
        route.fulfill(json={"server_time": timezone.now().isoformat(), "results": results})

    page.route(BATCH, upload)
    return lines


REDEEMED = {
    "result": "redeemed",
    "id": "rd_1",
    "deal": {"title": "20 % off lunch", "currency": "USD", "instructions": ""},
    "uses": {"used": 1, "max": 1},
}


def test_gives_what_the_owner_allows_and_says_so_to_the_server(
    offline: Callable[..., Page], offer: Offer, code: Code, shot: Callable[..., None]
):
    page = offline(pack(offer, code))

    enter(page, code.token)

    expect_result(page, "unsure", "Take it: not confirmed", "One per table")
    expect(page.locator("#result-deal")).to_have_text("20 % off lunch")
    shot(page, "scanner-offline", width=390, height=760)
    assert [item["decision"] for item in journal(page)] == ["honoured"]  # on disk before it is read

    uploaded = batch(page, lambda line: (201, REDEEMED))
    page.context.set_offline(False)
    expect_status(page, "All sent")
    assert [(line["decision"], line["code"], line["entry"]) for line in uploaded] == [("honoured", code.token, "wedge")]
    assert uploaded[0]["scanned_at"]
    assert uploaded[0]["seq"] == 1


@pytest.mark.parametrize("typed", [False, True])
def test_gives_a_code_once(typed: bool, offline: Callable[..., Page], offer: Offer, code: Code):
    page = offline(pack(offer, code))
    text = code.typed_display if typed else code.token
    enter(page, text)
    expect_result(page, "unsure", "Take it: not confirmed")
    page.locator("#next").click()

    enter(page, text)

    expect_result(page, "unsure", "Not confirmed", "Given on this phone at")
    assert len(journal(page)) == 1


def test_gives_no_code_that_it_uploaded_once_more(offline: Callable[..., Page], offer: Offer, code: Code):
    listed = pack(offer, code)
    page = offline(listed)
    enter(page, code.token)
    expect_result(page, "unsure", "Take it: not confirmed")
    batch(page, lambda line: (201, REDEEMED))
    go_online(page, listed)
    go_offline(page)

    enter(page, code.token)

    expect_result(page, "unsure", "Not confirmed", "it is used already")


def test_takes_a_decision_back(offline: Callable[..., Page], offer: Offer, code: Code):
    listed = pack(offer, code, offline_per_day=1)
    page = offline(listed)
    enter(page, code.token)
    expect_result(page, "unsure", "Take it: not confirmed")

    page.get_by_role("button", name="Not given").click()

    expect_result(page, "noted", "Sent away")
    assert [item["decision"] for item in journal(page)] == ["refused"]
    uploaded = batch(page, lambda line: (200, {"result": "recorded"}))
    go_online(page, listed)
    assert [line["decision"] for line in uploaded] == ["refused"]
    go_offline(page)
    enter(page, code.token)  # it is still good, and counts for nothing
    expect_result(page, "unsure", "Take it: not confirmed")


def test_takes_back_what_was_not_given_while_it_was_uploaded(offline: Callable[..., Page], offer: Offer, code: Code):
    page = offline(pack(offer, code))
    enter(page, code.token)
    expect_result(page, "unsure", "Take it: not confirmed")
    held: list[Route] = []
    voided: list[Any] = []

    def void(route: Route) -> None:
        voided.append(route.request.post_data_json)
        route.fulfill(json={"id": "rd_1", "result": "voided", "receipt": "R-2"})

    page.route(BATCH, lambda route: held.append(route))
    page.route("**/redemptions/rd_1/void", void)
    with page.expect_request(BATCH):
        page.context.set_offline(False)

    page.get_by_role("button", name="Not given").click()
    expect_result(page, "noted", "Sent away")
    uploaded: Any = held[0].request.post_data_json
    (line,) = uploaded["items"]
    held[0].fulfill(json={"results": [{"key": line["key"], "status": 201, "body": REDEEMED}]})

    expect_result(page, "noted", "Taken back", "Receipt R-2")
    assert line["decision"] == "honoured"
    assert voided == [{"reason": "scanned_by_mistake"}]
    expect_status(page, "All sent")


@pytest.mark.parametrize(
    ("changes", "known", "words"),
    [
        ({}, False, "The code is not on this phone's list."),
        ({"ends_at": "2026-01-01T00:00:00Z"}, True, "By this phone's list it is over."),
        ({"starts_at": "2126-01-01T00:00:00Z"}, True, "it is not valid yet"),
        ({"offline_per_day": 0}, True, "as often as it may without network today"),
        ({"offline_max_value": "5.00", "type": "amount", "value": "6.00"}, True, "more than may be given"),
        ({"offline": "refuse"}, True, "This deal waits for the network."),
    ],
    ids=["unknown", "over", "not yet", "enough", "too much", "not allowed"],
)
def test_waits_where_the_owner_does_not_allow_it(
    changes: dict[str, Any], known: bool, words: str, offline: Callable[..., Page], offer: Offer, code: Code
):
    page = offline(pack(offer, *([code] if known else []), **changes))

    enter(page, code.token)

    expect_result(page, "unsure", "Not confirmed", words)
    expect(page.locator("#result-detail")).to_contain_text("Wait for the answer, or send the guest away.")
    assert [item["decision"] for item in journal(page)] == ["undecided"]


def test_gives_whatever_looks_right_where_the_owner_says_so(offline: Callable[..., Page], offer: Offer, code: Code):
    page = offline(pack(offer, offline="honour_wellformed"))

    enter(page, code.token)

    expect_result(page, "unsure", "Take it: not confirmed")


def test_asks_what_the_order_costs_where_the_discount_is_limited(
    offline: Callable[..., Page], offer: Offer, code: Code
):
    page = offline(pack(offer, code, offline_max_value="5.00"))
    enter(page, code.token)
    expect_result(page, "unsure", "Not confirmed", "the order's value is needed first")
    key = journal(page)[0]["key"]

    page.locator("#order-value").fill("25")
    page.locator("#order-save").click()

    expect_result(page, "unsure", "Take it: not confirmed")
    assert [(item["key"], item["body"]["order_value"]) for item in journal(page)] == [(key, "25")]


def test_keeps_to_the_number_a_day(offline: Callable[..., Page], offer: Offer, new_code: Callable[[], Code]):
    codes = [new_code() for _ in range(3)]
    page = offline(pack(offer, *codes))

    for code, title in zip(codes, ["Take it: not confirmed"] * 2 + ["Not confirmed"], strict=True):
        enter(page, code.token)
        expect_result(page, "unsure", title, f"Code …{code.token[-4:]}")


def test_sends_away_who_does_not_wait(offline: Callable[..., Page], offer: Offer, code: Code):
    page = offline(pack(offer))
    enter(page, code.token)
    expect_result(page, "unsure", "Not confirmed")

    page.get_by_role("button", name="Sent away").click()

    expect_result(page, "noted", "Sent away")
    assert [item["decision"] for item in journal(page)] == ["refused"]


def test_shows_what_should_not_have_been_given(offline: Callable[..., Page], offer: Offer, code: Code):
    page = offline(pack(offer, code))
    enter(page, code.token)
    expect_result(page, "unsure", "Take it: not confirmed")
    page.locator("#next").click()

    said = {"code": "conflict_overuse", "honoured": True, "title": "Already used", "detail": "Used at Airport."}
    batch(page, lambda line: (409, said))
    page.context.set_offline(False)

    expect_status(page, "All sent")
    page.locator("#status").click()
    expect(page.locator("#recent-list")).to_contain_text("Given, but it should not have been: Already used")


def test_lets_no_line_hold_up_a_batch(offline: Callable[..., Page], offer: Offer, new_code: Callable[[], Code]):
    codes = [new_code() for _ in range(2)]
    page = offline(pack(offer, *codes))
    for code in codes:
        enter(page, code.token)
        expect_result(page, "unsure", "Take it: not confirmed", f"Code …{code.token[-4:]}")

    def upload(route: Route) -> None:
        sent: Any = route.request.post_data_json
        items = sent["items"]
        if any(line["code"] == codes[0].token for line in items):
            return problem(route, 400, code="invalid", detail="scanned_at: Too long ago.")
        return route.fulfill(
            json={"results": [{"key": line["key"], "status": 201, "body": REDEEMED} for line in items]}
        )

    page.route(BATCH, upload)
    page.context.set_offline(False)

    expect_status(page, "1 to look at")
    assert [item["code"] for item in journal(page)] == [codes[0].token]


def test_asks_for_no_list_where_it_may_not_use_one(page: Page, enrol_token: str):
    asked: list[str] = []
    with_policy(page, offline=False)
    page.on("request", lambda request: asked.append(request.url))

    set_up(page, enrol_token)

    expect(page.locator("#today")).to_contain_text("Today")
    page.reload()
    expect(page.locator("#today")).to_contain_text("Today")
    assert [url for url in asked if "offline-pack" in url] == []


def test_judges_by_the_servers_clock(page: Page, enrol_token: str, offer: Offer, code: Code):
    """The phone is a day slow; by its own clock the deal would still run."""
    ended = timezone.now() - timedelta(hours=1)
    page.clock.install(time=timezone.now() - timedelta(days=1))
    allow(page, pack(offer, code, ends_at=ended.isoformat()))
    set_up(page, enrol_token)
    until_kept(page, "({ kept }) => kept.read('pack')", "Boolean")
    go_offline(page)

    enter(page, code.token)

    expect_result(page, "unsure", "Not confirmed", "it is over")
