"""Codes printed on paper: made together, for nobody yet, to be handed out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from contacts.admin.base import Number, PlainAdmin
from contacts.models import Business
from contacts.queries import links_stay_here
from redemptions.links import coupon_url, qr_payload
from redemptions.models import Code, CodeSheet
from redemptions.qr import PAPER, modules
from redemptions.rendering import facts_of, worth
from redemptions.rendering.paper import PAPERS, Card, Words, sheet_pdf
from redemptions.services import issue_sheet

A_FILE = 1000  # codes; five times as many take as long as a web server waits
PAPER_NAMES = {"letter": gettext_lazy("Letter"), "a4": "A4"}


@admin.register(CodeSheet)
class CodeSheetAdmin(PlainAdmin[CodeSheet]):
    list_display = ("name", "offer", "count", "used", "created_at")
    list_select_related = ("offer",)
    search_fields = ("name",)
    sortable_by = ("name",)
    actions = None
    fields = ("offer", "name", "count")
    add_label = gettext_lazy("Print codes")
    empty_title = gettext_lazy("No printed codes yet")
    empty_text = gettext_lazy(
        "Codes for flyers and table cards, without a campaign: each works once, for whoever brings it."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CodeSheet]:
        # For each sheet shown by itself: for a join, SQLite sorts the codes of every campaign first.
        codes = Code.objects.filter(sheet=OuterRef("pk"), used__gt=0).order_by().values("sheet")
        return super().get_queryset(request).annotate(used_count=Subquery(codes.annotate(n=Count("*")).values("n")))

    @admin.display(description=gettext_lazy("Used"))
    def used(self, sheet: CodeSheet) -> int:
        return getattr(sheet, "used_count", None) or 0

    def get_readonly_fields(self, request: HttpRequest, obj: CodeSheet | None = None) -> tuple[str, ...]:
        return ("offer", "count") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: CodeSheet | None = None) -> bool:
        return False  # the paper is out; its codes can be withdrawn

    def save_model(self, request: HttpRequest, obj: CodeSheet, form: ModelForm[CodeSheet], change: bool) -> None:
        """Make the sheet with all its codes at once: 5,000 take about a second."""
        if change:
            super().save_model(request, obj, form, change)
            return
        by = request.user if request.user.is_authenticated else None
        made = issue_sheet(offer=obj.offer, count=obj.count, name=obj.name, by=by)
        obj.pk, obj._state.adding = made.pk, False

    def response_add(self, request: HttpRequest, obj: CodeSheet, post_url_continue: str | None = None) -> HttpResponse:
        said = ngettext(
            "%(count)s code is made. Download it, and print it.",
            "%(count)s codes are made. Download them, and print them.",
            obj.count,
        )
        self.message_user(request, said % {"count": f"{obj.count:,}"}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:redemptions_codesheet_change", args=[obj.pk]))

    # --- Paper ---

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.pdf_view)
        return [
            path("<int:pk>/<str:paper>-<int:part>.pdf", page, name="redemptions_codesheet_pdf"),
            *super().get_urls(),
        ]

    def has_print_permission(self, request: HttpRequest) -> bool:
        """Whoever may make codes may have them; looking at the list is less than that."""
        return self.has_add_permission(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        sheet = self.get_object(request, object_id)
        shown: dict[str, Any] = {}
        if sheet and self.has_view_permission(request, sheet):
            shown = {
                "files": _files(sheet) if self.has_print_permission(request) else [],
                "numbers": [Number(_("Codes"), sheet.count), Number(_("Used"), self.used(sheet), "good")],
                "stays_here": links_stay_here(),
                "codes_url": f"{reverse('admin:redemptions_code_changelist')}?sheet__id__exact={sheet.pk}",
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def pdf_view(self, request: HttpRequest, pk: int, paper: str, part: int) -> HttpResponse:
        """Return a file of up to 1,000 codes to be printed and cut."""
        sheet = self.get_object(request, str(pk))
        if sheet is None or paper not in PAPERS or not 1 <= part <= _parts(sheet):
            raise Http404
        if not self.has_print_permission(request):
            raise PermissionDenied
        content = sheet_pdf(_cards(sheet, part), _words(sheet), paper=paper)
        file = HttpResponse(content, content_type="application/pdf")
        name = f"{slugify(sheet.name) or 'codes'}-{part}.pdf"
        file.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return file


def _parts(sheet: CodeSheet) -> int:
    return -(-sheet.count // A_FILE)


def _files(sheet: CodeSheet) -> list[tuple[str, str]]:
    """Return what can be downloaded: label and address."""
    found = []
    for part in range(1, _parts(sheet) + 1):
        first, last = (part - 1) * A_FILE + 1, min(part * A_FILE, sheet.count)
        which = ""
        if _parts(sheet) > 1:
            which = ", " + _("%(first)s to %(last)s") % {"first": f"{first:,}", "last": f"{last:,}"}
        for paper, name in PAPER_NAMES.items():
            address = reverse("admin:redemptions_codesheet_pdf", args=[sheet.pk, paper, part])
            found.append((f"{name}{which} (PDF)", address))
    return found


def _cards(sheet: CodeSheet, part: int) -> Iterator[Card]:
    codes = Code.objects.filter(sheet=sheet).order_by("pk")[(part - 1) * A_FILE : part * A_FILE]
    for code in codes.only("token", "typed"):
        yield Card(modules(qr_payload(code.token), level=PAPER), code.typed_display, coupon_url(code.token))


def _words(sheet: CodeSheet) -> Words:
    offer, business = sheet.offer, Business.load()
    places = list(offer.locations.values_list("name", flat=True))
    facts = [worth(offer), *facts_of(offer, business.zone, places)]
    return Words(business=business.name, deal=offer.name, facts=facts, terms=offer.terms)
