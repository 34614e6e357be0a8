"""Taking back, and adding what the order cost."""

from datetime import timedelta
from decimal import Decimal

import pytest

from contacts.models import Activity
from redemptions.models import Code, Device, OfferTally, Redemption
from redemptions.queries import uses_when
from redemptions.services import (
    CorrectionRefused,
    CurrencyMismatch,
    KeyReused,
    VoidReason,
    amend,
    redeem,
    void,
    void_until,
)

Reason = CorrectionRefused.Reason
MINUTE = timedelta(minutes=1)
WRONG = VoidReason.WRONG_ITEM


@pytest.fixture
def given(code, device, at):
    return give(code, device, at, order_value=Decimal("42.50"))


def give(code, device, at, key="the-scan", **more):
    return redeem(code_text=code.token, device=device, key=key, at=at, **more).redemption


def figures(offer, contact):
    """Return what a redemption changes besides the ledger."""
    used = Code.objects.values_list("used", flat=True).get(offer=offer)
    tally = OfferTally.objects.values_list("used", "given").get(offer=offer)
    activity = Activity.objects.values_list("redemptions", "spend", "last_redeemed_at").get(contact=contact)
    return used, *tally, *activity


def refused(**arguments):
    with pytest.raises(CorrectionRefused) as caught:
        void(**arguments)
    return caught.value.reason


def test_takes_back_in_a_line_of_its_own(given, offer, contact, device, at):
    assert figures(offer, contact) == (1, 1, Decimal("8.50"), 1, Decimal("42.50"), at)

    reversal = void(redemption=given, reason=WRONG, note="No oat milk", at=at + MINUTE, device=device, key="a-void-key")

    line = Redemption.objects.get(kind="voided")
    assert line == reversal.reversal
    assert (line.entry_no, line.reverses, line.code, line.offer) == (2, given, given.code, offer)
    assert (line.at, line.reason, line.note) == (at + MINUTE, "wrong_item", "No oat milk")
    assert (line.order_value, line.discount) == (given.order_value, given.discount)
    assert figures(offer, contact) == (0, 0, 0, 0, 0, None)
    given.refresh_from_db()
    assert given.kind == "redeemed"


def test_takes_back_the_last_visit_of_two(given, code, offer, contact, device, at, change):
    Code.objects.update(max_uses=2)
    later = give(code, device, at + MINUTE, key="second-scan", order_value=Decimal(10))

    void(redemption=later, reason=WRONG, at=at + 2 * MINUTE, device=device)

    assert figures(offer, contact) == (1, 1, Decimal("8.50"), 1, Decimal("42.50"), at)


def test_a_code_that_was_taken_back_is_good_again(given, code, device, at):
    void(redemption=given, reason=WRONG, at=at, device=device)

    again = give(code, device, at + MINUTE, key="second-scan")

    assert (again.entry_no, uses_when(again)) == (3, 1)


def test_a_burned_code_is_not(given, code, offer, contact, device, at):
    void(redemption=given, reason=WRONG, at=at, burn=True)

    again = redeem(code_text=code.token, device=device, key="second-scan", at=at + MINUTE)

    assert again.reason == "already_redeemed"
    assert figures(offer, contact)[:3] == (1, 0, 0)


def test_the_same_key_gets_the_same_answer(given, device, at):
    first = void(redemption=given, reason=WRONG, at=at, device=device, key="a-void-key")

    again = void(redemption=given, reason=WRONG, at=at + 60 * MINUTE, device=device, key="a-void-key")

    assert (again.reversal, again.replayed, first.replayed) == (first.reversal, True, False)
    assert Redemption.objects.count() == 2


@pytest.mark.parametrize("key", ["another-key", ""])
def test_takes_nothing_back_twice(key, given, device, at):
    void(redemption=given, reason=WRONG, at=at, device=device, key="a-void-key")

    assert refused(redemption=given, reason=WRONG, at=at, device=device, key=key) == Reason.ALREADY_VOIDED


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=400)])
def test_refuses_a_key_of_another_void(later, given, code, device, at):
    Code.objects.update(max_uses=2)
    other = give(code, device, at + later, key="second-scan")
    void(redemption=given, reason=WRONG, at=at, device=device, key="a-void-key")

    with pytest.raises(KeyReused):
        void(redemption=other, reason=WRONG, at=at + later, device=device, key="a-void-key")


