"""Who scans: names in the report, and the PINs by which devices know them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from contacts.admin.base import PlainAdmin, badge
from redemptions.models import Staff
from redemptions.services import set_pin


class PinForm(forms.Form):
    pin = forms.CharField(
        label=gettext_lazy("New PIN"),
        max_length=6,
        help_text=gettext_lazy(
            "4 to 6 digits that nobody else here has. It is kept in a form nobody can read, and never shown."
        ),
        widget=forms.PasswordInput(attrs={"inputmode": "numeric", "autocomplete": "new-password"}),
    )


@admin.register(Staff)
class StaffAdmin(PlainAdmin[Staff]):
    list_display = ("name", "location", "pin_state", "is_active")
    list_filter = ("is_active", "location")
    list_select_related = ("location",)
    search_fields = ("name",)
    fields = ("name", "location", "is_active", "pin_state")
    readonly_fields = ("pin_state",)
    empty_title = gettext_lazy("Nobody yet")
    empty_text = gettext_lazy("Where a device asks for a PIN, each line of the report says who gave the deal.")
    instead_of_deleting = gettext_lazy(
        "Take the tick from “Works here” away instead: the PIN is taken no more, and reports keep the name."
    )

    @admin.display(description="PIN")
    def pin_state(self, staff: Staff) -> SafeString:
        return badge("ok", _("Set")) if staff.pin_hash else badge("warn", _("None yet"))

    def save_model(self, request: HttpRequest, obj: Staff, form: forms.ModelForm[Staff], change: bool) -> None:
        if "is_active" in form.changed_data:
            # What they scanned before is still theirs, whenever it comes in.
            obj.left_at = None if obj.is_active else timezone.now()
        super().save_model(request, obj, form, change)

    # --- The PIN ---

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.pin_view)
        return [path("<int:pk>/pin/", page, name="redemptions_staff_pin"), *super().get_urls()]

    def response_add(self, request: HttpRequest, obj: Staff, post_url_continue: str | None = None) -> HttpResponse:
        if "_addanother" in request.POST or "_popup" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        return HttpResponseRedirect(reverse("admin:redemptions_staff_pin", args=[obj.pk]))

    def pin_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give somebody a PIN."""
        staff = self.get_object(request, str(pk))
        if staff is None:
            raise Http404
        if not self.has_change_permission(request, staff):
            raise PermissionDenied
        form = PinForm(request.POST or None)
        if form.is_valid() and self._set(request, staff, form):
            return HttpResponseRedirect(reverse("admin:redemptions_staff_changelist"))
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("PIN of %(name)s") % {"name": staff.name},
            "staff": staff,
            "form": form,
        }
        return TemplateResponse(request, "admin/redemptions/staff/pin.html", context)

    def _set(self, request: HttpRequest, staff: Staff, form: PinForm) -> bool:
        try:
            set_pin(staff=staff, pin=form.cleaned_data["pin"])
        except ValidationError as error:
            form.add_error("pin", error.message_dict["pin"])
            return False
        self.log_change(request, staff, gettext_noop("PIN set."))
        self.message_user(request, _("%(name)s has a new PIN.") % {"name": staff.name})
        return True
