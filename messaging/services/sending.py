"""Claim, commit, re-check, render, hand over, record. Nobody is lost, and nobody gets it twice by itself.

A row is `queued`, then claimed (`sending`), then handed over (`handed_at`). Each step is one conditional UPDATE, so any
number of workers may run this at once.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns import services as campaigns
from campaigns.models import Campaign
from campaigns.queries import person_of
from campaigns.rendering import ContentError
from contacts.channels import Channel
from contacts.models import Business, ChannelStatus, Contact, Suppression
from messaging.models import Message
from messaging.services.composing import Composer
from messaging.transports import Outbound, Outcome, Transport, TransportError, transport_for
from redemptions.models import Offer

logger = logging.getLogger(__name__)

BATCH = 50
BATCH_TIME = timedelta(seconds=15)  # then the rest goes back: the queue ends a task after 60 s, hanging provider or not
LEASE = timedelta(minutes=5)  # far above the longest batch; a claim older than this belongs to a dead worker
MAX_ATTEMPTS = 6
FIRST_DELAY_S = 60
MAX_DELAY_S = 2 * 3600

Status, Reason = Message.Status, Message.Reason
Clock = Callable[[], datetime]


def send_due(*, clock: Clock, batch: int = BATCH) -> int:
    """Claim and send one batch of each channel; return how many messages were claimed. Zero: nothing is due."""
    return sum(_send_channel(channel, clock, batch) for channel in Channel)


def _send_channel(channel: Channel, clock: Clock, batch: int) -> int:
    claim = uuid.uuid4()
    claimed = claim_batch(channel, claim=claim, at=clock(), limit=batch)
    if not claimed:
        return 0
    try:
        with transport_for(channel) as transport:
            _send_claimed(_load(claim), Composer(Business.load()), transport, clock)
    except TransportError as error:  # the connection itself: nothing of this batch was handed over
        _put_back(claim, error, clock())
    return claimed


def claim_batch(channel: Channel, *, claim: uuid.UUID, at: datetime, limit: int) -> int:
    """Take up to `limit` due messages for this worker; return how many.

    PostgreSQL skips the rows another worker is claiming; SQLite lets one writer in at a time (BEGIN IMMEDIATE).
    """
    with transaction.atomic():
        due = (
            Message.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(
                Q(not_before=None) | Q(not_before__lte=at),
                channel=channel,
                status=Status.QUEUED,
                campaign__in=Campaign.objects.filter(status=Campaign.Status.SENDING).values("pk"),
            )
            .order_by("campaign_id", "pk")
            .values_list("pk", flat=True)[:limit]
        )
        return Message.objects.filter(pk__in=list(due), status=Status.QUEUED).update(
            status=Status.SENDING, claim=claim, claimed_at=at, handed_at=None, status_at=at
        )


def _load(claim: uuid.UUID) -> list[Message]:
    claimed = Message.objects.filter(claim=claim, status=Status.SENDING, handed_at=None)
    return list(claimed.select_related("campaign__offer", "variant", "contact", "code").order_by("pk"))


def _send_claimed(messages: list[Message], composer: Composer, transport: Transport, clock: Clock) -> None:
    """Send one by one; stop where the account is refused, or where a slow provider uses the time of the task up."""
    started = clock()
    for message in messages:
        error = _send_one(message, composer, transport, clock)
        if error and error.outcome == Outcome.STOP:
            _stop_campaign(message, error, clock())
            return
        if clock() - started > BATCH_TIME:
            release(message.claim, at=clock())
            return


def _send_one(message: Message, composer: Composer, transport: Transport, clock: Clock) -> TransportError | None:
    """Send one claimed message; return the provider's refusal, if any, after it was recorded."""
    try:
        outbound = _compose(message, composer)
    except ContentError as error:
        reason = Reason.TOO_LONG if "too long" in str(error) else Reason.RENDER
        _settle(message, Status.FAILED, clock(), reason=reason)
        return None
    if outbound is None or not _hand_over(message, clock()):
        _leave_out(message, clock())
        return None
    try:
        provider_id = transport.send(outbound)
    except TransportError as error:
        _record_failure(message, error, clock())
        return error
    _settle(message, Status.ACCEPTED, clock(), provider=transport.name, provider_id=provider_id)
    return None


