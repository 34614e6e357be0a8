from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_migrate


class ContactsConfig(AppConfig):
    name = "contacts"

    def ready(self) -> None:
        post_migrate.connect(write_canary, sender=self)
        post_migrate.connect(set_the_clock, sender=self)
        user_logged_in.connect(signed_in, dispatch_uid="contacts.signed_in")
        user_logged_out.connect(signed_out, dispatch_uid="contacts.signed_out")
        user_login_failed.connect(failed_to_sign_in, dispatch_uid="contacts.failed_to_sign_in")


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


def signed_in(*, request: Any, user: Any, **kwargs: Any) -> None:
    from contacts.services import note_sign_in

    note_sign_in(request, user)


def signed_out(*, user: Any, **kwargs: Any) -> None:
    from contacts.services import note_sign_out

    note_sign_out(user)


def failed_to_sign_in(*, credentials: Any, request: Any = None, **kwargs: Any) -> None:
    """Runs after django-axes, which stands before this app and so was connected first."""
    from contacts.services import note_failed_sign_in

    note_failed_sign_in(request, credentials)
