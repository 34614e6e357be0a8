"""Find out how the set-up stands: DNS, number, webhooks."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from contacts.management.console import ConsoleCommand
from contacts.models import Business
from messaging.queries import set_up
from messaging.services import setup


class Command(ConsoleCommand):
    help = "Look at the DNS and at the provider of texts, and say what is right and what is missing. Exit 1: to mend."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--known", action="store_true", help="Ask nobody; say what was found out last.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["known"]:
            setup.check_dns(at=timezone.now())
            setup.check_number(at=timezone.now())
        with timezone.override(Business.load().zone):
            lines = set_up(at=timezone.now()).lines
        data = [
            {"level": line.level, "title": line.title, "detail": line.detail, "found": line.found, "paste": line.paste}
            for line in lines
        ]
        is_good = all(line.level != "block" for line in lines)
        words = "\n".join(f"{line.level:5} {line.title}. {line.detail} {line.paste}".rstrip() for line in lines)
        self.answer(options, {"good": is_good, "lines": data}, words)
        if not is_good:
            raise CommandError("Something is to be mended.")
