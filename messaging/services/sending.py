"""Claim, commit, re-check, render, hand over, record. Nobody is lost, and nobody gets it twice by itself.

A row is `queued`, then claimed (`sending`), then handed over (`handed_at`). Each step is one conditional UPDATE, so any
number of workers may run this at once.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns import services as campaigns
from campaigns.models import Campaign
from campaigns.queries import person_of
from campaigns.rendering import ContentError
from contacts.channels import Channel, deliverable
from contacts.fields import DecryptionError
from contacts.models import Business, ChannelStatus, Contact, Suppression
from contacts.services import note_sent, suppress
from messaging.models import Message
from messaging.services.composing import Composer
from messaging.transports import Outbound, Outcome, Transport, TransportError, transport_for
from redemptions.models import Offer

logger = logging.getLogger(__name__)

BATCH = 50
BATCH_TIME = timedelta(seconds=15)  # then the rest goes back: the queue ends a task in time, hanging provider or not
LEASE = timedelta(minutes=5)  # far above the longest batch; a claim older than this belongs to a dead worker
MAX_ATTEMPTS = 12  # the delays below add up to about twelve hours
FIRST_DELAY_S = 60
MAX_DELAY_S = 2 * 3600
FEWER_MEANS = timedelta(days=30)  # to whoever asked for fewer messages, one in this time
BRAKE = 5  # as many refusals or silences in a row are not the guests' fault

Status, Reason = Message.Status, Message.Reason
BACK_IN_THE_QUEUE: dict[str, Any] = {"status": Status.QUEUED, "claim": None, "claimed_at": None, "handed_at": None}
Clock = Callable[[], datetime]


def send_due(*, clock: Clock, batch: int = BATCH) -> int:
    """Claim and send one batch of each channel; return how many messages were claimed. Zero: nothing is due."""
    return sum(_send_channel(channel, clock, batch) for channel in Channel)


def _send_channel(channel: Channel, clock: Clock, batch: int) -> int:
    claim = uuid.uuid4()
    claimed = claim_batch(channel, claim=claim, at=clock(), limit=batch)
    if not claimed:
        return 0
    refusal = None
    messages: list[Message] = []
    try:
        with transport_for(channel) as transport:
            messages = _load(claim, clock())
            _send_claimed(messages, Composer(Business.load()), transport, clock)
    except TransportError as error:
        refusal = error
    _note_sent([message.contact_id for message in messages if message.status == Status.ACCEPTED], clock())
    if refusal is not None:  # the connection itself: nothing of this batch was handed over
        _put_off(claim, refusal, clock())
    return claimed


def claim_batch(channel: Channel, *, claim: uuid.UUID, at: datetime, limit: int) -> int:
    """Take up to `limit` due messages for this worker; return how many.

    Campaigns whose deal is paused wait with it. PostgreSQL skips the rows another worker is claiming; SQLite lets one
    writer in at a time (BEGIN IMMEDIATE).
    """
    with transaction.atomic():
        due = (
            Message.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(
                Q(not_before=None) | Q(not_before__lte=at),
                channel=channel,
                status=Status.QUEUED,
                campaign__in=_going().values("pk"),
            )
            .order_by("campaign_id", "pk")
            .values_list("pk", flat=True)[:limit]
        )
        return Message.objects.filter(pk__in=list(due), status=Status.QUEUED).update(
            status=Status.SENDING, claim=claim, claimed_at=at, handed_at=None, status_at=at
        )


def _going() -> QuerySet[Campaign]:
    """Campaigns that are being sent, but for those whose deal is paused."""
    unpaused = Q(offer=None) | ~Q(offer__status=Offer.Status.PAUSED)
    return Campaign.objects.filter(unpaused, status=Campaign.Status.SENDING)


def _load(claim: uuid.UUID, at: datetime) -> list[Message]:
    """Return what was claimed, with all that is needed to compose it; what cannot be read is settled as failed."""
    claimed = Message.objects.filter(claim=claim, status=Status.SENDING, handed_at=None)
    full = claimed.select_related("campaign__offer", "variant", "contact", "code").order_by("pk")
    try:
        return list(full)
    except DecryptionError:
        return [message for pk in claimed.values_list("pk", flat=True) for message in _load_one(full, pk, at)]


def _load_one(full: QuerySet[Message], pk: int, at: datetime) -> list[Message]:
    try:
        return list(full.filter(pk=pk))
    except DecryptionError:
        logger.error("message %s: its contact or code cannot be decrypted", pk)
        full.filter(pk=pk).order_by().update(status=Status.FAILED, reason=Reason.ERROR, status_at=at)
        return []


def _send_claimed(messages: list[Message], composer: Composer, transport: Transport, clock: Clock) -> None:
    """Send one by one. Stop early where the account is refused or busy, where one failure follows the other, and
    where a slow provider uses the time of the task up.
    """
    started, failures = clock(), 0
    for message in messages:
        error = _send_one(message, composer, transport, clock)
        failures = failures + 1 if error else 0
        if error and (error.outcome == Outcome.STOP or failures >= BRAKE):
            _stop_campaign(message, error, clock())
            return
        if error and error.outcome == Outcome.RETRY:
            _put_off(message.claim, error, clock())
            return
        if clock() - started > BATCH_TIME:
            release(message.claim, at=clock())
            return


def _send_one(message: Message, composer: Composer, transport: Transport, clock: Clock) -> TransportError | None:
    """Send one claimed message; return the provider's refusal, if any, after it was recorded.

    Whatever else goes wrong costs this message only. Its error is named in the log by its kind alone: libraries put
    addresses into their texts.
    """
    refusal: TransportError | None = None
    mishap = ""
    try:
        _try_to_send(message, composer, transport, clock)
    except TransportError as error:
        refusal = error
    except Exception as error:
        mishap = type(error).__name__
    if refusal is not None:
        _record_failure(message, refusal, clock())
    if mishap:
        logger.error("message %s not sent: %s", message.pk, mishap)
        handed = _mine(message).filter(handed_at__isnull=False)
        handed.update(status=Status.UNKNOWN, reason=Reason.OUTCOME_UNKNOWN, status_at=clock())
        _settle(message, Status.FAILED, clock(), reason=Reason.ERROR)
    return refusal


def _try_to_send(message: Message, composer: Composer, transport: Transport, clock: Clock) -> None:
    try:
        outbound = _compose(message, composer)
    except ContentError as error:
        _settle(message, Status.FAILED, clock(), reason=Reason.TOO_LONG if error.is_too_long else Reason.RENDER)
        return
    if outbound is None or not _hand_over(message, clock()):
        _leave_out(message, clock())
        return
    provider_id = transport.send(outbound)
    _settle(message, Status.ACCEPTED, clock(), provider=transport.name, provider_id=provider_id)
    message.status = Status.ACCEPTED


def _note_sent(contact_ids: Iterable[int | None], at: datetime) -> None:
    """Note for segments who got something: once for a batch, when all of it is settled."""
    if known := [pk for pk in contact_ids if pk]:
        note_sent(known, at=at)


def _compose(message: Message, composer: Composer) -> Outbound | None:
    contact, channel = message.contact, Channel(message.channel)
    if contact is None or not (to := contact.address(channel)) or not (index := contact.address_index(channel)):
        return None
    return composer.compose(
        campaign=message.campaign,
        variant=message.variant,
        person=person_of(contact),
        to=deliverable(to) if channel == Channel.EMAIL else to,
        address_index=index,
        code=message.code,
        reference=message.reference,
        message_id=message.pk,
    )


def _hand_over(message: Message, at: datetime) -> bool:
    """Mark the message as handed over, if it still may be: the last look at consent, suppression, campaign and deal.

    One statement: an opt-out that commits before it stops the message, one that commits after it came too late. It is
    the one statement written by hand: putting it together by the ORM took a third of the time a mail takes.
    """
    channel, index = Channel(message.channel), _index(message)
    moment = connection.ops.adapt_datetimefield_value(at)
    claim = Message._meta.get_field("claim").get_db_prep_value(message.claim, connection)
    assert message.contact is not None
    fewer = message.contact.fewer_messages
    lately = [connection.ops.adapt_datetimefield_value(at - FEWER_MEANS)] if fewer else []
    with connection.cursor() as cursor:
        cursor.execute(HAND_OVER[channel, fewer], [moment, index, message.pk, claim, index, *lately, moment, index])
        return bool(cursor.rowcount)


MAY_HAVE_ARRIVED = ", ".join(f"'{status.value}'" for status in (Status.SENDING, *Message.MAY_HAVE_ARRIVED))


def _hand_over_sql(channel: Channel, fewer: bool) -> str:
    """Return the statement of `_hand_over`; names and states come from the models, values are parameters.

    For those who asked for fewer messages it looks for one of the last month, which costs the others nothing. Who asked
    since the contact was read gets neither: the message goes back, and is claimed again with what is known then.
    """
    message, contact, suppression = Message._meta.db_table, Contact._meta.db_table, Suppression._meta.db_table
    campaign, offer = Campaign._meta.db_table, Offer._meta.db_table
    not_too_many = f"""NOT EXISTS (
                SELECT 1 FROM {message} AS earlier
                WHERE earlier.contact_id = person.id AND earlier.id <> {message}.id AND earlier.handed_at > %s
                  AND earlier.status IN ({MAY_HAVE_ARRIVED}))"""  # noqa: S608 - nothing in it comes from outside
    return f"""
        UPDATE {message} SET handed_at = %s, address_index = %s, attempts = attempts + 1
        WHERE id = %s AND claim = %s AND status = '{Status.SENDING.value}'
          AND EXISTS (
            SELECT 1 FROM {contact} AS person
            WHERE person.id = {message}.contact_id AND person.{Contact.INDEX_FIELDS[channel]} = %s
              AND person.{channel.value}_status = '{ChannelStatus.SUBSCRIBED.value}'
              AND {not_too_many if fewer else "NOT person.fewer_messages"})
          AND EXISTS (
            SELECT 1 FROM {campaign} AS campaign LEFT JOIN {offer} AS offer ON offer.id = campaign.offer_id
            WHERE campaign.id = {message}.campaign_id AND campaign.status = '{Campaign.Status.SENDING.value}'
              AND (offer.id IS NULL OR (
                offer.status = '{Offer.Status.ACTIVE.value}' AND (offer.ends_at IS NULL OR offer.ends_at > %s))))
          AND NOT EXISTS (
            SELECT 1 FROM {suppression} AS suppression
            WHERE suppression.channel = '{channel.value}' AND suppression.address_index = %s
              AND suppression.lifted_at IS NULL)
    """  # noqa: S608 - nothing in it comes from outside


HAND_OVER = {(channel, fewer): _hand_over_sql(channel, fewer) for channel in Channel for fewer in (False, True)}


def _leave_out(message: Message, at: datetime) -> None:
    """Record why a claimed message is not sent; where only the campaign stopped, put it back."""
    campaign = Campaign.objects.select_related("offer").get(pk=message.campaign_id)
    if campaign.status == Campaign.Status.CANCELLED:
        _settle(message, Status.CANCELLED, at)
    elif campaign.status != Campaign.Status.SENDING:
        _mine(message).update(**BACK_IN_THE_QUEUE, status_at=at)
    elif reason := _why_not(message, campaign, at):
        _settle(message, Status.SKIPPED, at, reason=reason)
    else:  # changed between the two looks: look again at the next claim
        _mine(message).update(**BACK_IN_THE_QUEUE, status_at=at)


def _why_not(message: Message, campaign: Campaign, at: datetime) -> Message.Reason | None:
    channel = Channel(message.channel)
    contact = Contact.objects.filter(pk=message.contact_id).first() if message.contact_id else None
    if contact is None:
        return Reason.ERASED
    offer = campaign.offer
    if offer and (offer.status == Offer.Status.ENDED or (offer.ends_at and offer.ends_at <= at)):
        return Reason.OFFER_OVER
    status = contact.status(channel)
    if status == ChannelStatus.UNSUBSCRIBED:
        return Reason.UNSUBSCRIBED
    if status != ChannelStatus.SUBSCRIBED or _suppressions(message).exists():
        return Reason.SUPPRESSED
    return Reason.FEWER if contact.fewer_messages and _had_one_lately(message, at) else None


def _had_one_lately(message: Message, at: datetime) -> bool:
    sent = Message.objects.filter(contact=message.contact_id, handed_at__gt=at - FEWER_MEANS)
    return sent.filter(status__in=(Status.SENDING, *Message.MAY_HAVE_ARRIVED)).exclude(pk=message.pk).exists()


def _record_failure(message: Message, error: TransportError, at: datetime) -> None:
    logger.warning("message %s not accepted: %s", message.pk, error)
    if error.suppress and (index := _index(message)):
        suppress(
            channel=Channel(message.channel),
            address_index=index,
            reason=Suppression.Reason(error.suppress),
            at=at,
            source=error.code,
        )
    if error.outcome == Outcome.UNKNOWN:
        _settle(message, Status.UNKNOWN, at, reason=Reason.OUTCOME_UNKNOWN)
    elif error.outcome == Outcome.REFUSED:
        _settle(message, Status.FAILED, at, reason=Reason.REFUSED)
    elif error.outcome == Outcome.RETRY and message.attempts + 1 >= MAX_ATTEMPTS:
        _settle(message, Status.FAILED, at, reason=Reason.GAVE_UP)
    else:
        delay = timedelta(seconds=retry_delay_s(message.attempts, error.retry_after_s))
        not_before = at + delay if error.outcome == Outcome.RETRY else None
        _mine(message).update(**BACK_IN_THE_QUEUE, not_before=not_before, status_at=at)


def retry_delay_s(attempts: int, retry_after_s: int) -> float:
    """Return seconds to wait for the next try: a minute, doubling to two hours, jittered, never less than asked."""
    delay: float = min(FIRST_DELAY_S * 2**attempts, MAX_DELAY_S)
    return max(float(retry_after_s), delay * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing


def _stop_campaign(message: Message, error: TransportError, at: datetime) -> None:
    """Pause the campaign that gets nowhere, with the reason, and put back what this worker holds."""
    channel = message.get_channel_display()
    reasons = {
        Outcome.STOP: f"The {channel} provider refuses the account ({error.code}). Check its keys, then resume.",
        Outcome.UNKNOWN: f"The {channel} provider does not answer ({error.code}). See that it is well, then resume.",
        Outcome.REFUSED: f"The {channel} provider refused {BRAKE} in a row ({error.code}). See why, then resume.",
    }
    try:
        campaigns.pause(message.campaign, reason=reasons.get(error.outcome, error.code))
    except campaigns.NotPossible:
        logger.info("campaign %s was stopped already", message.campaign_id)
    release(message.claim, at=at)


def _put_off(claim: uuid.UUID | None, error: TransportError, at: datetime) -> None:
    """The provider is busy or away: all of this claim waits, or its campaign pauses where the account is refused.

    Those who were not tried keep their attempts.
    """
    waiting = Message.objects.filter(claim=claim, status=Status.SENDING, handed_at=None)
    first = waiting.select_related("campaign").order_by("pk").first()
    if first is None:
        return
    if error.outcome == Outcome.STOP:
        _stop_campaign(first, error, at)
        return
    logger.warning("claim %s put off: %s", claim, error)
    not_before = at + timedelta(seconds=retry_delay_s(first.attempts, error.retry_after_s))
    waiting.update(**BACK_IN_THE_QUEUE, not_before=not_before, status_at=at)


def release(claim: uuid.UUID | None, *, at: datetime) -> int:
    """Put back what was claimed and not handed over; return how many."""
    claimed = Message.objects.filter(claim=claim, status=Status.SENDING, handed_at=None)
    return claimed.update(**BACK_IN_THE_QUEUE, status_at=at)


def recover(*, at: datetime) -> int:
    """Settle what dead workers left behind; return how many rows.

    Never handed over: back to queued. Handed over: unknown, which is never sent again by itself. What went back to the
    queue of a campaign that was cancelled meanwhile is cancelled with it.
    """
    dead = Message.objects.filter(status=Status.SENDING, claimed_at__lt=at - LEASE)
    _note_sent(_sent_by_the_dead(dead), at)
    unknown = dead.filter(handed_at__isnull=False).update(
        status=Status.UNKNOWN, reason=Reason.WORKER_DIED, status_at=at
    )
    queued = dead.filter(handed_at=None).update(**BACK_IN_THE_QUEUE, status_at=at)
    cancelled = Campaign.objects.filter(status=Campaign.Status.CANCELLED)
    left = Message.objects.filter(status=Status.QUEUED, campaign__in=cancelled.values("pk"))
    return unknown + queued + left.update(status=Status.CANCELLED, status_at=at)


def _sent_by_the_dead(dead: QuerySet[Message]) -> list[int | None]:
    """Return who got a message in a batch that was never brought to its end: nobody noted it yet."""
    left = list(dead.values_list("campaign_id", "claim"))
    if not left:
        return []
    sent = Message.objects.filter(
        campaign__in={campaign for campaign, _ in left},
        status__in=(*Message.REACHED, Status.BOUNCED),
        claim__in={claim for _, claim in left},
    )
    return list(sent.values_list("contact_id", flat=True))


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
