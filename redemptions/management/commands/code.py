"""Look a code up."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management import CommandError
from django.utils import timezone
from django.utils.formats import date_format

from contacts.management.console import ConsoleCommand
from contacts.models import Business
from redemptions.codes import BadCheckCharacter, parse
from redemptions.models import Code, Scan
from redemptions.queries import find_code, refusal


class Command(ConsoleCommand):
    help = "Look a code up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="show")
        show = actions.add_parser("show", help="say what a code is good for, without the person")
        show.add_argument("code", help="the coupon's address, its token, or the typed form")
        super().add_arguments(show)

    def handle(self, *args: Any, **options: Any) -> None:
        code = self._find(options["code"])
        self.answer(options, describe(code), in_words(code, Business.load().zone))

    def _find(self, text: str) -> Code:
        try:
            code = find_code(parse(text))
        except BadCheckCharacter as error:
            raise CommandError("There is a typing error in this code: its last character does not fit.") from error
        if code is None:
            raise CommandError("There is no such code.")
        return code


def describe(code: Code) -> dict[str, Any]:
    """Return the code's state in the words of the scanner API; `valid` where nothing speaks against it."""
    offer = code.offer
    lines = code.redemptions.select_related("location").order_by("entry_no")
    return {
        "id": code.pk,
        "state": refusal(code, at=timezone.now()) or "valid",
        "offer": {"id": offer.pk, "name": offer.name, "status": offer.status},
        "used": code.used,
        "max_uses": code.max_uses,
        "is_test": code.is_test,
        "starts_at": offer.starts_at,
        "ends_at": offer.ends_at,
        "revoked_at": code.revoked_at,
        "redemptions": [
            {"id": f"rd_{line.public_id}", "kind": line.kind, "at": line.at.isoformat(), "location": line.location.name}
            for line in lines
        ],
    }


def in_words(code: Code, zone: ZoneInfo) -> str:
    """Return the code's state in a sentence, and a line for each redemption, in the shop's time."""
    offer, reason = code.offer, refusal(code, at=timezone.now())
    parts = [f"{offer.name}: {reason.label.lower() if reason else 'valid'}", f"used {code.used} of {code.max_uses}"]
    if reason == Scan.Reason.NOT_YET_VALID and offer.starts_at:
        parts.append(f"from {_moment(offer.starts_at, zone)}")
    if offer.ends_at:
        parts.append(f"until {offer.valid_until(zone).partition(', ')[2]}")  # without the day of the week
    lines = [", ".join(parts) + "."]
    if code.revoked_at:
        lines.append(f"Withdrawn on {_moment(code.revoked_at, zone)}.")
    for line in code.redemptions.select_related("location").order_by("entry_no"):
        lines.append(f"{line.get_kind_display()} on {_moment(line.at, zone)} at {line.location.name}, {line.receipt}.")
    return "\n".join(lines)


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{date_format(local, 'F j, Y, g:i A')} {local.tzname() or ''}".strip()
