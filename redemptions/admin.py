"""Deals, codes, the ledger, places and devices, for the people of the shop."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Count, QuerySet
from django.forms import CheckboxSelectMultiple, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts.fields import decrypt, encrypt, keyed_hash
from redemptions.codes import is_token, is_typed, normalise
from redemptions.links import enrol_url
from redemptions.models import Code, Device, Location, Offer, Redemption, Scan
from redemptions.qr import png
from redemptions.services import end_offer, pause_offer, renew_enrolment, resume_offer, revoke_code, revoke_device


def is_confirmed(request: HttpRequest) -> bool:
    return "confirmed" in request.POST


def ask(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, *, question: str, consequence: str, button: str
) -> TemplateResponse:
    """Return a page that repeats the action's form, once the person has read what it will do."""
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": question,
        "consequence": consequence,
        "button": button,
        "action": request.POST.get("action", ""),
        "select_across": request.POST.get("select_across", "0"),
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
    }
    return TemplateResponse(request, "redemptions/admin_confirm.html", context)


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@admin.register(Location)
class LocationAdmin(admin.ModelAdmin[Location]):
    list_display = ("name",)
    search_fields = ("name",)


@admin.register(Offer)
class OfferAdmin(admin.ModelAdmin[Offer]):
    list_display = ("name", "type", "value", "status", "starts_at", "ends_at", "codes_issued", "redeemed")
    list_filter = ("status", "type")
    search_fields = ("name",)
    formfield_overrides = {models.ManyToManyField: {"widget": CheckboxSelectMultiple}}
    fieldsets = (
        (None, {"fields": ("name", ("type", "value", "currency"), "terms", "instructions")}),
        ("When and how often", {"fields": ("starts_at", "ends_at", "max_uses", "status")}),
        ("Where", {"fields": ("locations",)}),
    )
    actions = ("pause", "resume", "end")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Offer]:
        # Counted apart: two joins in one query would multiply.
        codes = Code.objects.real().filter(offer=models.OuterRef("pk")).order_by().values("offer")
        lines = Redemption.objects.filter(offer=models.OuterRef("pk"), kind=Redemption.Kind.REDEEMED, reversal=None)
        return (
            super()
            .get_queryset(request)
            .annotate(
                code_count=models.Subquery(codes.annotate(n=Count("pk")).values("n")),
                redeemed_count=models.Subquery(lines.order_by().values("offer").annotate(n=Count("pk")).values("n")),
            )
        )

    @admin.display(description="Codes")
    def codes_issued(self, offer: Offer) -> int:
        return getattr(offer, "code_count", None) or 0

    @admin.display(description="Redeemed")
    def redeemed(self, offer: Offer) -> int:
        return getattr(offer, "redeemed_count", None) or 0

    @admin.action(description="Pause: refuse codes for now", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Offer]) -> None:
        self._apply(request, queryset, pause_offer, "paused. Their codes are refused until you resume them.")

    @admin.action(description="Resume: take codes again", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Offer]) -> None:
        self._apply(request, queryset, resume_offer, "active. Their codes are taken again.")

    @admin.action(description="End: refuse codes for good…", permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[Offer]) -> HttpResponse | None:
        if not is_confirmed(request):
            return ask(
                self,
                request,
                question=f"End {counted(queryset.count(), 'deal')}?",
                consequence=f"{counted(self._open_codes(queryset), 'code')} not used yet will be refused at the till.",
                button="End",
            )
        self._apply(request, queryset, end_offer, "ended.")
        return None

    def _open_codes(self, queryset: QuerySet[Offer]) -> int:
        codes = Code.objects.real().filter(offer__in=queryset.values("pk"), revoked_at=None)
        return codes.filter(used__lt=models.F("max_uses")).count()

    def _apply(
        self, request: HttpRequest, queryset: QuerySet[Offer], service: Callable[..., Offer], words: str
    ) -> None:
        offers = list(queryset)
        for offer in offers:
            service(offer=offer)
        self.message_user(request, f"{counted(len(offers), 'deal')} {words}", messages.SUCCESS)


