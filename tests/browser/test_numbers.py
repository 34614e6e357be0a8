"""The pages that tell numbers, in a real browser: drawn from their tables, alive, light and dark, wide and narrow."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from campaigns.models import Campaign
from messaging.models import Message
from tests.messaging.busy import Busy, busy_shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DRAWN = "figure[data-drawn] canvas"
PAGES = ("/admin/", "/admin/reports/", "/admin/reports/compare/?{both}", "{report}", "{report}?by=hour", "{running}")
THEMED = """(was) => {
  const chart = Chart.getChart(document.querySelector("canvas"));
  const style = getComputedStyle(document.querySelector("figure"));
  const wanted = style.getPropertyValue(chart.data.datasets[0].color).trim();
  const drawn = chart.getDatasetMeta(0).data[0].options.backgroundColor;
  return drawn === wanted && drawn !== was && drawn;
}"""


@pytest.fixture
def busy(transactional_db: None) -> Busy:
    return busy_shop(timezone.now(), guests=100)


def address(path: str, busy: Busy) -> str:
    return path.format(
        both=f"id={busy.brunch.pk}&id={busy.patio.pk}",
        report=f"/admin/campaigns/campaign/{busy.brunch.pk}/report/",
        running=f"/admin/campaigns/campaign/{busy.going.pk}/change/",
    )


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_fits_wide_and_narrow(theme: Any, admin_page: Page, busy: Busy) -> None:
    admin_page.emulate_media(color_scheme=theme)
    for width in (1280, 390):
        admin_page.set_viewport_size({"width": width, "height": 844})
        for path in PAGES:
            admin_page.goto(address(path, busy))
            expect(admin_page.locator("figure[data-chart]:not([data-drawn]) table")).to_have_count(0)
            assert fits(admin_page), (path, width)


def test_fits_an_empty_shop(admin_page: Page) -> None:
    for width in (1280, 390):
        admin_page.set_viewport_size({"width": width, "height": 844})
        for path in ("/admin/", "/admin/reports/", "/admin/reports/compare/"):
            admin_page.goto(path)
            assert fits(admin_page), (path, width)


def test_follows_the_theme_of_the_page(admin_page: Page, busy: Busy) -> None:
    admin_page.emulate_media(color_scheme="light")
    admin_page.goto(address("{report}", busy))
    expect(admin_page.locator(DRAWN)).to_have_count(2)
    light = admin_page.wait_for_function(THEMED, arg="").json_value()

    admin_page.emulate_media(color_scheme="dark")
    dark = admin_page.wait_for_function(THEMED, arg=light).json_value()
    admin_page.get_by_role("button", name="Toggle theme").click()  # from the system's to light

    assert admin_page.wait_for_function(THEMED, arg=dark).json_value() == light


def test_draws_what_the_table_says(admin_page: Page, busy: Busy) -> None:
    admin_page.goto(address("{report}", busy))
    figure = admin_page.locator("figure").first

    figure.get_by_text("Show as table").press("Enter")

    expect(figure.locator("table")).to_be_visible()
    drawn = admin_page.evaluate("Chart.getChart(document.querySelector('canvas')).data.datasets.map((one) => one.data)")
    cells = [int(text.replace(",", "")) for text in figure.locator("td").all_inner_texts()]
    assert cells == [count for row in zip(*drawn, strict=True) for count in row]
    assert sum(cells) > 0


def test_moves_nothing_where_that_is_not_wanted(admin_page: Page, busy: Busy) -> None:
    admin_page.emulate_media(reduced_motion="reduce")
    admin_page.goto(address("{report}", busy))
    expect(admin_page.locator(DRAWN)).to_have_count(2)

    assert admin_page.evaluate("Chart.getChart(document.querySelector('canvas')).options.animation") is False


def test_a_chart_is_a_file_too(admin_page: Page, busy: Busy) -> None:
    admin_page.goto(address("{report}", busy))

    with admin_page.expect_download() as downloading:
        admin_page.get_by_role("link", name="What guests did as CSV").click()

    path = Path(downloading.value.path())
    lines = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert sum(int(line["Redeemed"]) for line in lines) == int(admin_page.locator("dl.tiles dd").first.inner_text())


def test_compares_by_ticks(admin_page: Page, busy: Busy) -> None:
    admin_page.goto("/admin/reports/")
    admin_page.get_by_label("Compare Weekend brunch push").check()
    admin_page.get_by_label("Compare The patio is open again").check()

    admin_page.get_by_role("button", name="Compare the ticked").click()

    expect(admin_page.locator("table.compare thead th")).to_have_count(2)
    admin_page.get_by_role("link", name=re.compile("^Take out.*Weekend brunch push")).click()
    expect(admin_page.locator("table.compare thead th")).to_have_count(1)
    admin_page.get_by_label("Campaign", exact=True).select_option(str(busy.brunch.pk))
    admin_page.get_by_role("button", name="Add").click()
    expect(admin_page.locator("table.compare thead th")).to_have_count(2)


def test_the_dashboard_moves_with_the_sending(admin_page: Page, busy: Busy) -> None:
    admin_page.goto("/admin/")
    line = admin_page.locator("[data-progress-line]").first
    before = line.inner_text()

    Message.objects.filter(campaign=busy.going, status="queued").update(status="accepted")

    expect(line).to_have_text("100 of 100 done")
    assert before != "100 of 100 done"
    Campaign.objects.filter(pk=busy.going.pk).update(status="sent", finished_at=timezone.now())
    expect(admin_page.get_by_text("Autumn menu launch", exact=True)).to_have_count(
        1
    )  # a result, and on its way no more


def test_reasons_appear_while_one_looks(admin_page: Page, busy: Busy) -> None:
    Message.objects.filter(campaign=busy.going).exclude(reason="").delete()
    admin_page.goto(address("{running}", busy))
    expect(admin_page.locator("[data-live-reasons]")).to_be_hidden()

    chosen = Message.objects.filter(campaign=busy.going, status="queued").values("pk")[:2]
    Message.objects.filter(pk__in=list(chosen.values_list("pk", flat=True))).update(status="skipped", reason="erased")

    expect(admin_page.locator("[data-live-reasons] tbody tr")).to_have_text(["Left outWas erased2"])
    admin_page.locator("dl.numbers").get_by_role("link", name="2", exact=True).click()
    expect(admin_page.locator("#result_list tbody tr")).to_have_count(2)


def test_takes_pictures(admin_page: Page, busy: Busy, shot: Callable[..., None]) -> None:
    admin_page.goto("/admin/")
    expect(admin_page.locator(".spark polyline")).to_have_count(6)
    shot(admin_page, "dashboard", height=1000)
    admin_page.goto(address("{report}", busy))
    expect(admin_page.locator(DRAWN)).to_have_count(2)
    shot(admin_page, "report", height=1000)
    admin_page.goto(address("/admin/reports/compare/?{both}", busy))
    shot(admin_page, "compare")