def _compose(message: Message, composer: Composer) -> Outbound | None:
    contact, channel = message.contact, Channel(message.channel)
    if contact is None or not (to := contact.address(channel)) or not (index := contact.address_index(channel)):
        return None
    return composer.compose(
        campaign=message.campaign,
        variant=message.variant,
        person=person_of(contact),
        to=to,
        address_index=index,
        code=message.code,
        reference=message.reference,
        message_id=message.pk,
    )


def _hand_over(message: Message, at: datetime) -> bool:
    """Mark the message as handed over, if it still may be: the last look at consent, suppression, campaign and deal.

    One statement: an opt-out that commits before it stops the message, one that commits after it came too late.
    """
    contact, channel = message.contact, Channel(message.channel)
    assert contact is not None
    allowed = Contact.objects.filter(
        pk=contact.pk,
        **{f"{channel.value}_status": ChannelStatus.SUBSCRIBED, Contact.INDEX_FIELDS[channel]: _index(message)},
    )
    offers = Offer.objects.filter(Q(ends_at=None) | Q(ends_at__gt=at), status=Offer.Status.ACTIVE)
    going = Campaign.objects.filter(Q(offer=None) | Q(offer__in=offers), status=Campaign.Status.SENDING)
    return bool(
        _mine(message)
        .filter(Exists(allowed), Exists(going.filter(pk=OuterRef("campaign_id"))), ~Exists(_suppressions(message)))
        .update(handed_at=at, address_index=_index(message), attempts=message.attempts + 1)
    )


def _leave_out(message: Message, at: datetime) -> None:
    """Record why a claimed message is not sent; where only the campaign stopped, put it back."""
    campaign = Campaign.objects.select_related("offer").get(pk=message.campaign_id)
    if campaign.status == Campaign.Status.CANCELLED:
        _settle(message, Status.CANCELLED, at)
    elif campaign.status != Campaign.Status.SENDING:
        _mine(message).update(status=Status.QUEUED, claim=None, claimed_at=None, status_at=at)
    elif reason := _why_not(message, campaign, at):
        _settle(message, Status.SKIPPED, at, reason=reason)
    else:  # changed between the two looks: look again at the next claim
        _mine(message).update(status=Status.QUEUED, claim=None, claimed_at=None, status_at=at)


def _why_not(message: Message, campaign: Campaign, at: datetime) -> Message.Reason | None:
    channel = Channel(message.channel)
    contact = Contact.objects.filter(pk=message.contact_id).first() if message.contact_id else None
    if contact is None:
        return Reason.ERASED
    offer = campaign.offer
    if offer and (offer.status != Offer.Status.ACTIVE or (offer.ends_at and offer.ends_at <= at)):
        return Reason.OFFER_OVER
    status = contact.status(channel)
    if status == ChannelStatus.UNSUBSCRIBED:
        return Reason.UNSUBSCRIBED
    if status != ChannelStatus.SUBSCRIBED or _suppressions(message).exists():
        return Reason.SUPPRESSED
    return None


def _record_failure(message: Message, error: TransportError, at: datetime) -> None:
    logger.warning("message %s not accepted: %s", message.pk, error)
    if error.outcome == Outcome.UNKNOWN:
        _settle(message, Status.UNKNOWN, at, reason=Reason.OUTCOME_UNKNOWN)
    elif error.outcome == Outcome.REFUSED:
        _settle(message, Status.FAILED, at, reason=Reason.REFUSED)
    elif error.outcome == Outcome.RETRY and message.attempts + 1 >= MAX_ATTEMPTS:
        _settle(message, Status.FAILED, at, reason=Reason.GAVE_UP)
    else:
        delay = timedelta(seconds=retry_delay_s(message.attempts, error.retry_after_s))
        not_before = at + delay if error.outcome == Outcome.RETRY else None
        _mine(message).update(
            status=Status.QUEUED, claim=None, claimed_at=None, handed_at=None, not_before=not_before, status_at=at
        )


