"""The engine of the import: who is matched, completed, left out, never resurrected; resumed, cancelled and undone."""

import io
import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.importing import (
    Counts,
    ImportBusy,
    NoAddressColumn,
    Reading,
    advance_imports,
    advance_now,
    ask_check,
    ask_run,
    ask_undo,
    can_undo,
    cancel_import,
    finish_here,
    match_columns,
    plans_of,
    problems_csv,
    stage,
    sweep,
)
from contacts.importing import run as run_module
from contacts.importing.writing import do_chunk
from contacts.models import (
    Activity,
    ChannelStatus,
    ConsentEvent,
    Contact,
    ContactTag,
    FilePart,
    Import,
    ImportEntry,
    ImportProblem,
    NameIndex,
    StoredFile,
    Suppression,
    Tag,
)
from contacts.queries import addresses_of, derive_states, find_by_name
from contacts.services import (
    erase,
    erase_address,
    find_or_make_tag,
    note_sent,
    record_consent,
    save_contact,
    suppress,
    unsubscribe,
)
from contacts.services.leases import LEASE, take

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
EARLIER = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = AT + timedelta(days=3)
OVERWRITE = {"conflicts": Import.Conflicts.OVERWRITE}
TEXTS = {"Texts": "sms_status"}


def staged(text: str | bytes, *, overrides=None, **asked) -> Import:
    content = text if isinstance(text, bytes) else text.encode()
    return stage(io.BytesIO(content), name="people.csv", at=AT, reading=Reading(overrides=overrides), **asked)


def run(record: Import, *, at=AT, progress=lambda rows: None) -> Counts:
    ask_run(record, at=at)
    finish_here(record, clock=lambda: at, progress=progress)
    record.refresh_from_db()
    return Counts(**record.counts)


def checked(record: Import) -> Counts:
    ask_check(record)
    finish_here(record, clock=lambda: AT)
    return Counts(**record.counts)


def undo(record: Import, *, at=LATER) -> dict[str, int]:
    record.refresh_from_db()
    ask_undo(record, at=at)
    finish_here(record, clock=lambda: at)
    return record.counts


def import_text(text: str | bytes, *, overrides=None, **asked):
    record = staged(text, overrides=overrides, **asked)
    return record, run(record)


def problems_of(record: Import) -> list[ImportProblem]:
    return list(ImportProblem.objects.filter(run=record).order_by("pk"))


def by_email(address: str) -> Contact:
    return Contact.objects.with_address(Channel.EMAIL, keyed_hash("email", address)).get()


def by_phone(number: str) -> Contact:
    return Contact.objects.with_address(Channel.SMS, keyed_hash("sms", number)).get()


PEOPLE = """\
Email Address,First Name,Last Name,Phone,Tags
Maria.Kim@Example.org,Maria,Kim,(217) 555-0142,"vip, lunch"
ann@example.org,Ann,,,
,Joe,,217-555-0143,
"""


