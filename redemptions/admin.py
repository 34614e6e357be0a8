"""Deals, codes, the ledger, places and devices, for the people of the shop."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Count, Q, QuerySet
from django.forms import CheckboxSelectMultiple, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts.admin.base import PlainAdmin, badge
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


def in_two_lines(first: object, second: object) -> SafeString:
    return format_html('{}<br><span class="quiet">{}</span>', first, second)


def local_date(at: datetime) -> str:
    return formats.date_format(timezone.localtime(at), "N j, Y")


def valid_until(offer: Offer) -> str:
    """Return the end of a deal in words, in the time zone of the page."""
    zone = timezone.get_current_timezone()
    assert isinstance(zone, ZoneInfo)
    return offer.valid_until(zone)


class DealFilter(admin.RelatedOnlyFieldListFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "deal"


DEAL_FILTER = ("offer", DealFilter)


@admin.register(Location)
class LocationAdmin(PlainAdmin[Location]):
    list_display = ("name",)
    search_fields = ("name",)
    empty_title = "No locations yet"
    empty_text = "Each place with a till of its own. Devices belong to one, and reports are kept by it."


# --- Deals ------------------------------------------------------------------------------------------------------------


class OfferState(models.TextChoices):
    """How a deal stands now: its status, and where the clock is between its start and its end."""

    ACTIVE = "active", "Active"
    LATER = "later", "Starts later"
    PAUSED = "paused", "Paused"
    OVER = "over", "Over"

    @classmethod
    def of(cls, offer: Offer, at: datetime) -> OfferState:
        if offer.status == Offer.Status.ENDED or (offer.ends_at and offer.ends_at <= at):
            return cls.OVER
        if offer.status == Offer.Status.PAUSED:
            return cls.PAUSED
        return cls.LATER if offer.starts_at and offer.starts_at > at else cls.ACTIVE

    def question(self, at: datetime) -> Q:
        """Return what finds the deals that stand so."""
        over = Q(status=Offer.Status.ENDED) | Q(ends_at__lte=at)
        paused = Q(status=Offer.Status.PAUSED) & ~over
        later = Q(status=Offer.Status.ACTIVE, starts_at__gt=at) & ~over
        active = Q(status=Offer.Status.ACTIVE) & ~over & ~Q(starts_at__gt=at)
        return {self.OVER: over, self.PAUSED: paused, self.LATER: later, self.ACTIVE: active}[self]


STATE_KINDS = {OfferState.ACTIVE: "ok", OfferState.LATER: "info", OfferState.PAUSED: "warn", OfferState.OVER: "quiet"}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return list(OfferState.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in OfferState.values:
            return queryset
        return queryset.filter(OfferState(value).question(timezone.now()))


@admin.register(Offer)
class OfferAdmin(PlainAdmin[Offer]):
    list_display = ("name", "worth", "state", "valid", "codes_issued", "redeemed")
    list_filter = (StateFilter, "type")
    search_fields = ("name",)
    empty_title = "No deals yet"
    empty_text = "A deal is what a campaign carries: “20 % off lunch”. Each guest gets a code of their own for it."
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

    @admin.display(description="Kind")
    def worth(self, offer: Offer) -> str:
        if offer.type == Offer.Type.PERCENT:
            return f"{offer.value:f}".rstrip("0").rstrip(".") + " % off"
        return f"{offer.value} {offer.currency} off" if offer.type == Offer.Type.AMOUNT else offer.get_type_display()

    @admin.display(description="State")
    def state(self, offer: Offer) -> SafeString:
        state = OfferState.of(offer, timezone.now())
        return badge(STATE_KINDS[state], str(state.label))

    @admin.display(description="Valid", ordering="ends_at")
    def valid(self, offer: Offer) -> str | SafeString:
        until = f"until {valid_until(offer)}" if offer.ends_at else "no end"
        return in_two_lines(f"from {local_date(offer.starts_at)}", until) if offer.starts_at else until

    def save_model(self, request: HttpRequest, obj: Offer, form: ModelForm[Offer], change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.ends_at and obj.ends_at <= timezone.now():
            self.message_user(
                request,
                f"This deal is over: it was valid until {valid_until(obj).removesuffix('.')}. "
                "Its codes are refused; move the end to have them taken again.",
                messages.WARNING,
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
        over = [offer for offer in offers if offer.status == Offer.Status.ACTIVE and not_open_any_more(offer)]
        if over:
            ends = "has an end that is" if len(over) == 1 else "have ends that are"
            self.message_user(
                request, f"{counted(len(over), 'deal')} {ends} past: move it to have codes taken.", messages.WARNING
            )


def not_open_any_more(offer: Offer) -> bool:
    return OfferState.of(offer, timezone.now()) == OfferState.OVER


# --- Codes, the ledger, scans -----------------------------------------------------------------------------------------


class ReadOnly:
    """Rows that are looked at here and written elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class TestFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "is_test"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [("no", "Of guests"), ("yes", "Tests")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"no", "yes"}:
            return queryset
        return queryset.filter(is_test=self.value() == "yes")


