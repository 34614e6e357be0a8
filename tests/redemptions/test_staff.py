from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection

from redemptions.models import Device, Redemption, Scan, Staff
from redemptions.models.devices import PIN_ONCE, SignIn
from redemptions.services import SignInRefused, find_staff, redeem, set_pin, sign_in
from redemptions.services.staff import locked_until, staff_who_signed_in

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
STAFF = "/admin/redemptions/staff/"


@pytest.fixture
def ana(db):
    return set_pin(staff=Staff(name="Ana"), pin="2468")


@pytest.fixture
def ben(db, device):
    return set_pin(staff=Staff(name="Ben", location=device.location), pin="135790")


@pytest.fixture
def other_device(enrolled):
    return enrolled(name="Door phone")[0]


def refusal(device, pin, at):
    with pytest.raises(SignInRefused) as refused:
        sign_in(device=device, pin=pin, at=at)
    return refused.value.reason


# --- PINs ---


@pytest.mark.parametrize("pin", ["123", "1234567", "12a4", "", "１２３４"])
def test_a_pin_has_four_to_six_digits(pin, db):
    with pytest.raises(ValidationError, match="4 to 6 digits"):
        set_pin(staff=Staff(name="Ana"), pin=pin)


def test_two_have_not_the_same_pin(ana):
    with pytest.raises(ValidationError, match="Somebody else") as refused:
        set_pin(staff=Staff(name="Ben"), pin="2468")

    assert refused.value.message_dict.keys() == {"pin"}
    assert Staff.objects.get() == ana


def test_the_same_pin_may_be_set_again(ana):
    assert set_pin(staff=ana, pin="2468") == ana


def test_the_pin_of_who_left_is_free(ana, change):
    change(ana, is_active=False)

    assert set_pin(staff=Staff(name="Ben"), pin="2468").pk


def test_keeps_no_pin(ana, device, at):
    sign_in(device=device, pin="2468", at=at)
    refusal(device, "1357", at)

    kept = str([Staff.objects.values().get(), *SignIn.objects.values("device", "staff", "at")])
    assert "2468" not in kept
    assert "1357" not in kept


def test_whose_pin_is_taken_meanwhile_comes_back_without_it(ana, admin_client, change):
    change(ana, is_active=False)
    set_pin(staff=Staff(name="Ben"), pin="2468")
    form = {"name": "Ana", "location": "", "is_active": "on"}

    answer = admin_client.post(f"{STAFF}{ana.pk}/change/", form)

    assert "Somebody else has this PIN" in answer.content.decode()
    assert not Staff.objects.get(pk=ana.pk).is_active
    set_pin(staff=ana, pin="4711")
    assert admin_client.post(f"{STAFF}{ana.pk}/change/", form).status_code == 302
    assert Staff.objects.get(pk=ana.pk).is_active


def test_of_two_who_shared_a_pin_the_first_keeps_it(ana, change):
    migration = import_module("redemptions.migrations.0005_staff_sign_ins")
    with connection.cursor() as cursor:
        cursor.execute(f'DROP INDEX "{PIN_ONCE.name}"')
    ben, cleo, dan = (Staff.objects.create(name=name, pin_hash=ana.pin_hash) for name in ("Ben", "Cleo", "Dan"))
    change(dan, is_active=False)
    elsa = set_pin(staff=Staff(name="Elsa"), pin="1357")

    migration.forget_doubled_pins(apps, None)

    kept = dict(Staff.objects.values_list("name", "pin_hash"))
    assert kept == {"Ana": ana.pin_hash, "Ben": "", "Cleo": "", "Dan": ana.pin_hash, "Elsa": elsa.pin_hash}
    assert (ben.pk, cleo.pk) > (ana.pk, ana.pk)


# --- Signing in ---


def test_signs_in_by_pin(ana, ben, device, at):
    assert sign_in(device=device, pin="2468", at=at) == ana
    assert sign_in(device=device, pin="135790", at=at) == ben


def test_who_works_elsewhere_or_no_more_cannot_sign_in(ana, ben, device, elsewhere, at, change):
    change(ana, is_active=False)
    change(ben, location=elsewhere)

    assert refusal(device, "2468", at) == "pin_wrong"
    assert refusal(device, "135790", at) == "pin_wrong"


def test_nobody_without_a_pin_can(db, device, at):
    Staff.objects.create(name="Cleo")

    assert refusal(device, "", at) == "pin_wrong"


