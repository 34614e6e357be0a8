"""Taking an import back: what it made goes, what it changed is restored, and what people did since stays."""

import json
import time
from datetime import date, timedelta

import pytest

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.importing import (
    ImportBusy,
    advance_imports,
    ask_run,
    ask_undo,
    can_undo,
    sweep,
)
from contacts.importing import run as run_module
from contacts.models import (
    ChannelStatus,
    ConsentEvent,
    Contact,
    Import,
    ImportEntry,
    ImportProblem,
    NameIndex,
    Suppression,
)
from contacts.queries import addresses_of
from contacts.services import (
    find_or_make_tag,
    note_sent,
    record_consent,
    save_contact,
    unsubscribe,
)
from tests.contacts.importing.engine import AT, LATER, PEOPLE, by_email, import_text, undo


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

    def test_gives_state_and_time_zone_back(self):
        import_text("Email,State,Time zone\nann@example.org,TX,\n")
        record, _ = import_text(
            "Email,State,Time zone\nann@example.org,CA,Pacific\nnew@example.org,NY,Eastern\n",
            conflicts=Import.Conflicts.OVERWRITE,
        )

        counts = undo(record)

        ann = by_email("ann@example.org")
        assert (ann.region, ann.time_zone) == ("TX", None)
        assert (counts["removed"], counts["restored"]) == (1, 1)

    def test_keeps_whom_somebody_gave_a_state_since(self):
        record, _ = import_text("Email\nnew@example.org\n")
        contact = by_email("new@example.org")
        contact.region = "TX"
        save_contact(contact)

        assert undo(record)["kept"] == 1

    def test_takes_back_what_was_imported_before_there_were_states(self):
        record, _ = import_text("Email,First Name\nann@example.org,Ann\n")
        values = ["ann@example.org", "", "Ann", "", "", "", ""]  # as they were digested then
        ImportEntry.objects.update(left=keyed_hash("import-left", json.dumps(values)))

        assert undo(record)["removed"] == 1

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

    def test_its_trail_is_kept_for_thirty_days_from_the_run_however_long_the_file_waited(self):
        import_text("Email\nann@example.org\n")
        record, _ = import_text("Email,First Name\nann@example.org,Ann\n")
        Import.objects.update(created_at=AT - timedelta(days=25))

        sweep(at=AT + timedelta(days=29))
        undo(record, at=AT + timedelta(days=29))

        assert by_email("ann@example.org").first_name is None

    def test_the_trail_is_forgotten_when_it_is_too_old(self):
        import_text("Email\nann@example.org\n")
        record, _ = import_text("Email,First Name\nann@example.org,Ann\nbad,\n")
        Import.objects.update(created_at=AT)

        sweep(at=AT + timedelta(days=31))

        assert not ImportEntry.objects.filter(before__isnull=False).exists()
        assert not ImportProblem.objects.exists()
        assert ImportEntry.objects.filter(run=record).count() == 1
