"""Ending a block on an address, and blocking one by hand: by a named user, with a written reason."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from contacts.channels import Channel
from contacts.models import AuditEvent, ConsentEvent, Contact, Suppression
from contacts.services.audit import audit
from contacts.services.consent import record_consent, suppress
from contacts.services.people import refresh_statuses

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SHORTEST_REASON = 10
LONGEST_BLOCK_REASON = 80
NEEDS_THEIR_WORD = frozenset({*Suppression.OPT_OUTS, Suppression.Reason.ERASED})


class ReasonTooShort(ValueError):
    """What was written says too little to be answered for later."""


def lift(suppression: Suppression, *, actor: User, reason: str, at: datetime) -> bool:
    """End a block; return False where it had ended already, which changes nothing.

    Where the person had opted out or was erased, `reason` is what they said, when and how: it is recorded as the
    wording of their fresh consent. A bounce, a complaint or a block by hand only ends; consent says what follows.

    Raises ReasonTooShort.
    """
    words = _written(reason)
    channel, index = Channel(suppression.channel), bytes(suppression.address_index)
    with transaction.atomic():
        # One conditional statement: of two who lift at once, one does.
        live = Suppression.objects.filter(pk=suppression.pk, lifted_at=None)
        if not live.update(lifted_at=at, lifted_by=actor, lifted_because=words):
            return False
        if suppression.reason in NEEDS_THEIR_WORD:
            record_consent(
                channel=channel,
                address_index=index,
                action=ConsentEvent.Action.GRANTED,
                source=ConsentEvent.Source.ADMIN,
                at=at,
                wording=words,
                reference=f"suppression {suppression.pk}",
                actor=actor,
            )
        elif contact := Contact.objects.with_address(channel, index).first():
            refresh_statuses(contact)
        audit(
            AuditEvent.Action.LIFTED,
            detail=f"suppression {suppression.pk} ({suppression.reason}, {channel.value})",
            actor=actor,
        )
    return True


def block(*, channel: Channel, address_index: bytes, reason: str, at: datetime) -> bool:
    """Keep an address off a channel by hand; return False where it was blocked already.

    `reason` (10 to 80 characters) stands beside the block. Raises ReasonTooShort.
    """
    words = _written(reason)
    return suppress(
        channel=channel,
        address_index=address_index,
        reason=Suppression.Reason.MANUAL,
        at=at,
        source=words[:LONGEST_BLOCK_REASON],
    )


def _written(reason: str) -> str:
    words = " ".join(reason.split())
    if len(words) < SHORTEST_REASON:
        raise ReasonTooShort(f"Write at least {SHORTEST_REASON} characters.")
    return words
