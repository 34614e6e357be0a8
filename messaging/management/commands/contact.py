"""Look a contact up."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from contacts.channels import AddressError, Channel
from contacts.management.console import ConsoleCommand
from contacts.models import Contact, Suppression
from contacts.queries import ChannelState, address_index_of, channel_state, find_by_address, live_suppressions
from redemptions.models import Redemption

DETAILS = ("first_name", "last_name", "birthday", "postal_code")


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
        if contact is None:
            raise CommandError(_not_known(live_suppressions(channel, [index]).get(index)))
        states = {each: channel_state(contact, each) for each in Channel}
        data = {
            "id": contact.pk,
            **{each.value: _state(state) for each, state in states.items()},
            "tags": [tag.name for tag in contact.tags.all()],
            "fields": {name: getattr(contact, name) for name in DETAILS if getattr(contact, name)},
            "redemptions": _redemptions(contact),
        }
        words = "\n".join(
            f"{each.label}: {state.state.label} {state.reason}".rstrip() for each, state in states.items()
        )
        self.answer(options, data, f"Contact {contact.pk}\n{words}")


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
            "deal": redemption.offer.name,
            "location": redemption.location.name,
            "at": redemption.at.isoformat(),
        }
        for redemption in found
    ]


def _not_known(suppression: Suppression | None) -> str:
    if suppression:
        return f"No contact has this address, but it is kept off the list: {suppression.get_reason_display().lower()}."
    return "No contact has this address."
