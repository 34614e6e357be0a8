"""Messages that wait for a person's word: failed ones that may be tried again, and those nobody knows about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, QuerySet

from campaigns.models import Campaign
from contacts.channels import Channel, mask_email, mask_phone
from contacts.models import Contact
from messaging.models import Message

Status, Reason = Message.Status, Message.Reason
MAY_BE_RETRIED = (Reason.GAVE_UP, Reason.ERROR, Reason.RENDER)
PAGE = 100


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message nobody knows about, as a page or a command shows it: `who` is masked."""

    id: int
    who: str
    at: datetime | None
    why: str
    provider: str


def retriable(campaign: Campaign) -> QuerySet[Message]:
    """Failed messages that may be tried again: not the address's fault, and the person still agrees."""
    failed = Message.objects.filter(campaign=campaign, status=Status.FAILED, reason__in=MAY_BE_RETRIED)
    return still_agreed(failed, campaign)


def undecided(campaign: Campaign, ids: Collection[int] | None = None) -> QuerySet[Message]:
    """Messages of which nobody knows what became, and nobody decided; of these `ids` alone, where given."""
    unknown = Message.objects.filter(campaign=campaign, status=Status.UNKNOWN).exclude(reason=Reason.LEFT)
    return unknown if ids is None else unknown.filter(pk__in=ids)


def undecided_counts(campaign_ids: Collection[int]) -> dict[int, int]:
    """Count the undecided messages of each of these campaigns. One query."""
    unknown = Message.objects.filter(campaign__in=campaign_ids, status=Status.UNKNOWN).exclude(reason=Reason.LEFT)
    return dict(unknown.order_by().values_list("campaign").annotate(Count("pk")))


def still_agreed(messages: QuerySet[Message], campaign: Campaign) -> QuerySet[Message]:
    """Keep those whose person is still there, subscribed, and not suppressed."""
    people = Contact.objects.subscribed(Channel(campaign.channel)).filter(pk=OuterRef("contact_id"))
    return messages.filter(Exists(people))  # looked up for each: there are few messages, and many people


def unknown_page(campaign: Campaign, number: int = 1) -> tuple[list[UnknownMessage], int]:
    """Return a page of 100 of them, oldest first, and how many pages there are. Two queries."""
    pages = Paginator(undecided(campaign).select_related("contact").order_by("pk"), PAGE)
    channel = Channel(campaign.channel)
    return [_shown(message, channel) for message in pages.get_page(number)], pages.num_pages


def _shown(message: Message, channel: Channel) -> UnknownMessage:
    who, why = _who(message.contact, channel), message.get_reason_display()
    return UnknownMessage(message.pk, who, message.handed_at, why, message.provider)


def _who(contact: Contact | None, channel: Channel) -> str:
    address = contact.address(channel) if contact else None
    if not address:
        return "(erased)"
    return mask_email(address) if channel == Channel.EMAIL else mask_phone(address)
