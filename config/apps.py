from typing import Any

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models import Field, Model
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy, override

OURS = ("contacts", "redemptions", "campaigns", "messaging")


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401 - registers the start-up checks

        translate_names()

        # The last app of ours: Django sends the signal for those with tables only, and every table is there then.
        post_migrate.connect(update_roles, sender=apps.get_app_config("messaging"), dispatch_uid="config.update_roles")


class RegularsAdminConfig(AdminConfig):
    default_site = "config.admin.RegularsAdminSite"


def update_roles(**kwargs: Any) -> None:
    from config.roles import bring_roles_up_to_date

    bring_roles_up_to_date(**kwargs)


def translate_names() -> None:
    """Make the names that Django derives translatable: `first_name` is "first name" in each language.

    A name of its own on each field would say the same thing twice, and make a migration.
    """
    with override(None):
        for label in OURS:
            for model in apps.get_app_config(label).get_models():
                _translate_names(model)


def _translate_names(model: type[Model]) -> None:
    meta = model._meta
    for field in named_by_django(model):
        field.verbose_name = gettext_lazy(str(field.verbose_name))
    name, names = str(meta.verbose_name), str(meta.verbose_name_plural)
    if "verbose_name" not in meta.original_attrs:
        meta.verbose_name = gettext_lazy(name)
    if "verbose_name_plural" not in meta.original_attrs:
        meta.verbose_name_plural = gettext_lazy(names)


def named_by_django(model: type[Model]) -> "list[Field[Any, Any]]":
    """Return the fields whose names say nothing that is not in the code."""
    fields = [*model._meta.local_fields, *model._meta.local_many_to_many]
    return [field for field in fields if field._verbose_name is None]  # type: ignore[attr-defined]
