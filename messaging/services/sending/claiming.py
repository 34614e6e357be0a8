"""Taking messages for a pump, reading what they need, and putting them back."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from campaigns.models import Campaign, Variant
from contacts.channels import Channel
from contacts.fields import DecryptionError
from messaging.models import Message
from messaging.services import warming
from messaging.services.composing import Claimed, Coupon, Guest
from messaging.services.pacing import reserve_spread
from redemptions.models import Offer

logger = logging.getLogger(__name__)

SPREAD_AHEAD_S = 60.0  # of a campaign that is spread over hours; what calls the worker calls it every minute

Status, Reason = Message.Status, Message.Reason
BACK_IN_THE_QUEUE: dict[str, Any] = {"status": Status.QUEUED, "claim": None, "claimed_at": None, "handed_at": None}

# What is read, in the order in which Guest and Coupon take it.
MESSAGE = ("pk", "reference", "campaign_id", "variant_id", "attempts", "contact_id", "code_id")
PERSON = ("first_name", "last_name", "fewer_messages")
ADDRESS = {
    Channel.EMAIL: ("email", "email_index"),
    Channel.SMS: ("phone", "phone_index", "postal_code", "region", "time_zone"),
}
CODE = ("token", "typed", "image_reference")


def going(channel: Channel) -> QuerySet[Campaign]:
    """Campaigns of a channel that are being sent, but for those whose deal is paused."""
    unpaused = Q(offer=None) | ~Q(offer__status=Offer.Status.PAUSED)
    return Campaign.objects.filter(unpaused, channel=channel, status=Campaign.Status.SENDING).select_related("offer")


def claim(
    campaigns: Sequence[Campaign],
    *,
    pump: UUID,
    at: datetime,
    limit: int,
    allowed: warming.Allowance | None = None,
) -> list[int]:
    """Take up to `limit` due messages, each campaign its share, oldest first; return their ids, campaigns in turn.

    `allowed` is today's number of a domain that warms up: no more are taken than it has left.

    PostgreSQL skips the rows another pump is claiming; SQLite lets one writer in at a time (BEGIN IMMEDIATE).
    """
    taken: list[list[int]] = []
    for position, campaign in enumerate(campaigns):
        share = -(-(limit - sum(map(len, taken))) // (len(campaigns) - position))
        if campaign.spread_minutes and share:
            share = _due(campaign, at)[:share].count()
            share = reserve_spread(campaign, share, horizon_s=SPREAD_AHEAD_S) if share else 0
        if share > 0:
            taken.append(_claim_of(campaign, pump=pump, at=at, limit=share, allowed=allowed))
    return _in_turn(taken)


def _claim_of(
    campaign: Campaign, *, pump: UUID, at: datetime, limit: int, allowed: warming.Allowance | None
) -> list[int]:
    with transaction.atomic():
        if allowed and not (limit := warming.room(allowed, limit, at=at)):
            return []
        due = _due(campaign, at).select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)
        pks = list(due[:limit])
        mine = Message.objects.filter(pk__in=pks, status=Status.QUEUED)
        mine.update(status=Status.SENDING, claim=pump, claimed_at=at, handed_at=None, status_at=at)
    return pks


def _due(campaign: Campaign, at: datetime) -> QuerySet[Message]:
    due = Message.objects.filter(campaign=campaign, status=Status.QUEUED, not_before__lte=at)
    return due.order_by("not_before", "pk")


def _in_turn(lists: Sequence[list[int]]) -> list[int]:
    longest = max(map(len, lists), default=0)
    return [items[position] for position in range(longest) for items in lists if position < len(items)]


def load(pks: Sequence[int], *, pump: UUID, channel: Channel, at: datetime) -> list[Claimed]:
    """Return claimed messages in this order, with what is needed to compose them: person and code.

    What cannot be decrypted is settled as failed, and costs nobody else.
    """
    person = (*PERSON, *ADDRESS[channel])
    joined = [f"contact__{name}" for name in person] + [f"code__{name}" for name in CODE]
    mine = Message.objects.filter(pk__in=pks, claim=pump, status=Status.SENDING, handed_at=None)
    rows = mine.order_by().values_list(*MESSAGE, *joined)
    try:
        found = list(rows)
    except DecryptionError:
        found = [row for pk in pks for row in _load_one(rows, pk, pump, at)]
    by_pk = {message.pk: message for message in map(_claimed, found)}
    return [by_pk[pk] for pk in pks if pk in by_pk]


def _claimed(row: tuple[Any, ...]) -> Claimed:
    pk, reference, campaign_id, variant_id, attempts, contact_id, code_id = row[: len(MESSAGE)]
    contact = Guest(*row[len(MESSAGE) : -len(CODE)]) if contact_id else None
    code = Coupon(*row[-len(CODE) :]) if code_id else None
    return Claimed(pk, reference, campaign_id, variant_id, attempts, contact_id, contact, code)


def _load_one(rows: QuerySet[Message, tuple[Any, ...]], pk: int, pump: UUID, at: datetime) -> list[tuple[Any, ...]]:
    try:
        return list(rows.filter(pk=pk))
    except DecryptionError:
        logger.error("message %s: its contact or code cannot be decrypted", pk)
        mine = Message.objects.filter(pk=pk, claim=pump, status=Status.SENDING)
        mine.update(status=Status.FAILED, reason=Reason.ERROR, status_at=at)
        return []


def variants_of(pks: Collection[int]) -> dict[int, Variant]:
    return Variant.objects.in_bulk(pks)


def release(pump: UUID, *, at: datetime, **of: Any) -> int:
    """Put back what this pump claimed and did not hand over, of a campaign or a channel; return how many."""
    claimed = Message.objects.filter(claim=pump, status=Status.SENDING, handed_at=None, **of)
    return claimed.update(**BACK_IN_THE_QUEUE, status_at=at)
