"""Filters of the contact list: each a subquery, since a join would make the database compare rows of ciphertext."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from contacts.admin.builder import import_name
from contacts.models import ContactTag, Import, ImportEntry, Tag


class TagFilter(admin.SimpleListFilter):
    title = gettext_lazy("tag")
    parameter_name = "tag"
    SHOWN = 40

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(str(pk), name) for pk, name in Tag.objects.values_list("pk", "name")[: self.SHOWN]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not (value and value.isdigit()):
            return queryset
        return queryset.filter(pk__in=ContactTag.objects.filter(tag_id=int(value)).values("contact_id"))


class ImportFilter(admin.SimpleListFilter):
    """Those an import added or completed, or found unchanged."""

    title = gettext_lazy("import")
    parameter_name = "import"
    SHOWN = 20

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        runs = Import.objects.filter(started_at__isnull=False).values_list("pk", "started_at")[: self.SHOWN]
        return [(str(pk), import_name(pk, at)) for pk, at in runs if at]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not (value and value.isdigit()):
            return queryset
        entries = ImportEntry.objects.filter(run_id=int(value), contact__isnull=False)
        return queryset.filter(pk__in=entries.values("contact_id"))
