"""Make deals."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.db import transaction

from contacts.management.console import ConsoleCommand, decimal, end_instant, instant
from redemptions.hours import BadHours, Window, read
from redemptions.models import Offer
from redemptions.services import create_offer, find_or_make_location

LIMITS = (
    "max_discount",
    "min_spend",
    "max_per_person",
    "max_total",
    "budget",
    "offline",
    "offline_per_day",
    "offline_max_value",
)


class Command(ConsoleCommand):
    help = "Make deals."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="create")
        create = actions.add_parser("create", help="make a deal")
        create.add_argument("--name", required=True, help="what guests read: '20 %% off lunch'")
        create.add_argument("--type", required=True, choices=Offer.Type.values)
        create.add_argument("--value", type=decimal, help="20 for 20 %%, 5.00 for $5 off; not for item and bogo")
        create.add_argument("--terms", default="", help="small print on the coupon")
        create.add_argument("--instructions", default="", help="shown to staff after a good scan")
        create.add_argument(
            "--starts", type=instant, metavar="ISO", help="date or time; without a zone, the shop's own"
        )
        create.add_argument("--ends", type=end_instant, metavar="ISO", help="date (that day included) or time")
        create.add_argument(
            "--hours", type=windows, default=(), metavar="TEXT", help="'Mon-Fri 11:00-15:00, Sat 12:00-14:00'"
        )
        create.add_argument("--max-uses", type=int, default=1, help="how often one code may be used (default 1)")
        _add_limits(create)
        create.add_argument(
            "--location", action="append", default=[], help="valid here only; may be repeated; made where it is new"
        )
        super().add_arguments(create)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():  # a refused deal leaves no new locations behind
                offer = create_offer(
                    name=options["name"],
                    type=Offer.Type(options["type"]),
                    value=options["value"],
                    terms=options["terms"],
                    instructions=options["instructions"],
                    starts_at=options["starts"],
                    ends_at=options["ends"],
                    hours=options["hours"],
                    max_uses=options["max_uses"],
                    locations=[find_or_make_location(name) for name in options["location"]],
                    **{name: options[name] for name in LIMITS if options[name] is not None},
                )
        except ValidationError as error:
            raise CommandError(first_sentence(error)) from error
        data = {"id": offer.pk, "name": offer.name, "status": offer.status}
        self.answer(options, data, f"Deal {offer.pk} made: {offer.name}.")


def _add_limits(create: ArgumentParser) -> None:
    """Add what holds a deal back. Without an option there is no such limit."""
    money: Any = {"type": decimal, "metavar": "MONEY"}
    create.add_argument("--max-discount", help="with a percentage: never more off than this", **money)
    create.add_argument("--min-spend", help="for orders from this on; staff type what they cost", **money)
    create.add_argument("--per-person", dest="max_per_person", type=int, help="how often one person may have it")
    create.add_argument("--total", dest="max_total", type=int, help="how often it is given in all")
    create.add_argument("--budget", help="given away in all", **money)
    create.add_argument("--offline", choices=Offer.Offline.values, help="without network: wait (default), or give it")
    create.add_argument("--offline-per-day", type=int, help="without network: so many on one phone a day (default 20)")
    create.add_argument("--offline-max-value", help="without network: never more off than this", **money)


def windows(text: str) -> Sequence[Window]:
    """Read days and hours for argparse."""
    try:
        return read(text)
    except BadHours as error:
        raise ArgumentTypeError(str(error)) from error


def first_sentence(error: ValidationError) -> str:
    """Return one error of a form's worth, named by its field where it has one."""
    field, texts = next(iter(error.message_dict.items()))
    return texts[0] if field == "__all__" else f"{field}: {texts[0]}"
