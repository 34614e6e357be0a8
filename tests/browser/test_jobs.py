"""A job on contacts in a real browser: tick people, say what to do, watch it finish."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from contacts import tasks
from contacts.models import Contact, Tag
from contacts.services import jobs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def people(db: None) -> list[Contact]:
    Tag.objects.create(name="Lunch")
    names = ("Maria", "Ben", "Zoe")
    return Contact.objects.bulk_create(
        [Contact(email=f"{name.lower()}@example.org", first_name=name, source="import") for name in names]
    )


def choose(page: Page, names: list[str], action: str) -> None:
    page.goto("/admin/contacts/contact/")
    for name in names:
        page.get_by_role("row", name=re.compile(name)).get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label=action)
    page.get_by_role("button", name=re.compile("^(Go|Run)")).click()


def test_tags_two_people_and_watches_the_worker_do_it(admin_page: Page, people, monkeypatch) -> None:
    monkeypatch.setattr(jobs, "SMALL", 0)  # as if they were many: the worker does it
    choose(admin_page, ["Maria", "Zoe"], "Tag…")
    expect(admin_page.get_by_text("You chose 2 people.")).to_be_visible()
    admin_page.get_by_label("Tag", exact=True).select_option(label="Lunch")
    admin_page.get_by_role("button", name="Tag 2 people").click()
    expect(admin_page.get_by_role("heading", name="Tag “Lunch” on 2 people")).to_be_visible()
    expect(admin_page.locator("[data-progress-line]")).to_have_text("Waiting for the background worker")
    expect(admin_page.get_by_role("button", name="Stop")).to_be_visible()

    tasks.work()  # what the worker does at its next wake-up

    # The page finds out by itself.
    expect(admin_page.locator("[data-progress-line]")).to_have_text("2 people tagged.", timeout=15_000)
    expect(admin_page.get_by_role("button", name="Stop")).to_have_count(0)
    assert set(Tag.objects.get().contact_set.values_list("pk", flat=True)) == {people[0].pk, people[2].pk}


def test_exports_and_downloads(admin_page: Page, people, tmp_path: Path) -> None:
    choose(admin_page, ["Maria", "Ben"], "Export…")
    admin_page.get_by_role("button", name="Export 2 people").click()
    with admin_page.expect_download() as download:
        admin_page.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "contacts.csv")

    text = (tmp_path / "contacts.csv").read_text(encoding="utf-8-sig")
    assert "maria@example.org" in text
    assert "zoe@example.org" not in text


def test_erases_only_what_was_typed(admin_page: Page, people) -> None:
    choose(admin_page, ["Ben"], "Erase for good…")
    admin_page.get_by_label("Type 1 to confirm").fill("3")
    admin_page.get_by_role("button", name="Erase 1 person").click()
    expect(admin_page.get_by_text("Type 1, the number of people who are erased.")).to_be_visible()
    admin_page.get_by_label("Type 1 to confirm").fill("1")
    admin_page.get_by_role("button", name="Erase 1 person").click()
    expect(admin_page.locator("[data-progress-line]")).to_have_text("1 person erased.")

    assert Contact.objects.count() == 2


def test_the_pages_of_a_job_fit_a_phone(admin_page: Page, people) -> None:
    admin_page.set_viewport_size({"width": 390, "height": 800})
    choose(admin_page, ["Ben"], "Export…")
    assert admin_page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    admin_page.get_by_role("button", name="Export 1 person").click()
    expect(admin_page.get_by_role("link", name="Download")).to_be_visible()

    assert admin_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
