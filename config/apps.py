from typing import Any

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401 - registers the start-up checks

        # The last app of ours: Django sends the signal for those with tables only, and every table is there then.
        post_migrate.connect(update_roles, sender=apps.get_app_config("messaging"), dispatch_uid="config.update_roles")


class RegularsAdminConfig(AdminConfig):
    default_site = "config.admin.RegularsAdminSite"


def update_roles(**kwargs: Any) -> None:
    from config.roles import bring_roles_up_to_date

    bring_roles_up_to_date(**kwargs)
