"""From a file to contacts: what is read, matched, completed, left out and never resurrected."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.importing import ImportBusy, ImportFileError, check, read_table, run_import, stage, stage_and_run
from contacts.importing import run as run_module
from contacts.importing.run import problems_csv, problems_of
from contacts.models import ChannelStatus, ConsentEvent, Contact, ContactTag, Import, Suppression, Tag
from contacts.services import find_or_make_tag, record_consent, suppress, unsubscribe

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
EARLIER = datetime(2026, 1, 5, 12, tzinfo=UTC)


def import_text(text: str | bytes, *, overrides=None, **asked):
    content = text if isinstance(text, bytes) else text.encode()
    table = read_table(content, overrides)
    record = stage(table=table, content=content, file_name="people.csv", at=AT, **asked)
    return record, stage_and_run(record, table, at=AT)


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


class TestReading:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_reads_any_encoding_and_separator(self, encoding, separator):
        text = f"Email{separator}First Name\r\nzoe@example.org{separator}Zoë\r\n"

        table = read_table(text.encode(encoding))

        assert [row.cells for row in table.rows()] == [["zoe@example.org", "Zoë"]]
        assert table.mapping == {0: "email", 1: "first_name"}

    def test_recognises_addresses_by_their_values(self):
        table = read_table("Adresse électronique,Numéro\nzoe@example.org,217-555-0142\n".encode())

        assert table.mapping == {0: "email", 1: "phone"}

    def test_takes_the_persons_word_for_a_column(self):
        table = read_table(b"Contact,Other\nzoe@example.org,ann@example.org\n", {"Other": "email", "Contact": ""})

        assert table.mapping == {1: "email"}

    def test_a_first_line_with_an_address_is_a_person(self):
        table = read_table(b"maria@example.org,Maria\nbob@example.org,Bob\n")

        assert [row.line for row in table.rows()] == [1, 2]
        assert (table.header, table.mapping) == (["Column 1", "Column 2"], {0: "email"})

    def test_numbers_lines_as_a_spreadsheet_does(self):
        table = read_table(b'Email,Notes\na@example.org,"two\nlines"\n\nb@example.org,\n')

        assert [row.line for row in table.rows()] == [2, 5]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "is empty"),
            (b"\n\n", "is empty"),
            (b"Shoe size,Colour\n42,red\n", "looks like e-mail addresses or phone numbers"),
            (b"PK\x03\x04rest", "spreadsheet or ZIP"),
            (b"Email\x00\n\x00\x01", "not text"),
            (b'Email,Notes\na@example.org,"' + b"x" * 140_000 + b'"\n', "far too long"),
        ],
    )
    def test_refuses_a_file_it_cannot_use_in_one_sentence(self, content, says):
        with pytest.raises(ImportFileError, match=says):
            read_table(content)

    def test_names_the_columns_where_a_mapping_names_none(self):
        with pytest.raises(ImportFileError, match=r"no column 'Mail'.*Email"):
            read_table(b"Email\na@example.org\n", {"Mail": "email"})

    def test_names_the_fields_where_a_mapping_names_none(self):
        with pytest.raises(ImportFileError, match=r"'shoe' is not a field.*first_name"):
            read_table(b"Email\na@example.org\n", {"Email": "shoe"})


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

    def test_duplicates_far_apart_in_the_file_count_the_same(self, monkeypatch):
        monkeypatch.setattr(run_module, "CHUNK_ROWS", 2)
        rows = "Email,First Name\na@example.org,\nb@example.org,Bob\nc@example.org,Cy\nA@example.org,Ann\n"
        table = read_table(rows.encode())
        record = stage(table=table, content=rows.encode(), file_name="x.csv", at=AT)

        dry = check(record, table)
        _, counts = import_text(rows)

        assert counts == dry
        assert (counts.created, counts.duplicates) == (3, 1)
        assert by_email("a@example.org").first_name == "Ann"

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

        assert (counts.unchanged, counts.duplicates, counts.created) == (1, 1, 0)
        assert by_email("a@example.org").email_status == ChannelStatus.SUBSCRIBED

    def test_an_import_whose_process_died_can_be_taken_up_again_later(self):
        record, _ = import_text(PEOPLE)
        Import.objects.update(status=Import.Status.RUNNING, started_at=AT, upload=PEOPLE)
        record.refresh_from_db()

        with pytest.raises(ImportBusy):
            run_import(record, at=AT + timedelta(minutes=1))
        assert run_import(record, at=AT + timedelta(hours=2)).unchanged == 3

    def test_the_mapping_holds_no_header(self):
        record, _ = import_text(PEOPLE)

        assert record.mapping == {"0": "email", "1": "first_name", "2": "last_name", "3": "phone", "4": "tags"}

    def test_a_phone_known_alone_gets_its_email(self):
        import_text("Phone\n217-555-0142\n")

        _, counts = import_text("Email,Phone\na@example.org,217-555-0142\n")

        assert (counts.updated, counts.created) == (1, 0)
        assert by_phone("+12175550142").email == "a@example.org"

    def test_a_bad_cell_costs_the_cell_and_a_row_without_address_is_left_out(self):
        rows = "Email,Phone\na@example.org,12345\nnot-an-email,\n,\nx@y,217-555-0142\n,99\n"

        record, counts = import_text(rows)

        assert (counts.rows, counts.created, counts.invalid, counts.review) == (4, 2, 2, 2)
        assert [(p.line, p.column, p.value, p.whole_row) for p in problems_of(record)] == [
            (2, "Phone", "12345", False),
            (3, "Email", "not-an-email", True),
            (5, "Email", "x@y", False),
            (6, "Phone", "99", True),
        ]

    def test_rows_are_all_accounted_for(self):
        rows = "Email\na@example.org\na@example.org\nbad\nb@example.org\n"
        import_text("Email\nb@example.org\n")

        _, c = import_text(rows)

        assert c.rows == c.created + c.updated + c.unchanged + c.duplicates + c.invalid == 4

    def test_the_dry_run_counts_the_same_and_writes_nothing(self):
        import_text("Email\nann@example.org\n")
        people, tags, events = Contact.objects.count(), Tag.objects.count(), ConsentEvent.objects.count()
        table = read_table(PEOPLE.encode())
        record = stage(table=table, content=PEOPLE.encode(), file_name="p.csv", at=AT, consent_email="Yes")

        dry = check(record, table)

        after = Contact.objects.count(), Tag.objects.count(), ConsentEvent.objects.count()
        assert after == (people, tags, events)
        assert run_import(record, at=AT) == dry

    def test_a_broken_import_can_be_run_again(self, monkeypatch):
        monkeypatch.setattr(run_module, "CHUNK_ROWS", 1)
        table = read_table(PEOPLE.encode())
        record = stage(table=table, content=PEOPLE.encode(), file_name="p.csv", at=AT)

        def break_off(rows):
            if rows == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_import(record, at=AT, progress=break_off)
        record.refresh_from_db()
        assert record.status == Import.Status.FAILED

        counts = run_import(record, at=AT)

        assert (counts.created, counts.unchanged) == (1, 2)
        assert Contact.objects.count() == 3

    def test_the_upload_is_encrypted_and_gone_after_the_run(self):
        table = read_table(PEOPLE.encode())
        record = stage(table=table, content=PEOPLE.encode(), file_name="p.csv", at=AT)
        with connection.cursor() as cursor:
            cursor.execute("SELECT upload, file_name FROM contacts_import")
            stored = cursor.fetchone()
        assert all(value.startswith("gAAAA") for value in stored)

        stage_and_run(record, table, at=AT)

        record.refresh_from_db()
        assert record.upload is None

    def test_problem_cells_cannot_run_as_formulas(self):
        record, _ = import_text("Email,Phone\n=cmd|x@y,\n+cmd,\n")

        text = problems_csv(record).decode("utf-8-sig")

        assert "'=cmd|x@y" in text
        assert "'+cmd" in text


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

    @pytest.mark.parametrize("reason", list(Suppression.Reason))
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
        assert "5,Email Address,bad," in Path(answer["problems_file"]).read_text(encoding="utf-8-sig")
        assert ContactTag.objects.filter(tag__name="till").count() == 3

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
