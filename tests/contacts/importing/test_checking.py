"""The check: it counts what the run will do, and writes no contact."""

import json
from datetime import timedelta

import pytest
from django.db import connection, transaction

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.importing import (
    ImportBusy,
    NoAddressColumn,
    ask_check,
    ask_run,
    cancel_import,
    finish_here,
    match_columns,
    plans_of,
    sweep,
)
from contacts.importing import run as run_module
from contacts.importing.reading.resource import diff
from contacts.models import (
    ConsentEvent,
    Contact,
    FilePart,
    Import,
    ImportEntry,
    StoredFile,
    Suppression,
    Tag,
)
from contacts.services import (
    erase,
    save_contact,
    suppress,
)
from tests.contacts.importing.engine import (
    AT,
    EARLIER,
    OVERWRITE,
    PEOPLE,
    by_email,
    by_phone,
    checked,
    import_text,
    run,
    staged,
)


@pytest.mark.django_db
class TestPreview:
    def test_the_check_counts_the_same_as_the_run_and_writes_nothing(self):
        import_text("Email\nann@example.org\n")
        people, tags, events = Contact.objects.count(), Tag.objects.count(), ConsentEvent.objects.count()
        record = staged(PEOPLE + "bad,,,,\nann@example.org,Anna,,,\n", consent_email="Yes")

        dry = checked(record)

        after = Contact.objects.count(), Tag.objects.count(), ConsentEvent.objects.count()
        assert after == (people, tags, events)
        assert (dry.created, dry.updated, dry.duplicates, dry.invalid) == (2, 1, 1, 1)
        assert run(record) == dry

    def test_people_far_apart_in_the_file_are_told_in_the_check_too(self, monkeypatch):
        monkeypatch.setattr(run_module, "CHUNK_ROWS", 1)
        import_text("Email\nknown@example.org\n")
        rows = (
            "Email,First Name,Phone\na@example.org,,\nknown@example.org,,217-555-0142\n,Cy,217-555-0143\n"
            "A@example.org,Ann,\nc@example.org,,217-555-0143\nother@example.org,,217-555-0142\n"
            "other2@example.org,,217-555-0143\n"
        )
        record = staged(rows)

        dry = checked(record)

        assert run(record) == dry
        assert (dry.created, dry.updated, dry.duplicates, dry.review) == (4, 1, 2, 2)
        assert by_email("a@example.org").first_name == "Ann"
        assert by_phone("+12175550143").email == "c@example.org"

    def test_shows_samples_of_each_kind(self):
        import_text("Email,First Name\nann@example.org,\n")
        index = keyed_hash("email", "gone@example.org")
        suppress(channel=Channel.EMAIL, address_index=index, reason=Suppression.Reason.UNSUBSCRIBED, at=EARLIER)
        rows = "ann@example.org,Ann\nnew@example.org,\ngone@example.org,\nnew@example.org,\n"
        record = staged(f"Email,First Name\n{rows}")

        checked(record)

        samples = json.loads(record.samples)
        assert {kind: [sample["line"] for sample in kept] for kind, kept in samples.items()} == {
            "updated": [2],
            "created": [3, 4],
            "suppressed": [4],
            "duplicates": [5],
        }
        assert samples["updated"][0]["before"] == {"email": "ann@example.org"}
        assert samples["updated"][0]["after"] == {"email": "ann@example.org", "first_name": "Ann"}

    @pytest.mark.parametrize(
        ("rows", "asked"),
        [
            ("Email\nann@example.org\nbob@example.org\nann@example.org\n", {"consent_email": "signed"}),
            ("Email,Phone\nann@example.org,217-555-0143\nbob@example.org,217-555-0142\n", OVERWRITE),
            ("Email,Phone\nann@example.org,217-555-0143\n,217-555-0143\n", OVERWRITE),
            ("Email,Phone\nann@example.org,217-555-0143\n,217-555-0142\n", OVERWRITE),
            ("Email,State\nann@example.org,unsubscribed\nann@example.org,subscribed\n", {}),
            ("Email,State\nann@example.org,subscribed\nann@example.org,unsubscribed\n", {}),
            ("Email,State\nnew@example.org,subscribed\nnew@example.org,unsubscribed\n", {}),
        ],
    )
    def test_check_and_run_agree_whatever_the_chunk(self, rows, asked, monkeypatch):
        save_contact(Contact(email="ann@example.org", phone="+12175550142"))
        overrides = {"State": "email_status"} if "State" in rows else None
        found = []
        for size in (1, 1000):
            monkeypatch.setattr(run_module, "CHUNK_ROWS", size)
            found.append(checked(staged(rows, overrides=overrides, **asked)))
            with transaction.atomic():
                found.append(run(staged(rows, overrides=overrides, **asked)))
                transaction.set_rollback(True)

        assert all(counts == found[0] for counts in found)

    def test_shows_what_becomes_of_state_and_time_zone(self):
        import_text("Email,State\nann@example.org,TX\n")
        record = staged("Email,State,Time zone\nann@example.org,CA,Pacific\n", **OVERWRITE)

        checked(record)

        record.refresh_from_db()
        (sample,) = json.loads(record.samples)["updated"]
        assert dict(diff(sample["before"], sample["after"])) == {
            "E-mail": "<span>ann@example.org</span>",
            "State": "<del>TX</del><ins>CA</ins>",
            "Time zone": "<ins>America/Los_Angeles</ins>",
        }

    def test_whoever_is_erased_during_the_check_is_gone_from_the_samples(self, monkeypatch):
        monkeypatch.setattr(run_module, "CHUNK_ROWS", 1)
        ann = save_contact(Contact(email="ann@example.org", first_name="Annabella"))
        record = staged("Email\nann@example.org\nbob@example.org\njoe@example.org\n")
        ask_check(record)

        def erase_her(rows):
            if rows == 1:
                erase(ann, at=AT)

        finish_here(record, clock=lambda: AT, progress=erase_her)

        assert "Annabella" not in record.samples

    def test_columns_can_be_matched_again_and_are_remembered(self):
        rows = "Mail,Chosen name\nann@example.org,Ann\n"
        record = staged(rows)
        checked(record)

        match_columns(record, 0, {0: "email", 1: "first_name"})

        assert record.status == Import.Status.UPLOADED
        assert checked(record).created == 1
        assert plans_of(staged(rows))[0].mapping == {0: "email", 1: "first_name"}

    def test_a_check_needs_a_column_of_addresses(self):
        record = staged("Shoe size,Colour\n42,red\n")

        with pytest.raises(NoAddressColumn):
            ask_check(record)


