"""The ledger of redemptions, for accounting."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaigns.models import Campaign
from contacts.models import Business
from messaging.queries.accounting import Question
from messaging.services.bookkeeping import TooLong, ledger_file
from redemptions.models import Device, Location, Offer


class Command(BaseCommand):
    help = (
        "Write every redemption, reversal and conflict as CSV or XLSX, one row an entry, and what they come to. Guests "
        "and codes are numbers in it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="first", type=_day, metavar="DATE", help="First day, in the shop's zone.")
        parser.add_argument("--to", dest="last", type=_day, metavar="DATE", help="Last day, included.")
        parser.add_argument("--campaign", type=int, metavar="ID")
        parser.add_argument("--deal", type=int, metavar="ID")
        parser.add_argument("--location", metavar="NAME")
        parser.add_argument("--device", type=int, metavar="ID")
        parser.add_argument("--format", choices=("csv", "xlsx"), default="csv")
        parser.add_argument("--output", type=Path, metavar="FILE", help="Default: standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["first"] and options["last"] and options["first"] > options["last"]:
            raise CommandError("--from is later than --to.")
        for name, model in (("campaign", Campaign), ("deal", Offer), ("device", Device)):
            if options[name] is not None and not model._default_manager.filter(pk=options[name]).exists():
                raise CommandError(f"There is no {name} {options[name]}.")
        names = ("first", "last", "campaign", "deal", "device")
        question = Question(location=_location(options["location"]), **{name: options[name] for name in names})
        zone = Business.load().zone
        try:
            pieces = ledger_file(question.lines(zone), zone, options["format"])
        except TooLong as error:
            raise CommandError("An Excel sheet does not hold so many lines. Choose CSV, or fewer days.") from error
        self._deliver(pieces, options["output"])

    def _deliver(self, pieces: Iterator[bytes], output: Path | None) -> None:
        if output is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        try:
            with output.open("wb") as file:
                file.writelines(pieces)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
        self.stderr.write(f"Wrote {output}.")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"'{text}' is not a day. Write it like 2026-11-30.") from error


def _location(name: str | None) -> int | None:
    if name is None:
        return None
    if location := Location.objects.filter(name__iexact=name).first():
        return location.pk
    raise CommandError(f"There is no location '{name}'.")
