"""What keeps rows from being deleted, in plain words."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import CASCADE, PROTECT, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import formats
from django.utils.text import capfirst

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Kept(list[str]):
    """What nobody may delete, as `Redemptions: 11`; `instead` says what to do with the rows that stay because of it."""

    is_for_good = True

    def __init__(self, lines: list[str], instead: _StrOrPromise) -> None:
        super().__init__(lines)
        self.instead = instead


def as_owner(request: HttpRequest) -> HttpRequest:
    """Return the request as if somebody had sent it who may do whatever can be done here."""
    request = copy.copy(request)
    request.user = User(is_active=True, is_superuser=True)
    return request


def in_the_way(model_admin: admin.ModelAdmin[Any], rows: Any, request: HttpRequest) -> list[str]:
    """Count what hangs on these rows and may not be deleted by this request: a line for each kind.

    Counted by the database where a kind is never deleted: a deal may have a million codes.
    """
    keys = [row.pk for row in rows]
    hanging: dict[type[Model], Q] = {}
    for relation in model_admin.opts.related_objects:
        if relation.on_delete in {CASCADE, PROTECT} and model_admin.admin_site.is_registered(relation.related_model):
            question = Q(**{f"{relation.field.name}__in": keys})
            hanging[relation.related_model] = hanging.get(relation.related_model, Q()) | question
    lines = []
    for model, question in hanging.items():
        found = model._base_manager.filter(question)
        if count := _undeletable(model_admin.admin_site.get_model_admin(model), found, request):
            lines.append(
                f"{capfirst(str(model._meta.verbose_name_plural))}: {formats.number_format(count, force_grouping=True)}"
            )
    return lines


def _undeletable(keeper: admin.ModelAdmin[Any], rows: QuerySet[Any], request: HttpRequest) -> int:
    if not keeper.has_delete_permission(request):
        return rows.count()
    return sum(not keeper.has_delete_permission(request, row) for row in rows)
