"""The import in a real browser, with a file that has every kind of problem."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.importing import advance_imports
from contacts.models import ChannelStatus, ConsentEvent, Contact, Import
from contacts.services import save_contact, unsubscribe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MESS = """\
Guest list of The Corner Bar;;;;;;;
exported 2026-11-01;;;;;;;
Mail;Vorname;Nachname;Handy;Geburtstag;Newsletter;Notes;Notes
"Maria Kim <maria@example.org>";;;(217) 555-0142;31.12.1990;yes;Window seat;Likes rioja
mailto:ann@example.org;Ann;Lee;'217-555-0143;12/31/90;no;;
ANN@example.org;Annabel;;;;;;
\u00a0joe@example.org\u00a0;Joe;;217-555-0142;;yes;;
nobody;No;Body;;;;;
;Phone;Only;217 555 0145;;;;
;Ext;Ension;217-555-0146 ext. 3;in spring;;;
gone@example.org;Gus;Gone;;;yes;;
out@example.org;Una;Out;;;unsubscribed;;
zoe@example.org;www.spam.example;Z;;;;perhaps;
;;;;;;;
old@example.org;Olda;Older;;;;;
"""


def known(address: str, **fields: str) -> Contact:
    return save_contact(Contact(email=address, **fields))


def numbers_on(page: Page) -> dict[str, int]:
    labels, values = page.locator("dl.numbers dt").all_inner_texts(), page.locator("dl.numbers dd").all_inner_texts()
    return {label.lower(): int(value.replace(",", "")) for label, value in zip(labels, values, strict=True)}


def test_from_the_messy_file_to_the_result_and_back(
    admin_page: Page, tmp_path: Path, shot: Callable[..., None]
) -> None:
    page, path = admin_page, tmp_path / "guests.txt"
    path.write_bytes(MESS.encode("cp1252"))
    known("old@example.org", first_name="Olga")
    gone = known("gone@example.org")
    assert gone.email_index is not None
    unsubscribe(
        channel=Channel.EMAIL,
        address_index=gone.email_index,
        source=ConsentEvent.Source.ONE_CLICK,
        at=timezone.now(),
    )

    page.goto("/admin/contacts/import/add/")
    page.locator("input[name=file]").set_input_files(path)
    page.get_by_role("button", name="Go on").click()

    expect(page.get_by_label("Import Mail as")).to_have_value("email")
    expect(page.get_by_label("Import Handy as")).to_have_value("phone")
    expect(page.get_by_label("Import Geburtstag as")).to_have_value("birthday")
    page.get_by_label("Import Newsletter as").select_option("email_status")
    page.get_by_role("button", name="Go on", exact=True).last.click()

    expect(page.get_by_text("The file says it for itself")).to_be_visible()
    page.get_by_role("button", name="Check the file").click()

    expect(page.get_by_role("button", name=re.compile("^Import "))).to_be_visible()
    numbers = numbers_on(page)
    assert numbers["rows in the file"] == 11
    assert (numbers["will be new"], numbers["will be updated"], numbers["duplicates"]) == (6, 2, 1)
    assert (numbers["problems, left out"], numbers["kept unsubscribed"]) == (2, 1)
    expect(page.get_by_text("nobody", exact=True).first).to_be_visible()
    expect(page.get_by_text("New people")).to_be_visible()
    assert Contact.objects.count() == 2
    shot(page, "import")

    page.get_by_role("button", name=re.compile("^Import ")).click()
    expect(page.get_by_role("link", name="See contacts")).to_be_visible()
    states = {contact.email: contact.email_status for contact in Contact.objects.filter(email__isnull=False)}
    assert states["maria@example.org"] == ChannelStatus.SUBSCRIBED
    assert states["ann@example.org"] == ChannelStatus.NONE
    assert states["gone@example.org"] == ChannelStatus.UNSUBSCRIBED
    assert states["out@example.org"] == ChannelStatus.UNSUBSCRIBED
    maria = Contact.objects.with_address(Channel.EMAIL, keyed_hash("email", "maria@example.org")).get()
    assert (maria.first_name, maria.last_name, maria.phone) == ("Maria", "Kim", "+12175550142")
    assert maria.notes == "Window seat\nLikes rioja"
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Download as CSV")).click()
    mended = Path(download.value.path()).read_text(encoding="utf-8-sig").replace("nobody", "somebody@example.org")

    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Undo this import").click()
    expect(page.get_by_text("This import is undone")).to_be_visible()
    assert {contact.email for contact in Contact.objects.all()} == {"old@example.org", "gone@example.org"}

    page.goto("/admin/contacts/import/add/")
    (tmp_path / "mended.csv").write_text(mended)
    page.locator("input[name=file]").set_input_files(tmp_path / "mended.csv")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_label("Import Mail as")).to_have_value("email")
    page.get_by_role("button", name="Go on", exact=True).last.click()
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name=re.compile("^Import ")).click()
    expect(page.get_by_role("link", name="See contacts")).to_be_visible()
    assert Contact.objects.with_address(Channel.EMAIL, keyed_hash("email", "somebody@example.org")).exists()


def test_a_large_file_shows_how_far_it_is(admin_page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contacts.admin.imports.SECONDS_HERE", -1)
    monkeypatch.setattr("contacts.importing.run.CHUNK_ROWS", 1)
    page, path = admin_page, tmp_path / "guests.csv"
    path.write_text("Email\n" + "".join(f"guest{number}@example.org\n" for number in range(4)))
    page.goto("/admin/contacts/import/add/")
    page.locator("input[name=file]").set_input_files(path)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Go on", exact=True).last.click()
    page.get_by_role("button", name="Check the file").click()
    line = page.locator("[data-progress-line]")
    expect(line).to_have_text("Checking: 1 of 4 rows")

    advance_imports(clock=timezone.now, deadline=0)
    expect(line).to_have_text("Checking: 2 of 4 rows")  # the page finds out by itself
    while advance_imports(clock=timezone.now, deadline=0):
        pass
    page.get_by_role("button", name="Import 4 people").click()
    expect(line).to_have_text("Importing: 1 of 4 rows")
    page.get_by_role("button", name="Stop").click()
    while advance_imports(clock=timezone.now, deadline=0):
        pass

    expect(page.get_by_role("button", name="Undo this import")).to_be_visible(timeout=10_000)
    assert Import.objects.get().status == Import.Status.CANCELLED
    assert Contact.objects.count() == 1
