"""Texts that wait for somebody to read them."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from messaging.models import InboundText

WAITS = Q(handled_at=None)
PAUSES = WAITS & Q(meaning=InboundText.Meaning.DOUBT)


class Waiting(NamedTuple):
    """How many texts wait, and how many of them keep a person from being texted until somebody decides."""

    texts: int
    paused: int


def waiting_texts() -> Waiting:
    """Count what waits in the inbox. Two queries."""
    waiting = InboundText.objects.filter(WAITS)
    return Waiting(waiting.count(), waiting.filter(PAUSES).count())


def urgency() -> Case:
    """Return the order of the inbox: who is paused first, then what waits, then what was read."""
    return Case(When(PAUSES, then=Value(0)), When(WAITS, then=Value(1)), default=Value(2), output_field=IntegerField())


def other_texts(text: InboundText) -> QuerySet[InboundText]:
    """Return what else came from this number, the newest first."""
    return InboundText.objects.filter(sender_index=bytes(text.sender_index)).exclude(pk=text.pk).order_by("-pk")
