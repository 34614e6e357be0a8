"""The import in three steps: nothing is written before the last."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from contacts.admin.imports import MAX_UPLOAD_BYTES
from contacts.channels import Channel
from contacts.models import ChannelStatus, Contact, Import
from tests.admin.conftest import staff_client

ADD = reverse("admin:contacts_import_add")
ROWS = b"Mail,First name,Code\nnina@example.com,Nina,7\nbad,Ben,8\nnina@example.com,Nina,9\n"


def upload(client, content=ROWS, **answers):
    return client.post(ADD, {"file": SimpleUploadedFile("list.csv", content), **answers})


def step(record, name):
    return reverse(f"admin:contacts_import_{name}", args=[record.pk])


def test_checks_a_file_without_writing(db, admin_client):
    response = upload(admin_client, tag="Loyalty")

    record = Import.objects.get()
    page = admin_client.get(response.url)
    numbers = {number.label: number.value for number in page.context["numbers"]}
    assert not Contact.objects.exists()
    assert record.status == Import.Status.CHECKED
    assert (numbers["Rows in the file"], numbers["Will be new"], numbers["Duplicates"]) == (3, 1, 1)
    assert numbers["Problems, left out"] == 1
    assert "Nobody from this file will be written to" in page.content.decode()


def test_imports_what_was_checked(db, admin_client):
    upload(admin_client, tag="Loyalty")
    record = Import.objects.get()

    page = admin_client.post(step(record, "run"), follow=True)

    contact = Contact.objects.get()
    assert contact.status(Channel.EMAIL) == ChannelStatus.NONE
    assert [tag.name for tag in contact.tags.all()] == ["Loyalty"]
    assert "Imported 3 rows: 1 new" in page.content.decode()


def test_subscribes_only_where_consent_was_stated(db, admin_client):
    upload(admin_client, consent_email="on", wording="Ticked the box on the card.")
    admin_client.post(step(Import.objects.get(), "run"))

    assert Contact.objects.get().status(Channel.EMAIL) == ChannelStatus.SUBSCRIBED


def test_asks_what_people_agreed_to(db, admin_client):
    response = upload(admin_client, consent_email="on")

    assert "it is the evidence you may be asked for" in response.content.decode()
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "The file is empty"),
        (b"PK\x03\x04rest", "Save it as CSV"),
        (b"name\nNina\n", "Add a first line that names them"),
        (b"x" * (MAX_UPLOAD_BYTES + 1), "import_contacts"),
    ],
    ids=["empty", "spreadsheet", "no addresses", "too large"],
)
def test_says_what_is_wrong_with_a_file(content, complaint, db, admin_client):
    response = upload(admin_client, content)

    assert complaint in response.content.decode()
    assert not Import.objects.exists()


def test_matches_columns_by_hand(db, admin_client):
    upload(admin_client)
    record = Import.objects.get()

    admin_client.post(
        step(record, "columns"), {"column-0": "email", "column-1": "last_name", "column-2": "postal_code"}
    )
    admin_client.post(step(record, "run"))

    contact = Contact.objects.get()
    assert (contact.first_name, contact.last_name, contact.postal_code) == (None, "Nina", "7")


def test_leaves_a_column_out_by_hand(db, admin_client):
    upload(admin_client)
    record = Import.objects.get()

    admin_client.post(step(record, "columns"), {"column-0": "email", "column-1": "", "column-2": ""})
    admin_client.post(step(record, "run"))

    assert Contact.objects.get().first_name is None


@pytest.mark.parametrize(
    "columns",
    [{"column-0": "email", "column-1": "email"}, {"column-0": "", "column-1": "first_name"}],
    ids=["one meaning twice", "no address"],
)
def test_keeps_the_columns_where_the_new_ones_make_no_sense(columns, db, admin_client):
    upload(admin_client)
    before = Import.objects.get().mapping

    admin_client.post(step(Import.objects.get(), "columns"), columns)

    assert Import.objects.get().mapping == before


def test_imports_once_however_often_it_is_pressed(db, admin_client):
    upload(admin_client)
    record = Import.objects.get()

    admin_client.post(step(record, "run"))
    again = admin_client.post(step(record, "run"), follow=True)

    assert Contact.objects.count() == 1
    assert "imported or cancelled already" in again.content.decode()


def test_forgets_a_cancelled_file(db, admin_client):
    upload(admin_client)
    record = Import.objects.get()

    admin_client.post(step(record, "cancel"))

    record.refresh_from_db()
    assert (record.status, record.upload) == (Import.Status.CANCELLED, None)
    assert not Contact.objects.exists()


def test_hands_out_what_was_left_out(db, admin_client):
    upload(admin_client)

    csv = admin_client.get(step(Import.objects.get(), "problems")).content.decode()

    assert "it needs exactly one @" in csv


def test_shows_no_rows_to_those_who_may_only_look(shop):
    client = staff_client("contacts.view_import")

    page = client.get(step(shop.staged, "change")).content.decode()

    assert "not an address" not in page
    assert client.get(step(shop.staged, "problems")).status_code == 403
    assert client.post(step(shop.staged, "run")).status_code == 403
    assert client.get(ADD).status_code == 403
