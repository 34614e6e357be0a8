import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from redemptions.models import Code, Offer, Scan
from redemptions.rendering import calendar_file, coupon_of, worth
from redemptions.services import redeem

CHICAGO = ZoneInfo("America/Chicago")
LUNCH = [{"days": [0, 1, 2, 3, 4], "from": "11:00", "to": "15:00"}]  # the clock stands on a Saturday


@pytest.fixture
def client():
    return Client(enforce_csrf_checks=True)


def read(client, code):
    return client.get(f"/r/{code.token}").content.decode()


# --- What it says -----------------------------------------------------------------------------------------------------


def test_says_when_it_is_good_again(client, code, clock, change):
    change(code.offer, hours=LUNCH)

    page = read(client, code)

    assert "Not at this time" in page
    assert "Good again on Monday, November 23, 2026, 11:00 AM CST. Keep this page." in page
    assert code.typed_display in page
    assert "Days and hours: Mon to Fri 11:00 to 15:00" in page


def test_is_good_within_its_hours(client, code, clock, change):
    change(code.offer, hours=LUNCH)
    clock.shift(timedelta(days=2))

    assert "Show this at the till" in read(client, code)


def test_does_not_promise_hours_after_the_end(client, code, clock, change):
    change(code.offer, hours=LUNCH, ends_at=datetime.fromisoformat("2026-11-23T16:00Z"))

    page = read(client, code)

    assert "Its hours are over: it was valid until Monday, November 23, 2026, 10:00 AM CST." in page
    assert "Good again" not in page


def test_says_what_the_order_must_be(client, code, change):
    change(code.offer, min_spend="20", max_discount="15")

    page = read(client, code)

    assert "For orders from 20.00 USD" in page
    assert "At most 15.00 USD off" in page


@pytest.mark.parametrize(("values", "words"), [({}, "20 % off"), ({"type": "item", "value": None}, "Free item")])
def test_says_what_it_is_worth(values, words, client, code, change):
    change(code.offer, name="Lunch at the bar", **values)

    assert f'<p class="worth">{words}</p>' in read(client, code)


@pytest.mark.parametrize(
    ("limit", "headline"), [({"max_total": 1}, "All given out"), ({"max_per_person": 1}, "Used up")]
)
def test_is_honest_about_limits(limit, headline, client, code, device, at, change):
    change(code, max_uses=2)
    change(code.offer, **limit)
    redeem(code_text=code.token, device=device, key="the-first", at=at)

    page = read(client, code)

    assert headline in page
    assert "/q/" not in page
    assert code.typed_display not in page


def test_asks_for_a_bright_screen(client, code):
    assert "Turn the brightness up" in read(client, code)


def test_loads_nothing_from_elsewhere(client, code, change):
    change(code.offer, ends_at=datetime.fromisoformat("2030-12-06T05:59Z"))

    links = re.findall(r'(?:src|href)="([^"]*)"', read(client, code))

    assert len(links) == 3  # style, image, calendar
    assert all(link.startswith("/") and not link.startswith("//") for link in links)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("percent", "20", "20 % off"),
        ("percent", "12.50", "12.5 % off"),
        ("amount", "5", "5.00 USD off"),
        ("item", None, "Free item"),
        ("bogo", None, "Buy one, get one"),
    ],
)
def test_says_what_a_deal_is_worth(kind, value, words, offer, change):
    change(offer, type=kind, value=value)

    assert worth(Offer.objects.get()) == words


@pytest.mark.parametrize("reason", [None, *set(Scan.Reason) & {*map(Scan.Reason, ["outside_hours", "expired"])}])
def test_describes_a_deal_that_was_never_saved(reason, at):
    offer = Offer(name="Soup", type="item", hours=LUNCH, ends_at=at)

    assert coupon_of(offer, reason=reason, business="The Corner Bar", zone=CHICAGO, at=at).headline


# --- The calendar -----------------------------------------------------------------------------------------------------


def event(client, code):
    answer = client.get(f"/r/{code.token}/calendar.ics")
    return answer, answer.content.decode().replace("\r\n ", "")


def test_puts_the_last_day_into_the_calendar(client, code, clock, change):
    change(code.offer, ends_at=datetime.fromisoformat("2026-12-06T06:00Z"), terms="Not with other deals; ever.")

    answer, text = event(client, code)

    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert "DTSTART;VALUE=DATE:20261205\r\nDTEND;VALUE=DATE:20261206\r\n" in text
    assert "SUMMARY:20 % off lunch · The Corner Bar\r\n" in text
    assert "Not with other deals\\; ever." in text
    assert f"URL:http://testserver/r/{code.token.lower()}\r\n" in text
    assert "Maria" not in text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert f"/r/{code.token}/calendar.ics" in read(client, code)


def test_puts_the_first_day_of_a_deal_without_end_into_the_calendar(client, code, clock, change):
    change(code.offer, starts_at=datetime.fromisoformat("2026-12-01T15:00Z"))

    assert "DTSTART;VALUE=DATE:20261201\r\n" in event(client, code)[1]


@pytest.mark.parametrize("values", [{}, {"ends_at": datetime.fromisoformat("2026-11-01T06:00Z")}])
def test_has_no_day_for_a_deal_without_one_or_that_is_over(values, client, code, clock, change):
    change(code.offer, **values)

    assert client.get(f"/r/{code.token}/calendar.ics").status_code == 404
    assert "calendar" not in read(client, code)


def test_has_no_calendar_of_an_unknown_code(client, db):
    assert client.get("/r/" + "0" * 26 + "/calendar.ics").status_code == 404


def test_folds_lines_between_characters():
    file = calendar_file(title="Ö" * 100, details="a\nb,c;d\\e", url="http://x/", day=date(2026, 1, 2), uid="u", at=NOW)

    assert all(len(line) <= 75 for line in file.split(b"\r\n"))
    assert "Ö" * 100 in file.replace(b"\r\n ", b"").decode()
    assert b"DESCRIPTION:a\\nb\\,c\\;d\\\\e\r\n" in file


NOW = datetime.fromisoformat("2026-11-21T18:00Z")


def test_looking_at_the_calendar_changes_nothing(client, code, clock, change):
    change(code.offer, ends_at=datetime.fromisoformat("2026-12-06T06:00Z"))
    before = Code.objects.values().get()

    client.get(f"/r/{code.token}/calendar.ics")

    assert Code.objects.values().get() == before
    assert not Scan.objects.exists()
