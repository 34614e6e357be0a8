"""The form of a deal: days and hours, limits, what happens without network, and the preview beside it."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from redemptions.api.answers import describe_deal
from redemptions.codes import SAMPLE_TYPED, display
from redemptions.models import Code, Offer, Scan
from tests.admin.conftest import staff_client

ADD = "/admin/redemptions/offer/add/"
PREVIEW = "/admin/redemptions/offer/preview/"
DEAL = {
    "name": "20 % off lunch",
    "type": "percent",
    "value": "20",
    "currency": "USD",
    "status": "active",
    "max_uses": "1",
    "offline": "refuse",
    "offline_per_day": "20",
}


def row(number, days, opens, closes):
    return {f"hours-{number}-day": days, f"hours-{number}-from": opens, f"hours-{number}-to": closes}


def errors(answer):
    return answer.context["adminform"].form.errors


def test_keeps_everything_a_deal_needs(admin_client, db):
    limits = {"max_discount": "15", "min_spend": "20", "max_per_person": "2", "max_total": "100", "budget": "500"}
    hours = row(0, ["0", "1", "4"], "11:00", "15:00") | row(1, [], "", "") | row(2, ["5"], "22:00", "02:00")

    answer = admin_client.post(ADD, {**DEAL, **limits, **hours, "offline_max_value": "9"})

    assert answer.status_code == 302
    offer = Offer.objects.get()
    assert offer.hours == [
        {"days": [0, 1, 4], "from": "11:00", "to": "15:00"},
        {"days": [5], "from": "22:00", "to": "02:00"},
    ]
    assert (offer.max_per_person, offer.max_total) == (2, 100)
    amounts = (offer.max_discount, offer.min_spend, offer.budget, offer.offline_max_value)
    assert amounts == tuple(map(Decimal, (15, 20, 500, 9)))


def test_shows_the_hours_that_were_saved(admin_client, db):
    offer = Offer.objects.create(name="Lunch", value=20, hours=[{"days": [6], "from": "11:00", "to": "15:00"}])

    html = admin_client.get(f"/admin/redemptions/offer/{offer.pk}/change/").content.decode()

    assert re.findall(r'name="hours-0-day" value="(\d)" checked', html) == ["6"]
    assert 'name="hours-0-from" value="11:00"' in html
    assert "hours-3-from" in html
    assert "hours-4-from" not in html


def test_loses_none_of_more_windows_than_rows(admin_client, db):
    windows = [{"days": [day], "from": "11:00", "to": "15:00"} for day in range(6)]
    offer = Offer.objects.create(name="Lunch", value=20, hours=windows)
    shown = admin_client.get(f"/admin/redemptions/offer/{offer.pk}/change/").content.decode()
    assert "hours-5-from" in shown

    posted: dict[str, Any] = {}
    for number, window in enumerate(windows):
        posted |= row(number, [str(day) for day in window["days"]], window["from"], window["to"])
    admin_client.post(f"/admin/redemptions/offer/{offer.pk}/change/", {**DEAL, **posted})

    offer.refresh_from_db()
    assert offer.hours == windows


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"value": "120"}, "value", "A percentage is between 0 and 100."),
        ({"type": "amount", "value": ""}, "value", "Say how much money is taken off."),
        ({"type": "amount", "max_discount": "5"}, "max_discount", "“At most” goes with a percentage. Leave it empty."),
        ({"type": "item", "value": "", "budget": "5"}, "budget", "goes with a percentage or money off"),
        ({"type": "item", "value": "5"}, "value", "Leave the value empty"),
        (row(0, [], "11:00", "15:00"), "hours", "11:00 to 15:00: tick the days."),
        (row(0, ["0", "6"], "", "15:00"), "hours", "Mon, Sun: say from when to when."),
        (row(0, ["0"], "noon", "15:00"), "hours", "Write times like 11:00 or 23:30."),
        (
            {"starts_at_0": "2026-12-02", "starts_at_1": "00:00", "ends_at_0": "2026-12-01", "ends_at_1": "00:00"},
            "ends_at",
            "The deal ends before it starts.",
        ),
    ],
)
def test_says_beside_the_field_what_is_wrong(values, field, words, admin_client, db):
    found = errors(admin_client.post(ADD, {**DEAL, **values}))

    assert set(found) == {field}  # once, and nothing for the whole form
    assert words in found[field][0]
    assert not Offer.objects.exists()


@pytest.mark.parametrize(
    ("policy", "words"),
    [("refuse", ""), ("honour_known", "taken at two tills"), ("honour_wellformed", "made up ones too")],
)
def test_warns_of_what_happens_without_network(policy, words, admin_client, db):
    answer = admin_client.post(ADD, {**DEAL, "offline": policy}, follow=True)

    warnings = [str(message) for message in answer.context["messages"] if message.level_tag == "warning"]
    assert len(warnings) == bool(words)
    assert words in "".join(warnings)


# --- The preview ------------------------------------------------------------------------------------------------------


def test_shows_the_coupon_and_the_answer_before_anything_is_saved(admin_client, db):
    page = admin_client.post(
        PREVIEW,
        {**DEAL, "instructions": "One per table", "min_spend": "20", **row(0, list("0123456"), "00:00", "00:00")},
    )

    html = page.content.decode()
    assert "Show this at the till" in html
    assert display(SAMPLE_TYPED) in html
    assert "data:image/png;base64," in html
    assert "Days and hours: Every day all day" in html
    assert "At the till, staff see" in html
    assert "One per table" in html
    assert html.index("What does the order cost?") < html.index("Redeemed")
    assert "/calendar.ics" not in html
    assert not Offer.objects.exists()
    assert not Code.objects.exists()
    assert not Scan.objects.exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"max_discount": "15", "min_spend": "100", "instructions": "One per table"},
            [
                ("What does the order cost?", "Lunch", "20 % off, at most 15.00 USD", "For orders from 100.00 USD"),
                ("Redeemed", "Lunch", "15.00 USD off, where the order is 100.00 USD", "One per table"),
            ],
        ),
        (
            {"budget": "500"},
            [
                ("What does the order cost?", "Lunch", "20 % off"),
                ("Redeemed", "Lunch", "8.00 USD off, where the order is 40.00 USD"),
            ],
        ),
        (
            {"type": "item", "value": "", "min_spend": "20"},
            [
                ("What does the order cost?", "Lunch", "Free item", "For orders from 20.00 USD"),
                ("Redeemed", "Lunch", "Free item", "For orders from 20.00 USD"),
            ],
        ),
        (
            {"type": "amount", "value": "5", "max_uses": "3"},
            [("Redeemed", "Lunch", "5.00 USD off", "Use 1 of 3")],
        ),
        ({"status": "paused"}, [("Deal paused", "Lunch", "20 % off")]),
    ],
)
def test_says_what_the_scanner_says(values, said, admin_client, db):
    page = admin_client.post(PREVIEW, {**DEAL, "name": "Lunch", **values})

    assert [(answer.headline, *answer.lines) for answer in page.context["answers"]] == said


def test_tells_staff_what_the_scanner_knows(admin_client, db):
    offer = Offer.objects.create(
        name="Lunch", value="12.50", max_discount="15", min_spend="20", instructions="One per table"
    )
    offer.refresh_from_db()

    html = admin_client.get(f"/admin/redemptions/offer/{offer.pk}/preview/").content.decode()

    told = describe_deal(offer)
    staff = html[html.index("At the till, staff see") :]
    for fact in ("title", "value", "instructions"):
        assert told[fact] in staff
    for fact in ("max_discount", "min_spend"):
        assert f"{told[fact]['amount']:.2f} {told[fact]['currency']}" in staff


def test_may_stand_in_a_frame_of_this_site_only(admin_client, db):
    page = admin_client.get(PREVIEW)

    assert page.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_says_what_keeps_it_from_a_preview(admin_client, db):
    assert (
        "Value: A percentage is between 0 and 100."
        in admin_client.post(PREVIEW, {**DEAL, "value": ""}).content.decode()
    )


def test_previews_a_change_and_leaves_the_deal_alone(admin_client, db):
    offer = Offer.objects.create(name="Lunch", value=20, ends_at=timezone.now() - timedelta(days=1))
    saved = admin_client.get(f"/admin/redemptions/offer/{offer.pk}/preview/").content.decode()

    changed = admin_client.post(f"/admin/redemptions/offer/{offer.pk}/preview/", {**DEAL, "name": "Supper"})

    assert saved.count("Expired") == 2  # to guests, and to staff
    assert "Supper" in changed.content.decode()
    offer.refresh_from_db()
    assert offer.name == "Lunch"


def test_shows_what_is_used_up(admin_client, db):
    offer = Offer.objects.create(name="Lunch", value=20, max_total=100, budget=500)

    html = admin_client.get(f"/admin/redemptions/offer/{offer.pk}/change/").content.decode()

    assert "0 of 100" in html
    assert "0.00 USD of 500.00 USD" in html


def test_shows_the_preview_to_those_who_may_see_deals(db):
    assert staff_client("redemptions.view_offer").get(PREVIEW).status_code == 200
    assert staff_client("redemptions.view_code").get(PREVIEW).status_code == 403
