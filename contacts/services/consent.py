"""What people say and what providers report: events that are added, and suppressions that bind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import override

from contacts.channels import Channel
from contacts.fields import key_id
from contacts.models import Confirmation, ConsentEvent, Contact, Suppression
from contacts.queries import has_withdrawn
from contacts.sentences import kept
from contacts.services.inserting import insert_rows
from contacts.services.people import lock_contact, refresh_statuses

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BY_THE_PERSON = kept("by the person: %(how)s")


def by_the_person(source: ConsentEvent.Source) -> str:
    """Say why a block ended by somebody's own word, as it is kept."""
    with override(None):
        return BY_THE_PERSON % {"how": source.label}


def record_consent(
    *,
    channel: Channel,
    address_index: bytes,
    action: ConsentEvent.Action,
    source: ConsentEvent.Source,
    at: datetime,
    wording: str = "",
    version: str = "",
    reference: str = "",
    actor: User | None = None,
    ip_address: str | None = None,
    user_agent: str | None = None,
) -> ConsentEvent:
    """Append what a person agreed to or withdrew, and update the contact that has the address, if any."""
    with transaction.atomic():
        contact = lock_contact(channel, address_index)
        event = ConsentEvent.objects.create(
            contact=contact,
            channel=channel,
            address_index=address_index,
            action=action,
            source=source,
            at=at,
            wording=wording,
            version=version,
            reference=reference,
            actor=actor,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        refresh_owner(channel, address_index)
    return event


def suppress(
    *, channel: Channel, address_index: bytes, reason: Suppression.Reason, at: datetime, source: str = ""
) -> bool:
    """Make an address unreachable on a channel; return whether it was reachable before.

    It binds beside what is in force for another reason. Of two for the same reason that come at once, the unique
    constraint lets one in, and the other changes nothing.
    """
    with transaction.atomic():
        lock_contact(channel, address_index)
        before = _live(channel, address_index).exists()
        suppress_many([(channel, address_index, reason, at, source)])
        refresh_owner(channel, address_index)
    return not before


def suppress_many(rows: Iterable[tuple[Channel, bytes, Suppression.Reason, datetime, str]]) -> None:
    """Make addresses unreachable: (channel, address index, reason, since when, source). One statement.

    As `suppress` does, but the statuses of contacts are left to the caller, who holds their rows.
    """
    # In one order for all: of two that block the same addresses, the second waits, and neither locks the other out.
    ordered = sorted(rows, key=lambda row: (row[0].value, row[1], row[2].value))
    insert_rows(
        Suppression,
        ("channel", "address_index", "index_key_id", "reason", "source", "created_at", "lifted_because"),
        (
            (channel.value, index, key_id(), reason.value, source[:80], at, "")
            for channel, index, reason, at, source in ordered
        ),
        ignore_conflicts=True,
    )


def refresh_owner(channel: Channel, address_index: bytes) -> None:
    """Bring the statuses of whoever has the address in line: looked for again, as somebody may have got it just now."""
    if contact := Contact.objects.with_address(channel, address_index).first():
        refresh_statuses(contact)


def _live(channel: Channel, address_index: bytes) -> QuerySet[Suppression]:
    return Suppression.objects.filter(channel=channel, address_index=address_index, lifted_at=None)


def unsubscribe(
    *,
    channel: Channel,
    address_index: bytes,
    source: ConsentEvent.Source,
    at: datetime,
    reason: Suppression.Reason = Suppression.Reason.UNSUBSCRIBED,
    reference: str = "",
    actor: User | None = None,
    ip_address: str | None = None,
    user_agent: str | None = None,
) -> bool:
    """Take an address off a channel at once; return False where it was off already. Saying it twice adds nothing.

    The person's word is recorded beside a bounce or a complaint too: it stands when those are lifted. What the address
    was asked to confirm is asked no more.
    """
    with transaction.atomic():
        lock_contact(channel, address_index)
        newly = suppress(
            channel=channel,
            address_index=address_index,
            reason=reason,
            at=at,
            source=source.value,
        )
        if not has_withdrawn(channel, address_index):
            record_consent(
                channel=channel,
                address_index=address_index,
                action=ConsentEvent.Action.REVOKED,
                source=source,
                at=at,
                reference=reference,
                actor=actor,
                ip_address=ip_address,
                user_agent=user_agent,
            )
        drop_pending(channel=channel, address_index=address_index, at=at)
    return newly


def resubscribe(
    *,
    channel: Channel,
    address_index: bytes,
    source: ConsentEvent.Source,
    at: datetime,
    wording: str,
    ip_address: str | None = None,
    user_agent: str | None = None,
) -> bool:
    """Undo an opt-out by the person's own act; bounces and complaints stay. Return whether anything was lifted."""
    with transaction.atomic():
        lock_contact(channel, address_index)
        opt_outs = _live(channel, address_index).filter(reason__in=Suppression.OPT_OUTS)
        lifted = opt_outs.update(lifted_at=at, lifted_because=by_the_person(source))
        if lifted:
            record_consent(
                channel=channel,
                address_index=address_index,
                action=ConsentEvent.Action.GRANTED,
                source=source,
                at=at,
                wording=wording,
                ip_address=ip_address,
                user_agent=user_agent,
            )
    return bool(lifted)


def end_by_their_word(
    *, channel: Channel, address_index: bytes, at: datetime, because: str, by: User | None = None
) -> int:
    """End what a fresh word of the person ends, within the transaction that records it; return how many there were."""
    ended = _live(channel, address_index).filter(reason__in=Suppression.THEIR_WORD)
    return ended.update(lifted_at=at, lifted_by=by, lifted_because=because)


def pending(channel: Channel, address_index: bytes, at: datetime) -> QuerySet[Confirmation]:
    """Return what an address was asked to confirm and may still answer."""
    return Confirmation.objects.filter(
        channel=channel, address_index=address_index, is_muted=False, confirmed_at=None, expires_at__gt=at
    )


def drop_pending(*, channel: Channel, address_index: bytes, at: datetime) -> int:
    """Let the questions an address has not answered run out; return how many. What was typed is forgotten."""
    return pending(channel, address_index, at).update(expires_at=at, details=None)
