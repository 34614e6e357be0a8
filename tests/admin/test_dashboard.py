"""The front page: what needs a person comes first, and its numbers are those of the lists and reports they lead to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from config.dashboard import Dashboard, dashboard
from config.dashboard.alerts import Alert, alerts
from config.dashboard.cards import columns, contact_cards, deals_card, redeemed_per_day, spark
from contacts.models import Business, Contact
from messaging.models import Fact, Message
from messaging.queries.trends import fact_name
from messaging.services.facts import note_call, note_refusal
from messaging.services.numbers import note_numbers
from redemptions.models import Redemption, Scan, SignIn
from tests.admin.conftest import staff_client
from tests.messaging.busy import busy_shop

CHICAGO = ZoneInfo("America/Chicago")
INDEX = "/admin/"


@pytest.fixture
def at():
    return timezone.now()


@pytest.fixture
def busy(db, at):
    return busy_shop(at, guests=60)


def titles(user, at):
    return [alert.title for alert in alerts(user, at)]


# --- What needs a person ----------------------------------------------------------------------------------------------


def test_names_what_needs_a_person_with_a_way_there(busy, at, admin_user, admin_client):
    found = alerts(admin_user, at)

    assert [alert.title for alert in found] == [
        "“Thursday live music” is paused",
        "“Thursday live music”: 1 message with unknown outcome",
        "“Autumn menu launch”: 2 messages with unknown outcome",
        "2 deals were given without network against a rule",
        "1 text to read",
        "Test mode: e-mail and SMS stay on this machine",
    ]
    for alert in found:
        assert alert.link
        assert admin_client.get(alert.url).status_code == 200


def test_puts_the_worst_first(busy, at, admin_user):
    silent = alerts(admin_user, at + timedelta(minutes=4))

    assert silent[0].title == "The background worker is not running"
    assert [alert.level for alert in silent] == sorted(
        (alert.level for alert in silent), key=["bad", "warn", "info"].index
    )


@pytest.mark.parametrize(("count", "folded"), [(0, 0), (3, 0), (4, 0), (5, 2), (6, 3)])
def test_folds_all_but_three_away_and_never_a_single_one(count, folded):
    found = [Alert("warn", f"Look at {number}", "") for number in range(count)]

    page = Dashboard(found)

    assert [*page.pressing, *page.folded] == found
    assert len(page.folded) == folded


def test_what_is_folded_is_on_the_page(busy, admin_client):
    html = admin_client.get(INDEX).content.decode()

    above, _, below = html.partition("<summary>And 3 more</summary>")
    assert "“Autumn menu launch”: 2 messages with unknown outcome" in above
    assert "1 text to read" in below.partition("</details>")[0]


def test_asks_no_more_about_what_was_decided(busy, at, admin_user):
    Message.objects.filter(status="unknown").update(reason=Message.Reason.LEFT)

    assert not [title for title in titles(admin_user, at) if "unknown outcome" in title]


def test_says_that_reports_are_refused_until_they_are_good_again(db, at, admin_user, settings):
    settings.EMAIL_PROVIDER = settings.SMS_PROVIDER = "twilio"
    note_refusal("twilio", at=at)
    refused = [alert for alert in alerts(admin_user, at) if "Twilio" in alert.title]
    note_call("twilio", at=at)

    assert [(alert.level, alert.url) for alert in refused] == [("bad", reverse("admin:messaging_setup"))]
    assert not [title for title in titles(admin_user, at) if "Twilio" in title]


def test_forgets_refusals_of_days_ago(db, at, admin_user, settings):
    settings.EMAIL_PROVIDER = "sendgrid"
    note_refusal("sendgrid", at=at - timedelta(days=2))

    assert not [title for title in titles(admin_user, at) if "SendGrid" in title]


def test_names_devices_locked_for_guessing_codes_or_pins(shop, at, admin_user):
    device = Scan.objects.get().device
    SignIn.objects.bulk_create(SignIn(device=device, at=at) for _ in range(5))
    for number in range(10):
        Scan.objects.create(
            device=device,
            location=device.location,
            key=f"guess {number}",
            fingerprint=bytes(32),
            result=Scan.Result.REFUSED,
            reason=Scan.Reason.UNKNOWN_CODE,
            at=at,
        )

    assert "The scanner “Till” is locked" in titles(admin_user, at)
    assert "Wrong PINs on “Till”" in titles(admin_user, at)
    assert "The scanner “Till” is locked" not in titles(admin_user, at + timedelta(minutes=11))
    assert "Wrong PINs on “Till”" not in titles(admin_user, at + timedelta(minutes=16))


def test_shows_nobody_what_they_may_not_see(busy, at):
    page = staff_client("contacts.view_tag").get(INDEX).context["dashboard"]

    assert [alert.title for alert in page.alerts] == ["Test mode: e-mail and SMS stay on this machine"]
    assert page.alerts[0].url == ""
    assert (page.cards, page.live, page.next, page.drafts, page.results) == ([], [], [], [], [])


# --- Numbers ----------------------------------------------------------------------------------------------------------


def test_each_card_counts_what_its_list_holds(busy, at, admin_client):
    cards = contact_cards(at=at)

    for card in cards:
        assert admin_client.get(card.url).context["cl"].result_count == card.value
    assert sum(card.value for card in cards) > len(cards)


def test_the_deals_are_those_of_the_redemptions_report(busy, at, admin_client):
    zone = Business.load().zone
    card = deals_card(redeemed_per_day(zone, at=at), zone, at=at)

    report = admin_client.get(card.url)

    assert card.value == sum(one["given"] for one in report.context["totals"]) > 0
    assert Redemption.objects.filter(kind="voided").exists()
    assert Redemption.objects.filter(kind="conflict").exists()
    assert card.value == admin_client.get(INDEX).context["dashboard"].redeemed_in_chart


def test_the_deals_of_the_days_before_are_the_trend(busy, at):
    Redemption.objects.filter(pk__in=Redemption.objects.values("pk")[:9]).update(at=at - timedelta(days=40))
    zone = Business.load().zone

    card = deals_card(redeemed_per_day(zone, at=at), zone, at=at)

    assert card.trend.startswith("in 30 days, ")
    assert card.kind in {"good", "poor"}


def test_a_day_with_more_taken_back_has_no_column():
    day = datetime(2026, 11, 1, tzinfo=UTC).date()

    drawn = columns([(day, -1), (day + timedelta(days=1), 4)])

    assert [(column.value, column.height) for column in drawn] == [(-1, 0), (4, 60)]


# --- Trends -----------------------------------------------------------------------------------------------------------


def test_says_nothing_of_a_trend_on_the_first_day(db, at):
    assert {(card.trend, card.spark) for card in contact_cards(at=at)} == {("The trend begins tomorrow", "")}


def test_says_how_counts_went(db, at):
    Contact.objects.create(email="one@example.org", email_status="subscribed")
    day = at.astimezone(Business.load().zone).date()
    before = {"contacts": 3, "email_subscribed": 0, "email_unsubscribed": 0, "sms_subscribed": 0, "sms_unsubscribed": 0}
    for days, contacts in ((31, 900), (30, 3), (10, 2)):
        detail = before | {"contacts": contacts}
        Fact.objects.create(name=fact_name(day - timedelta(days=days)), detail=detail, at=at)

    people, subscribed, unsubscribed, *_ = contact_cards(at=at)

    assert (people.value, people.trend, people.kind) == (1, "\N{MINUS SIGN}2 in 30 days", "poor")
    assert (subscribed.trend, subscribed.kind) == ("+1 in 30 days", "good")
    assert unsubscribed.trend == "No change in 30 days"
    assert [point.split(",")[0] for point in people.spark.split()] == ["0.0", "80.0", "120.0"]


def test_a_shorter_history_says_since_when(db):
    at = datetime(2026, 11, 22, 18, tzinfo=UTC)
    Fact.objects.create(name=fact_name(datetime(2026, 11, 20).date()), detail={"contacts": 5}, at=at)  # noqa: DTZ001

    assert contact_cards(at=at)[0].trend == "\N{MINUS SIGN}5 since Nov. 20"


def test_writes_the_counts_down_once_an_hour_by_the_days_of_the_shop(db):
    Business.load()
    Business.objects.update(timezone="America/Chicago")
    evening = datetime(2026, 11, 22, 3, tzinfo=UTC)  # the 21st in Chicago

    assert note_numbers(at=evening)
    Contact.objects.create(email="one@example.org")
    assert not note_numbers(at=evening + timedelta(minutes=59))
    assert note_numbers(at=evening + timedelta(minutes=61))
    assert note_numbers(at=evening + timedelta(hours=4))

    facts = Fact.objects.filter(name__startswith="numbers.").order_by("name")
    assert [(fact.name, fact.detail["contacts"]) for fact in facts] == [
        ("numbers.2026-11-21", 1),
        ("numbers.2026-11-22", 1),
    ]


def test_a_line_of_one_height_lies_in_the_middle():
    day = datetime(2026, 11, 1, tzinfo=UTC).date()

    assert spark([(day, 5), (day + timedelta(days=1), 5)]) == "0.0,14.0 120.0,14.0"
    assert spark([(day, 5)]) == ""


# --- Campaigns --------------------------------------------------------------------------------------------------------


def test_tells_what_goes_now_from_what_goes_next(busy, at, admin_user):
    page = dashboard(admin_user, at=at)

    assert [going.campaign for going in page.live] == [busy.going, busy.paused]
    assert page.next == [busy.scheduled]
    assert [str(draft) for draft in page.drafts] == ["Wine evening"]
    assert "a minute" in page.live[0].pace


def test_what_moves_is_not_hidden_by_what_was_paused_long_ago(busy, at, admin_user):
    for days in range(9):
        busy.paused.pk, busy.paused.starts_at = None, at - timedelta(days=60 + days)
        busy.paused.save()

    live = dashboard(admin_user, at=at).live

    assert live[0].campaign == busy.going
    assert len(live) == 5


def test_results_are_those_of_the_report(busy, at, admin_user, admin_client):
    page = dashboard(admin_user, at=at)

    for result in page.results:
        report = admin_client.get(reverse("admin:campaigns_campaign_report", args=[result.campaign.pk])).context[
            "report"
        ]
        shown = (result.redeemed, result.clicked, result.delivered, result.sent)
        assert shown == (report.redeemed, report.clicked, report.delivered, report.sent)
    assert {busy.brunch, busy.patio} <= {result.campaign for result in page.results}


def test_asks_no_more_of_many_campaigns(busy, at, admin_user, django_assert_max_num_queries):
    for campaign in [*Campaign.objects.filter(status="sent")] * 20:
        campaign.pk = None
        campaign.save()

    with django_assert_max_num_queries(60):
        dashboard(admin_user, at=at)
