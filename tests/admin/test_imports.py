"""The import step by step: upload, columns, consent, check, import, undo. Nothing is written before it is confirmed."""

import csv
import io
import json
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from contacts.admin.imports import ImportAdmin
from contacts.channels import Channel
from contacts.importing import ImportFileError, advance_imports, plans_of
from contacts.models import AuditEvent, ChannelStatus, Contact, Import, StoredFile
from tests.admin.conftest import staff_client

ADD = reverse("admin:contacts_import_add")
ROWS = b"Mail,First name,Code\nnina@example.com,Nina,7\nbad,Ben,8\nnina@example.com,Nina,9\n"
NO_CONSENT = {"email_agreed": "no", "sms_agreed": "no", "conflicts": "keep"}


def upload(client, content=ROWS, name="list.csv"):
    return client.post(ADD, {"file": SimpleUploadedFile(name, content), "preset": "auto"})


def step(record, name):
    return reverse(f"admin:contacts_import_{name}", args=[record.pk])


def check(client, content=ROWS, **answers) -> Import:
    """Go through the steps up to the check."""
    upload(client, content)
    record = Import.objects.latest("pk")
    client.post(step(record, "consent"), {**NO_CONSENT, **answers})
    record.refresh_from_db()
    return record


def columns(*fields, table=0):
    return {f"table-{table}-column-{position}": field for position, field in enumerate(fields)}


def test_leads_from_the_upload_to_the_columns_to_the_consent_to_the_check(db, admin_client):
    response = upload(admin_client)
    record = Import.objects.get()
    assert response.url == step(record, "columns")
    page = admin_client.get(response.url).content.decode()
    assert "nina@example.com" in page
    assert '<option value="email" selected>' in page

    response = admin_client.post(step(record, "columns"), columns("email", "first_name", ""))
    assert response.url == step(record, "consent")

    response = admin_client.post(step(record, "consent"), {**NO_CONSENT, "tag": "Loyalty"})
    assert response.url == step(record, "change")
    page = admin_client.get(response.url)
    numbers = {number.label: number.value for number in page.context["numbers"]}
    record.refresh_from_db()
    assert record.status == Import.Status.CHECKED
    assert (numbers["Rows in the file"], numbers["Will be new"], numbers["Duplicates"]) == (3, 1, 1)
    assert numbers["Problems, left out"] == 1
    assert "Nobody new from this file will be written to" in page.content.decode()
    assert not Contact.objects.exists()


def test_imports_what_was_checked(db, admin_client):
    record = check(admin_client, tag="Loyalty")

    page = admin_client.post(step(record, "run"), follow=True)

    contact = Contact.objects.get()
    assert contact.status(Channel.EMAIL) == ChannelStatus.NONE
    assert [tag.name for tag in contact.tags.all()] == ["Loyalty"]
    assert "Imported 3 rows: 1 new" in page.content.decode()
    assert not StoredFile.objects.exists()


def test_subscribes_only_where_consent_was_stated(db, admin_client):
    record = check(admin_client, email_agreed="yes", email_wording="Ticked the box on the card.")
    assert "1 person will be allowed to get e-mail" in admin_client.get(step(record, "change")).content.decode()

    admin_client.post(step(record, "run"))

    assert Contact.objects.get().status(Channel.EMAIL) == ChannelStatus.SUBSCRIBED


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_asks_what_people_agreed_to(channel, db, admin_client):
    upload(admin_client)
    record = Import.objects.get()

    response = admin_client.post(step(record, "consent"), {**NO_CONSENT, f"{channel}_agreed": "yes"})

    assert "it is the evidence you may be asked for" in response.content.decode()
    record.refresh_from_db()
    assert record.status == Import.Status.UPLOADED


def test_says_where_the_file_brings_its_own_evidence(db, admin_client):
    upload(admin_client, b"Email,Email Marketing Consent\nann@example.com,SUBSCRIBED\n")

    assert "The file says it for itself" in admin_client.get(step(Import.objects.get(), "consent")).content.decode()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"", "is empty"), (b"PK\x03\x04rest", "ZIP"), (b"%PDF-1.7 rest", "PDF")],
    ids=["empty", "broken", "pdf"],
)
def test_says_what_is_wrong_with_a_file(content, complaint, db, admin_client):
    response = upload(admin_client, content)

    assert complaint in response.content.decode()
    assert not Import.objects.exists()


def test_a_file_without_addresses_goes_no_further_than_its_columns(db, admin_client):
    upload(admin_client, b"Name,Size\nNina,4\n")
    record = Import.objects.get()

    page = admin_client.post(step(record, "consent"), NO_CONSENT, follow=True)

    assert page.redirect_chain[-1][0] == step(record, "columns")
    assert "looks like e-mail addresses" in page.content.decode()


