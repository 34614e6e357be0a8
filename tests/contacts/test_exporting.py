"""`export_contacts`: the whole table or a part of it, in a file that only its owner reads and no program runs."""

from __future__ import annotations

import json
import stat
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from contacts.days import UNKNOWN_YEAR
from contacts.models import AuditEvent, ChannelStatus, Contact, ContactTag, Job, Segment, Tag
from contacts.queries import export_person
from contacts.services import exporting
from contacts.services.exporting import HEADER, tags_cell
from tests.contacts.test_sheets import read_csv, read_xlsx

FIELDS = ("phone", "first_name", "last_name", "birthday", "postal_code", "region", "time_zone")
ADDED = datetime(2026, 11, 21, 3, tzinfo=UTC)  # the evening before, in the shop's time zone


@pytest.fixture
def maria(db: None) -> Contact:
    contact = Contact.objects.create(
        email="Maria@example.com",
        phone="+12175550123",
        first_name="Maria",
        last_name="=HYPERLINK(1)",
        birthday=date(1990, 5, 4),
        postal_code="02139",
        region="MA",
        time_zone="America/Detroit",
        notes="Likes the patio",
        email_status=ChannelStatus.SUBSCRIBED,
        sms_status=ChannelStatus.UNSUBSCRIBED,
        source="form",
    )
    Contact.objects.filter(pk=contact.pk).update(created_at=ADDED)
    for name in ("Lunch", "Cheese, wine"):
        ContactTag.objects.create(tag=Tag.objects.create(name=name), contact=contact)
    return contact


@pytest.fixture
def ben(maria: Contact) -> Contact:
    return Contact.objects.create(email="ben@example.com")


def export(path: Path, **options: Any) -> dict[str, Any]:
    out = StringIO()
    call_command("export_contacts", output=path, json=True, stdout=out, stderr=StringIO(), **options)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def emails(path: Path) -> list[str]:
    return [row[0] for row in read_csv(path.read_bytes())[1:]]


def test_writes_every_column(maria, tmp_path):
    export(tmp_path / "all.csv")

    header, row = read_csv((tmp_path / "all.csv").read_bytes())
    assert tuple(header) == HEADER
    assert row == [
        "Maria@example.com",
        "'+12175550123",
        "Maria",
        "'=HYPERLINK(1)",
        "1990-05-04",
        "02139",
        "MA",
        "America/Detroit",
        '"Cheese, wine", Lunch',
        "Subscribed",
        "Unsubscribed",
        "Sign-up form",
        "2026-11-20",
    ]


def test_a_birthday_without_a_year_has_none(ben, tmp_path):
    ben.birthday = date(UNKNOWN_YEAR, 2, 29)
    ben.save()

    export(tmp_path / "all.csv")

    assert read_csv((tmp_path / "all.csv").read_bytes())[2][4] == "'--02-29"
    assert export_person(ben)["birthday"] == "--02-29"


def test_tells_one_person_where_they_are(maria):
    data = export_person(maria)

    assert (data["postal_code"], data["region"], data["time_zone"]) == ("02139", "MA", "America/Detroit")
    out = StringIO()
    call_command("contact", "show", "maria@example.com", json=True, stdout=out)
    fields = json.loads(out.getvalue())["fields"]
    assert (fields["region"], fields["time_zone"]) == ("MA", "America/Detroit")


def test_begins_with_a_byte_order_mark(maria, tmp_path):
    export(tmp_path / "all.csv")

    assert (tmp_path / "all.csv").read_bytes().startswith(b"\xef\xbb\xbfE-mail,Phone,")


def test_writes_the_same_as_a_workbook(maria, ben, tmp_path):
    export(tmp_path / "all.csv")
    export(tmp_path / "all.xlsx", format="xlsx")

    table = read_csv((tmp_path / "all.csv").read_bytes())
    sheet = [[cell or "" for cell in row] for row in read_xlsx((tmp_path / "all.xlsx").read_bytes())]
    assert sheet == table


def test_streams_to_standard_output(maria, ben, capfdbinary):
    call_command("export_contacts")

    out, err = capfdbinary.readouterr()
    assert [row[0] for row in read_csv(out)] == ["E-mail", "Maria@example.com", "ben@example.com"]
    assert b"2 of 2" in err
    assert b"Maria" not in err


