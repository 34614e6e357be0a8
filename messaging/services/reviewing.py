"""What somebody decides about a text that was not clear."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import QuerySet

from contacts.channels import Channel
from contacts.models import ConsentEvent, Suppression
from contacts.services import unsubscribe
from contacts.services.pausing import pause, resume
from contacts.services.people import lock_contact
from messaging.models import InboundText

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def want_no_more(text: InboundText, *, actor: User, at: datetime) -> bool:
    """Take the number off, by its owner's word in this text; return False where it was off already.

    START takes it back, as it does a STOP.
    """
    index = bytes(text.sender_index)
    with transaction.atomic():
        newly = unsubscribe(
            channel=Channel.SMS,
            address_index=index,
            source=ConsentEvent.Source.KEYWORD,
            reason=Suppression.Reason.STOPPED,
            at=at,
            reference=f"text {text.pk}",
            actor=actor,
        )
        # The pause has done its work; what stays is the person's word.
        newly = resume(channel=Channel.SMS, address_index=index, because=_because(text), at=at, by=actor) or newly
        read_doubts(index, at=at)
        _read(text, at)
    return newly


def carry_on(text: InboundText, *, actor: User, at: datetime) -> bool:
    """Note that the text was read and is no stop; return False where somebody had read it already.

    The number is texted again as far as consent and other blocks allow, unless another text of it is in doubt.
    """
    index = bytes(text.sender_index)
    with transaction.atomic():
        lock_contact(Channel.SMS, index)  # who just stores another text of theirs is waited for
        if not _read(text, at):
            return False
        if not _doubts(index).exists():
            resume(channel=Channel.SMS, address_index=index, because=_because(text), at=at, by=actor)
    # A number nobody has cannot be locked: once this is committed, a text that came meanwhile is seen, or sees it.
    if waiting := _doubts(index).order_by("pk").first():
        pause(channel=Channel.SMS, address_index=index, because=f"text {waiting.pk}", at=at)
    return True


def read_doubts(index: bytes, *, at: datetime) -> int:
    """Note that the doubtful texts of a number need no reading any more: it has said clearly what it wants."""
    return _doubts(index).update(handled_at=at)


def _doubts(index: bytes) -> QuerySet[InboundText]:
    return InboundText.objects.filter(sender_index=index, meaning=InboundText.Meaning.DOUBT, handled_at=None)


def _read(text: InboundText, at: datetime) -> bool:
    """Mark a text as read; of two who do, one does."""
    return bool(InboundText.objects.filter(pk=text.pk, handled_at=None).update(handled_at=at))


def _because(text: InboundText) -> str:
    return f"text {text.pk} was read"
