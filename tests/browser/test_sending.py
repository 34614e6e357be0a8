"""A campaign on its way, in a real browser: undo in time, watch it live, pause, decide what nobody knows."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Dialog, Page, ViewportSize, expect

from campaigns.models import Campaign
from contacts.models import Contact
from messaging.models import Heartbeat, Message, Tally
from messaging.services.starting import start_due
from tests.admin.conftest import add_contact, write_draft
from tests.messaging.ledger import add, begun, states

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE: ViewportSize = {"width": 375, "height": 740}


@pytest.fixture
def people(transactional_db: None) -> list[Contact]:
    Heartbeat.objects.create(name="clock", at=timezone.now())
    return [add_contact(f"guest{number}@example.org") for number in range(6)]


@pytest.fixture
def going(people: list[Contact]) -> Campaign:
    at = timezone.now() - timedelta(minutes=1)
    campaign = begun(write_draft(), at=at)
    for person, status in zip(people, ["accepted", "handed", "claimed", "queued", "failed", "unknown"], strict=True):
        add(campaign, person, status, at=at)
    Tally.objects.create(campaign=campaign, at=at + timedelta(seconds=50), sent=40)
    return campaign


def open_campaign(page: Page, campaign: Campaign, more: str = "change") -> None:
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/{more}/")


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def number(page: Page, key: str) -> Any:
    return page.locator(f'[data-number="{key}"]')


def test_undoes_a_launch_in_time(admin_page: Page, people: list[Contact]) -> None:
    campaign = write_draft()
    open_campaign(admin_page, campaign, "review")
    admin_page.get_by_label("Spread over how many hours?").fill("2")
    admin_page.get_by_role("button", name="Send to 6 people").click()
    timer = admin_page.get_by_role("timer")
    expect(timer).to_contain_text(re.compile(r"Starts in \d+ s"))
    expect(timer).not_to_have_text(timer.inner_text())  # it counts

    admin_page.get_by_role("button", name="Undo").click()

    expect(admin_page.get_by_text("Undone: it is a draft again")).to_be_visible()
    expect(admin_page.get_by_role("button", name="Save draft")).to_be_visible()
    campaign.refresh_from_db()
    assert (campaign.status, campaign.spread_minutes) == (Campaign.Status.DRAFT, 0)
    assert start_due(at=timezone.now() + timedelta(minutes=5)) == 0


def test_finds_out_by_itself_that_it_started(admin_page: Page, people: list[Contact], settings: Any) -> None:
    settings.LAUNCH_UNDO_S = 1
    campaign = write_draft()
    open_campaign(admin_page, campaign, "review")
    admin_page.get_by_role("button", name="Send to 6 people").click()
    expect(admin_page.get_by_role("timer")).to_contain_text("Starting…")

    assert start_due(at=timezone.now()) == 1

    expect(admin_page.get_by_role("timer")).to_have_count(0)
    expect(admin_page.get_by_role("button", name="Pause")).to_be_visible()
    expect(admin_page.get_by_role("button", name="Undo")).to_have_count(0)


def test_a_text_on_a_phone_shows_no_mail(admin_page: Page, transactional_db: None) -> None:
    add_contact(phone="+12175550123")
    campaign = begun(write_draft(channel="sms", subject="", body="Half price tonight"), at=timezone.now())
    admin_page.set_viewport_size(PHONE)
    open_campaign(admin_page, campaign)

    expect(admin_page.locator(".preview-sms")).to_contain_text("Half price tonight")
    expect(admin_page.locator(".preview-mail")).to_be_hidden()


def test_a_mail_that_was_sent_is_shown_as_on_a_phone(admin_page: Page, going: Campaign) -> None:
    admin_page.set_viewport_size(PHONE)
    open_campaign(admin_page, going)

    expect(admin_page.get_by_role("button", name="Phone", pressed=True)).to_be_visible()
    admin_page.get_by_role("button", name="Desktop").click()
    expect(admin_page.get_by_role("button", name="Desktop", pressed=True)).to_be_visible()


def test_watches_pauses_and_resumes(admin_page: Page, going: Campaign) -> None:
    open_campaign(admin_page, going)
    expect(admin_page.locator("[data-live-pace]")).to_contain_text("a minute")
    expect(admin_page.locator("[data-live-pace]")).to_contain_text("1 on its way right now")
    expect(number(admin_page, "bounced")).to_have_count(0)

    # What nobody was in when the page was drawn appears, and the sum stays the audience.
    Message.objects.filter(campaign=going, status="accepted").update(status="bounced")
    expect(number(admin_page, "bounced")).to_have_text("1")
    expect(number(admin_page, "audience")).to_have_text("6")

    admin_page.get_by_role("button", name="Pause").click()
    expect(admin_page.get_by_text("Paused at 3 of 6. 1 on its way is finished.")).to_be_visible()
    expect(number(admin_page, "queued")).to_have_text("2")
    admin_page.get_by_role("button", name="Resume").click()
    expect(admin_page.get_by_text("it goes on with exactly the rest, 2 people")).to_be_visible()


def test_raises_an_alarm_while_one_looks(admin_page: Page, going: Campaign) -> None:
    open_campaign(admin_page, going)
    alarm = admin_page.locator("[data-live-alarm]")
    expect(alarm).to_be_hidden()

    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))

    expect(alarm).to_contain_text("has not been heard for three minutes")


def test_a_second_person_presses_on_an_old_page(admin_page: Page, going: Campaign) -> None:
    open_campaign(admin_page, going)
    admin_page.route("**/progress/", lambda route: route.fulfill(body=""))  # this page hears of nothing
    other = admin_page.context.new_page()
    open_campaign(other, going)
    other.on("dialog", lambda dialog: dialog.accept())
    other.get_by_role("button", name="Cancel campaign").click()
    expect(other.get_by_text("Cancelled for good.")).to_be_visible()

    admin_page.get_by_role("button", name="Pause").click()

    expect(admin_page.get_by_text("This campaign is cancelled and cannot be paused.")).to_be_visible()


def test_decides_what_nobody_knows(admin_page: Page, going: Campaign) -> None:
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    admin_page.on("dialog", agree)
    open_campaign(admin_page, going)
    admin_page.get_by_role("link", name="Decide").click()
    admin_page.get_by_role("checkbox", name="g…@example.org").check()

    admin_page.get_by_role("button", name="Send the ticked anyway").click()

    expect(admin_page.get_by_text("It is sent once more to 1 person.")).to_be_visible()
    expect(admin_page.get_by_text("Nothing waits for your word.")).to_be_visible()
    assert "gets it twice" in asked[0]
    assert states(going).get("unknown", 0) == 0


def test_asks_nothing_before_it_leaves_them(admin_page: Page, going: Campaign) -> None:
    open_campaign(admin_page, going, "unknown")

    admin_page.get_by_role("button", name="Leave all 1").click()  # a dialog would be dismissed, and the test fail

    expect(admin_page.get_by_text("1 message stays as not known.")).to_be_visible()


@pytest.mark.parametrize("which", ["change", "unknown", "report"])
def test_fits_a_phone(which: str, admin_page: Page, going: Campaign) -> None:
    admin_page.set_viewport_size(PHONE)

    open_campaign(admin_page, going, which)

    assert fits(admin_page)


def test_the_last_question_fits_a_phone(admin_page: Page, people: list[Contact]) -> None:
    admin_page.set_viewport_size(PHONE)
    campaign = write_draft()

    open_campaign(admin_page, campaign, "review")
    assert fits(admin_page)
    admin_page.get_by_role("button", name="Send to 6 people").click()
    expect(admin_page.get_by_role("timer")).to_be_visible()

    assert fits(admin_page)
