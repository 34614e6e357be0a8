"""The rule builder in a real browser: rows and groups come and go, the numbers follow, and what is shown is saved."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Segment, Tag
from contacts.services import find_or_make_tag, note_redeemed, record_consent, save_contact

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ADD = "/admin/contacts/segment/add/"


@pytest.fixture
def guests(db: None) -> Tag:
    tag = find_or_make_tag("Lunch")
    now: datetime = timezone.now()
    for number in range(14):
        contact = save_contact(Contact(email=f"{'abcdefghijklmn'[number]}.guest@example.org"))
        assert contact.email_index is not None
        if number < 9:
            record_consent(
                channel=Channel.EMAIL,
                address_index=contact.email_index,
                action=ConsentEvent.Action.GRANTED,
                source=ConsentEvent.Source.FORM,
                at=now,
            )
        if number % 2:
            contact.tags.add(tag)
        for _ in range(number % 4):
            note_redeemed(contact.pk, at=now, order_value=Decimal(10))
    return tag


def add_rule(page: Page, box: Any, label: str) -> Any:
    box.get_by_label("What the new rule asks").select_option(label=label)
    box.get_by_role("button", name="Add rule").click()
    return box.locator("[data-row]").last


def test_builds_counts_and_saves(admin_page: Page, guests: Tag, shot: Callable[..., None]) -> None:
    page = admin_page
    page.goto(ADD)
    live = page.locator("[data-live]")
    expect(live).to_contain_text("Everybody")
    expect(live.locator("dd").first).to_have_text("14")
    expect(live.locator(".segment-examples li")).to_have_count(10)
    page.get_by_label("Name").fill("Hungry")
    top = page.locator("[data-box='']")

    regulars = add_rule(page, top, "Visits with a deal")
    expect(live).to_contain_text("The numbers come back when every rule is filled in")
    regulars.get_by_role("spinbutton").fill("2")
    expect(live.locator("dd").first).to_have_text("6")
    expect(live).to_contain_text("At least 2 visits with a deal")

    page.get_by_role("button", name="Add a group").click()
    group = page.locator(".rule-group")
    lunch = add_rule(page, group, "Tag")
    lunch.get_by_label("which").select_option(label="Lunch")
    state = add_rule(page, group, "E-mail")
    state.get_by_label("Subscribed", exact=True).check()
    expect(live).to_contain_text("At least 2 visits with a deal · (tagged “Lunch” or subscribed to e-mail)")
    expect(live.locator("dd").first).to_have_text("5")
    expect(live.locator(".segment-examples li")).to_have_count(5)
    expect(live).not_to_contain_text(".guest@")
    shot(page, "segment", height=980)

    when = add_rule(page, top, "Last visit with a deal")
    days = when.get_by_label("days")
    expect(days).to_be_visible()
    when.locator("[data-op]").select_option(label="never")
    expect(days).to_be_hidden()
    expect(live.locator("dd").first).to_have_text("0")
    when.get_by_role("button", name="Remove").click()
    expect(live.locator("dd").first).to_have_text("5")

    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("At least 2 visits with a deal · (tagged “Lunch” or subscribed to e-mail)")).to_be_visible()
    page.locator("#result_list").get_by_role("link", name="Hungry").click()
    expect(page.locator("[data-row]")).to_have_count(3)
    expect(page.locator(".rule-group").get_by_label("which")).to_have_value(str(guests.pk))
    page.get_by_role("button", name="Remove group").click()
    expect(live.locator("dd").first).to_have_text("6")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#result_list").get_by_role("link", name="Hungry")).to_be_visible()
    assert Segment.objects.get(name="Hungry").rules == {
        "match": "all",
        "rules": [{"field": "redemptions", "op": "at_least", "value": 2}],
    }


def test_says_beside_a_rule_what_is_missing(admin_page: Page, guests: Tag) -> None:
    page = admin_page
    page.goto(ADD)
    page.get_by_label("Name").fill("Half")
    add_rule(page, page.locator("[data-box='']"), "Last visit with a deal")

    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".rule.has-errors")).to_contain_text("Say how many days.")
    page.locator(".rule.has-errors").get_by_label("days").fill("60")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Redeemed in the last 60 days")).to_be_visible()


def test_works_without_a_script(browser: Browser, live_server: Any, admin_client: Any, guests: Tag) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False, locale="en-US")
    context.add_cookies(
        [{"name": "sessionid", "value": admin_client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page = context.new_page()
    page.goto(ADD)
    page.get_by_label("Name").fill("Plain")
    page.get_by_label("What the new rule asks").select_option(label="Tag")
    page.get_by_role("button", name="Add rule").click()
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    page.get_by_label("Tag: which").select_option(label="Lunch")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Tagged “Lunch”")).to_be_visible()
    page.locator("#result_list").get_by_role("link", name="Plain").click()
    expect(page.locator("dd").first).to_have_text("7")
    expect(page.get_by_role("button", name=re.compile("Remove: Tag"))).to_be_visible()
    context.close()


def test_fits_a_phone(admin_page: Page, guests: Tag) -> None:
    page = admin_page
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(ADD)
    page.get_by_role("button", name="Add a group").click()
    for label in ("E-mail", "Added", "Last visit with a deal"):
        add_rule(page, page.locator(".rule-group"), label)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
