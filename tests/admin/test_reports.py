"""The reports: the campaigns of some days, one of them, several side by side, and each chart as a file."""

from __future__ import annotations

import csv
import hashlib
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Variant
from messaging.models import Message
from tests.admin.conftest import staff_client
from tests.messaging.busy import busy_shop

REPORTS, FILE, COMPARE = "/admin/reports/", "/admin/reports/campaigns.csv", "/admin/reports/compare/"


@pytest.fixture
def busy(db):
    return busy_shop(timezone.now(), guests=60)


def report_url(campaign, file=False):
    return reverse(f"admin:campaigns_campaign_report{'_csv' if file else ''}", args=[campaign.pk])


def rows(response):
    assert response.status_code == 200
    return list(csv.DictReader(response.content.decode("utf-8-sig").splitlines()))


# --- One campaign -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "by=day", "first={first}&last={last}&by=hour", "first={last}"])
def test_every_file_holds_what_the_page_draws(query, busy, admin_client):
    day = timezone.localdate(busy.brunch.begun_at)
    query = query.format(first=day, last=day + timedelta(days=2))
    page = admin_client.get(f"{report_url(busy.brunch)}?{query}")

    for chart in page.context["charts"]:
        found = rows(admin_client.get(f"{report_url(busy.brunch, file=True)}?what={chart.what}&{query}"))
        assert [[int(row[name]) for name in chart.series] for row in found] == [list(row.values) for row in chart.rows]
    lines = rows(admin_client.get(f"{report_url(busy.brunch, file=True)}?{query}"))
    assert sum(int(line["given"]) for line in lines) == page.context["report"].redeemed
    steps = rows(admin_client.get(f"{report_url(busy.brunch, file=True)}?what=funnel&{query}"))
    assert [int(row["People"]) for row in steps] == [bar.value for bar in page.context["funnel"]]


@pytest.mark.parametrize("what", ["guests", "messages", "funnel", "locations", "links", "variants"])
def test_has_a_file_for_each_part(what, busy, admin_client):
    assert rows(admin_client.get(f"{report_url(busy.brunch, file=True)}?what={what}"))


def test_knows_no_other_file(busy, admin_client):
    assert admin_client.get(f"{report_url(busy.brunch, file=True)}?what=passwords").status_code == 404


def test_the_report_is_the_redemptions_report_of_the_campaign(busy, admin_client):
    page = admin_client.get(report_url(busy.brunch))

    ledger = admin_client.get(page.context["ledger_url"])

    assert sum(one["given"] for one in ledger.context["totals"]) == page.context["report"].redeemed > 0
    assert page.context["money"][0]["order_value"] == ledger.context["totals"][0]["order_value"]


def test_takes_days_and_says_what_is_wrong_with_them(busy, admin_client):
    html = admin_client.get(f"{report_url(busy.brunch)}?first=2026-11-05&last=2026-11-01").content.decode()
    by_hour = admin_client.get(f"{report_url(busy.brunch)}?by=hour").content.decode()

    assert "The last day is before the first." in html
    assert "By hour, choose a first and a last day, 14 days at most." in by_hour


def test_shows_variants_where_there_are_several(busy, admin_client):
    assert "By variant" not in admin_client.get(report_url(busy.brunch)).content.decode()

    Variant.objects.create(campaign=busy.brunch, name="B", subject="Other", body="Other")

    assert "By variant" in admin_client.get(report_url(busy.brunch)).content.decode()


def test_leads_to_the_ledger_only_who_may_see_it(busy):
    client = staff_client("campaigns.view_campaign")

    page = client.get(report_url(busy.brunch))

    assert page.context["ledger_url"] == ""
    assert "redemptions/report" not in page.content.decode()


# --- Several ----------------------------------------------------------------------------------------------------------


def test_lists_campaigns_as_their_own_reports_say(busy, admin_client):
    found = {int(row["id"]): row for row in rows(admin_client.get(f"{FILE}?first=&last="))}
    page = admin_client.get(REPORTS)

    assert {line["result"].campaign.pk for line in page.context["results"]} == found.keys()
    assert busy.scheduled.pk not in found  # it has not begun
    for campaign in (busy.brunch, busy.patio):
        report, row = admin_client.get(report_url(campaign)).context["report"], found[campaign.pk]
        for name in ("audience", "sent", "delivered", "clicked", "redeemed", "bounced", "complained", "unsubscribed"):
            assert int(row[name]) == getattr(report, name)
        assert row["order value"] == str(report.money[0].order_value)


def test_asks_for_days(busy, admin_client):
    week = admin_client.get(f"{REPORTS}?first={timezone.localdate() - timedelta(days=6)}&last=")

    names = [str(line["result"].campaign) for line in week.context["results"]]

    assert "The patio is open again" in names
    assert "Weekend brunch push" not in names


