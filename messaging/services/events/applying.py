"""Working out what reports mean: for the messages they are about, the people, and the campaigns."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction

from campaigns import services as campaigns
from campaigns.models import Campaign
from campaigns.services import NotPossible
from contacts.services import note_sent
from contacts.services.people import lock_contacts
from contacts.stopping import asked_to_stop
from messaging.incoming import EventType, Incoming, Verdict
from messaging.models import Click, Message, ProviderEvent
from messaging.services import alarms, clicks
from messaging.services.control import wake
from messaging.services.events import consequences, finding
from messaging.services.events.deriving import NOT_THIS_TIME, Change, change
from messaging.services.events.storing import store
from messaging.services.settling import BACK_AT_THE_START

logger = logging.getLogger(__name__)

CALL_S = 3.0  # of a call that waits for its answer; what is left over is applied by the clock
CLOCK_S = 10.0
CHUNK = 500  # reports stored at a time
MESSAGES = 100  # of a transaction: others may write between two
TRIED_FOR = timedelta(days=3)  # what cannot be applied for so long is left

Status = Message.Status
SETTLED_FIELDS = ["status", "reason", "status_at", "provider", "provider_id", "handed_at"]
MAILBOX = "mailbox"  # tells of mails that others sent


def take_in(provider: str, events: Sequence[Incoming], *, at: datetime) -> int:
    """Store reports, each once, and apply them while there is time; return how many were new.

    What is stored and not applied, since its message is just being sent or the time was up, `apply_waiting` applies.
    """
    until, new, messages = time.monotonic() + CALL_S, 0, set[int]()
    for start in range(0, len(events), CHUNK):
        stored = store(provider, events[start : start + CHUNK], at=at)
        new += stored.new
        messages |= stored.messages
    _apply(messages, at=at, until=until)
    return new


def apply_waiting(*, at: datetime) -> int:
    """Apply what is stored and not applied yet, for some seconds at most; return of how many messages."""
    until, done, last = time.monotonic() + CLOCK_S, 0, 0
    finding.find_messages(at=at)
    while time.monotonic() < until and not asked_to_stop():
        waiting = ProviderEvent.objects.filter(
            applied_at=None, message__isnull=False, received_at__gt=at - TRIED_FOR, pk__gt=last
        )
        rows = list(waiting.order_by("pk").values_list("pk", "message_id", "message__status")[:CHUNK])
        if not rows:
            break
        last = rows[-1][0]
        ready = {message for _, message, status in rows if message and status != Status.SENDING}
        _apply(ready, at=at, until=until)
        done += len(ready)
    return done


def _apply(messages: Collection[int], *, at: datetime, until: float) -> None:
    """Apply the reports of these messages, and see whether their campaigns should go on."""
    alarming: set[int] = set()
    for some in _chunks(sorted(messages)):
        if time.monotonic() > until:
            break
        alarming |= _apply_safely(some, at)
    for campaign in Campaign.objects.filter(pk__in=alarming).order_by("pk"):
        alarms.look_at(campaign, at=at)


def _chunks(messages: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(messages), MESSAGES):
        yield messages[start : start + MESSAGES]


def _apply_safely(messages: Sequence[int], at: datetime) -> set[int]:
    """Apply the reports of some messages; where one of them fails, each by itself, and the others are well."""
    try:
        return _apply_to(messages, at)
    except Exception as error:  # named by its kind: the text may quote an address
        if len(messages) == 1:
            logger.error("reports of message %s could not be applied: %s", messages[0], type(error).__name__)
            return set()
    return set().union(*(_apply_safely([message], at) for message in messages))


def _apply_to(messages: Sequence[int], at: datetime) -> set[int]:
    """Apply what is new of these messages as one; return the campaigns for which it is bad news.

    Locks campaigns (where a text is to go once more), contacts, and messages, in this order and each by their numbers.
    A message that somebody else has locked is passed over, and one that is just being sent: the clock comes back.
    """
    with transaction.atomic():
        news = list(ProviderEvent.objects.filter(message__in=messages, applied_at=None).select_related("message"))
        closed = _reopen(news)
        lock_contacts(consequences.addresses(news))
        # Without "no key", whoever stores the next report of one of them would wait here.
        free = Message.objects.select_for_update(skip_locked=True, no_key=True, of=("self",)).filter(pk__in=messages)
        mine = {message.pk: message for message in free.exclude(status=Status.SENDING).order_by("pk")}
        events = defaultdict(list)
        for event in ProviderEvent.objects.filter(message__in=mine).defer("payload").order_by("pk"):
            events[event.message_id].append(event)
        changes = {pk: found for pk, message in mine.items() if (found := change(message, events[pk]))}
        settled = _write(mine, changes, closed, at)
        fresh = [event for rows in events.values() for event in rows if event.applied_at is None]
        consequences.act(fresh, mine, at=at)
        ProviderEvent.objects.filter(pk__in=[event.pk for event in fresh]).update(applied_at=at)
    note_sent(settled, at=at)
    _judge_clicks(fresh)
    return {mine[event.message_id].campaign_id for event in fresh if event.message_id and alarms.is_bad(event)}


def _judge_clicks(fresh: Collection[ProviderEvent]) -> None:
    """Look at clicks again now that the delivery is known: what came within seconds of it was no person. One query."""
    delivered = [event.message_id for event in fresh if event.event_type == EventType.DELIVERED]
    clicked = Click.objects.filter(message__in=delivered, machine="").order_by("message")
    for message in clicked.values_list("message_id", flat=True).distinct():
        try:
            clicks.look_again(message)
        except DatabaseError as error:  # it waits a second for others; the next click looks again
            logger.warning("clicks of message %s could not be judged: %s", message, type(error).__name__)


def _reopen(news: Collection[ProviderEvent]) -> set[int]:
    """Let campaigns go on of which a text may go once more; return those that were cancelled."""
    closed = set()
    expired = [event.message for event in news if event.message and event.verdict == Verdict.EXPIRED]
    for campaign in sorted({message.campaign_id for message in expired}):
        try:
            campaigns.reopen(Campaign(pk=campaign))
        except NotPossible:
            closed.add(campaign)
    return closed


def _write(mine: dict[int, Message], changes: dict[int, Change], closed: Collection[int], at: datetime) -> list[int]:
    """Write the changes; return the contacts of messages that turned out to be sent. A statement for each kind."""
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    again, settled = [], []
    for pk, found in changes.items():
        if found.goes_again and mine[pk].campaign_id not in closed:
            again.append(pk)
        elif found.proof is not None:
            settled.append(_settled(mine[pk], found, found.proof, at))
        else:
            alike[NOT_THIS_TIME if found.goes_again else (found.status, found.reason)].append(pk)
    for (status, reason), pks in alike.items():
        Message.objects.filter(pk__in=pks).update(status=status, reason=reason, status_at=at)
    if settled:
        Message.objects.bulk_update(settled, SETTLED_FIELDS)
    if again:
        Message.objects.filter(pk__in=again).update(**BACK_AT_THE_START, not_before=at, status_at=at)
        wake()
    return [message.contact_id for message in settled if message.contact_id]


def _settled(message: Message, found: Change, proof: ProviderEvent, at: datetime) -> Message:
    """Bring a message in line with a report that proves the provider has it, though nobody had heard so."""
    message.status, message.reason, message.status_at = found.status, found.reason, at
    message.handed_at = message.handed_at or proof.occurred_at
    message.provider_id = message.provider_id or proof.provider_id
    if proof.provider != MAILBOX:
        message.provider = message.provider or proof.provider
    return message
