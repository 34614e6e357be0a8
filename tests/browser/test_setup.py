"""The set-up page and the checklist's way to it, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from contacts.models import Business
from messaging.models import WarmUp
from messaging.queries import outbox
from tests.admin.conftest import add_contact, write_draft
from tests.wire.account import account
from tests.wire.dns import dns_server

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGE = "/admin/setup/"
PHONE: ViewportSize = {"width": 390, "height": 760}
DOMAIN = "corner-bar.us"
RECORDS = {
    DOMAIN: ["v=spf1 mx ~all"],
    f"_dmarc.{DOMAIN}": ["v=DMARC1; p=none"],
    f"resend._domainkey.{DOMAIN}": ["v=DKIM1; p=" + "A" * 300],
}
LONG = "v=spf1 " + " ".join(f"ip4:192.0.2.{number}" for number in range(40)) + " ~all"


@pytest.fixture(autouse=True)
def shop(transactional_db: None, settings: Any, tmp_path: Any) -> Business:
    settings.OUTBOX_DIR = tmp_path / "outbox"
    business = Business.load()
    Business.objects.update(from_email=f"hello@{DOMAIN}", postal_address="1 Real Street, Springfield, IL 62701")
    return business


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def level(page: Page, title: str) -> str:
    return page.locator("ul.checklist li", has_text=title).first.get_attribute("class") or ""


def test_looks_and_shows_what_to_paste(admin_page: Page, settings: Any) -> None:
    settings.EMAIL_PROVIDER, settings.SMS_PROVIDER = "resend", "twilio"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_MESSAGING_SERVICE_SID = "AC1", "x", "MG1"
    admin_page.goto("/admin/")
    admin_page.locator("#nav-sidebar").get_by_role("link", name="Sending set-up").click()
    dns = admin_page.get_by_role("region", name="Records of your domain")
    expect(dns.get_by_text("SPF was not looked at yet")).to_be_visible()

    with dns_server(RECORDS) as server, account({"*": 401}) as twilio:
        settings.DNS_SERVER, settings.TWILIO_API_URL = server.address, twilio.url
        dns.get_by_role("button", name="Check now").click()
        expect(admin_page.get_by_text("Looked at 3 records: 1 fine, 2 to mend.")).to_be_visible()
        admin_page.get_by_role("region", name="SMS").get_by_role("button", name="Check now").click()
        expect(admin_page.get_by_text("Twilio refuses the account")).to_be_visible()

    assert "check-warn" in level(admin_page, "SPF is not right")
    assert "check-ok" in level(admin_page, "DMARC is fine")
    paste = dns.get_by_label("To copy: SPF is not right")
    expect(paste).to_have_value("v=spf1 mx include:amazonses.com ~all")
    paste.click()
    assert admin_page.evaluate("document.activeElement.selectionEnd - document.activeElement.selectionStart") == 36


def test_sends_a_test_once(admin_page: Page) -> None:
    admin_page.goto(PAGE)
    mail = admin_page.get_by_role("region", name="E-mail", exact=True)
    mail.get_by_label("Your e-mail address").fill("boss@example.com")

    mail.get_by_role("button", name="Send a test to me").dblclick()

    expect(mail.get_by_text("A test was sent")).to_be_visible()
    assert [item.to for item in outbox()] == ["boss@example.com"]


def test_warms_up(admin_page: Page) -> None:
    admin_page.goto(PAGE)
    warm_up = admin_page.get_by_role("region", name="Warm-up")
    warm_up.get_by_label("Mails on each day").fill("20, 40")
    warm_up.get_by_role("button", name="Start a warm-up").click()
    expect(warm_up.get_by_text("Warming up: 20 a day, today 0.")).to_be_visible()

    warm_up.get_by_label("Why end it early?").fill("An old domain")
    warm_up.get_by_role("button", name="End the warm-up").click()

    expect(warm_up.get_by_text("because: An old domain")).to_be_visible()
    assert WarmUp.objects.get().ended_at is not None


def test_the_checklist_leads_here(admin_page: Page, settings: Any) -> None:
    settings.EMAIL_PROVIDER = "resend"
    add_contact("maria@example.com")
    campaign = write_draft()
    admin_page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/")
    line = admin_page.locator("[data-checks] li", has_text="The records of your domain were not checked")

    line.get_by_role("link", name="Open Sending set-up").click()

    expect(admin_page.get_by_role("heading", name="Sending set-up", level=1)).to_be_visible()


def test_a_fix_on_the_last_page_leads_to_the_field(admin_page: Page) -> None:
    add_contact("maria@example.com")
    campaign = write_draft(subject="RE: lunch")
    admin_page.goto(f"/admin/campaigns/campaign/{campaign.pk}/review/")

    admin_page.get_by_role("link", name="Fix: The subject pretends to be an answer").click()

    expect(admin_page.locator("#id_subject")).to_be_in_viewport()


@pytest.mark.parametrize("provider", ["outbox", "postmark", "smtp"])
def test_fits_a_phone(provider: str, admin_page: Page, settings: Any) -> None:
    settings.EMAIL_PROVIDER = provider
    admin_page.set_viewport_size(PHONE)
    with dns_server({DOMAIN: [LONG]}) as server:
        settings.DNS_SERVER = server.address
        admin_page.goto(PAGE)
        assert fits(admin_page)
        admin_page.get_by_role("region", name="Records of your domain").get_by_role("button", name="Check now").click()
        expect(admin_page.get_by_text("Looked at 3 records")).to_be_visible()

    assert fits(admin_page)
