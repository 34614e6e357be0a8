"""What each role may. One place, and the groups in the database follow it after every migration.

Written here and not in a migration: while migrations run, the permissions are not there yet, and a later version would
have to move them by hand. The four groups are the product's own; who needs something else gets it as a person, under
"May also", or by a group of another name, which is left alone.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

from contacts.models import Role

OURS = ("contacts", "redemptions", "campaigns", "messaging")
USERS = ("auth.view_user", "auth.add_user", "auth.change_user")


def _of(app: str, **models: str) -> tuple[str, ...]:
    """Spell permissions out: `_of("contacts", tag="view add")` is `contacts.view_tag` and `contacts.add_tag`."""
    return tuple(f"{app}.{verb}_{model}" for model, verbs in models.items() for verb in verbs.split())


PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.MARKETER: (
        *_of("campaigns", campaign="view add change delete test", template="view add change delete"),
        *_of("contacts", contact="view add change", segment="view add change delete", tag="view add change delete"),
        *_of("contacts", signupform="view add change"),
        *_of("contacts", consentevent="view", suppression="view add", job="view"),
        *{"contacts.view_import", "contacts.add_import", "contacts.change_import"},
        *_of("redemptions", offer="view add change", code="view", codesheet="view add", redemption="view"),
        *_of("redemptions", location="view"),
        *_of("messaging", message="view", inboundtext="view change"),
    ),
    Role.BOOKKEEPER: (
        *_of("campaigns", campaign="view"),
        *_of("redemptions", redemption="view", offer="view", location="view"),
    ),
    Role.STAFF: (),
}


def permissions_of(role: Role) -> set[Permission]:
    """Return what a role may; the owner may everything of this product, and let others in."""
    rows = Permission.objects.select_related("content_type").all()
    if role == Role.OWNER:
        return {row for row in rows if row.content_type.app_label in OURS or _name(row) in USERS}
    wanted = set(PERMISSIONS[role])
    found = {row for row in rows if _name(row) in wanted}
    if missing := wanted - {_name(row) for row in found}:
        raise LookupError(f"{role.value} is given what does not exist: {', '.join(sorted(missing))}")
    return found


def _name(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"


def bring_roles_up_to_date(**kwargs: Any) -> None:
    """Make the groups, and give each exactly what is said here. Runs after every migration; changes nothing twice."""
    for app in (*OURS, "auth"):
        create_permissions(apps.get_app_config(app), verbosity=0, using=kwargs.get("using", "default"))
    for role in Role:
        group, _ = Group.objects.get_or_create(name=role.value)
        group.permissions.set(permissions_of(role))
