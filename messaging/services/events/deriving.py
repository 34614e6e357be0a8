"""What a message is, given all that was reported of it. Reads rows, asks and writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from messaging.incoming import EventType, Verdict
from messaging.models import Message, ProviderEvent

Status, Reason = Message.Status, Message.Reason
Standing = tuple[str, str]

ACCEPTED: Standing = (Status.ACCEPTED, "")
REFUSED: Standing = (Status.FAILED, Reason.REFUSED)
NOT_THIS_TIME: Standing = (Status.FAILED, Reason.NOT_THIS_TIME)
# From what proves least to what proves most: a message only moves on. An address that took a mail may still return it.
ORDER: list[Standing] = [
    ACCEPTED,
    REFUSED,
    NOT_THIS_TIME,
    (Status.FAILED, Reason.SENDERS_FAULT),
    (Status.FAILED, Reason.SUPPRESSED),
    (Status.FAILED, Reason.UNSUBSCRIBED),
    (Status.BOUNCED, Reason.NOT_THIS_TIME),
    (Status.BOUNCED, Reason.SENDERS_FAULT),
    (Status.DELIVERED, ""),
    (Status.BOUNCED, Reason.NO_SUCH_ADDRESS),
    (Status.COMPLAINED, ""),
]
FAILURES = frozenset({EventType.BOUNCED, EventType.REJECTED, EventType.FAILED})
PROVES_NOTHING = frozenset({EventType.UNKNOWN, EventType.SUBSCRIBED})
# Why a provider did not even try: the person's own word, given to it.
THEIR_WORD: dict[str, Standing] = {
    "unsubscribed": (Status.FAILED, Reason.UNSUBSCRIBED),
    "spam": (Status.FAILED, Reason.SUPPRESSED),
}
NOT_SENT: dict[str, Standing] = {
    Verdict.SOFT: NOT_THIS_TIME,
    Verdict.SENDER: (Status.FAILED, Reason.SENDERS_FAULT),
}
STAYS = frozenset({Status.SENDING, Status.SKIPPED, Status.CANCELLED})
ARRIVED_OR_NOT = frozenset({Status.DELIVERED, Status.BOUNCED, Status.COMPLAINED})


@dataclass(frozen=True, slots=True)
class Change:
    """What a message becomes. `goes_again`: back into the queue. `proof`: the report that shows the provider has it.

    Only a message that was unknown, or was to be sent once more, needs a proof: it has no id of the provider's yet.
    """

    status: str
    reason: str
    goes_again: bool = False
    proof: ProviderEvent | None = None


def standing(event: ProviderEvent) -> Standing | None:
    """Return what one report says of a message; None: nothing, not even that the provider has it."""
    kind = EventType(event.event_type)
    if kind in FAILURES:
        return _failure(kind, event)
    if kind in PROVES_NOTHING:
        return None
    if kind == EventType.COMPLAINED:
        return (Status.COMPLAINED, "")
    return (Status.DELIVERED, "") if kind == EventType.DELIVERED else ACCEPTED


def _failure(kind: EventType, event: ProviderEvent) -> Standing:
    if event.reject_reason in THEIR_WORD:
        return THEIR_WORD[event.reject_reason]
    if event.verdict == Verdict.HARD:
        return (Status.BOUNCED, Reason.NO_SUCH_ADDRESS)
    if kind == EventType.BOUNCED:
        is_senders = event.verdict == Verdict.SENDER
        return (Status.BOUNCED, Reason.SENDERS_FAULT if is_senders else Reason.NOT_THIS_TIME)
    return NOT_SENT.get(event.verdict, REFUSED)


def change(message: Message, events: Sequence[ProviderEvent]) -> Change | None:
    """Return what becomes of a message by all its reports, those included that are not applied yet; None: nothing."""
    if message.status in STAYS:
        return None
    mine = [event for event in events if event.address_index is not None]
    expired = _expired(mine)
    best = _best([event for event in mine if event.verdict != Verdict.EXPIRED and event.provider_id not in expired])
    if _ran_out(message, mine) and (best is None or best.rank == 0):
        return Change(Status.QUEUED, "", goes_again=True) if len(expired) == 1 else Change(*NOT_THIS_TIME)
    if best is None:
        return None
    if message.status == Status.QUEUED:  # it was to be sent once more
        return Change(*best.standing, proof=best.event) if best.standing[0] in ARRIVED_OR_NOT else None
    if message.status == Status.UNKNOWN:
        return Change(*best.standing, proof=best.event)
    return Change(*best.standing) if best.rank > _rank_of(message) else None


@dataclass(frozen=True, slots=True)
class _Best:
    event: ProviderEvent
    standing: Standing

    @property
    def rank(self) -> int:
        return ORDER.index(self.standing)


def _best(events: Sequence[ProviderEvent]) -> _Best | None:
    """Return the report that proves most; of several, one that says which try it was, the same one always."""
    telling = [_Best(event, found) for event in events if (found := standing(event)) is not None]
    return max(telling, key=lambda best: (best.rank, best.event.provider_id, best.event.event_key), default=None)


def _rank_of(message: Message) -> int:
    found = (message.status, message.reason)
    if found in ORDER:
        return ORDER.index(found)
    return ORDER.index(REFUSED) if message.status == Status.FAILED else 0


def _expired(events: Collection[ProviderEvent]) -> set[str]:
    """Return the provider's ids of texts that ran out of time; one that arrived all the same is none of them."""
    arrived = {event.provider_id for event in events if event.event_type == EventType.DELIVERED}
    return {event.provider_id for event in events if event.verdict == Verdict.EXPIRED} - arrived


def _ran_out(message: Message, events: Collection[ProviderEvent]) -> bool:
    """Whether the last try of a text has just been reported as run out of time: each report counts once."""
    if message.status not in {Status.ACCEPTED, Status.UNKNOWN}:
        return False
    news = [event for event in events if event.verdict == Verdict.EXPIRED and event.applied_at is None]
    return any(message.provider_id in {"", event.provider_id} for event in news)
