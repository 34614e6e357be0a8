"""Who a row is about, and what it changes: matched by address, completed, never cleared."""

from datetime import date

import pytest

from contacts.importing import (
    problems_csv,
)
from contacts.models import (
    ChannelStatus,
    ConsentEvent,
    Contact,
    Import,
)
from contacts.services import (
    find_or_make_tag,
)
from tests.contacts.importing.engine import OVERWRITE, PEOPLE, by_email, by_phone, import_text, problems_of


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

    def test_state_and_time_zone_stay_unless_the_file_has_the_last_word(self):
        import_text("Email,State,Time zone\nann@example.org,Texas,Central\nben@example.org,,\n")
        rows = "Email,State,Time zone\nann@example.org,CA,Pacific\nben@example.org,CA,Pacific\n"

        _, kept = import_text(rows)

        ann, ben = by_email("ann@example.org"), by_email("ben@example.org")
        assert (ann.region, ann.time_zone, kept.conflicts) == ("TX", "America/Chicago", 2)
        assert (ben.region, ben.time_zone) == ("CA", "America/Los_Angeles")
        import_text(rows, **OVERWRITE)
        ann = by_email("ann@example.org")
        assert (ann.region, ann.time_zone) == ("CA", "America/Los_Angeles")
        import_text("Email,State,Time zone\nann@example.org,,\n", **OVERWRITE)
        assert by_email("ann@example.org").region == "CA"

    def test_another_spelling_of_a_state_changes_nothing(self):
        import_text("Email,State,Time zone\nann@example.org,Texas,Central Time (US & Canada)\n")

        _, counts = import_text("Email,State,Time zone\nann@example.org,tx,US/Central\n")

        assert (counts.unchanged, counts.conflicts) == (1, 0)

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
