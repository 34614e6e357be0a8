from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from redemptions.models import Redemption, Scan, Staff
from redemptions.services import SignInRefused, find_staff, redeem, set_pin, sign_in

MINUTE = timedelta(minutes=1)


@pytest.fixture
def ana(db):
    return set_pin(staff=Staff(name="Ana"), pin="2468")


@pytest.fixture
def ben(db, device):
    return set_pin(staff=Staff(name="Ben", location=device.location), pin="135790")


def refusal(device, pin, at):
    with pytest.raises(SignInRefused) as refused:
        sign_in(device=device, pin=pin, at=at)
    return refused.value.reason


def test_signs_in_by_pin(ana, ben, device, at):
    assert sign_in(device=device, pin="2468", at=at) == ana
    assert sign_in(device=device, pin="135790", at=at) == ben


@pytest.mark.parametrize("pin", ["123", "1234567", "12a4", "", "１２３４"])
def test_a_pin_has_four_to_six_digits(pin, db):
    with pytest.raises(ValidationError, match="4 to 6 digits"):
        set_pin(staff=Staff(name="Ana"), pin=pin)


def test_two_have_not_the_same_pin(ana):
    with pytest.raises(ValidationError, match="Somebody else"):
        set_pin(staff=Staff(name="Ben"), pin="2468")


def test_keeps_no_pin(ana):
    assert "2468" not in str(Staff.objects.values().get())


def test_five_wrong_pins_lock_for_a_quarter_of_an_hour(ana, ben, device, at):
    reasons = [refusal(device, "0000", at) for _ in range(5)]

    assert reasons == ["pin_wrong"] * 4 + ["pin_locked"]
    assert refusal(device, "2468", at + 14 * MINUTE) == "pin_locked"
    assert sign_in(device=device, pin="2468", at=at + 15 * MINUTE) == ana


def test_a_right_pin_ends_a_row_of_wrong_ones(ana, device, at):
    for _ in range(3):
        for _ in range(4):
            assert refusal(device, "0000", at) == "pin_wrong"
        sign_in(device=device, pin="2468", at=at)


def test_who_works_elsewhere_or_no_more_cannot_sign_in(ana, ben, device, elsewhere, at, change):
    change(ana, is_active=False)
    change(ben, location=elsewhere)

    assert refusal(device, "2468", at) == "pin_wrong"
    assert refusal(device, "135790", at) == "pin_wrong"
    assert find_staff(device=device, staff_id=ben.pk) is None


def test_nobody_without_a_pin_can(db, device, at):
    Staff.objects.create(name="Cleo")

    assert refusal(device, "", at) == "pin_wrong"


def test_a_scan_says_who_held_the_phone(ana, code, device, at):
    redeem(code_text=code.token, device=device, key="the-scan", at=at, staff=find_staff(device=device, staff_id=ana.pk))

    assert Scan.objects.get().staff == Redemption.objects.get().staff == ana
