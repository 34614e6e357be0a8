"""Erase a person."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from contacts.channels import AddressError
from contacts.management.console import ConsoleCommand
from contacts.queries import find_by_address
from contacts.services import erase_address

QUESTION = "This erases {} for good. Type 'erase' to go on: "


class Command(ConsoleCommand):
    help = (
        "Make a person unreadable everywhere and never write to this address again. An address nobody has is kept "
        "from being written to as well. Backups made before still hold the person."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("address", help="A whole e-mail address or phone number, however written.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            contact = find_by_address(options["address"])
        except AddressError as error:
            raise CommandError(f"What you gave {error}.") from error
        whom = f"contact {contact.pk}" if contact else "what is known of this address; it is no contact's,"
        if not options["yes"]:
            self._ask(whom)
        number = erase_address(options["address"], at=timezone.now())
        words = f"Contact {number} is erased." if number else "No contact has this address; it is blocked from now on."
        self.answer(options, {"id": number, "erased": number is not None, "suppressed": True}, words)

    def _ask(self, whom: str) -> None:
        """Take a typed word for yes; nobody at the keyboard is a no."""
        if not sys.stdin.isatty():
            raise CommandError("Nothing was erased. Say --yes where nobody can be asked.")
        self.stderr.write(QUESTION.format(whom), ending="")
        if input().strip().casefold() != "erase":
            raise CommandError("Nothing was erased.")
