import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from contacts.models import Contact
from redemptions.admin import OfferState
from redemptions.models import Code, Device, Location, Offer, Redemption, Scan
from redemptions.services import OfflineScan, amend, complete_enrolment, issue_codes, redeem, upload


def page(model, kind="changelist", *args):
    return reverse(f"admin:redemptions_{model._meta.model_name}_{kind}", args=args)


DEAL = {
    "name": "Lunch",
    "type": "percent",
    "value": "20",
    "currency": "USD",
    "max_uses": 1,
    "status": "active",
    "offline": "refuse",
    "offline_per_day": 20,
}


def act(client, model, action, rows, **more):
    return client.post(
        page(model), {"action": action, "_selected_action": [row.pk for row in rows], **more}, follow=True
    )


@pytest.fixture
def scanned(code, device, at):
    redeem(code_text=code.token, device=device, key="the-scan", at=at)
    return redeem(code_text=code.token, device=device, key="second-scan", at=at)


@pytest.mark.parametrize("model", [Offer, Code, Redemption, Scan, Location, Device])
def test_opens_every_page(model, admin_client, scanned):
    row = model.objects.first()

    assert admin_client.get(page(model)).status_code == 200
    assert admin_client.get(page(model), {"q": "x"}).status_code in {200, 302}
    assert admin_client.get(page(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", [Code, Redemption, Scan])
def test_lets_nobody_write_history(model, admin_client, scanned):
    row = model.objects.first()

    assert admin_client.get(page(model, "add")).status_code == 403
    assert admin_client.post(page(model, "change", row.pk), {}).status_code == 403
    assert admin_client.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403


@pytest.fixture
def redeem_another(offer, device, at):
    def redeem_as(guest):
        contact = Contact.objects.create(email=f"{guest}@example.com")
        code = Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk])
        redeem(code_text=code.token, device=device, key=f"scan-of-{guest}", at=at)

    return redeem_as


@pytest.mark.parametrize("model", [Offer, Code, Redemption, Scan, Device])
def test_lists_in_a_constant_number_of_queries(model, admin_client, redeem_another, django_assert_num_queries):
    redeem_another("ada")
    admin_client.get(page(model))  # writes the row of the business
    with CaptureQueriesContext(connection) as for_one:
        admin_client.get(page(model))
    for guest in ("bea", "cleo", "dora"):
        redeem_another(guest)

    with django_assert_num_queries(len(for_one)):
        admin_client.get(page(model))


def test_shows_the_short_code_and_never_the_token(admin_client, code):
    text = admin_client.get(page(Code, "change", code.pk)).content.decode()

    assert code.typed_display in text
    assert code.token not in text
    assert "Maria" not in text


@pytest.mark.parametrize("form", ["{0.typed_display}", "http://testserver/r/{0.token}", "{0.pk}"])
def test_finds_a_code_by_what_a_guest_reads_out(form, admin_client, code):
    text = admin_client.get(page(Code), {"q": form.format(code)}).content.decode()

    assert f"Code {code.pk}" in text


def test_finds_no_code_by_nonsense(admin_client, code):
    text = admin_client.get(page(Code), {"q": "nonsense"}).content.decode()

    assert f"Code {code.pk}" not in text


@pytest.mark.parametrize(("action", "status"), [("pause", "paused"), ("resume", "active")])
def test_pauses_and_resumes_deals(action, status, admin_client, offer):
    answer = act(admin_client, Offer, action, [offer])

    offer.refresh_from_db()
    assert offer.status == status
    assert "1 deal" in answer.content.decode()


NEXT_WEEK, LAST_WEEK = timedelta(days=7), -timedelta(days=7)


@pytest.fixture
def deals(db):
    now = timezone.now()
    Offer.objects.create(name="Endless", value=20)
    Offer.objects.create(name="Running", value=20, starts_at=now + LAST_WEEK, ends_at=now + NEXT_WEEK)
    Offer.objects.create(name="Next", value=20, starts_at=now + NEXT_WEEK)
    Offer.objects.create(name="Stopped", value=20, status="paused")
    Offer.objects.create(name="Past", value=20, ends_at=now + LAST_WEEK)
    Offer.objects.create(name="Paused and past", value=20, ends_at=now + LAST_WEEK, status="paused")
    Offer.objects.create(name="Closed", value=20, status="ended")


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("active", {"Endless", "Running"}),
        ("later", {"Next"}),
        ("paused", {"Stopped"}),
        ("over", {"Past", "Paused and past", "Closed"}),
    ],
)
def test_filters_deals_by_the_state_that_holds_now(state, names, admin_client, deals):
    listed = admin_client.get(page(Offer), {"state": state}).context["cl"].result_list

    assert {offer.name for offer in listed} == names
    assert {OfferState.of(offer, timezone.now()) for offer in listed} == {state}


