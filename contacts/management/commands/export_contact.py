"""Everything about one person, as JSON."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from contacts.channels import AddressError
from contacts.management.console import ConsoleCommand
from contacts.models import AuditEvent
from contacts.queries import export_person, find_by_address
from contacts.services import audit


class Command(ConsoleCommand):
    help = (
        "Write everything that is known of one person as one JSON object, on standard output or to a file that only "
        "its owner can read. Its shape is described at contacts.queries.export_person."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("address", help="A whole e-mail address or phone number, however written.")
        parser.add_argument("--output", type=Path, metavar="FILE", help="Write to this file.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            contact = find_by_address(options["address"])
        except AddressError as error:
            raise CommandError(f"What you gave {error}.") from error
        if contact is None:
            raise CommandError("No contact has this address.")
        text = json.dumps(export_person(contact), default=_plain, ensure_ascii=False, indent=2)
        if options["output"] is None:
            self.stdout.write(text)
        else:
            _write(options["output"], text)
            data = {"id": contact.pk, "file": str(options["output"])}
            self.answer(options, data, f"Contact {contact.pk}: {options['output']}")
        audit(AuditEvent.Action.EXPORTED_ONE, detail=f"contact {contact.pk}")


def _write(path: Path, text: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
