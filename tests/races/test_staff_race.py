"""Many at once who set PINs or guess them."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from redemptions.models import Device, Staff
from redemptions.models.devices import SignIn
from redemptions.services import SignInRefused, complete_enrolment, enrol_device_start, set_pin, sign_in
from redemptions.services import staff as signing_in
from tests.races.crowd import all_at_once

CROWD = 8
NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def threads_see_the_rows(transactional_db: None) -> None:
    pass


@pytest.fixture
def phone() -> Device:
    _, token = enrol_device_start(name="Bar phone", location_name="Main St", profile=Device.Profile.SCANNER, at=NOON)
    return complete_enrolment(enrol_token=token, key="a-key", at=NOON)[0]


def test_gives_a_pin_to_one_of_many_who_want_it():
    people = [Staff.objects.create(name=f"Person {number}") for number in range(CROWD)]

    def choose(number: int) -> str:
        try:
            set_pin(staff=people[number], pin="2468")
        except ValidationError as refused:
            return refused.message_dict["pin"][0]
        return "set"

    said = Counter(all_at_once(choose, CROWD))

    assert said == {"set": 1, "Somebody else has this PIN. Choose another one.": CROWD - 1}
    assert Staff.objects.exclude(pin_hash="").count() == 1


@pytest.mark.parametrize(("allowed", "tried"), [(5, 5), (CROWD + 1, CROWD), (1, 1)])
def test_counts_each_of_many_wrong_pins_and_tries_no_more_than_allowed(allowed, tried, phone, monkeypatch):
    monkeypatch.setattr(signing_in, "WRONG_ALLOWED", allowed)
    set_pin(staff=Staff(name="Ana"), pin="2468")

    def guess(number: int) -> str:
        with pytest.raises(SignInRefused) as refused:
            sign_in(device=phone, pin=f"000{number}", at=NOON)
        return refused.value.reason.value

    answers = Counter(all_at_once(guess, CROWD))

    assert SignIn.objects.filter(device=phone, staff=None).count() == tried
    wrong = min(allowed - 1, CROWD)
    assert answers == Counter(pin_wrong=wrong, pin_locked=CROWD - wrong)