@pytest.mark.parametrize("options", [{"format": "xlsx"}, {"json": True}])
def test_keeps_standard_output_for_the_table(options, maria):
    with pytest.raises(CommandError, match="--output"):
        call_command("export_contacts", **options)


def test_reads_page_by_page(maria, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "PAGE", 4)
    Contact.objects.bulk_create([Contact(email=f"guest{number}@example.com") for number in range(11)])

    answer = export(tmp_path / "all.csv")

    assert emails(tmp_path / "all.csv") == ["Maria@example.com", *(f"guest{n}@example.com" for n in range(11))]
    assert answer["rows"] == 12


def test_only_its_owner_reads_the_file(maria, tmp_path):
    path = tmp_path / "all.csv"
    path.write_text("old")
    path.chmod(0o644)

    export(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert emails(path) == ["Maria@example.com"]


def test_says_what_it_wrote_and_writes_it_down(maria, ben, tmp_path):
    answer = export(tmp_path / "all.csv")

    job = Job.objects.get()
    assert answer == {"id": job.pk, "rows": 2, "file": str(tmp_path / "all.csv")}
    assert (job.status, job.position, job.created_by, job.result) == (Job.Status.DONE, 2, None, None)
    line = AuditEvent.objects.get()
    assert (line.action, line.detail, line.via) == (AuditEvent.Action.EXPORTED, "2 contacts, csv", "command")


def test_writes_down_an_export_that_broke_off(maria, ben, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "PAGE", 1)
    pages = exporting.export_rows

    def interrupted(contacts: Any, zone: Any) -> Any:
        if contacts.filter(pk=ben.pk).exists():
            raise KeyboardInterrupt
        return pages(contacts, zone)

    monkeypatch.setattr(exporting, "export_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path / "all.csv")

    assert AuditEvent.objects.get().detail == "1 contact, csv"


@pytest.mark.parametrize("by", ["name", "other case", "number"])
def test_exports_a_segment(by, maria, ben, tmp_path):
    tag = Tag.objects.get(name="Lunch")
    segment = Segment.objects.create(name="Lunch people", rules={"all": [{"tag": tag.pk}]})
    named = {"name": "Lunch people", "other case": "LUNCH people", "number": str(segment.pk)}[by]

    export(tmp_path / "some.csv", segment=named)

    assert emails(tmp_path / "some.csv") == ["Maria@example.com"]


def test_exports_those_with_a_tag(maria, ben, tmp_path):
    export(tmp_path / "some.csv", tag="lunch")

    assert emails(tmp_path / "some.csv") == ["Maria@example.com"]


@pytest.mark.parametrize("options", [{"segment": "Nobody"}, {"segment": "99999"}, {"tag": "Nothing"}])
def test_refuses_a_part_that_is_not_there(options, maria, tmp_path):
    with pytest.raises(CommandError, match=r"There is no (segment|tag)"):
        export(tmp_path / "some.csv", **options)
    assert not (tmp_path / "some.csv").exists()
    assert not AuditEvent.objects.exists()


def test_says_where_a_file_cannot_be_written(maria, tmp_path):
    with pytest.raises(CommandError, match="cannot be written"):
        export(tmp_path / "nowhere" / "all.csv")


def test_imports_again_as_it_was(maria, ben, tmp_path):
    ben.birthday = date(UNKNOWN_YEAR, 2, 29)
    ben.save()
    before = {contact.email: [getattr(contact, name) for name in FIELDS] for contact in Contact.objects.all()}
    export(tmp_path / "all.csv")
    Contact.objects.all().delete()

    call_command("import_contacts", tmp_path / "all.csv", stdout=StringIO(), stderr=StringIO())

    after = {contact.email: [getattr(contact, name) for name in FIELDS] for contact in Contact.objects.all()}
    assert after == before
    assert {"+12175550123", "MA", "America/Detroit"} <= set(before["Maria@example.com"])


@pytest.mark.parametrize(
    ("names", "cell"),
    [([], ""), (["Lunch"], "Lunch"), (["A", "B"], "A, B"), (["a, b", 'say "x"'], '"a, b", "say ""x"""')],
)
def test_writes_tags_as_one_cell(names, cell):
    assert tags_cell(names) == cell
