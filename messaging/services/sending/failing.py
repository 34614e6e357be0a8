"""Failures, sorted by whose fault they are: the provider's or the account's, the recipient's, or ours."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q, QuerySet

from campaigns.models import Campaign
from campaigns.services import NotPossible
from contacts.channels import Channel
from contacts.models import Suppression
from contacts.sentences import kept
from contacts.services import suppress
from messaging.models import Message
from messaging.services import control, pacing
from messaging.services.composing import Claimed
from messaging.services.sending import claiming
from messaging.services.sending.claiming import BACK_IN_THE_QUEUE
from messaging.services.sending.handing import Row
from messaging.services.sending.threads import Answer
from messaging.transports import NotForBatch, Outcome, TransportError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 12  # the delays below add up to about ten hours
FIRST_DELAY_S = 60
MAX_DELAY_S = 2 * 3600
BRAKE = 5  # as many refusals or silences in a row are not the guests' fault
AWAY_FOR_S = 3 * 3600  # without one success in between; then the channel's campaigns pause, and somebody has to look

Status, Reason = Message.Status, Message.Reason
AWAY = kept("The %(channel)s provider has been away for hours (%(code)s). See that it is well, then resume.")
STOPPED = {
    Outcome.STOP: kept("The %(channel)s provider refuses the account (%(code)s). Check its keys, then resume."),
    Outcome.UNKNOWN: kept("The %(channel)s provider does not answer (%(code)s). See that it is well, then resume."),
    Outcome.REFUSED: kept("The %(channel)s provider refused %(count)s in a row (%(code)s). See why, then resume."),
}


@dataclass(slots=True)
class Sorted:
    """What a handful of answers means for the ledger: `rows` are final, `back` is queued again, by when it is due."""

    rows: list[Row] = field(default_factory=list)
    back: dict[datetime, list[int]] = field(default_factory=lambda: defaultdict(list))
    untried: list[int] = field(default_factory=list)  # queued again at once: it was the provider's fault, or ours


def sort(answers: Iterable[Answer], *, at: datetime) -> Sorted:
    result = Sorted()
    for answer in answers:
        if answer.is_good:
            _sort_good(answer, result)
        elif answer.error is None or answer.error.outcome == Outcome.UNKNOWN:
            unknown = (Status.UNKNOWN, Reason.OUTCOME_UNKNOWN, answer.provider)
            result.rows += [Row(message.pk, *unknown) for message in answer.job.messages]
        else:
            for message in answer.job.messages:
                _sort_unsent(message, answer, answer.error, result, at)
    return result


def _sort_good(answer: Answer, result: Sorted) -> None:
    for message, provider_id in zip(answer.job.messages, answer.provider_ids, strict=True):
        result.rows.append(Row(message.pk, Status.ACCEPTED, "", answer.provider, provider_id.replace("\0", "")))


def _sort_unsent(message: Claimed, answer: Answer, error: TransportError, result: Sorted, at: datetime) -> None:
    """Sort a message that was not sent for sure."""
    if error.outcome in {Outcome.BUSY, Outcome.STOP}:
        result.untried.append(message.pk)
    elif goes_alone(answer, error):
        result.back[at].append(message.pk)
    elif error.outcome == Outcome.REFUSED:
        result.rows.append(Row(message.pk, Status.FAILED, Reason.REFUSED))
    elif message.attempts + 1 >= MAX_ATTEMPTS:
        result.rows.append(Row(message.pk, Status.FAILED, Reason.GAVE_UP))
    else:
        delay = timedelta(seconds=retry_delay_s(message.attempts, error.retry_after_s))
        result.back[at + delay].append(message.pk)


def goes_alone(answer: Answer, error: TransportError) -> bool:
    """Whether these were not sent because they were together: each goes alone next time.

    One does not fit into a batch; or the batch was refused for the sake of some in it, who are not named.
    """
    if answer.is_personal:
        return isinstance(error, NotForBatch)
    return answer.job.is_batch and error.outcome in {Outcome.REFUSED, Outcome.RETRY}


def settle(refusals: Sequence[tuple[Answer, TransportError]], *, channel: Channel, at: datetime) -> float:
    """Suppress who cannot be reached; return seconds for which everybody waits, 0 where the provider is well."""
    for answer, error in refusals:
        is_parted = goes_alone(answer, error)
        logger.log(logging.INFO if is_parted else logging.WARNING, "%s not accepted: %s", _name(answer), error)
        if error.suppress and not is_parted:
            _suppress(answer, channel, error, at)
    busy = [error for _, error in refusals if error.outcome == Outcome.BUSY]
    if not busy:
        return 0.0
    wait_s, failing_s = pacing.failed(channel, max(error.retry_after_s for error in busy))
    if failing_s >= AWAY_FOR_S:
        stop_channel(channel, AWAY % {"channel": channel.label, "code": busy[-1].code})
    return wait_s


def _name(answer: Answer) -> str:
    first, more = answer.job.messages[0].pk, len(answer.job.messages) - 1
    return f"message {first}" + (f" and {more} more" if more else "")


def _suppress(answer: Answer, channel: Channel, error: TransportError, at: datetime) -> None:
    for message in answer.job.messages:
        if message.contact and (index := message.contact.index):
            reason = Suppression.Reason(error.suppress)
            suppress(channel=channel, address_index=index, reason=reason, at=at, source=error.code)


def put_back(pks: Collection[int], *, pump: UUID, at: datetime, not_before: datetime) -> None:
    """Queue messages this pump holds again, due from `not_before` on. They were not sent, for sure."""
    _held(pks, pump).update(**BACK_IN_THE_QUEUE, reason="", not_before=not_before, status_at=at)


def put_back_untried(pks: Collection[int], *, pump: UUID, at: datetime) -> None:
    """Queue messages again that were handed over and not tried, or for no fault of theirs: it counts as no attempt."""
    _held(pks, pump).update(**BACK_IN_THE_QUEUE, reason="", attempts=F("attempts") - 1, not_before=at, status_at=at)


def _held(pks: Collection[int], pump: UUID) -> QuerySet[Message]:
    """Those of these that the pump holds, or that became unknown because it was taken for dead: it knows better."""
    taken_for_dead = Q(status=Status.UNKNOWN, reason=Reason.WORKER_DIED)
    return Message.objects.filter(Q(status=Status.SENDING) | taken_for_dead, pk__in=pks, claim=pump)


def retry_delay_s(attempts: int, retry_after_s: int) -> float:
    """Return seconds to wait for the next try: a minute, doubling to two hours, jittered, never less than asked."""
    delay: float = min(FIRST_DELAY_S * 2**attempts, MAX_DELAY_S)
    return max(float(retry_after_s), delay * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing


def counts(answer: Answer, error: TransportError) -> bool:
    """Whether a failure says something of the campaign or the account, where it does not stand alone."""
    if goes_alone(answer, error) or error.suppress:  # whose own address is at fault says nothing of others
        return False
    return error.outcome in {Outcome.UNKNOWN, Outcome.REFUSED, Outcome.STOP}


def stops(error: TransportError, in_a_row: int) -> bool:
    return error.outcome == Outcome.STOP or in_a_row >= BRAKE


def stop_campaign(campaign_id: int, channel: Channel, error: TransportError) -> None:
    """Pause the campaign that gets nowhere, with the reason; what pumps hold of it is back in the queue."""
    said = {"channel": channel.label, "code": error.code, "count": BRAKE}
    words = STOPPED[error.outcome] % said if error.outcome in STOPPED else error.code
    _pause(Campaign.objects.get(pk=campaign_id), words)


def stop_channel(channel: Channel, reason: str) -> None:
    """Pause what is being sent on a channel."""
    for campaign in claiming.going(channel):
        _pause(campaign, reason)


def _pause(campaign: Campaign, reason: str) -> None:
    try:
        control.pause(campaign, reason=reason)
    except NotPossible:
        logger.info("campaign %s was stopped already", campaign.pk)
