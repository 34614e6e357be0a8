"""Codes: shown, searched, withdrawn."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from contacts.admin.base import PlainAdmin, badge
from contacts.fields import keyed_hash
from redemptions.admin.base import (
    DEAL_FILTER,
    ReadOnly,
    ask,
    is_confirmed,
    local_date,
)
from redemptions.codes import is_token, is_typed, normalise
from redemptions.models import Code
from redemptions.services import revoke_code


class TestFilter(admin.SimpleListFilter):
    title = gettext_lazy("kind")
    parameter_name = "is_test"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [("no", _("Of guests")), ("yes", _("Tests"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"no", "yes"}:
            return queryset
        return queryset.filter(is_test=self.value() == "yes")


@admin.register(Code)
class CodeAdmin(ReadOnly, PlainAdmin[Code]):
    list_display = ("number", "deal", "contact_number", "uses", "created")
    list_filter = (TestFilter, DEAL_FILTER, ("sheet", admin.RelatedOnlyFieldListFilter))
    sortable_by = ()
    has_history = False
    empty_title = gettext_lazy("No codes yet")
    empty_text = gettext_lazy("When a campaign with a deal is sent, each person's code has a line here.")
    list_select_related = ("offer",)
    show_full_result_count = False
    search_fields = ("pk",)
    search_help_text = gettext_lazy("A whole code as it was read or typed, or its number here.")
    fields = ("number", "deal", "contact", "sheet", "typed_code", "uses", "revoked_at", "created_at")
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

    @admin.display(description=gettext_lazy("Code"))
    def number(self, code: Code) -> str | SafeString:
        if code.revoked_at:
            return format_html("{} {}", code, badge("bad", _("Withdrawn")))
        return format_html("{} {}", code, badge("warn", _("Test"))) if code.is_test else str(code)

    @admin.display(description=gettext_lazy("Deal"))
    def deal(self, code: Code) -> str:
        return code.offer.name

    @admin.display(description=gettext_lazy("Contact"), empty_value="—")
    def contact_number(self, code: Code) -> SafeString | None:
        if code.contact_id is None:
            return None
        url = reverse("admin:contacts_contact_change", args=[code.contact_id])
        return format_html('<a href="{}">{}</a>', url, _("Contact %(number)s") % {"number": code.contact_id})

    @admin.display(description=gettext_lazy("Used"))
    def uses(self, code: Code) -> str:
        return _("%(used)s of %(limit)s") % {"used": code.used, "limit": code.max_uses}

    @admin.display(description=gettext_lazy("Made"))
    def created(self, code: Code) -> str:
        return local_date(code.created_at)

    @admin.display(description=gettext_lazy("To read out"))
    def typed_code(self, code: Code) -> str:
        return code.typed_display

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("redemptions.change_code")

    @admin.action(description=gettext_lazy("Withdraw: refuse these codes for good…"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Code]) -> HttpResponse | None:
        live = queryset.filter(revoked_at=None)
        count, total = live.count(), queryset.count()
        if not is_confirmed(request):
            return ask(
                self,
                request,
                question=ngettext("Withdraw %(count)s code?", "Withdraw %(count)s codes?", count) % {"count": count},
                consequence=_("The till will refuse them, and the coupon pages will say so. This cannot be undone."),
                button=_("Withdraw"),
            )
        for code in live.iterator():
            revoke_code(code=code, at=timezone.now())
        said = ngettext("%(count)s code withdrawn.", "%(count)s codes withdrawn.", count) % {"count": count}
        if left := total - count:
            said += " " + _("%(count)s had been withdrawn before.") % {"count": left}
        self.message_user(request, said, messages.SUCCESS)
        return None
