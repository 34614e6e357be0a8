"""The shop itself: one row, one page."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin.base import PlainAdmin
from contacts.models import AuditEvent, Business
from contacts.services import audit, save_business


def zone_choices(current: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the time zones people know by a city, those of the United States first."""
    known = {name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix", "right"))}
    american = sorted(name for name in known if name.startswith("US/"))
    others = sorted((known | {"UTC", current}) - set(american))
    return [(_("United States"), [(name, name) for name in american]), (_("All"), [(name, name) for name in others])]


class BusinessForm(forms.ModelForm[Business]):
    timezone = forms.ChoiceField(
        label=gettext_lazy("Time zone"), help_text=gettext_lazy("All times here are in it. E.g. America/Chicago.")
    )

    class Meta:
        model = Business
        fields = ["name", "postal_address", "timezone", "from_name", "from_email", "reply_to", "approval_above"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["timezone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = zone_choices(self.instance.timezone)
        if "approval_above" in self.fields:
            self.fields["approval_above"].label = _("A second person approves above")


@admin.register(Business)
class BusinessAdmin(PlainAdmin[Business]):
    form = BusinessForm
    fieldsets = (
        (gettext_lazy("Your business"), {"fields": ("name", "postal_address", "timezone")}),
        (gettext_lazy("Sender of your mails"), {"fields": ("from_name", "from_email", "reply_to")}),
        (gettext_lazy("Safety"), {"fields": ("approval_above",)}),
    )
    change_form_template = "admin/contacts/business/change_form.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Business | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:contacts_business_change", args=[Business.load().pk]))

    def save_model(self, request: HttpRequest, obj: Business, form: Any, change: bool) -> None:
        save_business(obj)
        if form.changed_data:
            audit(AuditEvent.Action.SETTINGS, detail=f"business: {', '.join(form.changed_data)}")

    def response_change(self, request: HttpRequest, obj: Business) -> HttpResponse:
        self.message_user(request, _("Your business details are saved. They are used from the next message on."))
        return HttpResponseRedirect(request.path)
