from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MessagingConfig(AppConfig):
    name = "messaging"

    def ready(self) -> None:
        from contacts import records
        from messaging.records import MessagingRecords

        records.register(self.name, MessagingRecords())
        post_migrate.connect(set_the_clock, sender=self)


def set_the_clock(**kwargs: Any) -> None:
    """Make the queue call `messaging.tasks.tick` every minute."""
    from django_q.models import Schedule

    Schedule.objects.using(kwargs["using"]).update_or_create(
        name="clock",
        defaults={"func": "messaging.tasks.tick", "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1},
    )