@admin.register(Code)
class CodeAdmin(ReadOnly, PlainAdmin[Code]):
    list_display = ("number", "deal", "contact_number", "uses", "created")
    list_filter = (TestFilter, DEAL_FILTER)
    sortable_by = ()
    empty_title = "No codes yet"
    empty_text = "When a campaign with a deal is sent, each person's code has a line here."
    list_select_related = ("offer",)
    show_full_result_count = False
    search_fields = ("pk",)
    search_help_text = "A whole code as it was read or typed, or its number here."
    fields = ("number", "deal", "contact", "typed_code", "uses", "revoked_at", "created_at")
    readonly_fields = ("number", "deal", "typed_code", "uses")
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

    @admin.display(description="Code")
    def number(self, code: Code) -> str | SafeString:
        if code.revoked_at:
            return format_html("{} {}", code, badge("bad", "Withdrawn"))
        return format_html("{} {}", code, badge("warn", "Test")) if code.is_test else str(code)

    @admin.display(description="Deal")
    def deal(self, code: Code) -> str:
        return code.offer.name

    @admin.display(description="Contact", empty_value="—")
    def contact_number(self, code: Code) -> SafeString | None:
        if code.contact_id is None:
            return None
        url = reverse("admin:contacts_contact_change", args=[code.contact_id])
        return format_html('<a href="{}">Contact {}</a>', url, code.contact_id)

    @admin.display(description="Used")
    def uses(self, code: Code) -> str:
        return f"{code.used} of {code.max_uses}"

    @admin.display(description="Made")
    def created(self, code: Code) -> str:
        return local_date(code.created_at)

    @admin.display(description="To read out")
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
class RedemptionAdmin(ReadOnly, PlainAdmin[Redemption]):
    list_display = ("number", "at", "deal", "place", "amounts", "receipt_no")
    list_filter = ("location", DEAL_FILTER)
    list_select_related = ("offer", "location", "device")
    sortable_by = ()
    search_fields = ("=receipt_no", "=public_id")
    search_help_text = "A receipt number."
    fields = ("number", "at", "deal", "code", "location", "device", "order_value", "discount", "currency", "receipt_no")
    readonly_fields = ("number", "deal")
    empty_title = "Nothing redeemed yet"
    empty_text = "Each deal given at the till has a line here, for good."

    @admin.display(description="Entry")
    def number(self, line: Redemption) -> str | SafeString:
        kind = Redemption.Kind(line.kind)
        if kind == Redemption.Kind.REDEEMED:
            return line.receipt
        return format_html("{} {}", line.receipt, badge("quiet", kind.label))

    @admin.display(description="Deal")
    def deal(self, line: Redemption) -> str:
        return line.offer.name

    @admin.display(description="Where")
    def place(self, line: Redemption) -> str | SafeString:
        return in_two_lines(line.location, line.device) if line.device else str(line.location)

    @admin.display(description="Order", empty_value="—")
    def amounts(self, line: Redemption) -> str | SafeString | None:
        order = f"{line.order_value} {line.currency}" if line.order_value is not None else ""
        discount = f"{line.discount} {line.currency} off" if line.discount is not None else ""
        return in_two_lines(order, discount) if order and discount else order or discount or None


@admin.register(Scan)
class ScanAdmin(ReadOnly, PlainAdmin[Scan]):
    list_display = ("at", "outcome", "place", "code_read")
    list_filter = ("result", "reason", "location", "device")
    list_select_related = ("location", "device", "code")
    sortable_by = ()
    fields = ("at", "scanned_at", "outcome", "location", "device", "entry", "code", "redemption")
    readonly_fields = ("outcome",)
    empty_title = "No scans yet"
    empty_text = "Whatever a device reads has a line here, refusals too."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scan]:
        return super().get_queryset(request).defer("code__token", "code__typed")

    @admin.display(description="Result")
    def outcome(self, scan: Scan) -> SafeString:
        if scan.result == Scan.Result.ACCEPTED:
            return badge("ok", scan.get_result_display())
        return format_html("{} {}", badge("bad", scan.get_result_display()), scan.get_reason_display())

    @admin.display(description="Where")
    def place(self, scan: Scan) -> SafeString:
        return in_two_lines(scan.location, scan.device)

    @admin.display(description="Code")
    def code_read(self, scan: Scan) -> SafeString:
        return in_two_lines(scan.code or "Unknown", scan.get_entry_display())


# --- Devices ----------------------------------------------------------------------------------------------------------


@admin.register(Device)
class DeviceAdmin(PlainAdmin[Device]):
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
    def state(self, device: Device) -> SafeString:
        if device.revoked_at:
            return badge("quiet", "Withdrawn")
        return badge("ok", "In use") if device.token_hash else badge("warn", "Not set up yet")

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