def test_names_the_last_day_of_a_deal_that_ends_at_midnight(admin_client, offer):
    Offer.objects.update(ends_at=datetime(2027, 1, 1, 6, tzinfo=UTC))  # in Chicago

    assert "until Thursday, December 31, 2026" in admin_client.get(page(Offer)).content.decode()


def test_warns_of_a_deal_saved_with_an_end_that_is_past(admin_client, db):
    answer = admin_client.post(
        page(Offer, "add"), {**DEAL, "ends_at_0": "2020-01-02", "ends_at_1": "00:00:00"}, follow=True
    )

    assert "This deal is over: it was valid until Wednesday, January 1, 2020." in answer.content.decode()


def test_tells_tests_from_the_codes_of_guests(admin_client, code):
    Code.objects.filter(pk=code.pk).update(is_test=True)

    assert "badge-warn" in admin_client.get(page(Code), {"is_test": "yes"}).content.decode()
    assert f"Code {code.pk}" not in admin_client.get(page(Code), {"is_test": "no"}).content.decode()


def test_ends_a_deal_only_after_the_count_was_shown(admin_client, code):
    question = act(admin_client, Offer, "end", [code.offer]).content.decode()
    assert "End 1 deal?" in question
    assert "1 code not used yet will be refused" in question
    assert Offer.objects.get().status == "active"

    act(admin_client, Offer, "end", [code.offer], confirmed="yes")

    assert Offer.objects.get().status == "ended"


def test_withdraws_codes_after_a_question(admin_client, code):
    assert "Withdraw 1 code?" in act(admin_client, Code, "revoke", [code]).content.decode()
    assert Code.objects.get().revoked_at is None

    answer = act(admin_client, Code, "revoke", [code], confirmed="yes")

    assert "1 code withdrawn." in answer.content.decode()
    assert Code.objects.get().revoked_at


def test_explains_a_bad_deal_in_the_form(admin_client, db):
    answer = admin_client.post(page(Offer, "add"), {**DEAL, "value": ""})

    assert "A percentage is between 0 and 100." in answer.content.decode()
    assert not Offer.objects.exists()


def test_sets_a_device_up_with_a_link_shown_once(admin_client, elsewhere, at, clock):
    shown = admin_client.post(
        page(Device, "add"), {"name": "Bar phone", "location": elsewhere.pk, "profile": "scanner"}, follow=True
    )

    text = shown.content.decode()
    link = re.search(r"http://testserver/scan/#enrol=([\w-]+)", text)
    assert link
    assert "data:image/png;base64," in text
    assert complete_enrolment(enrol_token=link[1], key="a-key", at=at)[0] == Device.objects.get()
    again = admin_client.get(shown.redirect_chain[-1][0]).content.decode()
    assert "#enrol=" not in again
    assert link[1] not in str(LogEntry.objects.values())


def test_makes_a_new_link_for_a_device(admin_client, device):
    answer = act(admin_client, Device, "new_link", [device])

    assert "#enrol=" in answer.content.decode()


def test_withdraws_devices_after_a_question(admin_client, device):
    assert "Withdraw 1 device?" in act(admin_client, Device, "revoke", [device]).content.decode()

    act(admin_client, Device, "revoke", [device], confirmed="yes")

    assert Device.objects.get().revoked_at
    assert "not withdrawn" in act(admin_client, Device, "new_link", [device]).content.decode()


# --- What a line tells ------------------------------------------------------------------------------------------------


def test_a_line_tells_what_was_changed_and_how_staff_went_beyond_the_limits(code, device, at, admin_client):
    scan = OfflineScan(
        key="offline-1", code_text=code.token, scanned_at=at - timedelta(days=9), decision=Scan.Decision.HONOURED
    )
    sent_at = at - timedelta(minutes=6)
    [done] = upload(device=device, items=[scan], sent_at=sent_at, at=at)
    assert done.outcome
    line = Redemption.objects.get()
    for order_value in (Decimal(10), Decimal(20)):
        amend(redemption=line, device=device, at=at, order_value=order_value)

    html = admin_client.get(page(Redemption, "change", line.pk)).content.decode()
    scanned = admin_client.get(page(Scan, "change", Scan.objects.get().pk)).content.decode()

    assert "Not to be given without network" in html
    assert re.search(r"until [^<]*: no order value<br>until [^<]*: 10.00 USD", html)
    assert "360.0 s slow. The phone&#x27;s clock was off by more than five minutes" in scanned
    assert "More than seven days old when it was sent" in scanned
