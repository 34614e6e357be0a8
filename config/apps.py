from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401 - registers the start-up checks


class RegularsAdminConfig(AdminConfig):
    default_site = "config.admin.RegularsAdminSite"
