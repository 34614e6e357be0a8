"""Why a claimed message was not handed over, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import ChannelStatus, Suppression
from messaging.models import Message
from messaging.services.sending.claiming import BACK_IN_THE_QUEUE
from messaging.services.sending.handing import DAY, FEWER_MEANS, MONTH, Caps

Status, Reason = Message.Status, Message.Reason


def leave_out(pks: Iterable[int], *, pump: UUID, caps: Caps, at: datetime) -> None:
    """Record why these are not sent; where only the campaign stopped, or all is well again by now, put them back."""
    held = Message.objects.filter(pk__in=list(pks), claim=pump, status=Status.SENDING, handed_at=None)
    people = ("contact__email_status", "contact__sms_status", "contact__fewer_messages")
    full = held.select_related("campaign__offer", "contact").only(
        "channel", "campaign", "contact", *people, *(f"contact__{name}_index" for name in ("email", "phone"))
    )
    for message in full.order_by("pk"):
        status, reason = _verdict(message, caps, at)
        mine = held.filter(pk=message.pk)
        if status == Status.QUEUED:
            mine.update(**BACK_IN_THE_QUEUE, status_at=at)
        else:
            mine.update(status=status, reason=reason, status_at=at)


def _verdict(message: Message, caps: Caps, at: datetime) -> tuple[Message.Status, str]:
    if message.campaign.status == Campaign.Status.CANCELLED:
        return Status.CANCELLED, ""
    if message.campaign.status != Campaign.Status.SENDING:
        return Status.QUEUED, ""
    reason = _why_not(message, caps, at)
    return (Status.SKIPPED, reason) if reason else (Status.QUEUED, "")


def _why_not(message: Message, caps: Caps, at: datetime) -> str:
    contact, channel, offer = message.contact, Channel(message.channel), message.campaign.offer
    if contact is None:
        return Reason.ERASED
    if offer and (offer.status == offer.Status.ENDED or (offer.ends_at and offer.ends_at <= at)):
        return Reason.OFFER_OVER
    status = contact.status(channel)
    if status == ChannelStatus.UNSUBSCRIBED:
        return Reason.UNSUBSCRIBED
    index = contact.address_index(channel)
    blocks = Suppression.objects.filter(channel=channel, address_index=index, lifted_at=None)
    if status != ChannelStatus.SUBSCRIBED or blocks.exists():
        return Reason.SUPPRESSED
    if contact.fewer_messages and _had(message, at - FEWER_MEANS) >= 1:
        return Reason.FEWER
    too_often = any(cap and _had(message, at - window, channel) >= cap for cap, window in _windows(caps))
    return Reason.TOO_OFTEN if too_often else ""


def _windows(caps: Caps) -> tuple[tuple[int, timedelta], ...]:
    return ((caps.day, DAY), (caps.month, MONTH))


def _had(message: Message, since: datetime, channel: Channel | None = None) -> int:
    """Count what this person may have got since then."""
    earlier = Message.objects.filter(
        contact=message.contact_id, handed_at__gt=since, status__in=(Status.SENDING, *Message.MAY_HAVE_ARRIVED)
    ).exclude(pk=message.pk)
    return (earlier.filter(channel=channel) if channel else earlier).count()
