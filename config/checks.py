"""What must hold before anything runs. Commands run these by themselves; the web server through `wsgi.py`."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError

from contacts.services import WrongKey, verify_canary


@register
def keys_are_those_of_the_database(**kwargs: Any) -> list[CheckMessage]:
    """Decrypt the canary; a database that is not there yet, or not migrated, has nothing to lose."""
    try:
        verify_canary()
    except WrongKey as error:
        return [Error(str(error), hint="The keys are in .env or the environment of the service.", id="config.E001")]
    except (OperationalError, ProgrammingError):
        return []
    return []


@register
def queue_does_not_hand_out_running_tasks(**kwargs: Any) -> list[CheckMessage]:
    """Waiting in the worker's own queue counts against `retry`: a task is handed out again while it runs."""
    cluster: dict[str, Any] = settings.Q_CLUSTER
    needed = (cluster["queue_limit"] / cluster["workers"] + 2) * cluster["timeout"]
    if cluster["timeout"] >= cluster["retry"] or cluster["retry"] <= needed:
        return [
            Error(
                f"The queue's retry ({cluster['retry']} s) must be above {needed:.0f} s: "
                "(queue_limit / workers + 2) x timeout.",
                hint="Raise retry or lower timeout in Q_CLUSTER.",
                id="config.E002",
            )
        ]
    if cluster["save_limit"] > 0:
        return [
            Error(
                "The queue's save_limit must be -1 or 0: a positive one re-reads every kept row for each task.",
                id="config.E003",
            )
        ]
    return []


def refuse_wrong_keys() -> None:
    """Stop the web server's start where the keys are wrong. Raises ImproperlyConfigured."""
    for error in keys_are_those_of_the_database():
        raise ImproperlyConfigured(error.msg)
