"""What the office does about the till: taking back, PINs, devices, and looking for what is odd."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.utils import timezone
from django.utils.formats import date_format

from redemptions.models import Code, Device, Location, Offer, Redemption, Scan, SignIn, Staff
from redemptions.services import SignInRefused, complete_enrolment, enrol_device_start, redeem, sign_in, void
from redemptions.services.voiding import VoidReason
from tests.admin.conftest import staff_client
from tests.admin.test_accounting import CHICAGO, Till

SIGNALS = "/admin/redemptions/redemption/signals/"


@pytest.fixture
def till(db):
    return Till()


@pytest.fixture
def line(till):
    redeem(code_text=till.code.token, device=till.device, key="the-scan", at=timezone.now())
    return Redemption.objects.get()


def page_of(row, page="change"):
    return f"/admin/redemptions/{row._meta.model_name}/{row.pk}/{page}/"


# --- Taking back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("burn", "used"), [("", 0), ("on", 1)])
def test_takes_a_redemption_back(burn, used, line, till, admin_client):
    asked = admin_client.get(page_of(line, "void")).content.decode()
    assert f"Take {line.receipt} back" in asked
    assert Redemption.objects.count() == 1

    answer = admin_client.post(
        page_of(line, "void"), {"reason": "wrong_item", "note": "soup was cold", "burn": burn}, follow=True
    )

    back = Redemption.objects.get(reverses=line)
    assert (back.kind, back.reason, back.note, back.device) == ("voided", "wrong_item", "soup was cold", None)
    assert Code.objects.get(pk=till.code.pk).used == used
    html = answer.content.decode()
    assert f"{line.receipt} is taken back by {back.receipt}." in html
    assert page_of(back) in html
    assert page_of(line, "void") not in html
    assert LogEntry.objects.get().change_message == f"Taken back by {back.receipt}."


def test_takes_nothing_back_twice(line, admin_client):
    for _ in range(2):
        answer = admin_client.post(page_of(line, "void"), {"reason": "test"}, follow=True)

    assert "Taken back already. Nothing was changed." in answer.content.decode()
    assert Redemption.objects.count() == 2


def test_wants_a_reason(line, admin_client):
    assert "This field is required." in admin_client.post(page_of(line, "void"), {"reason": ""}).content.decode()
    assert Redemption.objects.count() == 1


def test_needs_a_permission_to_take_back(line):
    looks = staff_client("redemptions.view_redemption")
    takes = staff_client("redemptions.view_redemption", "redemptions.void_redemption")

    assert page_of(line, "void") not in looks.get(page_of(line)).content.decode()
    assert looks.post(page_of(line, "void"), {"reason": "test"}).status_code == 403
    assert page_of(line, "void") in takes.get(page_of(line)).content.decode()
    assert takes.post(page_of(line, "void"), {"reason": "test"}).status_code == 302


def test_shows_why_something_is_a_conflict(till, admin_client):
    conflict = till.give(kind="conflict")

    assert "Already used" in admin_client.get(page_of(conflict)).content.decode()


# --- How many ---------------------------------------------------------------------------------------------------------


def test_counts_what_was_given_as_the_report_does(till, admin_client):
    for number in range(5):
        line = till.give("10", "2", kind="conflict" if number > 2 else "redeemed")
        if number in {0, 4}:  # one of each kind is taken back
            till.take_back(line)
    Offer.objects.create(name="Soup", type="item")

    listed = admin_client.get("/admin/redemptions/offer/").context["cl"].result_list
    report = admin_client.get("/admin/redemptions/redemption/report/", {"by": "deal"}).context

    assert {row["label"]: row["given"] for row in report["rows"]} == {"20 % off lunch": 3}
    model_admin: Any = site.get_model_admin(Offer)
    assert {offer.name: model_admin.given(offer) for offer in listed} == {"20 % off lunch": 3, "Soup": 0}
    deal = admin_client.get(page_of(till.offer))
    assert dict(deal.context["so_far"])["Given"] == "3"


# --- Staff ------------------------------------------------------------------------------------------------------------


def test_gives_somebody_a_pin_and_never_shows_it(till, admin_client):
    added = admin_client.post("/admin/redemptions/staff/add/", {"name": "Ben", "is_active": "on"}, follow=True)
    ben = Staff.objects.get(name="Ben")
    assert added.redirect_chain[-1][0] == page_of(ben, "pin")

    answer = admin_client.post(page_of(ben, "pin"), {"pin": "4711"}, follow=True)

    assert "Ben has a new PIN." in answer.content.decode()
    assert sign_in(device=till.device, pin="4711", at=timezone.now()) == ben
    for path in (page_of(ben), page_of(ben, "pin"), page_of(ben, "history"), "/admin/redemptions/staff/"):
        html = admin_client.get(path).content.decode()
        assert "4711" not in html
        assert Staff.objects.get(name="Ben").pin_hash not in html


@pytest.mark.parametrize(
    ("pin", "words"), [("12", "4 to 6 digits"), ("abcd", "4 to 6 digits"), ("4711", "Somebody else")]
)
def test_says_beside_the_pin_what_is_wrong(pin, words, till, admin_client):
    admin_client.post(page_of(till.staff, "pin"), {"pin": "4711"})
    ben = Staff.objects.create(name="Ben")

    answer = admin_client.post(page_of(ben, "pin"), {"pin": pin})

    assert words in answer.context["form"].errors["pin"][0]
    assert f'value="{pin}"' not in answer.content.decode()
    assert not Staff.objects.get(name="Ben").pin_hash


def test_says_that_a_device_takes_no_pins_for_a_while(till, admin_client):
    assert "wrong PINs" not in admin_client.get("/admin/redemptions/device/").content.decode()

    for pin in range(5):
        with pytest.raises(SignInRefused):
            sign_in(device=till.device, pin=f"000{pin}", at=timezone.now())

    assert "Five wrong PINs: no signing in until" in admin_client.get("/admin/redemptions/device/").content.decode()


def test_lets_only_those_set_pins_who_may_change_staff(till):
    assert staff_client("redemptions.view_staff").post(page_of(till.staff, "pin"), {"pin": "4711"}).status_code == 403


# --- Devices ----------------------------------------------------------------------------------------------------------


def test_connects_a_device_again_and_keeps_its_history(line, till, admin_client):
    html = admin_client.get(page_of(till.device)).content.decode()
    assert "Re-connect" in html

    answer = admin_client.post(page_of(till.device, "connect"), follow=True)

    link = re.search(r"#enrol=([\w-]+)", answer.content.decode())
    assert link
    device, _ = complete_enrolment(enrol_token=link[1], key="k" * 16, at=timezone.now())
    assert device == till.device
    assert device.redemptions.get() == line


def test_connects_no_device_by_a_link_or_once_withdrawn(till, admin_client):
    assert admin_client.get(page_of(till.device, "connect")).status_code == 403
    Device.objects.update(revoked_at=timezone.now())
    assert "Re-connect" not in admin_client.get(page_of(till.device)).content.decode()
    assert admin_client.post(page_of(till.device, "connect")).status_code == 403


def test_sets_up_a_device_that_asks_for_a_pin(till, admin_client):
    form = {"name": "Door", "location": till.location.pk, "profile": "kiosk", "asks_pin": "on"}
    admin_client.post("/admin/redemptions/device/add/", form)

    door = Device.objects.get(name="Door")
    assert (door.asks_pin, door.profile) == (True, "kiosk")


# --- What looks odd ---------------------------------------------------------------------------------------------------


def rows(client, days=7):
    """Return the rows of each signal, by its title."""
    page = client.get(SIGNALS, {"days": days})
    assert page.status_code == 200
    return {group.title: [(row.name, *row.cells) for row in group.rows] for group in page.context["groups"]}


def scan(till, key, *, at, device=None, code=None, reason="unknown_code", **values):
    device = device or till.device
    values |= {"key": key, "fingerprint": bytes(32), "code": code, "result": "refused", "reason": reason}
    return Scan.objects.create(device=device, location=device.location, at=at, **values)


def scan_offline(till, key, *, at, came_in, off=timedelta(0), **values):
    """Write a scan made without network at a time, on a phone whose clock was this far behind."""
    skew_ms = off // timedelta(milliseconds=1)
    values |= {"is_offline": True, "decision": "refused", "scanned_at": at - off, "skew_ms": skew_ms}
    return scan(till, key, at=came_in, **values)


def test_sees_nothing_odd_in_an_honest_evening(line, till, admin_client):
    for number in range(4):
        scan(till, f"typo-{number}", at=timezone.now())

    assert set(map(len, rows(admin_client).values())) == {0}
    assert admin_client.get(SIGNALS).content.decode().count("Nothing of the kind in these days.") == 6


def test_sees_many_unknown_codes(till, admin_client):
    began = timezone.now() - timedelta(hours=1)
    for number in range(6):
        scan(till, f"guess-{number}", at=began + timedelta(minutes=number))
    for number in range(4):  # too few, and half an hour later
        scan(till, f"typo-{number}", at=began + timedelta(minutes=40))

    (found,) = rows(admin_client)["Many unknown codes"]
    assert (found[0], found[1], found[3]) == ("Bar phone", "Main St", "6 in 5 min")


def test_takes_hours_for_no_burst_that_came_in_together(till, admin_client):
    came_in = timezone.now()
    for number in range(7):
        scan_offline(till, f"typo-{number}", at=came_in - timedelta(hours=number), came_in=came_in)

    assert not rows(admin_client)["Many unknown codes"]


def test_sees_unknown_codes_read_together_without_network(till, admin_client):
    came_in = timezone.now()
    began, off = came_in - timedelta(hours=5), timedelta(hours=2)
    for number in (3, 1, 4, 0, 2):  # they came in one by one, in no order
        at = began + timedelta(minutes=number)
        scan_offline(till, f"guess-{number}", at=at, came_in=came_in - timedelta(hours=number), off=off)

    (found,) = rows(admin_client)["Many unknown codes"]

    assert found[2:] == (date_format(began.astimezone(CHICAGO), "D, N j, P"), "5 in 4 min")


@pytest.mark.parametrize(("minutes", "is_odd"), [(3, True), (11, False)])
@pytest.mark.parametrize("decision", ["honoured", "refused"])
def test_sees_a_code_in_two_places_of_which_one_had_no_network(decision, minutes, is_odd, till, admin_client):
    door = Device.objects.create(name="Door", location=Location.objects.create(name="Airport"))
    began, came_in = timezone.now() - timedelta(days=9), timezone.now()
    scan(till, "first", at=began, code=till.code, reason="expired")
    at = began + timedelta(minutes=minutes)
    if decision == "honoured":
        till.give(at=at, recorded_at=came_in, kind="conflict", device=door)
    else:
        off = -timedelta(hours=1)
        scan_offline(till, "there", at=at, came_in=came_in, off=off, code=till.code, reason="expired", device=door)

    found = rows(admin_client)["One code in two places"]  # of seven days: it came in today

    assert [row[2:] for row in found] == [("Main St, then Airport", "3 min")] * is_odd


def test_takes_one_place_at_last_for_no_other(till, admin_client):
    door = Device.objects.create(name="Door", location=Location.objects.create(name="Airport"))
    came_in = timezone.now()
    scan(till, "first", at=came_in - timedelta(minutes=1), code=till.code, reason="expired")
    yesterday = came_in - timedelta(days=1)
    scan_offline(till, "there", at=yesterday, came_in=came_in, code=till.code, reason="expired", device=door)

    assert not rows(admin_client)["One code in two places"]


def test_asks_no_more_of_many_scans(till, admin_client, django_assert_max_num_queries):
    door = Device.objects.create(name="Door", location=Location.objects.create(name="Airport"))
    for number in range(20):
        at, device = timezone.now() - timedelta(minutes=number), (till.device, door)[number % 2]
        scan(till, f"code-{number}", at=at, code=till.code, reason="expired", device=device)
        scan(till, f"typo-{number}", at=at)

    with django_assert_max_num_queries(13):
        assert len(rows(admin_client)["One code in two places"]) == 19


@pytest.mark.parametrize(("minutes", "is_odd"), [(9, True), (11, False)])
def test_sees_one_code_in_two_places(minutes, is_odd, till, admin_client):
    door = Device.objects.create(name="Door", location=Location.objects.create(name="Airport"))
    began = timezone.now() - timedelta(hours=1)
    scan(till, "first", at=began, code=till.code, reason="expired")
    scan(till, "again", at=began + timedelta(seconds=5), code=till.code, reason="expired")
    scan(till, "there", at=began + timedelta(minutes=minutes), code=till.code, reason="expired", device=door)

    found = rows(admin_client)["One code in two places"]

    assert [(row[0], row[2]) for row in found] == [(f"Code {till.code.pk}", "Main St, then Airport")] * is_odd


def test_sees_who_takes_much_back(till, admin_client):
    for number in range(20):
        given = till.give("10", "2", at=timezone.now())
        if number < 3:
            void(redemption=given, reason=VoidReason.OTHER, at=timezone.now())

    found = rows(admin_client)["Much taken back"]

    assert sorted(found) == [("Ann", "Staff", "3 of 20", "15 %"), ("Bar phone", "Device", "3 of 20", "15 %")]


def test_sees_what_was_given_without_network(till, admin_client):
    till.give(at=timezone.now(), is_offline=True)
    till.give(at=timezone.now(), kind="conflict")
    for _ in range(2):
        till.give(at=timezone.now(), is_offline=True, decision="undecided")  # these waited for the answer

    assert rows(admin_client)["Given without network"] == [("Bar phone", "2 of 4", "50 %", 1)]
    group = admin_client.get(SIGNALS).context["groups"][3]
    listed = admin_client.get(group.rows[0].url).context["cl"].result_list
    assert {found.decision for found in listed} == {"honoured"}
    assert len(listed) == 2


def test_sees_nothing_odd_in_what_waited_for_the_network(till, admin_client):
    till.give(at=timezone.now(), is_offline=True, decision="undecided")

    assert not rows(admin_client)["Given without network"]


@pytest.mark.parametrize(("each", "found"), [(4, False), (5, True)])
def test_sees_many_wrong_pins_on_all_devices_together(each, found, till, admin_client):
    door = Device.objects.create(name="Door", location=till.location)
    noon = timezone.localtime().replace(hour=12) - timedelta(days=1)
    for device in (till.device, door):
        SignIn.objects.create(device=device, staff=till.staff, at=noon)
        for number in range(each):
            SignIn.objects.create(device=device, at=noon + timedelta(minutes=number))
    SignIn.objects.create(device=door, at=noon - timedelta(days=1))

    assert [row[1:] for row in rows(admin_client)["Many wrong PINs"]] == [(10, 2)] * found


@pytest.mark.parametrize("asks_pin", [True, False])
def test_shows_scans_that_name_nobody(asks_pin, till, admin_client):
    Device.objects.update(asks_pin=asks_pin)
    redeem(code_text=till.code.token, device=till.device, key="by-ann", at=timezone.now(), staff=till.staff)
    redeem(code_text=till.code.token, device=till.device, key="by-nobody", at=timezone.now())

    page = admin_client.get("/admin/redemptions/scan/", {"staff__isempty": "1"})

    assert [scan.key for scan in page.context["cl"].result_list] == ["by-nobody"]
    assert ("nobody signed in" in page.content.decode()) is asks_pin
    named = admin_client.get("/admin/redemptions/scan/", {"staff__isempty": "0"})
    assert "Bar phone · Ann" in named.content.decode()


def test_sees_devices_that_were_locked(till, admin_client):
    for number in range(3):
        scan(till, f"locked-{number}", at=timezone.now(), reason="device_locked")

    (found,) = rows(admin_client)["Locked for guessing"]
    assert (found[0], found[1], found[3]) == ("Bar phone", "Main St", 3)


def test_looks_as_far_back_as_it_is_asked(till, admin_client):
    scan(till, "locked", at=timezone.now() - timedelta(days=20), reason="device_locked")

    assert not rows(admin_client)["Locked for guessing"]
    assert rows(admin_client, 30)["Locked for guessing"]
    assert not rows(admin_client, 999)["Locked for guessing"]  # not a period: a week


def test_links_to_the_scans_behind_a_signal(till, admin_client):
    scan(till, "locked", at=timezone.now(), reason="device_locked")

    group = admin_client.get(SIGNALS).context["groups"][-1]

    listed = admin_client.get(group.rows[0].url).context["cl"].result_list
    assert [found.key for found in listed] == ["locked"]


def test_shows_signals_to_those_who_may_see_scans(till):
    assert staff_client("redemptions.view_redemption").get(SIGNALS).status_code == 403
    assert staff_client("redemptions.view_redemption", "redemptions.view_scan").get(SIGNALS).status_code == 200


def test_sets_devices_up_with_tokens_nobody_reads(till, admin_client):
    profile = Device.Profile.SCANNER
    device, token = enrol_device_start(name="Door", location_name="Main St", profile=profile, at=timezone.now())

    assert token not in admin_client.get(page_of(device)).content.decode()


@pytest.mark.browser
def test_fits_long_results_on_a_phone(till, admin_page):
    till.give(kind="conflict")
    admin_page.set_viewport_size({"width": 390, "height": 844})
    admin_page.goto("/admin/redemptions/scan/")

    admin_page.locator(".badge").first.evaluate("node => node.textContent = 'Given without network, against a rule'")

    assert admin_page.evaluate("document.documentElement.scrollWidth") == 390
