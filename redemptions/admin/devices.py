"""Phones and tills that scan, and the link that sets one up."""

from __future__ import annotations

import base64
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from contacts.admin.base import PlainAdmin, badge
from contacts.fields import decrypt, encrypt
from redemptions.admin.base import (
    ask,
    is_confirmed,
)
from redemptions.links import enrol_url
from redemptions.models import Device
from redemptions.qr import png
from redemptions.services import renew_enrolment, revoke_device
from redemptions.services.staff import WRONG_WITHIN, with_locks


@admin.register(Device)
class DeviceAdmin(PlainAdmin[Device]):
    list_display = ("name", "location", "profile", "state", "last_seen_at", "app_version")
    list_filter = ("location", "profile")
    list_select_related = ("location",)
    search_fields = ("name",)
    autocomplete_fields = ("location",)
    fieldsets = (
        (None, {"fields": ("name", "location", "profile", "asks_pin")}),
        (gettext_lazy("How it is"), {"fields": ("state", "platform", "app_version", "enrolled_at", "last_seen_at")}),
    )
    readonly_fields = ("state", "platform", "app_version", "enrolled_at", "last_seen_at")
    actions = ("new_link", "revoke")
    empty_title = gettext_lazy("No devices yet")
    empty_text = gettext_lazy("Any phone can scan: add it here, then open its link there.")
    instead_of_deleting = gettext_lazy(
        "Choose “Withdraw” in the list of devices instead: it shuts a device out at once and for good."
    )

    add_fieldsets = ((None, {"fields": ("name", "location", "profile", "asks_pin")}),)

    def get_fieldsets(self, request: HttpRequest, obj: Device | None = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.add_fieldsets

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        return with_locks(super().get_queryset(request), at=timezone.now())

    @admin.display(description=gettext_lazy("State"))
    def state(self, device: Device) -> SafeString:
        if device.revoked_at:
            return badge("quiet", _("Withdrawn"))
        if locked_by := getattr(device, "locked_by", None):
            until = formats.time_format(timezone.localtime(locked_by + WRONG_WITHIN), "P")
            return badge("bad", _("Five wrong PINs: no signing in until %(time)s") % {"time": until})
        return badge("ok", _("In use")) if device.token_hash else badge("warn", _("Not set up yet"))

    # --- The enrolment link, shown once ---

    def save_model(self, request: HttpRequest, obj: Device, form: ModelForm[Device], change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            self._keep_link(request, obj)

    def _keep_link(self, request: HttpRequest, device: Device) -> None:
        token = renew_enrolment(device=device, at=timezone.now())
        # For the next page only, which takes it out. Sessions are kept in the database, hence encrypted.
        request.session[self._session_key(device.pk)] = encrypt(token)

    @staticmethod
    def _session_key(device_id: int) -> str:
        return f"enrolment_of_device_{device_id}"

    def response_add(self, request: HttpRequest, obj: Device, post_url_continue: str | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:redemptions_device_enrolment", args=[obj.pk]))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:device_id>/enrolment/", wrap(self.enrolment), name="redemptions_device_enrolment"),
            path("<int:device_id>/connect/", wrap(self.connect), name="redemptions_device_connect"),
            *super().get_urls(),
        ]

    def connect(self, request: HttpRequest, device_id: int) -> HttpResponse:
        """Make a new link for a device that lost its connection: it keeps its name and its history."""
        device = get_object_or_404(Device, pk=device_id)
        if request.method != "POST" or device.revoked_at or not self.has_change_permission(request, device):
            raise PermissionDenied
        self._keep_link(request, device)
        return self.response_add(request, device)

    def enrolment(self, request: HttpRequest, device_id: int) -> HttpResponse:
        """Show a new device's link and its QR code; a second look shows neither."""
        device = get_object_or_404(Device, pk=device_id)
        if not self.has_view_permission(request, device):
            raise PermissionDenied
        kept = request.session.pop(self._session_key(device.pk), None)
        token = decrypt(kept) if kept else ""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Set up %(device)s") % {"device": device.name},
            "name": device.name,
            "link": enrol_url(token) if token else "",
            "image": self._image(enrol_url(token)) if token else "",
            "expires_at": device.enrol_expires_at,
            "back": reverse("admin:redemptions_device_changelist"),
        }
        page = TemplateResponse(request, "redemptions/admin_enrolment.html", context)
        page.headers["Cache-Control"] = "no-store"
        return page

    @staticmethod
    def _image(link: str) -> SafeString:
        data = base64.b64encode(png(link, scale=6)).decode()
        return format_html('<img src="data:image/png;base64,{}" alt="{}">', data, _("QR code of the link"))

    @admin.action(description=gettext_lazy("New link: set the device up again"), permissions=["change"])
    def new_link(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        devices = list(queryset[:2])
        if len(devices) != 1 or devices[0].revoked_at:
            self.message_user(
                request, _("Choose one device that is not withdrawn. No link was made."), messages.WARNING
            )
            return None
        self._keep_link(request, devices[0])
        return self.response_add(request, devices[0])

    @admin.action(description=gettext_lazy("Withdraw: shut these devices out…"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        devices = list(queryset.filter(revoked_at=None))
        if not is_confirmed(request):
            return ask(
                self,
                request,
                question=ngettext("Withdraw %(count)s device?", "Withdraw %(count)s devices?", len(devices))
                % {"count": len(devices)},
                consequence=_("They can scan no more, at once and for good. What they scanned stays."),
                button=_("Withdraw"),
            )
        for device in devices:
            revoke_device(device=device, at=timezone.now())
        said = ngettext("%(count)s device withdrawn.", "%(count)s devices withdrawn.", len(devices))
        self.message_user(request, said % {"count": len(devices)}, messages.SUCCESS)
        return None