def test_five_wrong_pins_lock_for_a_quarter_of_an_hour(ana, device, at):
    reasons = [refusal(device, "0000", at) for _ in range(5)]

    assert reasons == ["pin_wrong"] * 4 + ["pin_locked"]
    assert refusal(device, "2468", at + 14 * MINUTE) == "pin_locked"
    assert sign_in(device=device, pin="2468", at=at + 15 * MINUTE) == ana


def test_a_right_pin_does_not_make_up_for_wrong_ones(ana, device, at):
    """Or else who has a PIN could find all others, four guesses at a time."""
    for number in range(4):
        assert refusal(device, f"000{number}", at) == "pin_wrong"
    assert sign_in(device=device, pin="2468", at=at) == ana

    assert refusal(device, "0004", at) == "pin_locked"
    assert refusal(device, "2468", at) == "pin_locked"


def test_a_new_pin_does_not_make_up_for_wrong_ones(ana, device, at):
    for _ in range(5):
        refusal(device, "0000", at)

    set_pin(staff=ana, pin="97531")

    assert refusal(device, "97531", at) == "pin_locked"


def test_counts_without_anybody_to_sign_in(db, device, at):
    assert [refusal(device, "0000", at) for _ in range(5)][-1] == "pin_locked"


def test_the_lock_lasts_until_the_first_wrong_pin_is_old(ana, device, at):
    for minute in range(5):
        refusal(device, "0000", at + minute * MINUTE)

    assert locked_until(device, at=at + 5 * MINUTE) == at + 15 * MINUTE
    assert refusal(device, "2468", at + 5 * MINUTE) == "pin_locked"  # which is no guess and makes it no longer
    assert locked_until(device, at=at + 15 * MINUTE) is None
    assert refusal(device, "0000", at + 15 * MINUTE) == "pin_locked"
    assert locked_until(device, at=at + 15 * MINUTE) == at + 16 * MINUTE


def test_slips_of_an_evening_lock_nobody_out(ana, device, at):
    for quarter in range(12):
        assert refusal(device, "0000", at + quarter * 4 * MINUTE) == "pin_wrong"


def test_right_pins_lock_nothing(ana, device, at):
    for _ in range(6):
        assert sign_in(device=device, pin="2468", at=at) == ana

    assert [refusal(device, "0000", at) for _ in range(4)] == ["pin_wrong"] * 4


def test_locks_no_other_device(ana, ben, device, other_device, enrolled, at):
    airport = enrolled(name="Airport phone", location_name="Airport")[0]
    for _ in range(6):
        refusal(device, "0000", at)

    assert sign_in(device=other_device, pin="135790", at=at) == ben
    assert sign_in(device=airport, pin="2468", at=at) == ana
    assert refusal(airport, "0000", at) == "pin_wrong"


def test_shows_the_owner_that_a_device_is_locked(ana, device, other_device, admin_client, clock, at):
    for _ in range(5):
        refusal(device, "0000", at)
    refusal(other_device, "0000", at)

    for path in ("", f"{device.pk}/change/"):
        html = admin_client.get(f"/admin/redemptions/device/{path}").content.decode()
        assert html.count("Five wrong PINs: no signing in until 12:15 p.m.") == 1

    clock.shift(15 * MINUTE)
    assert "wrong PINs" not in admin_client.get("/admin/redemptions/device/").content.decode()


def test_forgets_sign_ins_after_a_quarter_of_a_year(ana, device, other_device, at):
    for each in (device, other_device):
        sign_in(device=each, pin="2468", at=at - 91 * DAY)
        refusal(each, "0000", at - 90 * DAY)

    sign_in(device=device, pin="2468", at=at)

    assert list(device.sign_ins.values_list("at", flat=True)) == [at, at - 90 * DAY]
    assert other_device.sign_ins.count() == 2


# --- Who holds a device ---


def test_believes_who_signed_in(ana, device, at):
    assert find_staff(device=device, staff_id=ana.pk, at=at) is None

    sign_in(device=device, pin="2468", at=at)

    assert find_staff(device=device, staff_id=ana.pk, at=at) == ana


def test_believes_only_the_one_who_signed_in_and_only_there(ana, ben, device, other_device, at):
    sign_in(device=device, pin="2468", at=at)

    assert find_staff(device=device, staff_id=ben.pk, at=at) is None
    assert find_staff(device=other_device, staff_id=ana.pk, at=at) is None


