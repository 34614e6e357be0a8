from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ContactsConfig(AppConfig):
    name = "contacts"

    def ready(self) -> None:
        post_migrate.connect(write_canary, sender=self)
        post_migrate.connect(set_the_clock, sender=self)


def write_canary(**kwargs: Any) -> None:
    from contacts.services import ensure_canary

    ensure_canary()


def set_the_clock(**kwargs: Any) -> None:
    """Make the queue call `contacts.tasks.work` every minute: what a dead worker left is taken up again."""
    from django_q.models import Schedule

    Schedule.objects.using(kwargs["using"]).update_or_create(
        name="contacts",
        defaults={"func": "contacts.tasks.work", "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1},
    )
