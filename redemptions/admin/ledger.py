"""Redemptions and scans: read, never written; what was given by mistake is taken back by a line of its own."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin.base import PlainAdmin, badge
from contacts.models import AuditEvent
from contacts.sentences import kept
from contacts.services import audit
from redemptions.admin.base import (
    DEAL_FILTER,
    ReadOnly,
    in_two_lines,
)
from redemptions.admin.signals import signals_page
from redemptions.models import Redemption, Scan
from redemptions.services import CorrectionRefused, VoidReason, clock_warnings, void

TAKEN_BACK = kept("Taken back by %(receipt)s.")
KIND_BADGES = {Redemption.Kind.VOIDED: "quiet", Redemption.Kind.CONFLICT: "warn"}


class VoidForm(forms.Form):
    reason = forms.ChoiceField(label=gettext_lazy("Why"), choices=VoidReason.choices)
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("For the accountant. Write no names."),
    )
    burn = forms.BooleanField(
        label=gettext_lazy("The code stays used up"),
        required=False,
        help_text=gettext_lazy("Otherwise the guest can use it again."),
    )


@admin.register(Redemption)
class RedemptionAdmin(ReadOnly, PlainAdmin[Redemption]):
    list_display = ("number", "at", "deal", "place", "amounts", "receipt_no")
    list_filter = ("kind", "is_offline", "override", "location", DEAL_FILTER)
    list_select_related = ("offer", "location", "device", "staff")
    sortable_by = ()
    search_fields = ("=receipt_no", "=public_id")
    search_help_text = gettext_lazy("A receipt number.")
    fields = (
        *("number", "at", "recorded_at", "deal", "code", "location", "device", "staff"),
        *(
            "order_value",
            "discount",
            "currency",
            "receipt_no",
            "is_offline",
            "why_conflict",
            "why_override",
            "before",
            "taken_back",
            "why",
            "note",
        ),
    )
    readonly_fields = ("number", "deal", "why_conflict", "why_override", "before", "taken_back", "why")
    empty_title = gettext_lazy("Nothing redeemed yet")
    empty_text = gettext_lazy("Each deal given at the till has a line here, for good.")
    # Pages of the apps above that belong beside the ledger.
    more_urls: ClassVar[list[Callable[[RedemptionAdmin], list[URLPattern]]]] = []

    @admin.display(description=gettext_lazy("Entry"))
    def number(self, line: Redemption) -> str | SafeString:
        kind = Redemption.Kind(line.kind)
        if kind == Redemption.Kind.REDEEMED:
            return line.receipt
        return format_html("{} {}", line.receipt, badge(KIND_BADGES[kind], str(kind.label)))

    @admin.display(description=gettext_lazy("Deal"))
    def deal(self, line: Redemption) -> str:
        return line.deal

    @admin.display(description=gettext_lazy("Where"))
    def place(self, line: Redemption) -> str | SafeString:
        who = " · ".join(str(one) for one in (line.device, line.staff) if one)
        return in_two_lines(line.location, who) if who else str(line.location)

    @admin.display(description=gettext_lazy("Order"), empty_value="—")
    def amounts(self, line: Redemption) -> str | SafeString | None:
        order = _order(line.order_value, line.currency) if line.order_value is not None else ""
        discount = ""
        if line.discount is not None:
            discount = _("%(amount)s off") % {"amount": f"{line.discount} {line.currency}"}
        return in_two_lines(order, discount) if order and discount else order or discount or None

    @admin.display(description=gettext_lazy("Against the rule"), empty_value="—")
    def why_conflict(self, line: Redemption) -> str | None:
        return str(Scan.Reason(line.conflict).label) if line.conflict in Scan.Reason.values else line.conflict or None

    @admin.display(description=gettext_lazy("Beyond the limits"), empty_value="—")
    def why_override(self, line: Redemption) -> str | None:
        return line.get_override_display() or None

    @admin.display(description=gettext_lazy("Changed at the till"), empty_value="—")
    def before(self, line: Redemption) -> SafeString | None:
        """List what the line said of the order before, and until when."""
        rows = [
            (date_format(timezone.localtime(one.at), "DATETIME_FORMAT"), _order(one.order_value, line.currency))
            for one in line.amendments.all()
        ]
        return format_html_join(mark_safe("<br>"), _("until {}: {}"), rows) if rows else None

    @admin.display(description=gettext_lazy("Why"), empty_value="—")
    def why(self, line: Redemption) -> str | None:
        return str(VoidReason(line.reason).label) if line.reason in VoidReason.values else line.reason or None

    @admin.display(description=gettext_lazy("Taken back"), empty_value="—")
    def taken_back(self, line: Redemption) -> SafeString | None:
        """Lead from a line to its reversal, and from a reversal to what it takes back."""
        other = line.reverses or Redemption.objects.filter(reverses=line).first()
        if other is None:
            return None
        url = reverse("admin:redemptions_redemption_change", args=[other.pk])
        return format_html('{} <a href="{}">{}</a>', _("takes back") if line.reverses else _("by"), url, other.receipt)

    # --- Taking back ---

    def has_void_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("redemptions.void_redemption")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        above = [url for urls in self.more_urls for url in urls(self)]
        return [
            path("<int:pk>/void/", wrap(self.void_view), name="redemptions_redemption_void"),
            path("signals/", wrap(self.signals_view), name="redemptions_signals"),
            *above,
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        line = self.get_object(request, object_id)
        shown = {"may_void": line is not None and self.has_void_permission(request) and is_voidable(line)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def void_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why, then take a redemption back."""
        line = self.get_object(request, str(pk))
        if line is None:
            raise Http404
        if not self.has_view_permission(request, line) or not self.has_void_permission(request):
            raise PermissionDenied
        form = VoidForm(request.POST or None)
        if form.is_valid():
            return self._void(request, line, form.cleaned_data)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Take %(receipt)s back") % {"receipt": line.receipt},
            "line": line,
            "form": form,
        }
        return TemplateResponse(request, "admin/redemptions/redemption/void.html", context)

    def _void(self, request: HttpRequest, line: Redemption, answers: dict[str, Any]) -> HttpResponse:
        try:
            done = void(
                redemption=line,
                reason=VoidReason(answers["reason"]),
                at=timezone.now(),
                note=answers["note"],
                burn=answers["burn"],
            )
        except CorrectionRefused as error:
            self.message_user(request, f"{error.reason.label}. " + _("Nothing was changed."), messages.WARNING)
        else:
            audit(AuditEvent.Action.VOIDED, detail=f"{line.receipt} by {done.reversal.receipt}")
            self.log_change(request, line, TAKEN_BACK % {"receipt": done.reversal.receipt})
            again = _("The code stays used up.") if answers["burn"] else _("The code can be used again.")
            receipts = {"receipt": line.receipt, "reversal": done.reversal.receipt}
            said = _("%(receipt)s is taken back by %(reversal)s.") % receipts
            said = f"{said} {again if line.is_use else ''}".strip()
            self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:redemptions_redemption_change", args=[line.pk]))

    def signals_view(self, request: HttpRequest) -> HttpResponse:
        return signals_page(self, request)


