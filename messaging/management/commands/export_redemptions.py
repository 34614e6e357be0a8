"""The ledger of redemptions, for accounting."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from campaigns.models import Campaign
from contacts.models import Business
from contacts.sheets import Cell, to_csv, to_xlsx
from messaging.queries import attributed
from redemptions.models import Location
from redemptions.queries import ledger

HEADER = (
    "entry_no",
    "event",
    "local_time",
    "time_zone",
    "utc_time",
    "location",
    "device",
    "deal_id",
    "deal",
    "deal_type",
    "deal_value",
    "campaign_id",
    "campaign",
    "order_value",
    "discount",
    "currency",
    "receipt",
    "till_receipt_no",
    "reverses_entry_no",
    "reason",
    "note",
)


class Command(BaseCommand):
    help = "Write every redemption and reversal as CSV or XLSX, one row an entry; no personal data is in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="start", type=_day, metavar="DATE", help="First day, in the shop's zone.")
        parser.add_argument("--to", dest="end", type=_day, metavar="DATE", help="Last day, included.")
        parser.add_argument("--campaign", type=int, metavar="ID")
        parser.add_argument("--location", metavar="NAME")
        parser.add_argument("--format", choices=("csv", "xlsx"), default="csv")
        parser.add_argument("--output", type=Path, metavar="FILE", help="Default: standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["start"] and options["end"] and options["start"] > options["end"]:
            raise CommandError("--from is later than --to.")
        zone = Business.load().zone
        entries = attributed(
            ledger(
                start=_midnight(options["start"], zone),
                end=_midnight(options["end"] and options["end"] + timedelta(days=1), zone),
                location=_location(options["location"]),
            )
        )
        if options["campaign"] is not None:
            if not Campaign.objects.filter(pk=options["campaign"]).exists():
                raise CommandError(f"There is no campaign {options['campaign']}.")
            entries = entries.filter(campaign_id=options["campaign"])
        write = to_xlsx if options["format"] == "xlsx" else to_csv
        self._deliver(write(HEADER, _rows(entries.iterator(chunk_size=2000), zone)), options["output"])

    def _deliver(self, content: bytes, output: Path | None) -> None:
        if output is None:
            sys.stdout.buffer.write(content)
            return
        try:
            output.write_bytes(content)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
        self.stderr.write(f"Wrote {output}.")


def _rows(entries: Iterator[Any], zone: ZoneInfo) -> Iterator[tuple[Cell, ...]]:
    for entry in entries:
        yield (
            entry.entry_no,
            entry.kind,
            timezone.localtime(entry.at, zone),
            zone.key,
            timezone.localtime(entry.at, timezone.get_fixed_timezone(0)),
            entry.location.name,
            entry.device.name if entry.device else "",
            entry.offer_id,
            entry.offer.name,
            entry.offer.type,
            entry.offer.value,
            entry.campaign_id,
            entry.campaign_name,
            entry.order_value,
            entry.discount,
            entry.currency,
            entry.receipt,
            entry.receipt_no,
            entry.reverses.entry_no if entry.reverses else None,
            entry.reason,
            entry.note,
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"'{text}' is not a day. Write it like 2026-11-30.") from error


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    return datetime.combine(day, time.min, tzinfo=zone) if day else None


def _location(name: str | None) -> Location | None:
    if name is None:
        return None
    if location := Location.objects.filter(name__iexact=name).first():
        return location
    raise CommandError(f"There is no location '{name}'.")
