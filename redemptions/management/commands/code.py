"""Look a code up."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError
from django.utils import timezone

from contacts.management.console import ConsoleCommand
from redemptions.codes import BadCheckCharacter, parse
from redemptions.models import Code
from redemptions.queries import find_code, refusal


class Command(ConsoleCommand):
    help = "Look a code up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="show")
        show = actions.add_parser("show", help="say what a code is good for, without the person")
        show.add_argument("code", help="the coupon's address, its token, or the typed form")
        super().add_arguments(show)

    def handle(self, *args: Any, **options: Any) -> None:
        state = describe(self._find(options["code"]))
        self.answer(options, state, "\n".join(f"{name}: {value}" for name, value in state.items()))

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
