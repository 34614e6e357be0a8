"""The scanner's own rules, beside the server's: the same codes, the same hours, the same hashes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page

from redemptions import hours
from redemptions.codes import CROCKFORD, SAMPLE_TYPED, check_character, display, new_token, new_typed_code, normalise

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CHICAGO = "America/Chicago"


@pytest.fixture
def run(page: Page) -> Any:
    """Return a function that runs an expression with the exports of a module, and one argument `it`."""
    page.goto("/scan/")

    def evaluate(module: str, expression: str, it: Any = None) -> Any:
        names = f"async (it) => {{ const m = await import('/static/redemptions/scanner/{module}.js'); "
        return page.evaluate(f"{names} return ({expression}); }}", it)

    return evaluate


def test_reads_codes_as_the_server_does(run):
    token, typed = new_token(), new_typed_code()
    texts = [
        token,
        token.lower(),
        f"https://DEALS.EXAMPLE.COM/R/{token}",
        f"https://deals.example.com/r/{token.lower()}/?utm=1#top",
        f"  {display(typed)} ",
        display(typed).lower().replace("-", " \u2013 "),
        typed.replace("0", "O").replace("1", "l"),
        "http://example.com/",
        "wifi:S:bar;T:WPA;P:secret;;",
        "",
    ]

    assert run("codes", "it.map(m.normalise)", texts) == [normalise(text) for text in texts]


def test_checks_typed_codes_as_the_server_does(run):
    payloads = ["".join(random.choices(CROCKFORD, k=9)) for _ in range(500)]

    assert run("codes", "it.map(m.checkCharacter)", payloads) == [check_character(payload) for payload in payloads]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (new_token(), "code"),
        (SAMPLE_TYPED, "code"),
        (SAMPLE_TYPED[:-1] + "A", "mistyped"),
        (new_token()[:-1], "stranger"),
        ("https://example.com/menu", "stranger"),
    ],
    ids=["token", "typed", "typing error", "cut off", "menu"],
)
def test_tells_a_code_from_what_is_none(text, kind, run):
    assert run("codes", "m.kindOf(it)", text) == kind


def test_hashes_codes_as_the_list_does(run):
    token = new_token()

    assert run("codes", "m.shortHash(it)", token) == sha256(token.encode()).digest()[:8].hex()


def test_finds_the_one_time_token_in_a_link(run):
    links = ["http://x/scan/#enrol=" + "a-_1" * 8, "#v=1&enrol=" + "b" * 43, "http://x/scan/", "#enrol=short"]

    assert run("codes", "it.map(m.enrolTokenIn)", links) == ["a-_1" * 8, "b" * 43, None, None]


def test_knows_the_hours_as_the_server_does(run):
    stored = [
        {"days": [0, 1, 2, 3, 4], "from": "11:00", "to": "15:00"},
        {"days": [4, 6], "from": "22:00", "to": "02:00"},
        {"days": [5], "from": "09:00", "to": "09:00"},
    ]
    monday = datetime(2026, 11, 16, tzinfo=UTC)
    moments = [monday + timedelta(minutes=20 * step) for step in range(7 * 72)]

    open_here = run("hours", "it[1].map((at) => m.isOpen(it[0], new Date(at), it[2]))",
                    [stored, [at.isoformat() for at in moments], CHICAGO])  # fmt: skip

    windows = hours.parse(stored)
    assert open_here == [hours.is_open(windows, at, ZoneInfo(CHICAGO)) for at in moments]
    assert len(set(open_here)) == 2


def test_is_open_always_without_hours(run):
    assert run("hours", f"m.isOpen([], new Date(), '{CHICAGO}')") is True


def test_changes_the_day_with_the_shop(run):
    assert run("hours", f"m.dayOf(new Date('2026-11-22T05:59:00Z'), '{CHICAGO}')") == "2026-11-21"
    assert run("hours", f"m.dayOf(new Date('2026-11-22T06:00:00Z'), '{CHICAGO}')") == "2026-11-22"


@pytest.mark.parametrize(
    ("readings", "scans"),
    [
        ([("A", 0)], ["A"]),
        ([("A", 0), ("A", 2900)], ["A"]),
        ([("A", ms) for ms in range(0, 20_000, 500)], ["A"]),  # stays in view
        ([("A", 0), ("A", 3000)], ["A", "A"]),  # came back
        ([("A", 0), ("B", 10)], ["A", "B"]),  # another one, at once
        ([("A", 0), ("B", 10), ("A", 20)], ["A", "B", "A"]),
    ],
    ids=["once", "twice", "stays", "comes back", "another", "back and forth"],
)
def test_takes_a_code_in_view_for_one_scan(readings, scans, run):
    passed = run("guard", "((g) => it.filter(([code, at]) => g.passes(code, at)))(new m.Guard())", readings)

    assert [code for code, _ in passed] == scans


def test_holds_no_code_it_only_saw_while_an_answer_was_shown(run):
    passes = run("guard", "((g) => [g.passes('A', 0), g.sees('B', 10), g.passes('B', 20)])(new m.Guard())")

    assert passes == [True, None, True]


@pytest.mark.parametrize(
    ("gap_ms", "text"),
    [(5, "7K3Q9M2XW5"), (60, "7K3Q9M2XW5"), (61, None), (250, None)],
    ids=["hand scanner", "slow hand scanner", "quick fingers", "fingers"],
)
def test_tells_a_hand_scanner_by_its_speed(gap_ms, text, run):
    keys = [*"7K3Q9M2XW5", "Enter"]
    presses = [(key, 1000 + gap_ms * number) for number, key in enumerate(keys)]

    heard = run("wedge", "((b) => it.map(([key, at]) => b.press(key, at)))(new m.Burst())", presses)

    assert heard[-1] == text
    assert set(heard[:-1]) == {None}


def test_hears_shift_and_forgets_what_came_before(run):
    keys = [
        ("x", 0),
        ("Shift", 500),
        ("H", 505),
        *((char, 510 + n) for n, char in enumerate("ttp://a/R/7")),
        ("Enter", 525),
    ]

    assert run("wedge", "((b) => it.map(([key, at]) => b.press(key, at)))(new m.Burst())", keys)[-1] == "Http://a/R/7"


DEAL = {
    "id": 1,
    "title": "20 % off lunch",
    "type": "percent",
    "value": "20",
    "offline": "honour_known",
    "offline_per_day": 2,
    "offline_max_value": None,
    "min_spend": None,
    "max_discount": None,
    "starts_at": None,
    "ends_at": None,
    "hours": [],
}


@pytest.mark.parametrize(
    ("changes", "order", "today", "why"),
    [
        ({}, None, 0, None),
        ({"offline": "refuse"}, None, 0, "policy"),
        ({"offline": "something new"}, None, 0, "policy"),
        ({"starts_at": "2026-11-21T18:00:01Z"}, None, 0, "notYet"),
        ({"starts_at": "2026-11-21T18:00:00Z"}, None, 0, None),
        ({"ends_at": "2026-11-21T18:00:00Z"}, None, 0, "over"),
        ({"ends_at": "2026-11-21T18:00:01Z"}, None, 0, None),
        ({"hours": [{"days": [5], "from": "11:00", "to": "12:00"}]}, None, 0, "closed"),  # it is Saturday noon
        ({"hours": [{"days": [5], "from": "11:00", "to": "12:01"}]}, None, 0, None),
        ({}, None, 1, None),
        ({}, None, 2, "enough"),
        ({"offline_per_day": None}, None, 99, None),
        ({"min_spend": "30.00"}, None, 0, "value"),
        ({"min_spend": "30.00"}, 29.99, 0, "small"),
        ({"min_spend": {"amount": "30.00", "currency": "USD"}}, 30, 0, None),
        ({"offline_max_value": "5.00"}, None, 0, "value"),
        ({"offline_max_value": "5.00"}, 25, 0, None),
        ({"offline_max_value": "5.00"}, 26, 0, "tooMuch"),
        ({"offline_max_value": "5.00", "max_discount": "5.00"}, None, 0, None),
        ({"offline_max_value": "5.00", "max_discount": "5.00"}, 500, 0, None),
        ({"offline_max_value": "5.00", "type": "amount", "value": "5.00"}, None, 0, None),
        ({"offline_max_value": "5.00", "type": "amount", "value": "6.00"}, None, 0, "tooMuch"),
        ({"offline_max_value": "5.00", "type": "item", "value": None}, None, 0, None),
    ],
)
def test_keeps_to_the_owners_rules_without_network(changes, order, today, why, run):
    situation = {"zone": CHICAGO, "orderValue": order, "today": today}

    found = run(
        "pack", "m.forbids(it[0], {...it[1], at: Date.parse('2026-11-21T18:00:00Z')})", [DEAL | changes, situation]
    )

    assert found == why


def test_adds_and_takes_away_what_changed_on_the_list(run):
    old = {"deals": [{"id": 1}, {"id": 2}], "codes": {"1": ["a", "b"], "2": ["c"]}, "typed": {"1": ["x"]}}
    news = {"as_of": "now", "cursor": "7", "deals": [{"id": 1}], "codes": {"1": ["d"]}, "removed": ["a", "x"]}

    merged = run("pack", "m.merge(it[0], it[1])", [old, news])

    assert merged == {
        "as_of": "now",
        "cursor": "7",
        "deals": [{"id": 1}],  # the other is no longer given without network
        "codes": {"1": ["b", "d"]},
        "typed": {"1": []},
    }


def test_takes_a_full_list_as_it_is(run):
    old = {"deals": [{"id": 1}], "codes": {"1": ["a"]}, "typed": {}}
    news = {"as_of": "now", "cursor": "1", "deals": [{"id": 1}], "codes": {"1": ["b"]}, "typed": {}, "full": True}

    assert run("pack", "m.merge(it[0], it[1])", [old, news])["codes"] == {"1": ["b"]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["20 % off"]),
        ({"max_discount": "15.00"}, ["20 % off, at most 15.00"]),  # as an older server has it
        ({"type": "amount", "value": "5.00", "currency": "USD"}, ["$5.00 off"]),
        ({"min_spend": {"amount": "30.00", "currency": "USD"}}, ["20 % off", "For orders from $30.00"]),
        ({"type": "something new"}, []),
    ],
)
def test_puts_into_words_what_a_deal_is_worth(changes, words, run):
    assert run("result", "m.worthOf(it)", DEAL | changes) == words


@pytest.mark.parametrize(
    ("status", "kind", "body", "worth"),
    [
        (201, "application/json", {"result": "redeemed"}, "answer"),
        (200, "application/json", {"result": "something new"}, "answer"),
        (200, "application/json", {"hello": "world"}, "none"),
        (409, "application/problem+json", {"code": "something_new"}, "answer"),
        (409, "application/problem+json", {"code": "in_progress", "retryable": True}, "none"),
        (409, "application/json", {"code": "expired"}, "none"),
        (409, "application/problem+json", {}, "none"),
        (400, "application/problem+json", {"code": "invalid"}, "faulty"),
        (422, "application/problem+json", {"code": "idempotency_key_reused"}, "faulty"),
        (400, "application/json", {}, "none"),
        (401, "application/problem+json", {"code": "device_unknown"}, "stranger"),
        (403, "application/problem+json", {"code": "device_revoked"}, "stranger"),
        (403, "application/problem+json", {"code": "not_permitted"}, "none"),
        (403, "application/json", {}, "none"),
        (404, "application/problem+json", {"code": "not_found"}, "none"),
        (426, "application/problem+json", {"code": "app_too_old"}, "old"),
        (429, "application/problem+json", {"code": "throttled"}, "none"),
        (500, "application/problem+json", {"code": "server_error"}, "none"),
        (0, "", {}, "gone"),
    ],
)
def test_weighs_answers(status, kind, body, worth, run):
    assert run("api", "m.worth(it)", {"status": status, "type": kind, "body": body}) == worth
