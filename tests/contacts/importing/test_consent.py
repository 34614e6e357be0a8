"""What a file says of consent: evidence counts, and nobody who left is brought back."""

from datetime import UTC, datetime

import pytest

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.importing import run as run_module
from contacts.models import (
    Activity,
    ChannelStatus,
    ConsentEvent,
    Contact,
    Import,
    ImportProblem,
    Suppression,
)
from contacts.queries import derive_states, find_by_name
from contacts.services import (
    erase_address,
    record_consent,
    save_contact,
    suppress,
    unsubscribe,
)
from tests.contacts.importing.engine import AT, EARLIER, PEOPLE, TEXTS, by_email, checked, import_text, run, staged


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
