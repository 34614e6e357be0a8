"""Reports that came before the ledger knew the provider's id of their message."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from contacts.channels import Channel, normalise
from contacts.fields import DecryptionError
from messaging.models import Message, ProviderEvent

logger = logging.getLogger(__name__)

LOOKED_FOR = timedelta(hours=1)  # then it is nobody's: a test, or a mail that others sent with the same account
ROWS = 500


def find_messages(*, at: datetime) -> int:
    """Give reports to the messages whose id at the provider has become known; return to how many."""
    lost = ProviderEvent.objects.filter(message=None, applied_at=None)
    lost.filter(received_at__lte=at - LOOKED_FOR).update(applied_at=at)
    waiting = {(event.provider, event.provider_id): None for event in lost.defer("payload").order_by("pk")[:ROWS]}
    ids = [provider_id for _, provider_id in waiting]
    found = 0
    for message in Message.objects.filter(provider_id__in=ids).select_related("contact").order_by("pk"):
        if (message.provider, message.provider_id) in waiting:
            found += _give(message)
    return found


def _give(message: Message) -> int:
    mine = ProviderEvent.objects.filter(
        provider=message.provider, provider_id=message.provider_id, message=None, applied_at=None
    )
    count = 0
    for event in mine:
        try:
            index = message.address_index if _names(event, message) else None
        except DecryptionError:
            logger.error("provider event %s cannot be decrypted", event.pk)
            continue
        count += ProviderEvent.objects.filter(pk=event.pk, message=None).update(message=message, address_index=index)
    return count


def _names(event: ProviderEvent, message: Message) -> bool:
    """Whether the report, as the provider wrote it, names the address the message went to."""
    channel = Channel(message.channel)
    address = message.contact.address(channel) if message.contact else None
    if not address or message.contact.address_index(channel) != message.address_index:  # type: ignore[union-attr]
        return False
    text = event.payload.casefold()
    return any(spelling.casefold() in text for spelling in (address, normalise(channel, address)))
