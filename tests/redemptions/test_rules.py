"""Whether a deal is given: a table, first reason first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redemptions.hours import read
from redemptions.models import Offer, Scan
from redemptions.rules import Refusal, Terms, Use, cost, discount, refusal

NOON = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)  # a Friday, noon in Chicago
HOUR = timedelta(hours=1)
TERMS = Terms(type="percent", status="active", zone=ZoneInfo("America/Chicago"), value=Decimal(20))
HERE, THERE = 1, 2


def money(text: str) -> Decimal:
    return Decimal(text)


@pytest.mark.parametrize(
    ("terms", "use", "order", "reason"),
    [
        ({}, {}, None, None),
        ({}, {"is_test": True, "is_revoked": True}, None, "test_code"),
        ({"status": "paused"}, {"is_revoked": True}, None, "code_revoked"),
        ({"status": "paused", "ends_at": NOON}, {}, None, "offer_paused"),
        ({"status": "ended", "ends_at": NOON}, {}, None, "offer_ended"),
        ({"starts_at": NOON}, {}, None, None),
        ({"starts_at": NOON + HOUR}, {"used": 1}, None, "not_yet_valid"),
        ({"ends_at": NOON + HOUR}, {}, None, None),
        ({"ends_at": NOON}, {"used": 1}, None, "expired"),
        ({"hours": read("Fri 11:00-15:00")}, {}, None, None),
        ({"hours": read("Fri 17:00-23:00")}, {"used": 1}, None, "outside_hours"),
        ({"locations": frozenset({HERE, THERE})}, {}, None, None),
        ({"locations": frozenset({THERE})}, {"used": 1}, None, "wrong_location"),
        ({}, {"used": 2, "max_uses": 3}, None, None),
        ({}, {"used": 3, "max_uses": 3}, None, "already_redeemed"),
        ({"max_per_person": 2}, {"used_by_person": 1}, None, None),
        ({"max_per_person": 2}, {"used_by_person": 2}, None, "customer_limit"),
        ({"max_total": 100}, {"used_in_all": 99}, None, None),
        ({"max_total": 100}, {"used_in_all": 100}, None, "offer_limit"),
        ({"min_spend": money("30")}, {}, None, "order_value_required"),
        ({"min_spend": money("30")}, {}, "29.99", "min_spend_not_met"),
        ({"min_spend": money("30")}, {}, "30.00", None),
        ({"min_spend": money("30"), "max_total": 1}, {"used_in_all": 1}, "10", "min_spend_not_met"),
        ({"budget": money("100")}, {}, None, "order_value_required"),
        ({"budget": money("100")}, {"given_in_all": money("90")}, "50", None),
        ({"budget": money("100")}, {"given_in_all": money("90.01")}, "50", "offer_limit"),
        ({"budget": money("100"), "max_discount": money("5")}, {"given_in_all": money("95")}, "500", None),
        ({"type": "amount", "value": money("5"), "budget": money("9")}, {}, None, None),
        (
            {"type": "amount", "value": money("5"), "budget": money("9")},
            {"given_in_all": money("5")},
            None,
            "offer_limit",
        ),
        ({"type": "amount", "value": money("5"), "budget": money("9")}, {"given_in_all": money("5")}, "4", None),
        ({"type": "item", "value": None, "max_total": 1}, {}, None, None),
    ],
)
def test_the_first_reason(terms, use, order, reason):
    answer = refusal(
        replace(TERMS, **terms), Use(**use), at=NOON, location=HERE, order_value=Decimal(order) if order else None
    )

    assert answer == reason


def test_whoever_only_looks_is_asked_neither_for_a_place_nor_for_an_order():
    terms = replace(TERMS, locations=frozenset({THERE}), min_spend=money("30"))

    assert refusal(terms, Use(), at=NOON, asks_order=False) is None


@pytest.mark.parametrize(
    ("terms", "at", "reason"),
    [
        ({"ends_at": NOON}, NOON + timedelta(minutes=9), None),
        ({"ends_at": NOON}, NOON + timedelta(minutes=10), "expired"),
        ({"starts_at": NOON}, NOON - timedelta(minutes=10), None),
        ({"starts_at": NOON}, NOON - timedelta(minutes=11), "not_yet_valid"),
        ({"hours": read("Fri 09:00-12:00")}, NOON + timedelta(minutes=9), None),
        ({"hours": read("Fri 09:00-12:00")}, NOON + timedelta(minutes=11), "outside_hours"),
        ({"hours": read("Fri 12:00-12:30")}, NOON - timedelta(minutes=10), None),
    ],
)
def test_a_clock_that_may_be_off_is_believed_near_an_edge(terms, at, reason):
    assert refusal(replace(TERMS, **terms), Use(), at=at, leeway=timedelta(minutes=10)) == reason


@pytest.mark.parametrize(
    ("terms", "order", "saved", "taken"),
    [
        ({}, "42.50", "8.50", "8.50"),
        ({}, "0.02", "0.00", "0.00"),
        ({}, "12.33", "2.47", "2.47"),
        ({}, None, None, "0"),
        ({"max_discount": money("15")}, "100", "15", "15"),
        ({"max_discount": money("15")}, "75", "15.00", "15"),
        ({"type": "amount", "value": money("5")}, "3.20", "3.20", "3.20"),
        ({"type": "amount", "value": money("5")}, None, None, "5"),
        ({"type": "item", "value": None}, "10", None, "0"),
    ],
)
def test_what_is_saved_and_what_it_takes_of_the_budget(terms, order, saved, taken):
    terms, order = replace(TERMS, **terms), Decimal(order) if order else None

    assert discount(terms, order) == (Decimal(saved) if saved is not None else None)
    assert cost(terms, order) == Decimal(taken)


@given(
    value=st.decimals("0.01", "100", places=2),
    cap=st.none() | st.decimals("0.01", "50", places=2),
    order=st.decimals("0", "100000", places=2),
)
def test_nobody_saves_more_than_the_order_costs_or_the_cap_allows(value, cap, order):
    saved = discount(replace(TERMS, value=value, max_discount=cap), order)

    assert saved is not None
    assert 0 <= saved <= min(order + Decimal("0.01"), cap if cap is not None else order + 1)


def test_every_reason_is_one_the_api_knows():
    assert {reason.value for reason in Refusal} <= set(Scan.Reason.values)


def test_the_words_are_those_of_the_deals():
    assert {"percent", "amount", "item"} <= set(Offer.Type.values)
    assert {"paused", "ended"} <= set(Offer.Status.values)
