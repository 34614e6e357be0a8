"""Make deals."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.db import transaction

from contacts.management.console import ConsoleCommand, decimal, end_instant, instant
from redemptions.models import Offer
from redemptions.services import create_offer, find_or_make_location


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
        create.add_argument("--max-uses", type=int, default=1, help="how often one code may be used (default 1)")
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
                    max_uses=options["max_uses"],
                    locations=[find_or_make_location(name) for name in options["location"]],
                )
        except ValidationError as error:
            raise CommandError(first_sentence(error)) from error
        data = {"id": offer.pk, "name": offer.name, "status": offer.status}
        self.answer(options, data, f"Deal {offer.pk} made: {offer.name}.")


def first_sentence(error: ValidationError) -> str:
    """Return one error of a form's worth, named by its field where it has one."""
    field, texts = next(iter(error.message_dict.items()))
    return texts[0] if field == "__all__" else f"{field}: {texts[0]}"
