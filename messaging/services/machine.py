"""What an owner does to the machinery: failed work once more, and a note of the last backup."""

from __future__ import annotations

from datetime import datetime

from django_q.models import Failure
from django_q.tasks import async_task

from messaging.queries.system import BACKUP_FACT, TASKS
from messaging.services.facts import note


def retry(function: str) -> int:
    """Ask the worker for the work once more, and forget how it failed; return how often it had.

    It carries nothing and finds what is due by itself, so once is enough. Raises LookupError for work not of ours.
    """
    if function not in TASKS:
        raise LookupError(function)
    async_task(function, group="retry")
    return forget(function)


def forget(function: str) -> int:
    """Forget how this work failed; return how often it had."""
    failures = Failure.objects.filter(func=function)
    count: int = failures.count()
    failures.delete()
    return count


def note_backup(*, at: datetime) -> None:
    """Note that a backup was made."""
    note(BACKUP_FACT, True, at=at)
