from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ContactsConfig(AppConfig):
    name = "contacts"

    def ready(self) -> None:
        post_migrate.connect(write_canary, sender=self)


def write_canary(**kwargs: Any) -> None:
    from contacts.services import ensure_canary

    ensure_canary()
