from datetime import timedelta

import pytest

from redemptions.codes import new_token
from redemptions.models import Device, Location
from redemptions.queries import locked_devices
from redemptions.services import (
    EnrolmentRefused,
    complete_enrolment,
    enrol_device_start,
    find_device,
    find_or_make_location,
    redeem,
    release_device,
    renew_enrolment,
    revoke_device,
    rotate_token,
    touch_device,
)
from redemptions.services.devices import sha256

Reason = EnrolmentRefused.Reason
MINUTE = timedelta(minutes=1)


@pytest.fixture
def started(db, at):
    return enrol_device_start(name="Bar phone", location_name="Main St", profile=Device.Profile.SCANNER, at=at)


def test_makes_a_location_once_in_any_case(db):
    assert find_or_make_location("Main St") == find_or_make_location(" main  ST ")
    assert Location.objects.get().name == "Main St"


def test_enrols_a_device(started, at):
    waiting, enrol_token = started

    device, token = complete_enrolment(enrol_token=enrol_token, key="a-key", at=at, platform="iPhone", app_version="1")

    assert device == waiting
    assert (device.enrolled_at, device.platform, device.app_version) == (at, "iPhone", "1")
    assert device.token_hash == sha256(token)


def test_keeps_no_token_in_clear(started, at):
    _, enrol_token = started
    device, token = complete_enrolment(enrol_token=enrol_token, key="a-key", at=at)

    kept = str(Device.objects.filter(pk=device.pk).values().get())

    assert token not in kept
    assert enrol_token not in kept


def test_repeats_a_lost_answer_to_the_same_key(started, at):
    _, enrol_token = started
    first = complete_enrolment(enrol_token=enrol_token, key="a-key", at=at)

    again = complete_enrolment(enrol_token=enrol_token, key="a-key", at=at + 10 * MINUTE)

    assert again == first


@pytest.mark.parametrize(
    ("key", "later", "reason"),
    [("other-key", MINUTE, Reason.USED), ("a-key", 10 * MINUTE + timedelta(seconds=1), Reason.USED)],
)
def test_lets_a_link_be_used_once(key, later, reason, started, at):
    _, enrol_token = started
    complete_enrolment(enrol_token=enrol_token, key="a-key", at=at)

    with pytest.raises(EnrolmentRefused) as refused:
        complete_enrolment(enrol_token=enrol_token, key=key, at=at + later)

    assert refused.value.reason == reason


def test_repeats_no_token_that_a_rotation_has_ended(started, at):
    _, enrol_token = started
    device, first = complete_enrolment(enrol_token=enrol_token, key="a-key", at=at)
    second = rotate_token(device=device, token=first, key="rotate-key")
    # As long as the new one was not used, the first is good.
    assert complete_enrolment(enrol_token=enrol_token, key="a-key", at=at + MINUTE) == (device, first)
    find_device(token=second)

    with pytest.raises(EnrolmentRefused) as refused:
        complete_enrolment(enrol_token=enrol_token, key="a-key", at=at + MINUTE)

    assert refused.value.reason == Reason.USED


def test_refuses_an_old_link(started, at):
    _, enrol_token = started

    with pytest.raises(EnrolmentRefused) as refused:
        complete_enrolment(enrol_token=enrol_token, key="a-key", at=at + 15 * MINUTE)

    assert refused.value.reason == Reason.EXPIRED


def test_refuses_an_unknown_link(started, at):
    with pytest.raises(EnrolmentRefused) as refused:
        complete_enrolment(enrol_token="no-such-token", key="a-key", at=at)

    assert refused.value.reason == Reason.UNKNOWN


def test_refuses_the_link_of_a_withdrawn_device(started, at):
    device, enrol_token = started
    revoke_device(device=device, at=at)

    with pytest.raises(EnrolmentRefused) as refused:
        complete_enrolment(enrol_token=enrol_token, key="a-key", at=at)

    assert refused.value.reason == Reason.UNKNOWN


def test_keeps_the_old_token_until_a_new_link_is_used(started, at):
    device, enrol_token = started
    device, old = complete_enrolment(enrol_token=enrol_token, key="a-key", at=at)
    new_enrol_token = renew_enrolment(device=device, at=at)
    assert device.token_hash == sha256(old)

    again, new = complete_enrolment(enrol_token=new_enrol_token, key="a-key", at=at)

    assert (again, again.token_hash) == (device, sha256(new))
    assert new != old


def test_notes_sight_once_a_minute(device, at):
    touch_device(device=device, at=at)
    touch_device(device=device, at=at + MINUTE / 2)
    device.refresh_from_db()
    assert device.last_seen_at == at

    touch_device(device=device, at=at + MINUTE)
    device.refresh_from_db()
    assert device.last_seen_at == at + MINUTE


# --- Tokens ---


@pytest.fixture
def phone(started, at):
    """Return a device in use and its token."""
    return complete_enrolment(enrol_token=started[1], key="a-key", at=at)


def test_the_old_token_is_good_until_the_new_one_is_used(phone, at):
    device, old = phone
    new = rotate_token(device=device, token=old, key="rotate-key")
    assert new != old
    assert find_device(token=old) == device

    assert find_device(token=new) == device
    assert find_device(token=new) == device
    assert find_device(token=old) is None


def test_a_lost_answer_to_a_rotation_is_repeated(phone, at):
    device, old = phone
    lost = rotate_token(device=device, token=old, key="rotate-key")

    device.refresh_from_db()
    again = rotate_token(device=device, token=old, key="rotate-key")

    assert again == lost
    assert rotate_token(device=device, token=old, key="other-key") != lost
    assert find_device(token=lost) is None


@pytest.mark.parametrize("later", [timedelta(hours=25), timedelta(days=400)])
def test_a_lost_answer_costs_nothing_however_long_the_phone_lies(later, phone, at):
    device, old = phone
    lost = rotate_token(device=device, token=old, key="rotate-key")

    found = find_device(token=old)

    assert found == device
    assert rotate_token(device=device, token=old, key="rotate-key") == lost
    assert find_device(token=lost) == device
    assert find_device(token=old) is None


def test_a_token_that_ended_starts_no_new_one(phone, at):
    device, old = phone
    new = rotate_token(device=device, token=old, key="rotate-key")
    find_device(token=new)

    late = rotate_token(device=device, token=old, key="late-key")

    assert find_device(token=late) is None
    assert find_device(token=new) == device


def test_a_new_link_ends_every_token_before_it(phone, at):
    device, old = phone
    pending = rotate_token(device=device, token=old, key="rotate-key")
    device, newest = complete_enrolment(enrol_token=renew_enrolment(device=device, at=at), key="b-key", at=at)

    assert [find_device(token=token) for token in (old, pending, newest)] == [None, None, device]


def test_a_device_that_gave_up_is_connected_again_as_itself(phone, at):
    device, token = phone

    release_device(device=device)

    assert find_device(token=token) is None
    again, new = complete_enrolment(enrol_token=renew_enrolment(device=device, at=at), key="c-key", at=at)
    assert (again, find_device(token=new)) == (device, device)


def test_keeps_a_withdrawn_device_known(phone, at):
    device, token = phone
    revoke_device(device=device, at=at)

    assert find_device(token=token).revoked_at == at


def test_names_the_devices_that_guess(device, enrolled, at):
    enrolled(name="Honest phone")
    for number in range(10):
        redeem(code_text=new_token(), device=device, key=f"guess-{number}", at=at)

    assert locked_devices(at=at) == [(device, 10)]
    assert locked_devices(at=at + 10 * MINUTE) == []
