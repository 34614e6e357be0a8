"""Ending a block: a named user, a written reason, once; and what each kind of block leaves behind."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.models import AuditEvent, ChannelStatus, ConsentEvent, Contact, Suppression
from contacts.queries import derive_states
from contacts.services import (
    ReasonTooShort,
    block,
    lift,
    record_consent,
    save_contact,
    suppress,
    suppress_many,
    unsubscribe,
)

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


@pytest.mark.parametrize("reason", [Reason.BOUNCED, Reason.INVALID, Reason.COMPLAINED, Reason.MANUAL])
def test_leaves_the_opt_out_that_was_there_before(reason, maria, owner):
    block_of(maria, Reason.UNSUBSCRIBED)
    suppress(channel=Channel.EMAIL, address_index=maria.email_index, reason=reason, at=AT + timedelta(hours=1))
    assert status_of(maria) == ChannelStatus.SUPPRESSED

    lift(Suppression.objects.get(reason=reason), actor=owner, reason=SAID, at=LATER)

    assert status_of(maria) == ChannelStatus.UNSUBSCRIBED


def test_leaves_a_complaint_when_the_shops_own_block_ends(maria, owner):
    block_of(maria, Reason.COMPLAINED)
    suppress(channel=Channel.EMAIL, address_index=maria.email_index, reason=Reason.MANUAL, at=AT)

    lift(Suppression.objects.get(reason=Reason.MANUAL), actor=owner, reason=SAID, at=LATER)

    assert status_of(maria) == ChannelStatus.SUPPRESSED


def test_the_persons_fresh_word_ends_all_that_it_ends_and_nothing_else(maria, owner):
    for reason in (Reason.UNSUBSCRIBED, Reason.STOPPED, Reason.BOUNCED, Reason.ERASED):
        suppress(channel=Channel.EMAIL, address_index=maria.email_index, reason=reason, at=AT)

    lift(Suppression.objects.get(reason=Reason.ERASED), actor=owner, reason=SAID, at=LATER)

    assert [left.reason for left in Suppression.objects.filter(lifted_at=None)] == [Reason.BOUNCED]
    assert status_of(maria) == ChannelStatus.SUPPRESSED


def test_shows_the_strongest_of_several(maria):
    for reason in (Reason.MANUAL, Reason.UNSUBSCRIBED, Reason.BOUNCED, Reason.COMPLAINED):
        suppress(channel=Channel.EMAIL, address_index=maria.email_index, reason=reason, at=AT)

    state = derive_states(Channel.EMAIL, [maria.email_index])[maria.email_index]

    assert state.reason == Reason.MANUAL
    assert state.blocks == (Reason.MANUAL, Reason.COMPLAINED, Reason.BOUNCED, Reason.UNSUBSCRIBED)
    assert not state.may_rejoin


def test_blocks_many_at_once_and_nobody_twice(maria, django_assert_num_queries):
    indexes = [keyed_hash("email", f"guest{number}@example.org") for number in range(3)]
    rows = [(Channel.EMAIL, index, Reason.BOUNCED, AT, "import 1") for index in [*indexes, *indexes]]
    suppress_many([(Channel.EMAIL, indexes[0], Reason.BOUNCED, AT, "")])

    with django_assert_num_queries(1):
        suppress_many(rows)

    assert Suppression.objects.filter(lifted_at=None, reason=Reason.BOUNCED).count() == 3


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


def test_blocks_by_hand_beside_an_opt_out(maria):
    block_of(maria, Reason.UNSUBSCRIBED)

    newly = block(channel=Channel.EMAIL, address_index=maria.email_index, reason="Quarrelled with the staff", at=AT)

    assert newly
    assert status_of(maria) == ChannelStatus.SUPPRESSED


def test_does_not_block_without_a_reason(maria):
    with pytest.raises(ReasonTooShort):
        block(channel=Channel.EMAIL, address_index=maria.email_index, reason="no", at=AT)

    assert status_of(maria) == ChannelStatus.SUBSCRIBED
