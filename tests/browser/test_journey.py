"""The marketer's road in a real browser: log in, import, write, preview, send, read, redeem, see the report."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from messaging import tasks
from messaging.services.control import beat
from redemptions.models import Device, Offer
from redemptions.services import create_offer, enrol_device_start
from tests.browser.scanner.conftest import PATIENCE_MS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PEOPLE = """\
Email Address,First Name,Last Name,Phone
maria.kim@example.org,Maria,Kim,(217) 555-0142
ann.lee@example.org,Ann,Lee,
joe.roe@example.org,Joe,Roe,217-555-0144
zoe.poe@example.org,Zoë,Poe,
maria.kim@example.org,Maria,,
not-an-address,Nobody,,
"""


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "guests.csv"
    path.write_text(PEOPLE)
    return path


@pytest.fixture
def deal(db: None) -> Offer:
    return create_offer(
        name="20 % off lunch",
        type=Offer.Type.PERCENT,
        value=Decimal(20),
        terms="One per table.",
        ends_at=timezone.now() + timedelta(days=21),
    )


def log_in(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def import_people(page: Page, people: Path, shot: Callable[..., None]) -> None:
    page.get_by_role("link", name="Import contacts").click()
    page.locator("input[name=file]").set_input_files(people)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_label("Import Email Address as")).to_have_value("email")
    page.get_by_role("button", name="Go on", exact=True).last.click()
    page.get_by_label("Everyone in this file agreed", exact=True).check()
    page.locator("textarea[name=email_wording]").fill("Signed the list at the till, summer 2026")
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_text("not-an-address").first).to_be_visible()
    page.get_by_role("button", name=re.compile("^Import 4")).click()
    expect(page.get_by_role("link", name="See contacts")).to_be_visible()


def write_campaign(page: Page, shot: Callable[..., None]) -> None:
    page.goto("/admin/campaigns/campaign/add/")
    page.get_by_label("Name:", exact=True).fill("Lunch deal")
    page.locator("#id_offer").select_option(label="20 % off lunch")
    page.locator("#id_subject").fill("{{ first_name }}, lunch is 20 % off this week")
    page.locator("#id_preheader").fill("Your own code is inside.")
    page.get_by_label("Plain words").check()
    page.locator("#id_body").fill("Hi {{ first_name | default: 'there' }},\n\nlunch is on us, nearly.")
    mail = page.frame_locator("iframe[name=mail-preview]")
    expect(mail.get_by_text("Hi Maria,")).to_be_visible()
    expect(mail.get_by_text("Unsubscribe")).to_be_visible()
    page.locator("input[name=_save], button[name=_save]").first.click()
    page.goto("/admin/campaigns/campaign/")
    page.get_by_role("link", name="Lunch deal").first.click()
    expect(mail.get_by_text("Hi Maria,")).to_be_visible()


def send(page: Page, shot: Callable[..., None]) -> None:
    page.get_by_role("button", name=re.compile("Review and send")).first.click()
    expect(page.get_by_text("4 people").first).to_be_visible()
    shot(page, "review", height=980)
    page.get_by_role("button", name="Send to 4 people").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    tasks.work()  # what the worker does at its next wake-up
    expect(page.get_by_role("button", name="Pause")).to_have_count(0, timeout=15_000)  # the page finds out by itself
    expect(page.locator("[data-progress-line]")).to_contain_text("4")


def read_the_mail(page: Page) -> str:
    page.goto("/admin/messaging/outbox/")
    page.get_by_role("link", name=re.compile("Maria, lunch is 20 % off")).first.click()
    mail = page.frame_locator("iframe")
    expect(mail.get_by_role("img", name=re.compile("Coupon code"))).to_be_visible()
    alt = mail.get_by_role("img", name=re.compile("Coupon code")).get_attribute("alt")
    assert alt is not None
    return alt.removeprefix("Coupon code ")


def redeem(page: Page, enrol_token: str, code: str, shot: Callable[..., None]) -> None:
    page.goto(f"/scan/#enrol={enrol_token}")
    field = page.get_by_role("textbox").first
    field.fill(code.lower())
    field.press("Enter")
    expect(page.get_by_text("Maria K.")).to_be_visible(timeout=PATIENCE_MS)
    shot(page, "scanner", width=390, height=760)
    field.fill(code)
    field.press("Enter")
    expect(page.get_by_text(re.compile("Already used")).first).to_be_visible()


def test_from_log_in_to_report(
    page: Page, admin_user: Any, people: Path, deal: Offer, shot: Callable[..., None], settings: Any, tmp_path: Path
) -> None:
    settings.OUTBOX_DIR = tmp_path / "outbox"
    settings.LAUNCH_UNDO_S = 0  # what it is for: tests/browser/test_sending.py
    _, enrol_token = enrol_device_start(
        name="Bar phone", location_name="Main Street", profile=Device.Profile.SCANNER, at=timezone.now()
    )

    log_in(page)
    import_people(page, people, shot)
    write_campaign(page, shot)
    send(page, shot)
    code = read_the_mail(page)
    redeem(page, enrol_token, code, shot)

    page.goto("/admin/campaigns/campaign/")
    page.get_by_role("link", name="Lunch deal").first.click()
    page.locator("#content").get_by_role("link", name=re.compile("Report", re.I)).first.click()
    expect(page.get_by_text("Main Street").first).to_be_visible()
    page.goto(f"/r/{deal.codes.exclude(is_test=True).get(used=1).token.lower()}")
    expect(page.get_by_role("heading", name="Already used")).to_be_visible()
    unused = deal.codes.filter(used=0, is_test=False).first()
    assert unused is not None
    page.goto(f"/r/{unused.token.lower()}")
    shot(page, "coupon", width=390, height=760)
    beat(at=timezone.now())
    page.goto("/admin/")
    expect(page.get_by_text("Deals redeemed").first).to_be_visible()


@pytest.mark.parametrize("path", ["/admin/", "/admin/campaigns/campaign/add/", "/admin/contacts/import/add/", "/scan/"])
def test_fits_a_phone(admin_page: Page, path: str) -> None:
    admin_page.set_viewport_size({"width": 390, "height": 800})

    admin_page.goto(path)

    assert admin_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