@pytest.mark.django_db
class TestWriting:
    def test_makes_contacts_with_normal_addresses_and_tags(self):
        record, counts = import_text(PEOPLE)

        assert (counts.rows, counts.created) == (3, 3)
        maria = by_email("maria.kim@example.org")
        assert (maria.email, maria.phone, maria.first_name) == ("Maria.Kim@Example.org", "+12175550142", "Maria")
        assert {tag.name for tag in maria.tags.all()} == {"vip", "lunch"}
        assert by_phone("+12175550143").email is None
        assert record.status == Import.Status.DONE

    def test_the_same_file_twice_changes_nothing(self):
        import_text(PEOPLE, consent_email="At the till", tag=find_or_make_tag("till"))
        before = list(Contact.objects.order_by("pk").values_list("pk", "updated_at"))
        events = ConsentEvent.objects.count()

        _, counts = import_text(PEOPLE, consent_email="At the till", tag=find_or_make_tag("till"))

        assert (counts.created, counts.updated, counts.unchanged, counts.review) == (0, 0, 3, 0)
        assert list(Contact.objects.order_by("pk").values_list("pk", "updated_at")) == before
        assert ConsentEvent.objects.count() == events

    def test_one_person_twice_in_a_file_is_one_contact_completed_by_both_rows(self):
        _, counts = import_text("Email,First Name,Phone\na@example.org,,\nA@Example.org,Ann,217-555-0142\n")

        assert (counts.created, counts.duplicates) == (1, 1)
        ann = by_email("a@example.org")
        assert (ann.first_name, ann.phone) == ("Ann", "+12175550142")

    def test_blank_cells_never_clear_and_known_values_stay(self):
        import_text(PEOPLE)

        _, counts = import_text("Email,First Name,Last Name\nmaria.kim@example.org,Mary,\nann@example.org,,Lee\n")

        maria, ann = by_email("maria.kim@example.org"), by_email("ann@example.org")
        assert (maria.first_name, maria.last_name) == ("Maria", "Kim")
        assert (ann.first_name, ann.last_name) == ("Ann", "Lee")
        assert (counts.updated, counts.unchanged) == (1, 1)

    def test_two_emails_with_one_phone_are_two_people(self):
        rows = "Email,Phone\na@example.org,217-555-0142\nb@example.org,217-555-0142\n"

        record, counts = import_text(rows)

        assert (counts.created, counts.review) == (2, 1)
        assert by_phone("+12175550142").email == "a@example.org"
        assert "belongs to another contact" in problems_of(record)[0].reason

    def test_rows_that_meet_in_one_contact_are_one(self):
        import_text("Email,Phone\na@example.org,217-555-0142\n")

        _, counts = import_text("Email,Phone\na@example.org,\n,217-555-0142\n", consent_email="Yes", consent_sms="Yes")

        assert (counts.rows, counts.updated, counts.duplicates) == (2, 1, 1)
        assert sorted(ConsentEvent.objects.values_list("channel", flat=True)) == ["email", "sms"]

    def test_another_phone_of_a_known_person_is_named_and_not_taken(self):
        import_text("Email,Phone\na@example.org,217-555-0142\n")

        record, counts = import_text("Email,Phone\na@example.org,217-555-0143\n")

        assert (counts.unchanged, counts.review) == (1, 1)
        assert "another phone number" in problems_of(record)[0].reason
        assert by_email("a@example.org").phone == "+12175550142"

    @pytest.mark.parametrize(
        ("written", "day"),
        [
            ("1990-12-31", date(1990, 12, 31)),
            ("12/31/1990", date(1990, 12, 31)),
            ("31/12/1990", date(1990, 12, 31)),
            ("12/31/45", date(1945, 12, 31)),
            ("31.12.1990", date(1990, 12, 31)),
        ],
    )
    def test_reads_birthdays_as_people_write_them(self, written, day):
        import_text(f"Email,Birthday\na@example.org,{written}\n")

        assert by_email("a@example.org").birthday == day

    def test_a_birthday_that_cannot_be_told_is_named(self):
        record, counts = import_text("Email,Birthday\na@example.org,in spring\n")

        assert (counts.created, counts.review) == (1, 1)
        assert problems_of(record)[0].value == "in spring"

    def test_an_address_in_odd_wrapping_is_found_again(self):
        import_text("Email\n''a@example.org\n", consent_email="Yes")

        _, counts = import_text("Email\na@example.org\nAnn <a@example.org>\n", consent_email="Yes")

        assert (counts.updated, counts.duplicates, counts.created) == (1, 1, 0)
        assert by_email("a@example.org").email_status == ChannelStatus.SUBSCRIBED

    def test_a_phone_known_alone_gets_its_email(self):
        import_text("Phone\n217-555-0142\n")

        _, counts = import_text("Email,Phone\na@example.org,217-555-0142\n")

        assert (counts.updated, counts.created) == (1, 0)
        assert by_phone("+12175550142").email == "a@example.org"

    def test_a_bad_cell_costs_the_cell_and_a_row_without_address_is_left_out(self):
        rows = "Email,Phone\na@example.org,12345\nnot-an-email,\n,\nx@y,217-555-0142\n,99\n"

        record, counts = import_text(rows)

        assert (counts.rows, counts.created, counts.invalid, counts.review) == (4, 2, 2, 2)
        assert [(p.line, p.column, p.value, p.kind) for p in problems_of(record)] == [
            (2, "Phone", "12345", "review"),
            (3, "Email", "not-an-email", "problem"),
            (5, "Email", "x@y", "review"),
            (6, "Phone", "99", "problem"),
        ]

    def test_rows_are_all_accounted_for(self):
        rows = "Email\na@example.org\na@example.org\nbad\nb@example.org\n"
        import_text("Email\nb@example.org\n")

        _, c = import_text(rows)

        assert c.rows == c.created + c.updated + c.unchanged + c.duplicates + c.invalid == 4

    def test_problems_can_be_had_after_the_headers_were_forgotten(self):
        record, _ = import_text("Email,Phone\nbad,\n")
        Import.objects.update(plan=None)
        record.refresh_from_db()

        assert ",bad," in b"".join(problems_csv(record)).decode()

    def test_problem_cells_cannot_run_as_formulas(self):
        record, _ = import_text("Email,Phone\n=cmd|x@y,\n+cmd,\n")

        text = b"".join(problems_csv(record)).decode("utf-8-sig")

        assert "'=cmd|x@y" in text
        assert "'+cmd" in text


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


