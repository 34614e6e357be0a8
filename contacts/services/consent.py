"""What people say and what providers report: events that are added, and suppressions that bind."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Suppression
from contacts.queries import has_withdrawn
from contacts.services.people import refresh_statuses

if TYPE_CHECKING:
    from django.contrib.auth.models import User


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
        contact = Contact.objects.with_address(channel, address_index).first()
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
        if contact:
            refresh_statuses(contact)
    return event


def suppress(
    *, channel: Channel, address_index: bytes, reason: Suppression.Reason, at: datetime, source: str = ""
) -> bool:
    """Make an address unreachable on a channel; return whether it was reachable before.

    The unique constraint decides between two that come at once; the loser changes nothing.
    """
    with transaction.atomic():
        before = Suppression.objects.filter(channel=channel, address_index=address_index, lifted_at=None).exists()
        Suppression.objects.bulk_create(
            [
                Suppression(
                    channel=channel, address_index=address_index, reason=reason, source=source[:80], created_at=at
                )
            ],
            ignore_conflicts=True,
        )
        if contact := Contact.objects.with_address(channel, address_index).first():
            refresh_statuses(contact)
    return not before


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

    The person's word is recorded beside a bounce or a complaint too: it stands when those are lifted.
    """
    with transaction.atomic():
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
        lifted = Suppression.objects.filter(
            channel=channel, address_index=address_index, lifted_at=None, reason__in=Suppression.OPT_OUTS
        ).update(lifted_at=at, lifted_because=f"by the person: {source.label}")
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
