"""Look a contact up."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from contacts.channels import AddressError, Channel
from contacts.management.console import ConsoleCommand
from contacts.models import ChannelStatus, Contact, Suppression
from contacts.queries import ChannelState, address_index_of, channel_state, derive_states, find_by_address
from redemptions.models import Redemption

DETAILS = ("first_name", "last_name", "birthday", "postal_code", "region", "time_zone")


class Command(ConsoleCommand):
    help = "Show what is known of one person: contact show ADDRESS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="Status per channel with reason and date, tags, fields, redemptions.")
        show.add_argument("address", help="An e-mail address or a phone number, however written.")
        super().add_arguments(show)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            contact = find_by_address(options["address"])
            channel, index = address_index_of(options["address"])
        except AddressError as error:
            raise CommandError(f"What you gave {error}.") from error
        states = {each: _state_of(contact, each, channel, index) for each in Channel}
        data: dict[str, Any] = {
            "id": contact.pk if contact else None,
            **{each.value: _state(state) for each, state in states.items()},
            "tags": [tag.name for tag in contact.tags.all()] if contact else [],
            "fields": {name: getattr(contact, name) for name in DETAILS if getattr(contact, name)} if contact else {},
            "redemptions": _redemptions(contact) if contact else [],
        }
        title = f"Contact {contact.pk}" if contact else "No contact has this address."
        lines = [_words(each, state) for each, state in states.items()]
        lines += [f"Tags: {', '.join(data['tags'])}"] if data["tags"] else []
        lines += [f"Redeemed: {line['deal']}, {line['location']}, {line['at']}" for line in data["redemptions"]]
        self.answer(options, data, "\n".join([title, *lines]))


def _state_of(contact: Contact | None, each: Channel, asked: Channel, index: bytes) -> ChannelState:
    """Return a channel's state; of an address nobody has, what is remembered of it: it may be kept off the list.

    Somebody erased is absent, with the reason that keeps the address from being written to.
    """
    if contact is not None:
        return channel_state(contact, each)
    remembered = derive_states(asked, [index])[index]
    if each == asked and remembered.reason == Suppression.Reason.ERASED:
        return ChannelState(ChannelStatus.ABSENT, remembered.reason, remembered.since)
    known = each == asked and remembered.state != ChannelStatus.NONE
    return remembered if known else ChannelState(ChannelStatus.ABSENT)


def _words(channel: Channel, state: ChannelState) -> str:
    since = f" since {state.since:%Y-%m-%d}" if state.since else ""
    reason = f" ({state.reason})" if state.reason and state.reason != state.state else ""
    return f"{channel.label}: {state.state.label}{reason}{since}"


def _state(state: ChannelState) -> dict[str, str | None]:
    return {
        "state": state.state.value,
        "reason": state.reason or None,
        "since": state.since.isoformat() if state.since else None,
    }


def _redemptions(contact: Contact) -> list[dict[str, str]]:
    found = Redemption.objects.filter(code__contact=contact).select_related("offer", "location").order_by("entry_no")
    return [
        {
            "id": f"rd_{redemption.public_id}",
            "kind": redemption.kind,
            "deal": redemption.deal,
            "location": redemption.location.name,
            "at": redemption.at.isoformat(),
        }
        for redemption in found
    ]