@pytest.mark.django_db
class TestResuming:
    @pytest.fixture(autouse=True)
    def _small_chunks(self, monkeypatch):
        monkeypatch.setattr(run_module, "CHUNK_ROWS", 1)

    def test_a_worker_that_died_is_followed_by_the_next_one_after_its_lease(self):
        record = staged(PEOPLE, consent_email="Yes", tag=find_or_make_tag("till"))
        ask_run(record, at=AT)
        died = take(Import.objects.filter(pk=record.pk), at=AT)
        assert died is not None

        class Killed(BaseException):
            pass

        def die(rows):
            if rows == 2:
                raise Killed

        with pytest.raises(Killed):
            run_module._advance(died, lambda: AT, None, die)
        assert Contact.objects.count() == 2
        assert not advance_imports(clock=lambda: AT + LEASE / 2, deadline=time.monotonic() + 10)
        assert Contact.objects.count() == 2

        advance_imports(clock=lambda: AT + LEASE * 2, deadline=time.monotonic() + 10)

        record.refresh_from_db()
        assert record.status == Import.Status.DONE
        counts = Counts(**record.counts)
        assert (counts.rows, counts.created, counts.duplicates) == (3, 3, 0)
        assert (Contact.objects.count(), ConsentEvent.objects.count()) == (3, 2)
        assert ImportEntry.objects.filter(run=record).count() == 3

    def test_a_worker_that_lost_its_lease_writes_nothing_more(self):
        record = staged(PEOPLE)
        ask_run(record, at=AT)
        slow = take(Import.objects.filter(pk=record.pk), at=AT)
        assert slow is not None
        take(Import.objects.filter(pk=record.pk), at=AT + LEASE * 2)

        with pytest.raises(run_module._Stopped):
            run_module._advance(slow, lambda: AT, None, lambda rows: None)

        assert not Contact.objects.exists()

    def test_a_slice_ends_in_time_and_the_next_goes_on(self):
        record = staged(PEOPLE)
        ask_run(record, at=AT)

        more = advance_imports(clock=lambda: AT, deadline=time.monotonic() - 1)

        record.refresh_from_db()
        assert (more, record.position, record.status) == (True, 1, Import.Status.RUNNING)
        while advance_imports(clock=lambda: AT, deadline=time.monotonic() - 1):
            pass
        record.refresh_from_db()
        assert (record.status, Contact.objects.count()) == (Import.Status.DONE, 3)

    def test_can_be_stopped_on_its_way_and_undone(self):
        record = staged(PEOPLE)
        ask_run(record, at=AT)
        advance_imports(clock=lambda: AT, deadline=time.monotonic() - 1)

        assert cancel_import(Import.objects.get(pk=record.pk))
        advance_imports(clock=lambda: AT, deadline=time.monotonic() + 10)

        record.refresh_from_db()
        assert record.status == Import.Status.CANCELLED
        assert Contact.objects.count() == 1
        assert undo(record)["removed"] == 1
        assert not Contact.objects.exists()

    def test_what_failed_can_be_gone_on_with(self, monkeypatch):
        record = staged(PEOPLE)
        ask_run(record, at=AT)

        def fail_on_the_second(given, *args, **kwargs):
            if given.position == 1:
                raise RuntimeError("secret@example.org")
            do_chunk(given, *args, **kwargs)

        monkeypatch.setattr(run_module, "do_chunk", fail_on_the_second)
        assert advance_now(record, clock=lambda: AT, seconds=10)
        assert (record.status, record.failure) == (Import.Status.FAILED, "Something went wrong here (RuntimeError).")
        monkeypatch.setattr(run_module, "do_chunk", do_chunk)

        counts = run(record)

        assert (counts.rows, counts.created) == (3, 3)
        assert Contact.objects.count() == 3

    @pytest.mark.parametrize("bad", ["\\ud800", "a\\u0000b"])
    def test_a_cell_no_database_can_hold_stops_nothing(self, bad):
        record = staged(f'Email,Tags\nann@example.org,"[""{bad}""]"\nbob@example.org,\n')
        ask_run(record, at=AT)

        advance_now(record, clock=lambda: AT, seconds=10)

        assert (record.status, Contact.objects.count()) == (Import.Status.DONE, 2)

    def test_an_import_that_runs_cannot_be_started_again(self):
        record = staged(PEOPLE)
        ask_run(record, at=AT)

        with pytest.raises(ImportBusy):
            ask_run(record, at=AT)


