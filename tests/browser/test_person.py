"""One person in a real browser: searched for, shown, blocked and brought back, merged, downloaded, erased."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Suppression
from contacts.services import record_consent, save_contact, suppress

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def add(email: str | None, phone: str | None, first_name: str, last_name: str = "") -> Contact:
    contact = save_contact(Contact(email=email, phone=phone, first_name=first_name, last_name=last_name or None))
    for channel in Channel:
        if (index := contact.address_index(channel)) is not None:
            record_consent(
                channel=channel,
                address_index=index,
                action=ConsentEvent.Action.GRANTED,
                source=ConsentEvent.Source.FORM,
                at=timezone.now() - timedelta(days=30),
                wording="Yes, send me news and deals.",
            )
    return contact


@pytest.fixture
def maria(settings: Any, tmp_path: Path, transactional_db: None) -> Contact:
    settings.OUTBOX_DIR = tmp_path / "outbox"
    contact = add("maria.kim@example.org", None, "Maria", "Kim")
    add("ann.lee@example.org", None, "Ann", "Lee")
    add(None, "+12175550142", "Mary")
    assert contact.email_index is not None
    suppress(
        channel=Channel.EMAIL,
        address_index=contact.email_index,
        reason=Suppression.Reason.BOUNCED,
        at=timezone.now(),
        source="550 mailbox full",
    )
    return contact


def search(page: Page, text: str) -> None:
    page.get_by_role("searchbox", name="Search").fill(text)
    page.get_by_role("button", name="Search").click()


def test_everything_about_one_person(admin_page: Page, maria: Contact, shot: Callable[..., None]) -> None:
    page = admin_page
    page.goto("/admin/contacts/contact/")

    search(page, "maria.kim@example.org")
    expect(page.get_by_text("Your search found 1.")).to_be_visible()
    assert "maria" not in page.url
    page.get_by_role("link", name="Maria Kim").click()
    expect(page.get_by_text("m…@example.org").first).to_be_visible()
    expect(page.get_by_text("maria.kim@example.org")).to_have_count(0)
    shot(page, "person")

    page.get_by_role("link", name="End this block…").click()
    page.get_by_label("Why does the block end?").fill("She says her mailbox works again.")
    page.get_by_role("button", name="End this block").click()
    expect(page.get_by_text("The block has ended for 1 address.")).to_be_visible()
    expect(page.get_by_text("Subscribed").first).to_be_visible()

    page.get_by_role("link", name="Merge with…").click()
    page.get_by_label("Who is the same person?").fill("mary")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("button", name="Compare").click()
    page.get_by_label("Mary").check()
    page.get_by_role("button", name=re.compile("^Merge into")).click()
    expect(page.get_by_text("is now part of this one")).to_be_visible()
    expect(page.locator("#id_first_name")).to_have_value("Mary")  # shown in full, for a look at both was asked for

    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download everything").click()
    data = json.loads(Path(downloading.value.path()).read_text())
    assert (data["email"], data["phone"]) == ("maria.kim@example.org", "+12175550142")

    page.get_by_role("link", name="Erase…").click()
    page.get_by_role("button", name="Erase this person").click()
    expect(page.get_by_text(f"Contact {maria.pk} is erased")).to_be_visible()
    search(page, "mary")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_role("link", name="Ann Lee")).to_be_visible()


def test_clears_a_search_and_keeps_the_filter(admin_page: Page, maria: Contact) -> None:
    admin_page.goto("/admin/contacts/contact/?email_status__exact=subscribed")

    search(admin_page, "ann")
    expect(admin_page.get_by_role("link", name="Ann Lee")).to_be_visible()
    assert "email_status__exact=subscribed" in admin_page.url
    admin_page.get_by_role("link", name="Clear search").click()

    expect(admin_page.get_by_role("link", name="Ann Lee")).to_be_visible()
    expect(admin_page.get_by_role("link", name="Maria Kim")).to_have_count(0)  # she bounced
    assert "email_status__exact=subscribed" in admin_page.url


@pytest.mark.parametrize("page_of", ["change", "erase", "merge", "block", "lift"])
def test_fits_a_phone(admin_page: Page, maria: Contact, page_of: str) -> None:
    block = Suppression.objects.get().pk
    paths = {
        "change": f"contact/{maria.pk}/change/",
        "erase": f"contact/{maria.pk}/erase/",
        "merge": f"contact/{maria.pk}/merge/",
        "block": f"contact/{maria.pk}/block/email/",
        "lift": f"suppression/{block}/lift/",
    }
    admin_page.set_viewport_size({"width": 390, "height": 800})

    admin_page.goto(f"/admin/contacts/{paths[page_of]}")

    assert admin_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
