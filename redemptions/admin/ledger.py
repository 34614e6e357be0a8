"""Redemptions and scans: read, never written."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts.admin.base import PlainAdmin, badge
from redemptions.admin.base import (
    DEAL_FILTER,
    ReadOnly,
    in_two_lines,
)
from redemptions.models import Redemption, Scan


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
