"""Let people in from the machine itself: the first owner, and whoever is locked out with nobody left to ask."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.utils import timezone

from contacts.management.console import ConsoleCommand
from contacts.models import Role
from contacts.services import (
    end_sessions,
    has_second_factor,
    locked_places,
    role_of,
    save_person,
    sign_in_link,
    turn_off_second_factor,
    unlock,
)


class Command(ConsoleCommand):
    help = "Those who sign in: list them, add one, let one in again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list | add | let-in")
        super().add_arguments(actions.add_parser("list", help="who may sign in, as what, and who is locked out"))
        add = actions.add_parser("add", help="somebody new: prints the link with which they choose a password")
        add.add_argument("name", help="what they type to sign in; no e-mail address")
        add.add_argument("--role", required=True, type=str.capitalize, choices=[role.value for role in SIGNING_IN])
        super().add_arguments(add)
        let_in = actions.add_parser("let-in", help="forget wrong passwords; prints a link to choose a new one")
        let_in.add_argument("name")
        let_in.add_argument("--lost-phone", action="store_true", help="take the second factor away as well")
        super().add_arguments(let_in)

    def handle(self, *args: Any, **options: Any) -> None:
        {"list": self._list, "add": self._add, "let-in": self._let_in}[options["action"]](options)

    def _list(self, options: dict[str, Any]) -> None:
        at = timezone.now()
        rows = [
            {
                "id": user.pk,
                "name": user.username,
                "role": _role_words(user),
                "second_factor": has_second_factor(user),
                "last_signed_in": user.last_login,
                "locked_out": bool(locked_places(user, at=at)),
            }
            for user in User.objects.filter(is_active=True, is_staff=True).order_by("username")
        ]
        lines = [f"{row['name']:30} {row['role']}{', locked out' if row['locked_out'] else ''}" for row in rows]
        self.answer(options, {"users": rows}, "\n".join(lines) or "Nobody may sign in. Make an owner with: user add")

    def _add(self, options: dict[str, Any]) -> None:
        user = User(username=options["name"].strip())
        if "@" in user.username:
            raise CommandError("Choose a short name, not an e-mail address: it appears in the audit log.")
        try:
            user.clean_fields(exclude=["password"])
            user.validate_unique()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        save_person(user, role=Role(options["role"]), extras=())
        link = sign_in_link(user)
        self.answer(options, {"id": user.pk, "link": link}, f"{user.username} is here. {LINK_WORDS}\n{link}")

    def _let_in(self, options: dict[str, Any]) -> None:
        user = User.objects.filter(username=options["name"], is_staff=True).first()
        if user is None:
            raise CommandError("There is nobody of this name who signs in. See who there is with: user list")
        if not user.is_active:
            raise CommandError("They may not sign in any more. Somebody else gives that back, under Users.")
        unlock(user)
        if options["lost_phone"]:
            turn_off_second_factor(user)
            end_sessions(user, at=timezone.now())
        elif has_second_factor(user):
            self.remark("They need their app or a recovery code as before. Without either: --lost-phone")
        link = sign_in_link(user)
        self.answer(options, {"id": user.pk, "link": link}, f"{user.username} may try again. {LINK_WORDS}\n{link}")


SIGNING_IN = (Role.OWNER, Role.MARKETER, Role.BOOKKEEPER)
LINK_WORDS = "With this link, good once and for three days, they choose a password:"


def _role_words(user: User) -> str:
    if user.is_superuser:
        return "manages the machine"
    role = role_of(user)
    return role.value if role else "no role"
