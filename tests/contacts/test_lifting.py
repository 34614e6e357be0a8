"""Ending a block: a named user, a written reason, once; and what each kind of block leaves behind."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from contacts.channels import Channel
from contacts.models import AuditEvent, ChannelStatus, ConsentEvent, Contact, Suppression
from contacts.services import ReasonTooShort, block, lift, record_consent, save_contact, suppress, unsubscribe

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = AT + timedelta(days=2)
SAID = "Asked at the bar on Friday to get our mails again."
Reason = Suppression.Reason


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("owner")


@pytest.fixture
def maria(db) -> Contact:
    contact = save_contact(Contact(email="maria@example.org", first_name="Maria"))
    record_consent(
        channel=Channel.EMAIL,
        address_index=contact.email_index,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.FORM,
        at=AT - timedelta(days=9),
    )
    return contact


def status_of(contact: Contact) -> str:
    return Contact.objects.get(pk=contact.pk).email_status


def block_of(contact: Contact, reason: Reason) -> Suppression:
    if reason == Reason.UNSUBSCRIBED:
        unsubscribe(
            channel=Channel.EMAIL,
            address_index=contact.email_index,
            source=ConsentEvent.Source.UNSUBSCRIBE_PAGE,
            at=AT,
        )
    else:
        suppress(channel=Channel.EMAIL, address_index=contact.email_index, reason=reason, at=AT)
    return Suppression.objects.get(lifted_at=None)


@pytest.mark.parametrize("reason", [Reason.UNSUBSCRIBED, Reason.STOPPED, Reason.ERASED])
def test_records_the_persons_fresh_word_where_they_had_opted_out(reason, maria, owner):
    suppression = block_of(maria, reason)

    assert lift(suppression, actor=owner, reason=SAID, at=LATER) is True

    granted = ConsentEvent.objects.get(source=ConsentEvent.Source.ADMIN)
    assert (granted.action, granted.actor, granted.wording, granted.at) == ("granted", owner, SAID, LATER)
    assert status_of(maria) == ChannelStatus.SUBSCRIBED


@pytest.mark.parametrize("reason", [Reason.BOUNCED, Reason.INVALID, Reason.COMPLAINED, Reason.MANUAL])
def test_grants_nothing_where_only_the_address_was_the_matter(reason, maria, owner):
    suppression = block_of(maria, reason)

    lift(suppression, actor=owner, reason=SAID, at=LATER)

    assert not ConsentEvent.objects.filter(source=ConsentEvent.Source.ADMIN).exists()
    assert status_of(maria) == ChannelStatus.SUBSCRIBED  # what they said before counts again


def test_leaves_a_withdrawal_in_force_when_a_bounce_is_lifted(maria, owner):
    suppression = block_of(maria, Reason.BOUNCED)
    unsubscribe(
        channel=Channel.EMAIL,
        address_index=maria.email_index,
        source=ConsentEvent.Source.ONE_CLICK,
        at=AT + timedelta(hours=1),
    )

    lift(suppression, actor=owner, reason=SAID, at=LATER)

    assert status_of(maria) == ChannelStatus.UNSUBSCRIBED


def test_keeps_the_lifted_block_as_history_and_writes_an_audit_line(maria, owner):
    suppression = block_of(maria, Reason.BOUNCED)

    lift(suppression, actor=owner, reason=SAID, at=LATER)

    suppression.refresh_from_db()
    assert (suppression.lifted_at, suppression.lifted_by, suppression.lifted_because) == (LATER, owner, SAID)
    line = AuditEvent.objects.get()
    assert (line.action, line.actor, line.via) == (AuditEvent.Action.LIFTED, owner, "admin")
    assert line.detail == f"suppression {suppression.pk} (bounced, email)"
    assert "maria" not in f"{line.detail}{line.reason}".lower()


def test_lifting_twice_changes_nothing(maria, owner):
    suppression = block_of(maria, Reason.UNSUBSCRIBED)
    lift(suppression, actor=owner, reason=SAID, at=LATER)

    again = lift(suppression, actor=User.objects.create_user("late"), reason="Another reason here", at=LATER)

    assert again is False
    suppression.refresh_from_db()
    assert suppression.lifted_by == owner
    assert ConsentEvent.objects.filter(source=ConsentEvent.Source.ADMIN).count() == 1
    assert AuditEvent.objects.count() == 1


def test_a_new_block_after_lifting_binds_again(maria, owner):
    lift(block_of(maria, Reason.BOUNCED), actor=owner, reason=SAID, at=LATER)

    suppress(channel=Channel.EMAIL, address_index=maria.email_index, reason=Reason.COMPLAINED, at=LATER)

    assert status_of(maria) == ChannelStatus.SUPPRESSED
    assert Suppression.objects.count() == 2


@pytest.mark.parametrize("reason", ["", "ok", "  short \n\n  x "])
def test_wants_a_written_reason(reason, maria, owner):
    suppression = block_of(maria, Reason.MANUAL)

    with pytest.raises(ReasonTooShort):
        lift(suppression, actor=owner, reason=reason, at=LATER)

    assert Suppression.objects.filter(lifted_at=None).exists()


def test_blocks_by_hand_with_the_reason_beside_it(maria):
    asked = {"channel": Channel.EMAIL, "address_index": maria.email_index, "at": AT}

    first = block(reason="Quarrelled with the staff twice", **asked)
    second = block(reason="And once more, this time loudly", **asked)

    assert (first, second) == (True, False)
    suppression = Suppression.objects.get()
    assert (suppression.reason, suppression.source) == (Reason.MANUAL, "Quarrelled with the staff twice")
    assert status_of(maria) == ChannelStatus.SUPPRESSED


def test_does_not_block_without_a_reason(maria):
    with pytest.raises(ReasonTooShort):
        block(channel=Channel.EMAIL, address_index=maria.email_index, reason="no", at=AT)

    assert status_of(maria) == ChannelStatus.SUBSCRIBED