def test_believes_for_two_weeks(ana, device, at):
    sign_in(device=device, pin="2468", at=at)

    assert find_staff(device=device, staff_id=ana.pk, at=at + 14 * DAY - MINUTE) == ana
    assert find_staff(device=device, staff_id=ana.pk, at=at + 14 * DAY) is None
    assert staff_who_signed_in(device=device, ids={ana.pk}, at=at + 14 * DAY) == {}


def test_believes_nobody_who_may_not_any_more(ana, ben, device, elsewhere, at, change):
    sign_in(device=device, pin="2468", at=at)
    sign_in(device=device, pin="135790", at=at)

    change(ana, is_active=False)
    change(ben, location=elsewhere)

    assert find_staff(device=device, staff_id=ana.pk, at=at) is None
    assert find_staff(device=device, staff_id=ben.pk, at=at) is None


def test_knows_for_what_comes_in_later_who_signed_in(
    ana, ben, device, other_device, at, change, django_assert_num_queries
):
    cleo = set_pin(staff=Staff(name="Cleo"), pin="4711")
    for _ in range(2):
        sign_in(device=device, pin="2468", at=at)
    sign_in(device=device, pin="135790", at=at)
    sign_in(device=other_device, pin="4711", at=at)
    refusal(device, "0000", at)
    change(ana, is_active=False)

    with django_assert_num_queries(1):
        people = staff_who_signed_in(device=device, ids={ana.pk, cleo.pk, 10**15}, at=at + DAY)

    assert people == {ana.pk: ana}
    assert staff_who_signed_in(device=device, ids=set(), at=at) == {}


def test_knows_until_when_somebody_worked_here(ana, admin_client, clock, at, change):
    form = {"name": "Ana", "location": ""}
    assert ana.worked_here(at)

    admin_client.post(f"{STAFF}{ana.pk}/change/", form)
    clock.shift(MINUTE)
    admin_client.post(f"{STAFF}{ana.pk}/change/", form | {"name": "Ana B."})

    ana.refresh_from_db()
    assert (ana.name, ana.left_at) == ("Ana B.", at)
    assert ana.worked_here(at - MINUTE)
    assert not ana.worked_here(at)
    admin_client.post(f"{STAFF}{ana.pk}/change/", form | {"is_active": "on"})
    ana.refresh_from_db()
    assert ana.left_at is None
    assert ana.worked_here(at)
    change(ana, is_active=False)  # before it was kept since when
    assert not ana.worked_here(at - MINUTE)


def test_a_scan_says_who_held_the_phone(ana, code, device, at):
    sign_in(device=device, pin="2468", at=at)
    holder = find_staff(device=device, staff_id=ana.pk, at=at)

    redeem(code_text=code.token, device=device, key="the-scan", at=at, staff=holder)

    assert Scan.objects.get().staff == Redemption.objects.get().staff == ana


@pytest.mark.parametrize("signs_in", [True, False])
@pytest.mark.parametrize("asks_pin", [True, False])
def test_a_scan_names_nobody_who_did_not_sign_in(asks_pin, signs_in, ana, code, api, change):
    """The guest is served all the same; on a device that asks for PINs, too."""
    change(Device.objects.get(), asks_pin=asks_pin)
    if signs_in:
        assert api.post("/api/v1/staff/sign-in", {"pin": "2468"}, format="json").status_code == 200

    answer = api.post(
        "/api/v1/redemptions",
        {"code": code.token, "entry": "qr", "staff": f"st_{ana.pk}"},
        format="json",
        headers={"Idempotency-Key": "the-scan"},
    )

    assert answer.status_code == 201
    assert Scan.objects.get().staff == Redemption.objects.get().staff == (ana if signs_in else None)


@pytest.mark.parametrize("signs_in", [True, False])
def test_a_reversal_names_nobody_who_did_not_sign_in(signs_in, ana, code, api, clock):
    if signs_in:
        api.post("/api/v1/staff/sign-in", {"pin": "2468"}, format="json")
    scan = {"code": code.token, "entry": "qr"}
    line = api.post("/api/v1/redemptions", scan, format="json", headers={"Idempotency-Key": "the-scan"}).json()

    answer = api.post(
        f"/api/v1/redemptions/{line['id']}/void",
        {"reason": "wrong_item", "staff": f"st_{ana.pk}"},
        format="json",
        headers={"Idempotency-Key": "the-void"},
    )

    assert answer.status_code == 200
    assert Redemption.objects.get(kind="voided").staff == (ana if signs_in else None)