@pytest.mark.django_db
class TestUndo:
    def test_removes_what_it_created_and_restores_what_it_changed(self):
        import_text("Email\nann@example.org\n")
        rows = "ann@example.org,Ann,217-555-0142,vip\nnew@example.org,New,,\n"
        record, _ = import_text(f"Email,First Name,Phone,Tags\n{rows}", consent_email="Yes")
        assert by_email("ann@example.org").email_status == ChannelStatus.SUBSCRIBED

        counts = undo(record)

        ann = by_email("ann@example.org")
        assert (ann.first_name, ann.phone, ann.phone_index) == (None, None, None)
        assert (ann.email_status, ann.sms_status) == (ChannelStatus.NONE, ChannelStatus.ABSENT)
        assert not ann.tags.exists()
        assert Contact.objects.count() == 1
        assert not NameIndex.objects.exists()
        assert (counts["removed"], counts["restored"]) == (1, 1)
        assert record.status == Import.Status.UNDONE
        assert not ImportEntry.objects.filter(run=record).exists()

    def test_gives_overwritten_values_back(self):
        import_text("Email,First Name,Birthday\nann@example.org,Ann,1990-12-31\n")
        record, counts = import_text(
            "Email,First Name,Birthday\nann@example.org,Anna,1991-01-01\n", conflicts=Import.Conflicts.OVERWRITE
        )
        assert (by_email("ann@example.org").first_name, counts.conflicts) == ("Anna", 2)

        undo(record)

        ann = by_email("ann@example.org")
        assert (ann.first_name, ann.birthday) == ("Ann", date(1990, 12, 31))
        assert ann.birthday_index == keyed_hash("birthday", "12-31")

    def test_leaves_what_somebody_changed_since(self):
        import_text("Email\nann@example.org\n")
        record, _ = import_text("Email,First Name,Last Name\nann@example.org,Ann,Lee\nnew@example.org,New,\n")
        for address, name in (("ann@example.org", "Annabel"), ("new@example.org", "Newt")):
            contact = by_email(address)
            contact.first_name = name
            save_contact(contact)

        counts = undo(record)

        ann = by_email("ann@example.org")
        assert (ann.first_name, ann.last_name) == ("Annabel", None)
        assert by_email("new@example.org").first_name == "Newt"
        assert (counts["removed"], counts["kept"]) == (0, 1)

    def test_leaves_whom_something_happened_to(self):
        names = ("mailed", "agreed", "tagged", "idle")
        rows = "".join(f"{name}@example.org\n" for name in names)
        record, _ = import_text(f"Email\n{rows}", consent_email="Yes")
        note_sent([by_email("mailed@example.org").pk], at=AT)
        record_consent(
            channel=Channel.EMAIL,
            address_index=keyed_hash("email", "agreed@example.org"),
            action=ConsentEvent.Action.GRANTED,
            source=ConsentEvent.Source.FORM,
            at=AT,
        )
        by_email("tagged@example.org").tags.add(find_or_make_tag("vip"))

        counts = undo(record)

        assert (counts["removed"], counts["kept"]) == (1, 3)
        assert by_email("mailed@example.org").email_status == ChannelStatus.NONE
        assert by_email("agreed@example.org").email_status == ChannelStatus.SUBSCRIBED

    def test_keeps_every_opt_out(self):
        record, _ = import_text(
            "Email,Marketing\na@example.org,subscribed\nout@example.org,unsubscribed\n",
            overrides={"Marketing": "email_status"},
        )
        unsubscribe(
            channel=Channel.EMAIL,
            address_index=keyed_hash("email", "a@example.org"),
            source=ConsentEvent.Source.ONE_CLICK,
            at=AT,
        )

        undo(record)

        assert Suppression.objects.filter(lifted_at=None).count() == 2
        _, counts = import_text("Email\na@example.org\nout@example.org\n", consent_email="Yes")
        assert counts.suppressed == 2
        assert not Contact.objects.subscribed(Channel.EMAIL).exists()

    def test_of_a_file_imported_twice_leaves_nothing(self):
        first, _ = import_text(PEOPLE, consent_email="Yes")
        second, _ = import_text(PEOPLE, consent_email="Yes")

        undo(first)
        undo(second)

        assert not Contact.objects.exists()

    def test_its_consent_counts_again_only_where_it_is_given_again(self):
        record, _ = import_text(PEOPLE, consent_email="Yes")
        undo(record)

        import_text(PEOPLE)
        assert by_email("ann@example.org").email_status == ChannelStatus.NONE
        import_text(PEOPLE, consent_email="Really")
        assert by_email("ann@example.org").email_status == ChannelStatus.SUBSCRIBED

    def test_ends_after_30_days_and_is_done_once(self):
        record, _ = import_text(PEOPLE)

        assert not can_undo(record, at=AT + timedelta(days=31))
        with pytest.raises(ImportBusy):
            undo(record, at=AT + timedelta(days=31))
        undo(record)
        with pytest.raises(ImportBusy):
            undo(record)

    def test_goes_on_after_a_crash(self, monkeypatch):
        monkeypatch.setattr("contacts.importing.undo.CHUNK", 1)
        record, _ = import_text(PEOPLE)
        ask_undo(record, at=LATER)
        for expected in (2, 1, 0):
            advance_imports(clock=lambda: LATER, deadline=time.monotonic() - 1)
            assert Contact.objects.count() == expected

        advance_imports(clock=lambda: LATER, deadline=time.monotonic() + 10)

        record.refresh_from_db()
        assert (record.status, record.counts["removed"]) == (Import.Status.UNDONE, 3)

    def test_a_number_that_was_overwritten_or_taken_back_is_still_known_to_be_theirs(self):
        ann = save_contact(Contact(email="ann@example.org", phone="+12175550142"))
        record, _ = import_text("Email,Phone\nann@example.org,217-555-0143\n", conflicts=Import.Conflicts.OVERWRITE)
        assert (Channel.SMS, keyed_hash("sms", "+12175550142")) in addresses_of(ann)

        undo(record)

        assert (Channel.SMS, keyed_hash("sms", "+12175550143")) in addresses_of(ann)

    def test_leaves_a_number_to_whoever_has_it_by_now(self):
        save_contact(Contact(email="ann@example.org", phone="+12175550142"))
        record, _ = import_text("Email,Phone\nann@example.org,217-555-0143\n", conflicts=Import.Conflicts.OVERWRITE)
        save_contact(Contact(email="bob@example.org", phone="+12175550142"))

        undo(record)

        assert record.status == Import.Status.UNDONE
        assert by_email("ann@example.org").phone == "+12175550143"

    def test_that_failed_can_be_asked_for_again_and_the_import_not(self, monkeypatch):
        record, _ = import_text(PEOPLE, consent_email="Yes")

        def fail(given):
            raise RuntimeError

        monkeypatch.setattr(run_module, "undo_chunk", fail)
        with pytest.raises(RuntimeError):
            undo(record)
        monkeypatch.undo()
        record.refresh_from_db()
        assert record.status == Import.Status.FAILED
        with pytest.raises(ImportBusy):
            ask_run(record, at=LATER)

        undo(record, at=AT + timedelta(days=60))

        assert record.status == Import.Status.UNDONE
        assert not Contact.objects.exists()

    def test_takes_the_consent_from_whoever_got_the_address_since(self):
        record, _ = import_text("Email,Phone\nann@example.org,217-555-0142\n", consent_email="Signed the card")
        ann = by_email("ann@example.org")
        ann.email = "new@example.org"
        save_contact(ann)
        other = save_contact(Contact(email="ann@example.org"))
        assert Contact.objects.get(pk=other.pk).email_status == ChannelStatus.SUBSCRIBED

        undo(record)

        assert Contact.objects.get(pk=other.pk).email_status == ChannelStatus.NONE

    def test_keeps_an_address_its_person_spoke_for_since(self):
        save_contact(Contact(phone="+12175550142"))
        record, _ = import_text("Email,Phone\nann@example.org,217-555-0142\n")
        record_consent(
            channel=Channel.EMAIL,
            address_index=keyed_hash("email", "ann@example.org"),
            action=ConsentEvent.Action.GRANTED,
            source=ConsentEvent.Source.FORM,
            at=LATER,
        )

        undo(record)

        assert by_email("ann@example.org").email_status == ChannelStatus.SUBSCRIBED

    def test_the_trail_is_forgotten_when_it_is_too_old(self):
        import_text("Email\nann@example.org\n")
        record, _ = import_text("Email,First Name\nann@example.org,Ann\nbad,\n")
        Import.objects.update(created_at=AT)

        sweep(at=AT + timedelta(days=31))

        assert not ImportEntry.objects.filter(before__isnull=False).exists()
        assert not ImportProblem.objects.exists()
        assert ImportEntry.objects.filter(run=record).count() == 1