def retry_delay_s(attempts: int, retry_after_s: int) -> float:
    """Return seconds to wait for the next try: a minute, doubling to two hours, jittered, never less than asked."""
    delay: float = min(FIRST_DELAY_S * 2**attempts, MAX_DELAY_S)
    return max(float(retry_after_s), delay * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing


def _stop_campaign(message: Message, error: TransportError, at: datetime) -> None:
    """Pause the campaign whose sender or account the provider refuses, and put back what this worker holds of it."""
    reason = (
        f"{message.get_channel_display()} provider refused the account ({error.code}). Check its keys, then resume."
    )
    try:
        campaigns.pause(message.campaign, reason=reason)
    except campaigns.NotPossible:
        logger.info("campaign %s was stopped already", message.campaign_id)
    release(message.claim, at=at)


def _put_back(claim: uuid.UUID, error: TransportError, at: datetime) -> None:
    """No connection: everything of this claim waits, or its campaign pauses where the account is refused."""
    logger.warning("claim %s put back: %s", claim, error)
    messages = _load(claim)
    if messages and error.outcome == Outcome.STOP:
        _stop_campaign(messages[0], error, at)
        return
    for message in messages:
        Message.objects.filter(pk=message.pk).update(attempts=message.attempts + 1)
        _record_failure(message, error, at)


def release(claim: uuid.UUID | None, *, at: datetime) -> int:
    """Put back what was claimed and not handed over; return how many."""
    return Message.objects.filter(claim=claim, status=Status.SENDING, handed_at=None).update(
        status=Status.QUEUED, claim=None, claimed_at=None, status_at=at
    )


def recover(*, at: datetime) -> int:
    """Settle what dead workers left behind; return how many rows.

    Never handed over: back to queued. Handed over: unknown, which is never sent again by itself.
    """
    dead = Message.objects.filter(status=Status.SENDING, claimed_at__lt=at - LEASE)
    unknown = dead.filter(handed_at__isnull=False).update(
        status=Status.UNKNOWN, reason=Reason.WORKER_DIED, status_at=at
    )
    queued = dead.filter(handed_at=None).update(status=Status.QUEUED, claim=None, claimed_at=None, status_at=at)
    return unknown + queued


def finish_done(*, at: datetime) -> int:
    """Mark planned campaigns with nothing left to send as sent; return how many."""
    pending = Message.objects.filter(campaign=OuterRef("pk"), status__in=Message.PENDING)
    done = Campaign.objects.filter(~Exists(pending), status=Campaign.Status.SENDING, planned_at__isnull=False)
    return sum(campaigns.finish(campaign, at=at) for campaign in done)


def _mine(message: Message) -> QuerySet[Message]:
    """The row, while this worker still holds it and has not handed it over or is the one who did."""
    return Message.objects.filter(pk=message.pk, claim=message.claim, status=Status.SENDING)


def _settle(
    message: Message,
    status: Message.Status,
    at: datetime,
    *,
    reason: str = "",
    provider: str = "",
    provider_id: str = "",
) -> None:
    _mine(message).update(status=status, reason=reason, provider=provider, provider_id=provider_id[:200], status_at=at)


def _index(message: Message) -> bytes | None:
    assert message.contact is not None
    return message.contact.address_index(Channel(message.channel))


def _suppressions(message: Message) -> QuerySet[Suppression]:
    return Suppression.objects.filter(channel=message.channel, address_index=_index(message), lifted_at=None)
