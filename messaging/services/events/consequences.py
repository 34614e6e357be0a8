"""What reports mean for people: who is written to no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from contacts.channels import Channel
from contacts.models import Address, ConsentEvent, Contact, Suppression
from contacts.services import suppress, unsubscribe
from messaging.incoming import EventType, Verdict
from messaging.models import Message, ProviderEvent
from messaging.services.events.deriving import FAILURES

Reason = Suppression.Reason

# Opted out with the provider, or by the carrier, before we heard of it: https://www.twilio.com/docs/api/errors/21610
STOPPED_CODE = "21610"
# An address that could not be reached so often, in so many campaigns, over so long, with no good sign in between.
SOFT_MAILS, SOFT_CAMPAIGNS, SOFT_SPAN = 5, 3, timedelta(days=14)
# A number, within so long; fewer where the carrier blocks it, which often is a STOP nobody told of.
SOFT_TEXTS, SOFT_TEXTS_WITHIN = 3, timedelta(days=30)
BLOCKED_CODE, BLOCKED_TEXTS = "30004", 2


@dataclass(frozen=True, slots=True)
class Failure:
    """One time an address could not be reached."""

    campaign: int
    code: str
    at: datetime


def addresses(events: Iterable[ProviderEvent]) -> set[Address]:
    """Return the addresses whose people these reports may concern: they are to be locked first."""
    return {
        (Channel(event.message.channel), bytes(event.address_index))
        for event in events
        if event.message and event.address_index is not None and (_meaning(event, event.message) or is_soft(event))
    }


def act(events: Iterable[ProviderEvent], messages: Mapping[int, Message], *, at: datetime) -> None:
    """Do what reports that were not applied yet ask for. Each may be done twice, and in any order."""
    wanted: dict[tuple[Channel, bytes, Reason], ProviderEvent] = {}
    soft: dict[Channel, set[bytes]] = defaultdict(set)
    for event in sorted(events, key=lambda event: (event.occurred_at, event.event_key)):
        if event.message_id is None or event.address_index is None:
            continue
        message = messages[event.message_id]
        channel, index = Channel(message.channel), bytes(event.address_index)
        if reason := _meaning(event, message):
            wanted.setdefault((channel, index, reason), event)
        elif is_soft(event):
            soft[channel].add(index)
    for (channel, index, reason), event in sorted(wanted.items(), key=lambda pair: pair[0]):
        _stop(channel, index, reason, event)
    for channel, indexes in soft.items():
        for index in sorted(worn_out(channel, indexes)):
            suppress(channel=channel, address_index=index, reason=Reason.BOUNCED, at=at, source="several soft bounces")


def _meaning(event: ProviderEvent, message: Message) -> Reason | None:
    """Return for what reason this address is to be left alone; None: for none."""
    is_failure = event.event_type in FAILURES
    if is_failure and message.channel == Channel.SMS and event.code == STOPPED_CODE:
        return Reason.STOPPED
    if event.event_type == EventType.COMPLAINED or (is_failure and event.reject_reason == "spam"):
        return Reason.COMPLAINED
    if event.event_type == EventType.UNSUBSCRIBED or (is_failure and event.reject_reason == "unsubscribed"):
        return Reason.UNSUBSCRIBED
    if not is_failure or event.verdict != Verdict.HARD:
        return None
    return Reason.BOUNCED if message.channel == Channel.EMAIL else Reason.INVALID


def _stop(channel: Channel, index: bytes, reason: Reason, event: ProviderEvent) -> None:
    """Leave an address alone; what the person said themselves is their withdrawal too."""
    if reason in {Reason.BOUNCED, Reason.INVALID}:
        source = f"{event.provider} {event.code}".strip()
        suppress(channel=channel, address_index=index, reason=reason, at=event.occurred_at, source=source)
        return
    unsubscribe(
        channel=channel,
        address_index=index,
        source=ConsentEvent.Source.PROVIDER,
        at=event.occurred_at,
        reason=reason,
        reference=f"message {event.message_id}",
    )


# --- Several times in a row -------------------------------------------------------------------------------------------


def is_soft(event: ProviderEvent) -> bool:
    return event.event_type in FAILURES and event.verdict == Verdict.SOFT


def worn_out(channel: Channel, indexes: Collection[bytes]) -> set[bytes]:
    """Return those of these addresses that could not be reached several times in a row. Four queries."""
    since = _last_good(channel, indexes)
    failures: dict[bytes, list[Failure]] = defaultdict(list)
    rows = ProviderEvent.objects.filter(
        address_index__in=indexes, event_type__in=FAILURES, verdict=Verdict.SOFT, message__isnull=False
    ).values_list("address_index", "message__campaign_id", "code", "occurred_at")
    for index, campaign, code, at in rows.order_by():
        address = bytes(index or b"")
        if address not in since or at > since[address]:
            failures[address].append(Failure(campaign, code, at))
    is_enough: Callable[[Collection[Failure]], bool] = _mails if channel == Channel.EMAIL else _texts
    return {index for index, found in failures.items() if is_enough(found)}


def _mails(failures: Collection[Failure]) -> bool:
    times = [failure.at for failure in failures]
    campaigns = {failure.campaign for failure in failures}
    return len(failures) >= SOFT_MAILS and len(campaigns) >= SOFT_CAMPAIGNS and max(times) - min(times) >= SOFT_SPAN


def _texts(failures: Collection[Failure]) -> bool:
    newest = max(failure.at for failure in failures)
    lately = [failure for failure in failures if failure.at > newest - SOFT_TEXTS_WITHIN]
    blocked = [failure for failure in lately if failure.code == BLOCKED_CODE]
    return len(lately) >= SOFT_TEXTS or len(blocked) >= BLOCKED_TEXTS


def _last_good(channel: Channel, indexes: Collection[bytes]) -> dict[bytes, datetime]:
    """Return when each address last showed that it works, or somebody said it does; those that ever did."""
    delivered = ProviderEvent.objects.filter(address_index__in=indexes, event_type=EventType.DELIVERED)
    lifted = Suppression.objects.filter(channel=channel, address_index__in=indexes, reason=Reason.BOUNCED)
    field = Contact.INDEX_FIELDS[channel]
    people = Contact.objects.filter(**{f"{field}__in": indexes}).order_by()
    found: list[tuple[Any, datetime | None]] = [
        *delivered.order_by().values_list("address_index").annotate(Max("occurred_at")),
        *lifted.order_by().values_list("address_index").annotate(Max("lifted_at")),
        *people.values_list(field, "activity__last_clicked_at"),
        *people.values_list(field, "activity__last_redeemed_at"),
    ]
    last: dict[bytes, datetime] = {}
    for index, at in found:
        if at is not None:
            last[bytes(index)] = max(at, last.get(bytes(index), at))
    return last