class ReadOnly:
    """Rows that are looked at here and written elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


@admin.register(Code)
class CodeAdmin(ReadOnly, admin.ModelAdmin[Code]):
    list_display = ("__str__", "offer", "contact_number", "used", "max_uses", "is_test", "revoked_at", "created_at")
    list_filter = ("is_test", ("offer", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("offer",)
    show_full_result_count = False
    search_fields = ("pk",)
    search_help_text = "A whole code as it was read or typed, or its number here."
    fields = ("offer", "contact", "typed_code", "used", "max_uses", "is_test", "revoked_at", "created_at")
    readonly_fields = ("typed_code",)
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Code]:
        # Decrypting costs time on a list, and only one code's own page shows its short form.
        return super().get_queryset(request).defer("token", "typed")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Code], search_term: str
    ) -> tuple[QuerySet[Code], bool]:
        """Find a code by its blind index: the column itself is encrypted."""
        code = normalise(search_term)
        if is_token(code):
            return queryset.filter(token_index=keyed_hash("code", code)), False
        if is_typed(code):
            return queryset.filter(typed_index=keyed_hash("typed", code)), False
        return (queryset.filter(pk=int(code)) if code.isdecimal() else queryset.none() if code else queryset), False

    @admin.display(description="Contact", ordering="contact")
    def contact_number(self, code: Code) -> str:
        return f"Contact {code.contact_id}" if code.contact_id else ""

    @admin.display(description="Code")
    def typed_code(self, code: Code) -> str:
        return code.typed_display

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("redemptions.change_code")

    @admin.action(description="Withdraw: refuse these codes for good…", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Code]) -> HttpResponse | None:
        live = queryset.filter(revoked_at=None)
        count, total = live.count(), queryset.count()
        if not is_confirmed(request):
            return ask(
                self,
                request,
                question=f"Withdraw {counted(count, 'code')}?",
                consequence="The till will refuse them, and the coupon pages will say so. This cannot be undone.",
                button="Withdraw",
            )
        for code in live.iterator():
            revoke_code(code=code, at=timezone.now())
        left_out = f" {total - count} had been withdrawn before." if total > count else ""
        self.message_user(request, f"{counted(count, 'code')} withdrawn.{left_out}", messages.SUCCESS)
        return None


@admin.register(Redemption)
class RedemptionAdmin(ReadOnly, admin.ModelAdmin[Redemption]):
    list_display = ("entry_no", "at", "kind", "offer", "location", "device", "order_value", "discount", "receipt_no")
    list_filter = ("kind", "location", ("offer", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("offer", "location", "device")
    show_full_result_count = False
    search_fields = ("=receipt_no", "=public_id")
    search_help_text = "A receipt number."


@admin.register(Scan)
class ScanAdmin(ReadOnly, admin.ModelAdmin[Scan]):
    list_display = ("at", "result", "reason", "location", "device", "entry", "code")
    list_filter = ("result", "reason", "location", "device")
    list_select_related = ("location", "device", "code")
    show_full_result_count = False
    exclude = ("fingerprint",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scan]:
        return super().get_queryset(request).defer("code__token", "code__typed")


@admin.register(Device)
class DeviceAdmin(admin.ModelAdmin[Device]):
    list_display = ("name", "location", "profile", "state", "last_seen_at")
    list_filter = ("location", "profile")
    list_select_related = ("location",)
    search_fields = ("name",)
    autocomplete_fields = ("location",)
    fields = ("name", "location", "profile", "state", "platform", "app_version", "enrolled_at", "last_seen_at")
    readonly_fields = ("state", "platform", "app_version", "enrolled_at", "last_seen_at")
    actions = ("new_link", "revoke")

    add_fieldsets = ((None, {"fields": ("name", "location", "profile")}),)

    def get_fieldsets(self, request: HttpRequest, obj: Device | None = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else self.add_fieldsets

    @admin.display(description="State")
    def state(self, device: Device) -> str:
        if device.revoked_at:
            return "Withdrawn"
        return "In use" if device.token_hash else "Not set up yet"

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
        page = self.admin_site.admin_view(self.enrolment)
        return [path("<int:device_id>/enrolment/", page, name="redemptions_device_enrolment"), *super().get_urls()]

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
            "title": f"Set up {device.name}",
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
        return format_html('<img src="data:image/png;base64,{}" alt="QR code of the link">', data)

    @admin.action(description="New link: set the device up again", permissions=["change"])
    def new_link(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        devices = list(queryset[:2])
        if len(devices) != 1 or devices[0].revoked_at:
            self.message_user(request, "Choose one device that is not withdrawn. No link was made.", messages.WARNING)
            return None
        self._keep_link(request, devices[0])
        return self.response_add(request, devices[0])

    @admin.action(description="Withdraw: shut these devices out…", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        devices = list(queryset.filter(revoked_at=None))
        if not is_confirmed(request):
            return ask(
                self,
                request,
                question=f"Withdraw {counted(len(devices), 'device')}?",
                consequence="They can scan no more, at once and for good. What they scanned stays.",
                button="Withdraw",
            )
        for device in devices:
            revoke_device(device=device, at=timezone.now())
        self.message_user(request, f"{counted(len(devices), 'device')} withdrawn.", messages.SUCCESS)
        return None