@pytest.mark.django_db
class TestConsent:
    def test_without_evidence_nobody_may_be_written_to(self):
        import_text(PEOPLE)

        assert by_email("ann@example.org").email_status == ChannelStatus.NONE
        assert not Contact.objects.subscribed(Channel.EMAIL).exists()

    def test_evidence_is_kept_with_its_words_and_time(self):
        record, _ = import_text(PEOPLE, consent_email="Signed at the till", consent_at=EARLIER)

        maria = by_email("maria.kim@example.org")
        event = maria.consent_events.get()
        assert (event.channel, event.wording, event.at) == ("email", "Signed at the till", EARLIER)
        assert event.reference == f"import {record.pk} line 2"
        assert (maria.email_status, maria.sms_status) == (ChannelStatus.SUBSCRIBED, ChannelStatus.NONE)

    @pytest.mark.parametrize("reason", [reason for reason in Suppression.Reason if reason != "erased"])
    def test_never_resurrects_whoever_is_suppressed(self, reason):
        index = keyed_hash("email", "ann@example.org")
        suppress(channel=Channel.EMAIL, address_index=index, reason=reason, at=EARLIER)

        _, counts = import_text(PEOPLE, consent_email="Signed at the till")

        ann = by_email("ann@example.org")
        assert ann.email_status in {ChannelStatus.UNSUBSCRIBED, ChannelStatus.SUPPRESSED}
        assert counts.suppressed == 1
        assert not ann.consent_events.exists()

    def test_never_resurrects_a_contact_who_unsubscribed(self):
        import_text(PEOPLE, consent_email="Signed at the till", consent_at=EARLIER)
        unsubscribe(
            channel=Channel.EMAIL,
            address_index=keyed_hash("email", "ann@example.org"),
            source=ConsentEvent.Source.ONE_CLICK,
            at=EARLIER,
        )

        _, counts = import_text(PEOPLE, consent_email="Signed at the till", consent_at=AT)

        assert by_email("ann@example.org").email_status == ChannelStatus.UNSUBSCRIBED
        assert (counts.suppressed, counts.updated) == (1, 0)

    def test_a_revocation_beats_a_grant_of_the_same_moment(self):
        index = keyed_hash("email", "ann@example.org")
        import_text(PEOPLE)
        for action in (ConsentEvent.Action.REVOKED, ConsentEvent.Action.GRANTED):
            record_consent(
                channel=Channel.EMAIL, address_index=index, action=action, source=ConsentEvent.Source.FORM, at=AT
            )

        assert by_email("ann@example.org").email_status == ChannelStatus.UNSUBSCRIBED

    def test_the_files_own_columns_are_evidence(self):
        rows = (
            "Email,Status,Since,Phone,Texts\n"
            "yes@example.org,Subscribed,2024-05-01 10:00:00,217-555-0142,yes\n"
            "no@example.org,never subscribed,,,\n"
            "out@example.org,Unsubscribed,,,\n"
            "dead@example.org,hard bounced,,,\n"
            "odd@example.org,perhaps,,,\n"
            "blank@example.org,,,,\n"
        )
        columns = {"Status": "email_status", "Since": "email_consent_at", "Texts": "sms_status"}

        _, counts = import_text(rows, overrides=columns, consent_email="Signed the card")

        names = ("yes", "no", "out", "dead", "odd", "blank")
        assert {name: by_email(f"{name}@example.org").email_status for name in names} == {
            "yes": ChannelStatus.SUBSCRIBED,
            "no": ChannelStatus.NONE,
            "out": ChannelStatus.UNSUBSCRIBED,
            "dead": ChannelStatus.SUPPRESSED,
            "odd": ChannelStatus.NONE,
            "blank": ChannelStatus.SUBSCRIBED,
        }
        assert (counts.subscribed_email, counts.subscribed_sms, counts.opted_out) == (2, 1, 2)
        event = by_email("yes@example.org").consent_events.get(channel="email")
        assert event.at == datetime(2024, 5, 1, 10, tzinfo=UTC)
        assert "Subscribed" in event.evidence
        assert by_email("yes@example.org").sms_status == ChannelStatus.SUBSCRIBED

    def test_a_refusal_in_the_file_wins_over_a_grant_in_it_in_any_order(self, monkeypatch):
        for chunk in (1, 1000):
            monkeypatch.setattr(run_module, "CHUNK_ROWS", chunk)
            rows = f"a{chunk}@example.org,subscribed\na{chunk}@example.org,unsubscribed\n"
            turned = f"b{chunk}@example.org,unsubscribed\nb{chunk}@example.org,subscribed\n"
            import_text(f"Email,Status\n{rows}{turned}", overrides={"Status": "email_status"})

            assert by_email(f"a{chunk}@example.org").email_status == ChannelStatus.UNSUBSCRIBED
            assert by_email(f"b{chunk}@example.org").email_status == ChannelStatus.UNSUBSCRIBED

    def test_an_old_opt_out_elsewhere_does_not_undo_a_newer_word_of_the_person(self):
        import_text("Email\nback@example.org\n")
        record_consent(
            channel=Channel.EMAIL,
            address_index=keyed_hash("email", "back@example.org"),
            action=ConsentEvent.Action.GRANTED,
            source=ConsentEvent.Source.FORM,
            at=EARLIER,
        )
        columns = {"Left": "email_unsubscribed_at"}

        import_text("Email,Left\nback@example.org,2025-06-01\n", overrides=columns)
        assert by_email("back@example.org").email_status == ChannelStatus.SUBSCRIBED
        import_text("Email,Left\nback@example.org,2026-06-01\n", overrides=columns)
        assert by_email("back@example.org").email_status == ChannelStatus.UNSUBSCRIBED

    def test_the_same_opt_outs_twice_add_nothing(self):
        rows, columns = "Email,Status\nout@example.org,unsubscribed\n", {"Status": "email_status"}
        import_text(rows, overrides=columns)
        before = ConsentEvent.objects.count(), Suppression.objects.count()

        _, counts = import_text(rows, overrides=columns)

        assert (ConsentEvent.objects.count(), Suppression.objects.count()) == before
        assert (counts.opted_out, counts.suppressed, counts.unchanged) == (0, 1, 1)

    def test_brings_nobody_back_who_was_erased(self):
        record = staged(PEOPLE, consent_email="Signed at the till")
        erase_address("ann@example.org", at=EARLIER)

        dry = checked(record)
        counts = run(record)

        assert counts == dry
        assert (counts.created, counts.invalid) == (2, 1)
        assert not Contact.objects.filter(email_index=keyed_hash("email", "ann@example.org")).exists()
        problem = ImportProblem.objects.get()
        assert (problem.line, problem.value, problem.cells) == (3, "", "[]")

    @pytest.mark.parametrize(
        "before",
        [
            None,
            ("ann@example.org", "+12175550142"),
            ("joe@example.org", "+12175550149"),
        ],
        ids=["an earlier row's", "another contact's", "this contact has another"],
    )
    def test_hears_a_refusal_whose_number_cannot_be_taken(self, before):
        first = "" if before else "ann@example.org,217-555-0142,subscribed\n"
        if before:
            save_contact(Contact(email=before[0], phone=before[1]))

        import_text(f"Email,Phone,Texts\n{first}joe@example.org,217-555-0142,unsubscribed\n", overrides=TEXTS)
        _, counts = import_text("Phone\n217-555-0142\n", consent_sms="They signed the card")

        index = keyed_hash("sms", "+12175550142")
        assert derive_states(Channel.SMS, [index])[index].state == ChannelStatus.UNSUBSCRIBED
        assert counts.subscribed_sms == 0
        assert not Contact.objects.subscribed(Channel.SMS).exists()

    def test_hears_a_refusal_of_the_number_that_was_just_overwritten(self):
        save_contact(Contact(email="ann@example.org", phone="+12175550142"))

        import_text(
            "Email,Phone,Texts\nann@example.org,217-555-0143,\n,217-555-0142,unsubscribed\n",
            overrides=TEXTS,
            conflicts=Import.Conflicts.OVERWRITE,
        )

        index = keyed_hash("sms", "+12175550142")
        assert derive_states(Channel.SMS, [index])[index].state == ChannelStatus.UNSUBSCRIBED

    def test_new_people_are_found_by_name(self):
        import_text(PEOPLE)

        assert find_by_name("mari kim") == [by_email("maria.kim@example.org").pk]

    def test_activity_is_not_made_up(self):
        import_text(PEOPLE, consent_email="Yes")

        assert not Activity.objects.exists()