def is_voidable(line: Redemption) -> bool:
    """Say whether there is something to take back; see `services.void`."""
    return line.kind != Redemption.Kind.VOIDED and not Redemption.objects.filter(reverses=line).exists()


def _order(value: Decimal | None, currency: str) -> str:
    return _("no order value") if value is None else f"{value} {currency}"


@admin.register(Scan)
class ScanAdmin(ReadOnly, PlainAdmin[Scan]):
    list_display = ("at", "outcome", "place", "code_read")
    list_filter = ("result", "reason", "is_offline", "location", "device", ("staff", admin.EmptyFieldListFilter))
    list_select_related = ("location", "device", "code", "staff")
    sortable_by = ()
    fields = (
        *("at", "scanned_at", "outcome", "location", "device", "staff", "entry", "code", "redemption"),
        *("is_offline", "decision", "clock_off"),
    )
    readonly_fields = ("outcome", "clock_off")
    has_history = False
    empty_title = gettext_lazy("No scans yet")
    empty_text = gettext_lazy("Whatever a device reads has a line here, refusals too.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scan]:
        return super().get_queryset(request).defer("code__token", "code__typed")

    @admin.display(description=gettext_lazy("Result"))
    def outcome(self, scan: Scan) -> SafeString:
        if scan.result == Scan.Result.ACCEPTED:
            return badge("ok", scan.get_result_display())
        kind = "warn" if scan.result == Scan.Result.CONFLICT else "bad"
        return format_html("{} {}", badge(kind, scan.get_result_display()), scan.get_reason_display())

    @admin.display(description=gettext_lazy("Clock of the device"), empty_value="—")
    def clock_off(self, scan: Scan) -> str | None:
        """Say how far the device's clock was off; scans without network are put right by it."""
        if scan.skew_ms is None:
            return None
        seconds = {"seconds": f"{abs(scan.skew_ms) / 1000:.1f}"}
        off = _("%(seconds)s s slow") % seconds if scan.skew_ms > 0 else _("%(seconds)s s fast") % seconds
        return ". ".join([off, *(str(warning.label) for warning in clock_warnings(scan))])

    @admin.display(description=gettext_lazy("Where"))
    def place(self, scan: Scan) -> SafeString:
        who = scan.staff or (_("nobody signed in") if scan.device.asks_pin else None)
        return in_two_lines(scan.location, " · ".join(str(one) for one in (scan.device, who) if one))

    @admin.display(description=gettext_lazy("Code"))
    def code_read(self, scan: Scan) -> SafeString:
        return in_two_lines(scan.code or _("Unknown"), scan.get_entry_display())
