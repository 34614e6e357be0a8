"""What is used up: by a code, by a person, of a deal. And what gives it back."""

from datetime import timedelta
from decimal import Decimal

import pytest

from contacts.models import Activity, Contact
from redemptions.models import Code, OfferTally, Redemption, Scan
from redemptions.services import issue_codes, redeem, redeeming, tallies, validate

Reason = Scan.Reason


@pytest.fixture
def another_code(offer):
    contact = Contact.objects.create(email="tom@example.com")
    return Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk])


def scan(code, device, at, key="the-scan", **more):
    return redeem(code_text=code.token, device=device, key=key, at=at, **more)


def tally(offer):
    return OfferTally.objects.values_list("used", "given").get(offer=offer)


def test_counts_what_is_given_of_a_deal(offer, code, another_code, device, at):
    scan(code, device, at, order_value=Decimal("42.50"))
    scan(another_code, device, at, key="second-scan")

    assert tally(offer) == (2, Decimal("8.50"))


def test_counts_a_deal_that_had_no_tally(offer, code, device, at):
    OfferTally.objects.all().delete()

    scan(code, device, at, order_value=Decimal(10))

    assert tally(offer) == (1, Decimal(2))


def test_gives_a_deal_to_the_first_so_many(offer, code, another_code, device, at, change):
    change(offer, max_total=1)

    assert scan(code, device, at).reason is None
    refused = scan(another_code, device, at, key="second-scan")

    assert (refused.reason, refused.redemption) == (Reason.OFFER_LIMIT, None)
    another_code.refresh_from_db()
    assert another_code.used == 0
    assert tally(offer)[0] == 1


def test_gives_one_person_so_many(offer, code, device, at, change):
    change(offer, max_per_person=2)
    change(code, max_uses=5)

    reasons = [scan(code, device, at, key=f"visit-{number}").reason for number in range(3)]

    assert reasons == [None, None, Reason.CUSTOMER_LIMIT]


def test_stays_within_the_budget_to_the_cent(offer, device, at, change):
    change(offer, budget=Decimal("0.30"))
    people = [Contact.objects.create(email=f"guest{number}@example.com").pk for number in range(4)]
    codes = [Code.objects.get(pk=pk) for pk in issue_codes(offer=offer, contact_ids=people).values()]

    # 20 % of 50 cents are 10 cents: as floats, three of them are more than 30.
    outcomes = [scan(code, device, at, key=f"scan-{code.pk}", order_value=Decimal("0.50")) for code in codes]

    assert [outcome.reason for outcome in outcomes] == [None, None, None, Reason.OFFER_LIMIT]
    assert tally(offer) == (3, Decimal("0.30"))


def test_money_off_takes_all_of_it_where_the_order_is_not_known(offer, code, another_code, device, at, change):
    change(offer, type="amount", value=Decimal(5), budget=Decimal(9))

    first, second = scan(code, device, at), scan(another_code, device, at, key="second-scan")

    assert (first.reason, first.discount, second.reason) == (None, None, Reason.OFFER_LIMIT)
    assert tally(offer) == (1, Decimal(5))


@pytest.mark.parametrize(
    ("values", "order", "reason"),
    [
        ({"min_spend": Decimal(30)}, None, Reason.ORDER_VALUE_REQUIRED),
        ({"min_spend": Decimal(30)}, "29.99", Reason.MIN_SPEND_NOT_MET),
        ({"min_spend": Decimal(30)}, "30.00", None),
        # A Saturday, noon in Chicago and six in the evening in UTC.
        ({"hours": [{"days": [5], "from": "11:00", "to": "12:30"}]}, None, None),
        ({"hours": [{"days": [5], "from": "12:30", "to": "15:00"}]}, None, Reason.OUTSIDE_HOURS),
        ({"hours": [{"days": [4], "from": "00:00", "to": "00:00"}]}, None, Reason.OUTSIDE_HOURS),
    ],
)
def test_asks_the_rules(values, order, reason, offer, code, device, at, change):
    change(offer, **values)
    order_value = order and Decimal(order)

    assert validate(code_text=code.token, device=device, at=at, order_value=order_value).reason == reason
    assert scan(code, device, at, order_value=order_value).reason == reason


def test_never_takes_off_more_than_the_cap(offer, code, device, at, change):
    change(offer, max_discount=Decimal(15))

    assert scan(code, device, at, order_value=Decimal(100)).redemption.discount == 15


# --- Somebody else was faster after the look ---


def lose_the_last_one(code, elsewhere):
    OfferTally.objects.update(used=1)


def lose_the_persons_last_one(code, elsewhere):
    Redemption.objects.create(entry_no=900, code=code, offer=code.offer, location=elsewhere, at=code.created_at)


@pytest.mark.parametrize(
    ("limit", "lose", "reason"),
    [
        ({"max_total": 1}, lose_the_last_one, Reason.OFFER_LIMIT),
        ({"max_per_person": 1}, lose_the_persons_last_one, Reason.CUSTOMER_LIMIT),
    ],
)
def test_a_lost_race_for_a_limit_leaves_nothing_but_a_refusal(
    limit, lose, reason, offer, code, contact, device, elsewhere, at, change, monkeypatch
):
    change(offer, **limit)
    judge = redeeming._judge

    def judge_then_lose(*args):
        verdict = judge(*args)
        lose(code, elsewhere)
        return verdict

    monkeypatch.setattr(redeeming, "_judge", judge_then_lose)
    lines = Redemption.objects.filter(device=device)

    outcome = scan(code, device, at, order_value=Decimal(10))

    assert (outcome.reason, outcome.redemption) == (reason, None)
    assert Scan.objects.get().reason == reason
    assert not lines.exists()
    code.refresh_from_db()
    assert code.used == 0
    assert not Activity.objects.filter(contact=contact).exclude(redemptions=0).exists()


def test_gives_back_no_more_than_was_given(offer, db):
    tallies.give_back(offer, Decimal(5))

    assert tally(offer) == (0, Decimal(0))


def test_a_look_costs_no_more_for_a_limit_of_the_deal(offer, code, device, at, change, django_assert_num_queries):
    change(offer, max_total=5, budget=Decimal(100))

    with django_assert_num_queries(3):
        validate(code_text=code.token, device=device, at=at + timedelta(days=1), order_value=Decimal(5))