def test_matches_columns_by_hand_and_remembers_them(db, admin_client):
    upload(admin_client)
    record = Import.objects.get()

    admin_client.post(step(record, "columns"), columns("email", "last_name", "postal_code"))
    admin_client.post(step(record, "consent"), NO_CONSENT)
    admin_client.post(step(record, "run"))

    contact = Contact.objects.get()
    assert (contact.first_name, contact.last_name, contact.postal_code) == (None, "Nina", "7")
    upload(admin_client)
    assert plans_of(Import.objects.latest("pk"))[0].mapping == {0: "email", 1: "last_name", 2: "postal_code"}


def test_columns_can_be_changed_after_the_check(db, admin_client):
    record = check(admin_client)

    admin_client.post(step(record, "columns"), columns("email", "", ""))
    admin_client.post(step(record, "consent"), NO_CONSENT)
    admin_client.post(step(record, "run"))

    assert Contact.objects.get().first_name is None


@pytest.mark.parametrize("chosen", [("email", "email", ""), ("shoe", "", "")], ids=["one meaning twice", "no field"])
def test_keeps_the_columns_where_the_new_ones_make_no_sense(chosen, db, admin_client):
    upload(admin_client)
    before = Import.objects.get().plan

    response = admin_client.post(step(Import.objects.get(), "columns"), columns(*chosen))

    assert response.status_code == 200
    assert Import.objects.get().plan == before


def test_reads_the_file_another_way_when_told(db, admin_client):
    upload(admin_client, "Émail;Prénom\nzoe@example.com;Zoé\n".encode("mac_roman"))
    record = Import.objects.get()
    reading = {"table-0-encoding": "mac_roman", "table-0-separator": ";", "table-0-header_line": "1", "read": "0"}

    admin_client.post(step(record, "columns"), reading)

    record.refresh_from_db()
    assert plans_of(record)[0].header == ["Émail", "Prénom"]


def test_takes_the_three_files_of_a_mailchimp_export(db, admin_client):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        head = "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,LEID,EUID"
        file.writestr("subscribed_members_1.csv", f"{head}\nann@example.com,Ann,2,2024-05-01 10:00:00,1,a\n")
        file.writestr(
            "unsubscribed_members_1.csv", f"{head},UNSUB_TIME\nout@example.com,Out,2,,2,b,2024-06-01 10:00:00\n"
        )
        file.writestr("cleaned_members_1.csv", f"{head},CLEAN_TIME\ndead@example.com,Dee,2,,3,c,2024-06-01 10:00:00\n")
    upload(admin_client, archive.getvalue(), "export.zip")
    record = Import.objects.get()
    assert admin_client.get(step(record, "columns")).content.decode().count("Looks like Mailchimp") == 3

    admin_client.post(step(record, "consent"), NO_CONSENT)
    admin_client.post(step(record, "run"))

    states = {contact.first_name: contact.email_status for contact in Contact.objects.all()}
    assert states == {
        "Ann": ChannelStatus.SUBSCRIBED,
        "Out": ChannelStatus.UNSUBSCRIBED,
        "Dee": ChannelStatus.SUPPRESSED,
    }


def test_a_large_file_is_left_to_the_worker(db, admin_client, monkeypatch):
    monkeypatch.setattr("contacts.admin.imports.SECONDS_HERE", -1)
    monkeypatch.setattr("contacts.importing.run.CHUNK_ROWS", 1)
    record = check(admin_client)
    page = admin_client.get(step(record, "change")).content.decode()
    assert "Checking: 1 of 3 rows" in page
    assert "data-poll" in page
    progress = json.loads(admin_client.get(step(record, "progress")).content)
    assert (progress["done"], progress["audience"], progress["final"]) == (1, 3, False)

    while advance_imports(clock=timezone.now, deadline=0):
        pass

    record.refresh_from_db()
    assert record.status == Import.Status.CHECKED
    assert json.loads(admin_client.get(step(record, "progress")).content)["final"] is True


def test_a_check_that_stopped_leads_back_to_the_columns_and_says_why(db, admin_client, monkeypatch):
    def stop(*args, **kwargs):
        raise ImportFileError("A quotation mark in line 2 is never closed.")

    monkeypatch.setattr("contacts.importing.run.do_chunk", stop)
    record = check(admin_client)

    page = admin_client.get(step(record, "change"), follow=True)

    assert page.redirect_chain[-1][0] == step(record, "columns")
    assert "A quotation mark in line 2 is never closed." in page.content.decode()


def test_does_not_say_that_nobody_agreed_where_they_had_before(db, admin_client):
    rows = b"Email,Email Marketing Consent\nann@example.com,SUBSCRIBED\n"
    admin_client.post(step(check(admin_client, rows), "run"))

    again = admin_client.get(step(check(admin_client, rows), "change")).content.decode()

    assert "Nobody new from this file will be written to" in again
    assert "Neither the file nor you said" not in again


