"""A day of each role, in a browser of their own: what they come for, from signing in to the last page."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from campaigns.models import Campaign
from contacts.models import Business, Contact, Role
from contacts.services import save_person
from messaging import tasks
from messaging.models import Heartbeat, Message
from messaging.queries.machine import outbox, outbox_item
from redemptions.models import Offer
from tests.admin.conftest import add_contact
from tests.browser.looking import Watch
from tests.messaging.busy import busy_shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "rosemary-salt-42"
GUESTS = "E-mail,First name,Joined\nana@ouzel-bar.com,Ana,2026\nbo@ouzel-bar.com,Bo,2026\ncy@ouzel-bar.com,Cy,2025\n"
ADDRESS = "1 Real Street, Springfield, IL 62701"
MOST_TABS = 120


@pytest.fixture(autouse=True)
def at_home(settings: Any, live_server: Any, tmp_path: Path) -> None:
    settings.PUBLIC_BASE_URL = live_server.url
    settings.OUTBOX_DIR = tmp_path / "outbox"
    settings.LAUNCH_UNDO_S = 0  # what it is for: tests/browser/test_sending.py


@pytest.fixture
def hire(transactional_db: None) -> Callable[..., User]:
    """Return a maker of people who sign in."""

    def make(name: str, role: Role, *extras: str) -> User:
        user = save_person(User(username=name, first_name=name.title()), role=role, extras=extras)
        user.set_password(PASSWORD)
        user.save()
        return user

    return make


@pytest.fixture
def desk(browser: Browser, live_server: Any) -> Iterator[Callable[[], Page]]:
    """Return a maker of browsers, each of somebody else; the test fails on what any of them reports."""
    contexts: list[BrowserContext] = []
    watch = Watch()

    def sit_down() -> Page:
        context = browser.new_context(base_url=live_server.url, locale="en-US")
        watch.on(context)
        contexts.append(context)
        return context.new_page()

    yield sit_down
    wrong = watch.taken()
    for context in contexts:
        context.close()
    assert wrong == []


def sign_in(page: Page, name: str) -> Page:
    page.goto("/admin/")
    page.get_by_label("Name", exact=False).fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    return page


def menu_of(page: Page) -> list[str]:
    names: list[str] = page.locator("#nav-sidebar th a").all_inner_texts()
    return names


def tab_to(page: Page, place: Locator) -> None:
    """Go from part to part until this one has the focus, as somebody without a mouse does."""
    for _ in range(MOST_TABS):
        if place.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{place} cannot be reached by keyboard")


# --- The owner --------------------------------------------------------------------------------------------------------


def set_up(page: Page) -> None:
    expect(page.locator("ol.setup li.done")).to_have_count(0)
    page.get_by_role("link", name="Business name and postal address").click()
    page.get_by_label("Name:", exact=True).fill("Ouzel Bar")
    page.get_by_label("Postal address").fill(ADDRESS)
    page.get_by_label("Sender address").fill("hello@ouzel-bar.com")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("are saved")).to_be_visible()
    page.goto("/admin/")
    expect(page.locator("ol.setup li.done")).to_have_count(2)


def bring_guests(page: Page, path: Path) -> None:
    path.write_text(GUESTS)
    page.get_by_role("link", name="Import contacts").click()
    page.locator("input[name=file]").set_input_files(path)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Go on", exact=True).last.click()
    page.get_by_label("Everyone in this file agreed", exact=True).check()
    page.locator("textarea[name=email_wording]").fill("Signed the list at the till")
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name=re.compile("^Import 3")).click()
    expect(page.get_by_role("link", name="See contacts")).to_be_visible()


def make_a_deal(page: Page) -> None:
    page.goto("/admin/redemptions/offer/")
    page.locator(".empty").get_by_role("link").click()
    page.get_by_label("Name:", exact=True).fill("Free dessert")
    page.locator("#id_type").select_option("item")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Free dessert").first).to_be_visible()


def write_from_a_starter(page: Page) -> None:
    page.goto("/admin/campaigns/campaign/add/")
    page.get_by_role("link", name=re.compile("^New deal")).click()
    page.get_by_label("Name:", exact=True).fill("Dessert week")
    page.locator("#id_offer").select_option(label="Free dessert")
    expect(page.locator("[data-save-status]")).to_have_text(re.compile("^Saved at"))
    mail = page.frame_locator("iframe[name=mail-preview]")
    expect(mail.get_by_alt_text("Coupon code")).to_be_visible()


def send_to_everybody(page: Page) -> None:
    page.get_by_role("button", name="Review and send…").first.click()
    page.get_by_role("button", name="Send to 3 people").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    tasks.work()  # what the worker does at its next wake-up
    expect(page.get_by_role("button", name="Pause")).to_have_count(0, timeout=15_000)


def test_an_owner_opens_shop(desk: Callable[[], Page], hire: Callable[..., User], tmp_path: Path) -> None:
    hire("olga", Role.OWNER)
    Heartbeat.objects.create(name="clock", at=timezone.now())
    page = sign_in(desk(), "olga")

    set_up(page)
    bring_guests(page, tmp_path / "guests.csv")
    make_a_deal(page)
    write_from_a_starter(page)
    send_to_everybody(page)

    page.get_by_role("link", name=re.compile("report", re.I)).last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Dessert week")
    assert Message.objects.exclude(code=None).count() == 3
    assert sorted(mail.to for mail in outbox()) == ["ana@ouzel-bar.com", "bo@ouzel-bar.com", "cy@ouzel-bar.com"]
    assert ADDRESS in outbox_item(outbox()[0].name).text
    assert Offer.objects.get().codes.filter(contact__in=Contact.objects.all()).count() == 3
    page.goto("/admin/")
    expect(page.locator("ol.setup li.done")).to_have_count(4)  # no phone at the till yet


# --- Two people -------------------------------------------------------------------------------------------------------


def test_a_marketer_asks_and_the_owner_approves(desk: Callable[[], Page], hire: Callable[..., User]) -> None:
    hire("olga", Role.OWNER)
    hire("nina", Role.MARKETER, "campaigns.send_campaign")
    Heartbeat.objects.create(name="clock", at=timezone.now())
    Business.load()
    Business.objects.update(postal_address=ADDRESS, from_email="hello@ouzel-bar.com", approval_above=1)
    for name in ("ana", "bo"):
        add_contact(f"{name}@ouzel-bar.com", first_name=name.title())
    nina, olga = sign_in(desk(), "nina"), sign_in(desk(), "olga")

    nina.get_by_role("link", name="New campaign").click()
    nina.get_by_role("link", name=re.compile("^Event")).click()
    nina.get_by_label("Name:", exact=True).fill("Quiz night")
    nina.get_by_role("group", name="Button 3").get_by_label("Link", exact=True).fill("ouzel-bar.com/tables")
    expect(nina.locator("[data-save-status]")).to_have_text(re.compile("^Saved at"))
    nina.get_by_label("To this e-mail address").fill("nina@ouzel-bar.com")
    nina.get_by_role("button", name="Save and send test").click()
    expect(nina.get_by_text("1 test is on its way")).to_be_visible()
    assert [mail.to for mail in outbox()] == ["nina@ouzel-bar.com"]
    nina.get_by_role("button", name="Review and send…").first.click()
    nina.get_by_role("button", name="Ask for approval").click()
    expect(nina.get_by_text("Nothing is sent yet: it waits until somebody else approves")).to_be_visible()
    expect(nina.get_by_role("button", name=re.compile("^Approve"))).to_have_count(0)
    assert Message.objects.count() == 0

    olga.reload()
    olga.get_by_role("link", name="Look at it").click()
    olga.get_by_role("button", name="Approve and send to 2 people").click()
    tasks.work()

    expect(olga.get_by_text("Approved: it goes to 2 people.")).to_be_visible()
    nina.goto(f"/admin/campaigns/campaign/{Campaign.objects.get().pk}/change/")
    expect(nina.locator("[data-number=audience], [data-progress-line]").first).to_contain_text("2")
    assert Message.objects.count() == 2


# --- The bookkeeper, by keyboard alone --------------------------------------------------------------------------------


def test_a_bookkeeper_fetches_the_figures_by_keyboard_alone(
    desk: Callable[[], Page], hire: Callable[..., User], tmp_path: Path
) -> None:
    hire("bea", Role.BOOKKEEPER)
    busy_shop(timezone.now(), guests=40)
    page = desk()
    keys = page.keyboard
    page.goto("/admin/")
    expect(page.get_by_label("Name", exact=False)).to_be_focused()
    keys.type("bea")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()

    tab_to(page, page.locator("#nav-sidebar").get_by_role("link", name="Redemptions report"))
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Redemptions report")
    tab_to(page, page.get_by_role("link", name=re.compile("^Download CSV")))
    with page.expect_download() as downloading:
        keys.press("Enter")

    path = tmp_path / "figures.csv"
    downloading.value.save_as(path)
    *entries, _ = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())  # the last line is the sum
    expect(page.get_by_text(f"{len(entries)} entries, one a line")).to_be_visible()
    assert len(entries) > 1

    tab_to(page, page.locator("#nav-sidebar").get_by_role("link", name="Reports", exact=True))
    keys.press("Enter")
    expect(page.get_by_role("link", name="Weekend brunch push")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Log out"))
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_bookkeeper_sees_figures_and_nobody(desk: Callable[[], Page], hire: Callable[..., User]) -> None:
    hire("bea", Role.BOOKKEEPER)
    busy_shop(timezone.now(), guests=40)
    page = sign_in(desk(), "bea")

    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    menu = menu_of(page)
    assert {"Campaigns", "Reports", "Redemptions", "Redemptions report"} <= set(menu)
    assert not {"Contacts", "Segments", "Imports", "Business", "Users", "Outbox", "Messages"} & set(menu)
    expect(page.get_by_role("link", name="New campaign")).to_have_count(0)
    page.get_by_role("link", name="Reports", exact=True).first.click()
    page.get_by_role("link", name="Weekend brunch push").click()
    expect(page.get_by_text("@example.org")).to_have_count(0)


# --- Staff ------------------------------------------------------------------------------------------------------------


def test_staff_is_told_that_this_is_not_the_way_in(desk: Callable[[], Page], hire: Callable[..., User]) -> None:
    hire("sam", Role.STAFF)

    page = sign_in(desk(), "sam")

    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.locator("#nav-sidebar").count() == 0
