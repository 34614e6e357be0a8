"""Ending a block on an address, and blocking one by hand: by a named user, with a written reason."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.channels import Channel
from contacts.models import AuditEvent, ConsentEvent, Suppression
from contacts.services.audit import audit
from contacts.services.consent import end_by_their_word, record_consent, refresh_owner, suppress
from contacts.services.people import lock_contact

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SHORTEST_REASON = 10
LONGEST_BLOCK_REASON = 80


class ReasonTooShort(ValueError):
    """What was written says too little to be answered for later."""


def lift(suppression: Suppression, *, actor: User, reason: str, at: datetime) -> bool:
    """End a block; return False where it had ended already, which changes nothing.

    Where the person had opted out or was erased, `reason` is what they said, when and how: it is recorded as the
    wording of their fresh consent, which ends all that their word ends. A bounce, a complaint or a block by hand only
    ends itself; what else is in force, and consent, say what follows.

    Raises ReasonTooShort.
    """
    words = _written(reason)
    channel, index = Channel(suppression.channel), bytes(suppression.address_index)
    with transaction.atomic():
        lock_contact(channel, index)
        # One conditional statement: of two who lift at once, one does.
        live = Suppression.objects.filter(pk=suppression.pk, lifted_at=None)
        if not live.update(lifted_at=at, lifted_by=actor, lifted_because=words):
            return False
        if suppression.reason in Suppression.THEIR_WORD:
            end_by_their_word(channel=channel, address_index=index, at=at, because=words, by=actor)
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
        else:
            refresh_owner(channel, index)
        audit(
            AuditEvent.Action.LIFTED,
            detail=f"suppression {suppression.pk} ({suppression.reason}, {channel.value})",
            actor=actor,
        )
    return True


def block(*, channel: Channel, address_index: bytes, reason: str, at: datetime) -> bool:
    """Keep an address off a channel by hand; return False where it was blocked by hand already.

    `reason` (10 to 80 characters) stands beside the block. Raises ReasonTooShort.
    """
    words, manual = _written(reason), Suppression.Reason.MANUAL
    with transaction.atomic():
        lock_contact(channel, address_index)
        mine = Suppression.objects.filter(channel=channel, address_index=address_index, reason=manual, lifted_at=None)
        newly = not mine.exists()
        source = words[:LONGEST_BLOCK_REASON]
        suppress(channel=channel, address_index=address_index, reason=manual, at=at, source=source)
    return newly


def _written(reason: str) -> str:
    words = " ".join(reason.split())
    if len(words) < SHORTEST_REASON:
        raise ReasonTooShort(_("Write at least %(least)s characters.") % {"least": SHORTEST_REASON})
    return words
