"""The deal people get for joining, on the page of the sign-up form."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import ForeignKey
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin.forms import SignupFormAdmin
from contacts.models import SignupForm
from redemptions.models import WelcomeDeal


class WelcomeDealInline(admin.StackedInline[WelcomeDeal, SignupForm]):
    model = WelcomeDeal
    fields = ("offer",)
    can_delete = True
    max_num = 1
    extra = 1
    verbose_name = verbose_name_plural = gettext_lazy("welcome deal")

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "offer":
            kwargs["empty_label"] = _("No deal")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Leave the choice alone: deals have pages of their own."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        widget = getattr(field, "widget", None)
        if isinstance(widget, RelatedFieldWidgetWrapper):
            widget.can_change_related = widget.can_delete_related = widget.can_view_related = False
        return field


SignupFormAdmin.inlines = (*SignupFormAdmin.inlines, WelcomeDealInline)