def test_draws_the_deals_of_these_days(busy, admin_client):
    page = admin_client.get(REPORTS)
    (chart,) = [chart for chart in page.context["charts"] if chart.what == "redeemed"]

    drawn = rows(admin_client.get(f"{FILE}?what=redeemed"))

    dashboard = admin_client.get("/admin/").context["dashboard"]
    assert sum(row.values[0] for row in chart.rows) == dashboard.cards[-1].value
    assert [int(row["Redeemed"]) for row in drawn] == [row.values[0] for row in chart.rows]


def test_compares_side_by_side(busy, admin_client):
    page = admin_client.get(f"{COMPARE}?id={busy.brunch.pk}&id={busy.patio.pk}&id=999999&id=x")

    assert [result.campaign for result in page.context["results"]] == [busy.brunch, busy.patio]
    redeemed = dict(page.context["rows"])["Redeemed"]
    expected = [admin_client.get(report_url(one)).context["report"].redeemed for one in (busy.brunch, busy.patio)]
    assert [int(text) for text, _share in redeemed] == expected
    drawn = rows(admin_client.get(f"{COMPARE}?id={busy.brunch.pk}&id={busy.patio.pk}&what=compare"))
    assert [int(row["Redeemed"]) for row in drawn] == expected


def test_compares_six_at_most(busy, admin_client):
    for _ in range(6):
        busy.brunch.pk = None
        busy.brunch.save()
    ids = "&".join(f"id={pk}" for pk in Campaign.objects.exclude(begun_at=None).values_list("pk", flat=True))

    page = admin_client.get(f"{COMPARE}?{ids}")

    assert len(page.context["results"]) == 6
    assert len(page.context["others"]) == 0


def test_greets_an_empty_shop(db, admin_client):
    assert "Nothing to report yet" in admin_client.get(REPORTS).content.decode()
    assert "Choose campaigns" in admin_client.get(COMPARE).content.decode()


@pytest.mark.parametrize("path", [REPORTS, FILE, COMPARE])
def test_is_for_those_who_may_see_campaigns(path, busy):
    assert staff_client("contacts.view_contact").get(path).status_code == 403
    assert staff_client("campaigns.view_campaign").get(path).status_code == 200


def test_shows_no_ledger_to_whom_it_is_closed(busy):
    page = staff_client("campaigns.view_campaign").get(REPORTS)

    assert [chart.what for chart in page.context["charts"]] == ["campaigns"]


def test_runs_no_formula(busy, admin_client):
    Campaign.objects.filter(pk=busy.brunch.pk).update(name="=1+1")

    assert "'=1+1" in [row["campaign"] for row in rows(admin_client.get(f"{FILE}?first=&last="))]


def test_asks_no_more_of_many_campaigns(busy, admin_client, django_assert_max_num_queries):
    with django_assert_max_num_queries(22):
        admin_client.get(REPORTS)


# --- Charts -----------------------------------------------------------------------------------------------------------


def test_the_charts_are_as_published():
    found = finders.find("regulars/vendor/chart.umd.min.js")
    assert found
    script = Path(found)
    told = script.with_name("README.md").read_text()

    assert f"`{hashlib.sha256(script.read_bytes()).hexdigest()}`" in told
    assert re.search(rb"Chart\.js v4\.6\.1", script.read_bytes()[:200])
    assert b"sourceMappingURL" not in script.read_bytes()
    assert script.with_name("LICENSE-chartjs.txt").exists()


# --- On the way -------------------------------------------------------------------------------------------------------


def test_each_state_leads_to_its_people(busy, admin_client):
    page = admin_client.get(reverse("admin:campaigns_campaign_change", args=[busy.going.pk]))

    for number in page.context["numbers"]:
        if number.value:
            assert admin_client.get(number.url).context["cl"].result_count == number.value
    assert sum(number.value for number in page.context["numbers"]) == page.context["progress"].audience
    poll = admin_client.get(reverse("admin:campaigns_campaign_progress", args=[busy.going.pk])).json()
    assert {one["state"] for one in poll["reasons"]} == {"Failed", "Left out", "Not known"}
    assert [one["url"] for one in poll["shown"]] == [number.url for number in page.context["numbers"]]


def test_leads_nobody_to_messages_they_may_not_see(busy):
    client = staff_client("campaigns.view_campaign")

    page = client.get(reverse("admin:campaigns_campaign_change", args=[busy.going.pk]))

    assert {number.url for number in page.context["numbers"]} == {""}
    assert Message.objects.filter(campaign=busy.going).exists()