def test_imports_once_however_often_it_is_pressed(db, admin_client):
    record = check(admin_client)

    admin_client.post(step(record, "run"))
    again = admin_client.post(step(record, "run"), follow=True)

    assert Contact.objects.count() == 1
    assert "running, done or cancelled already" in again.content.decode()


def test_forgets_a_cancelled_file(db, admin_client):
    record = check(admin_client)

    admin_client.post(step(record, "cancel"))

    record.refresh_from_db()
    assert (record.status, record.upload_file) == (Import.Status.CANCELLED, None)
    assert not Contact.objects.exists()
    for name in ("columns", "consent"):
        assert admin_client.get(step(record, name)).url == step(record, "change")


def test_the_consent_of_an_import_that_runs_cannot_be_changed(db, admin_client, monkeypatch):
    upload(admin_client)
    record = Import.objects.get()
    real = ImportAdmin._record

    def started_meanwhile(self, request, pk, **kwargs):
        found = real(self, request, pk, **kwargs)
        Import.objects.filter(pk=pk).update(status=Import.Status.RUNNING)
        return found

    monkeypatch.setattr(ImportAdmin, "_record", started_meanwhile)

    admin_client.post(step(record, "consent"), {**NO_CONSENT, "email_agreed": "yes", "email_wording": "Ticked a box."})

    record.refresh_from_db()
    assert (record.status, record.consent_email) == (Import.Status.RUNNING, "")


def test_undoes_an_import_and_says_so_in_the_audit(db, admin_client):
    record = check(admin_client)
    admin_client.post(step(record, "run"))
    assert "Undo this import" in admin_client.get(step(record, "change")).content.decode()

    page = admin_client.post(step(record, "undo"), follow=True).content.decode()

    assert not Contact.objects.exists()
    assert "This import is undone" in page
    assert "Undo this import" not in page
    line = AuditEvent.objects.get()
    assert (line.action, line.detail, line.actor.username) == ("undone", f"import {record.pk}", "admin")


def test_hands_out_what_was_left_out_as_a_file_to_mend(db, admin_client):
    upload(admin_client, b"Mail,First name,Shoe,Phone\nnina@example.com,Nina,7,99\nbad,Ben,8,98\n")
    record = Import.objects.get()
    admin_client.post(step(record, "columns"), columns("email", "last_name", "", "phone"))
    agreed = {"email_agreed": "yes", "email_wording": "Signed the list.", "tag": "VIP"}
    admin_client.post(step(record, "consent"), {**NO_CONSENT, **agreed})
    admin_client.post(step(record, "run"))

    response = admin_client.get(step(record, "problems"))

    text = b"".join(response.streaming_content).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0][:4] == ["Mail", "First name", "Shoe", "Phone"]
    assert [row[0] for row in rows[1:]] == ["bad", "nina@example.com"]
    assert [row[-1] for row in rows[1:]] == ["no", "yes"]
    assert "Mail: " in rows[1][-2]
    assert "Phone: " in rows[1][-2]

    upload(admin_client, text.replace("bad", "ben@example.com").encode(), "mended.csv")
    child = Import.objects.latest("pk")
    assert plans_of(child)[0].mapping == {0: "email", 1: "last_name", 3: "phone"}
    assert (child.consent_email, child.tag.name) == ("Signed the list.", "VIP")


@pytest.mark.parametrize("parent", ["is there", "is gone"])
def test_a_mended_row_still_says_which_table_it_stood_in(parent, db, admin_client):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("subscribed.csv", "Email Address,LEID,EUID,MEMBER_RATING\nann@example.com,1,a,2\n")
        file.writestr("unsubscribed.csv", "Email Address,LEID,EUID,MEMBER_RATING\nout@example,2,b,2\n")
    upload(admin_client, archive.getvalue(), "export.zip")
    record = Import.objects.get()
    admin_client.post(step(record, "consent"), NO_CONSENT)
    admin_client.post(step(record, "run"))
    text = b"".join(admin_client.get(step(record, "problems")).streaming_content).decode()
    if parent == "is gone":
        text = text.replace(f",{record.pk},Unsubscribed", ",999999,Unsubscribed")
        assert "999999" in text

    child = check(admin_client, text.replace("out@example,", "out@example.com,").encode())
    admin_client.post(step(child, "run"))

    out = Contact.objects.latest("pk")
    assert (out.email, out.email_status) == ("out@example.com", ChannelStatus.UNSUBSCRIBED)


def test_shows_no_rows_to_those_who_may_only_look(shop):
    client = staff_client("contacts.view_import")

    page = client.get(step(shop.staged, "change")).content.decode()

    assert "not an address" not in page
    assert "new@example.com" not in page
    for name in ("problems", "columns", "consent"):
        assert client.get(step(shop.staged, name)).status_code == 403
    for name in ("run", "cancel", "undo"):
        assert client.post(step(shop.staged, name)).status_code == 403
    assert client.get(ADD).status_code == 403
    assert client.get(step(shop.staged, "progress")).status_code == 200