@pytest.mark.django_db
class TestCommand:
    @pytest.fixture
    def people(self, tmp_path):
        path = tmp_path / "people.csv"
        path.write_text(PEOPLE + "bad,,,,\n")
        return path

    def test_answers_in_json_and_writes_what_was_left_out(self, people, capsys):
        call_command("import_contacts", people, "--consent-email", "At the till", "--tag", "till", "--json")

        answer = json.loads(capsys.readouterr().out)
        assert {key: answer[key] for key in ("rows", "created", "invalid")} == {"rows": 4, "created": 3, "invalid": 1}
        assert answer["id"] == answer["import"] == Import.objects.get().pk
        assert "bad,,,,," in Path(answer["problems_file"]).read_text(encoding="utf-8-sig")
        assert ContactTag.objects.filter(tag__name="till").count() == 3

    @pytest.mark.parametrize("by", ["a week that passed", "an erasure"])
    def test_what_was_left_out_lies_about_only_for_so_long(
        self, by, people, capsys, django_capture_on_commit_callbacks
    ):
        call_command("import_contacts", people, "--json")
        path = Path(json.loads(capsys.readouterr().out)["problems_file"])
        now = datetime.now(UTC)
        sweep(at=now + timedelta(days=6))
        assert path.exists()

        if by == "an erasure":
            with django_capture_on_commit_callbacks(execute=True):
                erase_address("ann@example.org", at=now)
        else:
            sweep(at=now + timedelta(days=8))

        assert not path.exists()

    def test_dry_run_writes_nothing(self, people, capsys):
        call_command("import_contacts", people, "--tag", "till", "--dry-run", "--json")

        answer = json.loads(capsys.readouterr().out)
        assert (answer["created"], answer["import"]) == (3, None)
        assert not Contact.objects.exists()
        assert not Import.objects.exists()
        assert not Tag.objects.exists()

    def test_personal_data_reaches_neither_output(self, people, capsys):
        call_command("import_contacts", people)

        output = "".join(capsys.readouterr())
        assert "Maria" not in output
        assert "@" not in output

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["missing.csv"], "cannot be read"),
            (["{people}", "--map", "Email Address"], "COLUMN=FIELD"),
            (["{people}", "--consent-at", "2999-01-01"], "in the future"),
            (["{people}", "--map", "Nope=email"], "no column 'Nope'"),
        ],
    )
    def test_says_what_is_wrong_and_changes_nothing(self, people, arguments, says):
        with pytest.raises(CommandError, match=says):
            call_command("import_contacts", *[argument.format(people=people) for argument in arguments])
        assert not Contact.objects.exists()

    def test_a_file_without_addresses_is_refused(self, tmp_path):
        path = tmp_path / "shoes.csv"
        path.write_text("Shoe size\n42\n")

        with pytest.raises(CommandError, match="No column of this file"):
            call_command("import_contacts", path)
