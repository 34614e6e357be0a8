"""What people set for themselves on the page every mail leads to."""

from __future__ import annotations

from datetime import datetime

from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Suppression
from contacts.queries import live_suppressions, newest_consent
from contacts.services.consent import resubscribe


def set_fewer_messages(*, channel: Channel, address_index: bytes, fewer: bool) -> bool:
    """Have the contact with this address get at most one message a month, or not; return whether there is one."""
    contact = Contact.objects.with_address(channel, address_index).only("pk", "fewer_messages").first()
    if contact is None:
        return False
    contact.fewer_messages = fewer
    contact.save(update_fields=["fewer_messages", "updated_at"])
    return True


def may_undo_on_page(channel: Channel, address_index: bytes) -> bool:
    """Whether an opt-out was made on the page, by somebody who had agreed before: a STOP is taken back by text."""
    blocks = live_suppressions(channel, [address_index]).get(address_index, [])
    made_here = ConsentEvent.Source.UNSUBSCRIBE_PAGE
    if not blocks or any(b.source != made_here or b.reason not in Suppression.OPT_OUTS for b in blocks):
        return False
    return ConsentEvent.Action.GRANTED in newest_consent(channel, [address_index]).get(address_index, {})


def start_again(*, address_index: bytes, at: datetime, wording: str) -> bool:
    """Take back the STOP of a phone number by its own text; never turns a number on that had not agreed before."""
    consents = newest_consent(Channel.SMS, [address_index]).get(address_index, {})
    if ConsentEvent.Action.GRANTED not in consents:
        return False
    return resubscribe(
        channel=Channel.SMS,
        address_index=address_index,
        source=ConsentEvent.Source.KEYWORD,
        at=at,
        wording=wording,
    )
