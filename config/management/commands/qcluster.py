"""`manage.py qcluster`: the worker. It stands in for django-q's command of the same name."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from config.worker import Supervisor

SILENT_AFTER_S = 150  # the clock's task is due every minute, and up to half a minute late
STOP_WITHIN_S = 45  # a provider that hangs on the last message answers, or is given up, within 30


class Command(BaseCommand):
    help = "Run the worker until SIGTERM or Ctrl-C; it restarts by itself what dies, and stops within seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--silent-after",
            type=float,
            default=SILENT_AFTER_S,
            help="start anew where no task has begun for so many seconds (default: %(default)s)",
        )
        parser.add_argument(
            "--stop-within",
            type=float,
            default=STOP_WITHIN_S,
            help="kill what has not stopped so many seconds after it was asked to (default: %(default)s)",
        )

    def handle(self, *args: Any, silent_after: float, stop_within: float, **options: Any) -> None:
        Supervisor(clock=timezone.now, silent_after_s=silent_after, stop_within_s=stop_within).run()