@pytest.mark.django_db
class TestTheUpload:
    def test_is_encrypted_and_gone_after_the_run(self):
        record = staged(PEOPLE)
        with connection.cursor() as cursor:
            cursor.execute("SELECT content FROM contacts_filepart")
            parts = [row[0] for row in cursor.fetchall()]
            cursor.execute("SELECT plan, file_name FROM contacts_import")
            parts += cursor.fetchone()
        assert parts
        assert all(value.startswith("gAAAA") for value in parts)

        run(record)

        assert not StoredFile.objects.exists()
        assert not FilePart.objects.exists()

    def test_is_gone_after_it_was_cancelled(self):
        record = staged(PEOPLE)
        checked(record)

        assert cancel_import(record)

        assert record.status == Import.Status.CANCELLED
        assert not StoredFile.objects.exists()
        assert not ImportEntry.objects.exists()
        with pytest.raises(ImportBusy):
            ask_run(record, at=AT)

    def test_that_nobody_imported_is_swept_away_after_a_month(self):
        record = staged(PEOPLE)
        Import.objects.update(created_at=AT)

        sweep(at=AT + timedelta(days=29))
        assert StoredFile.objects.exists()
        sweep(at=AT + timedelta(days=31))

        record.refresh_from_db()
        assert record.status == Import.Status.CANCELLED
        assert not StoredFile.objects.exists()