@pytest.mark.parametrize(("later", "is_late"), [(15 * MINUTE, False), (15 * MINUTE + timedelta(seconds=1), True)])
def test_a_device_has_fifteen_minutes(later, is_late, given, device, at):
    assert void_until(given) == at + 15 * MINUTE
    if is_late:
        assert refused(redemption=given, reason=WRONG, at=at + later, device=device) == Reason.WINDOW_PASSED
    else:
        assert void(redemption=given, reason=WRONG, at=at + later, device=device).reversal.device == device


@pytest.mark.parametrize("profile", Device.Profile.values)
def test_only_a_manager_takes_back_what_another_gave_and_at_any_time(profile, given, enrolled, at):
    other, _ = enrolled(name="Other phone", profile=Device.Profile(profile))

    if profile == Device.Profile.MANAGER:
        assert void(redemption=given, reason=WRONG, at=at + timedelta(days=9), device=other).reversal.device == other
    else:
        assert refused(redemption=given, reason=WRONG, at=at, device=other) == Reason.NOT_YOURS


def test_the_office_takes_back_later(given, at):
    reversal = void(redemption=given, reason=WRONG, at=at + timedelta(days=90)).reversal

    assert (reversal.device, reversal.location) == (None, given.location)


def test_a_reversal_is_not_taken_back(given, at):
    reversal = void(redemption=given, reason=WRONG, at=at).reversal

    assert refused(redemption=reversal, reason=WRONG, at=at) == Reason.NOT_VOIDABLE


def test_gives_back_what_money_off_took_of_the_budget(code, offer, device, at, change):
    change(offer, type="amount", value=Decimal(5), budget=Decimal(9))
    line = give(code, device, at)
    change(offer, value=Decimal(50))  # what it took stays what it was

    void(redemption=line, reason=WRONG, at=at, device=device)

    assert OfferTally.objects.get().given == 0


# --- What the order cost ---


def test_adds_what_the_order_cost(code, offer, contact, device, at):
    line = give(code, device, at)

    line = amend(redemption=line, device=device, at=at, order_value=Decimal(10), receipt_no="A-7", note="Table 4")

    line.refresh_from_db()
    assert (line.order_value, line.discount) == (Decimal(10), Decimal(2))
    assert (line.receipt_no, line.note) == ("A-7", "Table 4")
    assert figures(offer, contact) == (1, 1, 2, 1, 10, at)


def test_keeps_what_the_line_said_before(given, device, at):
    for step, value in enumerate([Decimal(10), Decimal(10), Decimal(30)]):
        amend(redemption=given, device=device, at=at + step * MINUTE, order_value=value)
    amend(redemption=given, device=device, at=at + 3 * MINUTE, receipt_no="A-7")
    amend(redemption=given, device=device, at=at + 4 * MINUTE, note="Table 4")

    before = list(given.amendments.values_list("at", "order_value", "discount", "receipt_no"))
    assert before == [
        (at, Decimal("42.50"), Decimal("8.50"), ""),
        (at + 2 * MINUTE, Decimal(10), Decimal(2), ""),
        (at + 3 * MINUTE, Decimal(30), Decimal(6), ""),
    ]


def test_mends_what_the_order_cost(given, offer, contact, device, at):
    amend(redemption=given, device=device, at=at, order_value=Decimal(10))
    line = amend(redemption=given, device=device, at=at, note="Table 4")

    assert (line.order_value, line.discount) == (Decimal(10), Decimal(2))
    assert figures(offer, contact) == (1, 1, 2, 1, 10, at)


def test_mends_it_for_a_day_and_its_own_only(given, enrolled, device, at):
    other, _ = enrolled(name="Other phone", profile=Device.Profile.MANAGER)
    day = timedelta(hours=24)
    amend(redemption=given, device=device, at=at + day, note="In time")

    for who, when, reason in [(other, at, Reason.NOT_YOURS), (device, at + day + MINUTE, Reason.AMEND_TOO_LATE)]:
        with pytest.raises(CorrectionRefused) as caught:
            amend(redemption=given, device=who, at=when, note="Not so")
        assert caught.value.reason == reason


def test_mends_nothing_that_was_taken_back(given, device, at):
    void(redemption=given, reason=WRONG, at=at, device=device)

    with pytest.raises(CorrectionRefused, match=Reason.ALREADY_VOIDED):
        amend(redemption=given, device=device, at=at, note="Not so")


def test_refuses_another_currency(given, device, at):
    with pytest.raises(CurrencyMismatch):
        amend(redemption=given, device=device, at=at, order_value=Decimal(1), currency="EUR")
