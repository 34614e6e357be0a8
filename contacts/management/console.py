"""What every command of the manager shares: `--json`, times in the shop's zone, clear failures."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.translation import override

from contacts.models import Business


class ConsoleCommand(BaseCommand):
    """A command that answers in words, or with `--json` in one JSON object on standard output.

    Exit status: 0 done, 1 failed (CommandError), 2 wrong usage (argparse).
    """

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object on standard output.")

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Speak English, whatever the shop's language: programs read it, too."""
        with override("en"):
            return super().execute(*args, **options)

    def answer(self, options: dict[str, Any], data: dict[str, Any], words: str) -> None:
        """Print the result; progress and remarks go to standard error elsewhere."""
        self.stdout.write(json.dumps(data, default=_plain) if options["json"] else words)

    def remark(self, text: str) -> None:
        self.stderr.write(text, self.style.NOTICE)


def _plain(value: object) -> str:
    """What JSON has no word for: times in ISO 8601, the rest as it prints."""
    return value.isoformat() if isinstance(value, date) else str(value)


def instant(text: str) -> datetime:
    """Read an ISO date or time for argparse; without an offset it is the shop's time, a bare date its first moment."""
    return _moment(text, days_after=0)


def end_instant(text: str) -> datetime:
    """Read an ISO date or time for argparse; a bare date includes that day, up to the first moment after it."""
    return _moment(text, days_after=1)


def past_instant(text: str) -> datetime:
    """Read an ISO date or time that is not in the future, for argparse."""
    value = instant(text)
    if value > timezone.now():
        raise ArgumentTypeError(f"'{text}' is in the future.")
    return value


def _moment(text: str, *, days_after: int) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        value = _time(text)
    else:
        value = datetime.combine(day + timedelta(days=days_after), time.min)
    return value if value.tzinfo else value.replace(tzinfo=Business.load().zone)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"'{text}' is not a time. Write it like 2026-11-30 or 2026-11-30T18:00.") from error


def decimal(text: str) -> Decimal:
    """Read a number for argparse."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"'{text}' is not a number.") from error
    if not value.is_finite():
        raise ArgumentTypeError(f"'{text}' is not a number.")
    return value
