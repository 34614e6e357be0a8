"""What a person or a proof decides about messages that failed, or of which nobody knows what became."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import services as campaigns
from campaigns.models import Campaign
from campaigns.services import NotPossible
from contacts.models import AuditEvent
from contacts.services import audit, note_sent
from messaging.models import Message
from messaging.queries import retriable, still_agreed, undecided
from messaging.services.control import wake

Status, Reason = Message.Status, Message.Reason
BACK_AT_THE_START: dict[str, Any] = {
    "status": Status.QUEUED,
    "reason": "",
    "attempts": 0,
    "claim": None,
    "claimed_at": None,
    "handed_at": None,
    "look_ups": 0,
    "provider": "",
    "provider_id": "",
}


@dataclass(frozen=True, slots=True)
class SentAnyway:
    """How many are sent once more, and how many are not: they withdrew, or cannot be reached any more."""

    queued: int
    kept: int


def retry_failed(campaign: Campaign, *, at: datetime) -> int:
    """Put failed messages that may be tried once more back into the queue; return how many.

    Raises campaigns.services.NotPossible where the campaign was cancelled, or none may be tried again.
    """
    with transaction.atomic():
        campaigns.reopen(campaign)
        count = _put_back(retriable(campaign), at)
        if not count:
            raise NotPossible(_("No failed message of this campaign can be tried again."))
        audit(AuditEvent.Action.RESUMED, detail=f"campaign {campaign.pk}, {count:,} failed messages once more")
    wake()
    return count


def send_anyway(campaign: Campaign, *, at: datetime, ids: Collection[int] | None = None) -> SentAnyway:
    """Put messages whose outcome nobody knows back into the queue, at a person's word: they may arrive twice.

    `ids`: these alone; default: all that nobody decided about. Who does not agree any more is left as it is.

    Raises campaigns.services.NotPossible where the campaign was cancelled, or none of them waits for an answer.
    """
    with transaction.atomic():
        campaigns.reopen(campaign)
        asked = undecided(campaign, ids)
        total = asked.count()
        queued = _put_back(still_agreed(asked, campaign), at)
        if not total:
            raise NotPossible(str(NOT_WAITING))
        if not queued:
            raise NotPossible(_("Nobody was sent anything: none of them agrees any more, or can be reached."))
        audit(AuditEvent.Action.RESUMED, detail=f"campaign {campaign.pk}, {queued:,} of unknown outcome once more")
    wake()
    return SentAnyway(queued, total - queued)


def leave(campaign: Campaign, *, at: datetime, ids: Collection[int] | None = None) -> int:
    """Leave messages as not known for good, and ask no more; return how many.

    Raises campaigns.services.NotPossible where none of them waits for an answer.
    """
    count = undecided(campaign, ids).update(reason=Reason.LEFT, status_at=at)
    if not count:
        raise NotPossible(str(NOT_WAITING))
    return count


def settle_unknown(reference: UUID, *, provider_id: str, at: datetime) -> bool:
    """Note that the provider has taken a message whose outcome was not known: its event or a look-up proves it.

    Return False where the message is not unknown, or not there. It settles what a person has left, too.
    """
    unknown = Message.objects.filter(reference=reference, status=Status.UNKNOWN)
    contact_id = unknown.values_list("contact_id", flat=True).first()
    taken: dict[str, Any] = {"status": Status.ACCEPTED, "reason": "", "status_at": at}
    if provider_id:
        taken["provider_id"] = provider_id[:200]
    if not unknown.update(**taken):
        return False
    if contact_id:
        note_sent([contact_id], at=at)
    return True


NOT_WAITING = gettext_lazy("None of these messages waits for an answer any more.")


def _put_back(messages: QuerySet[Message], at: datetime) -> int:
    return messages.order_by().update(**BACK_AT_THE_START, not_before=at, status_at=at)
