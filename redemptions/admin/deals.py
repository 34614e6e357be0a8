"""Deals and the places where they are good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.db.models import Count, Q, QuerySet
from django.forms import CheckboxSelectMultiple, ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from contacts.admin.base import PlainAdmin, badge
from redemptions.admin.base import (
    ask,
    in_two_lines,
    is_confirmed,
    local_date,
    valid_until,
)
from redemptions.admin.deal_form import OFFLINE_WARNINGS, OfferForm
from redemptions.admin.preview import preview_page
from redemptions.models import Code, Location, Offer, OfferTally, Redemption
from redemptions.rendering import money, worth
from redemptions.services import end_offer, pause_offer, resume_offer


@admin.register(Location)
class LocationAdmin(PlainAdmin[Location]):
    list_display = ("name",)
    search_fields = ("name",)
    empty_title = gettext_lazy("No locations yet")
    empty_text = gettext_lazy("Each place with a till of its own. Devices belong to one, and reports are kept by it.")
    instead_of_deleting = gettext_lazy(
        "A location can be renamed. Once its devices are withdrawn, nothing is scanned there any more."
    )


# --- Deals ------------------------------------------------------------------------------------------------------------


class OfferState(models.TextChoices):
    """How a deal stands now: its status, and where the clock is between its start and its end."""

    ACTIVE = "active", gettext_lazy("Active")
    LATER = "later", gettext_lazy("Starts later")
    PAUSED = "paused", gettext_lazy("Paused")
    OVER = "over", gettext_lazy("Over")

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


# As the report counts: redeemed and in conflict, less what was taken back.
VOIDED = Q(kind=Redemption.Kind.VOIDED)
GIVEN = Count("pk", filter=~VOIDED) - Count("pk", filter=VOIDED)

STATE_KINDS = {OfferState.ACTIVE: "ok", OfferState.LATER: "info", OfferState.PAUSED: "warn", OfferState.OVER: "quiet"}


class StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(value, str(label)) for value, label in OfferState.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in OfferState.values:
            return queryset
        return queryset.filter(OfferState(value).question(timezone.now()))


@admin.register(Offer)
class OfferAdmin(PlainAdmin[Offer]):
    list_display = ("name", "worth", "state", "valid", "codes_issued", "given")
    list_filter = (StateFilter, "type")
    search_fields = ("name",)
    empty_title = gettext_lazy("No deals yet")
    empty_text = gettext_lazy(
        "A deal is what a campaign carries: “20 % off lunch”. Each guest gets a code of their own for it."
    )
    instead_of_deleting = gettext_lazy(
        "Set the status of the deal to “Ended” instead: its codes are refused from then on, and reports keep it."
    )
    formfield_overrides = {models.ManyToManyField: {"widget": CheckboxSelectMultiple}}
    form = OfferForm
    fieldsets = (
        (None, {"fields": ("name", ("type", "value", "currency"), "max_discount", "terms", "instructions", "status")}),
        (gettext_lazy("When"), {"fields": ("starts_at", "ends_at", "hours")}),
        (gettext_lazy("Where"), {"fields": ("locations",)}),
        (
            gettext_lazy("How often, and how much"),
            {"fields": ("max_uses", "max_per_person", "max_total", "min_spend", "budget")},
        ),
        (
            gettext_lazy("Without network"),
            {
                "fields": ("offline", "offline_per_day", "offline_max_value"),
                "description": (
                    gettext_lazy(
                        "What is given without network is recorded when the phone is back. Where that was once too "
                        "often, it shows as a conflict; nobody can prevent it then."
                    )
                ),
            },
        ),
    )
    actions = ("pause", "resume", "end")

    class Media:
        css = {"all": ("redemptions/deals.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Offer]:
        if not is_list(request, self.opts):  # to count a million codes takes a while, and only the list shows it
            return super().get_queryset(request)
        # Counted apart: two joins in one query would multiply.
        codes = Code.objects.real().filter(offer=models.OuterRef("pk")).order_by().values("offer")
        lines = Redemption.objects.filter(offer=models.OuterRef("pk")).order_by().values("offer")
        return (
            super()
            .get_queryset(request)
            .annotate(
                code_count=models.Subquery(codes.annotate(n=Count("pk")).values("n")),
                given_count=models.Subquery(lines.annotate(n=GIVEN).values("n")),
            )
        )

    @admin.display(description=gettext_lazy("Kind"))
    def worth(self, offer: Offer) -> str:
        return worth(offer)

    @admin.display(description=gettext_lazy("State"))
    def state(self, offer: Offer) -> SafeString:
        state = OfferState.of(offer, timezone.now())
        return badge(STATE_KINDS[state], str(state.label))

    @admin.display(description=gettext_lazy("Valid"), ordering="ends_at")
    def valid(self, offer: Offer) -> str | SafeString:
        until = _("until %(when)s") % {"when": valid_until(offer)} if offer.ends_at else _("no end")
        if offer.starts_at is None:
            return until
        return in_two_lines(_("from %(day)s") % {"day": local_date(offer.starts_at)}, until)

    def save_model(self, request: HttpRequest, obj: Offer, form: ModelForm[Offer], change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.ends_at and obj.ends_at <= timezone.now():
            self.message_user(
                request,
                _(
                    "This deal is over: it was valid until %(when)s. "
                    "Its codes are refused; move the end to have them taken again."
                )
                % {"when": valid_until(obj).removesuffix(".")},
                messages.WARNING,
            )
        if warning := OFFLINE_WARNINGS.get(Offer.Offline(obj.offline)):
            self.message_user(request, warning, messages.WARNING)

    # --- What people will see ---

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("preview/", wrap(self.preview_view), name="redemptions_offer_preview"),
            path("<int:pk>/preview/", wrap(self.preview_view), name="redemptions_offer_saved_preview"),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Show the coupon and the till's answer in the frame beside the form, as saved or as typed; save nothing."""
        return preview_page(self, request, self.get_object(request, str(pk)) if pk else None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        offer = self.get_object(request, object_id)
        context = {"so_far": so_far(offer)} if offer and self.has_view_permission(request, offer) else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    @admin.display(description=gettext_lazy("Codes"))
    def codes_issued(self, offer: Offer) -> int:
        return getattr(offer, "code_count", None) or 0

    @admin.display(description=gettext_lazy("Given"))
    def given(self, offer: Offer) -> int:
        return getattr(offer, "given_count", None) or 0

    @admin.action(description=gettext_lazy("Pause: refuse codes for now"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Offer]) -> None:
        self._apply(request, queryset, pause_offer, _paused)

    @admin.action(description=gettext_lazy("Resume: take codes again"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Offer]) -> None:
        self._apply(request, queryset, resume_offer, _resumed)

    @admin.action(description=gettext_lazy("End: refuse codes for good…"), permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[Offer]) -> HttpResponse | None:
        if not is_confirmed(request):
            deals, codes = queryset.count(), self._open_codes(queryset)
            return ask(
                self,
                request,
                question=ngettext("End %(count)s deal?", "End %(count)s deals?", deals) % {"count": deals},
                consequence=ngettext(
                    "%(count)s code not used yet will be refused at the till.",
                    "%(count)s codes not used yet will be refused at the till.",
                    codes,
                )
                % {"count": codes},
                button=_("End"),
            )
        self._apply(request, queryset, end_offer, _ended)
        return None

    def _open_codes(self, queryset: QuerySet[Offer]) -> int:
        codes = Code.objects.real().filter(offer__in=queryset.values("pk"), revoked_at=None)
        return codes.filter(used__lt=models.F("max_uses")).count()

    def _apply(
        self, request: HttpRequest, queryset: QuerySet[Offer], service: Callable[..., Offer], said: Callable[[int], str]
    ) -> None:
        offers = list(queryset)
        for offer in offers:
            service(offer=offer)
        self.message_user(request, said(len(offers)), messages.SUCCESS)
        over = [offer for offer in offers if offer.status == Offer.Status.ACTIVE and not_open_any_more(offer)]
        if over:
            words = ngettext(
                "%(count)s deal has an end that is past: move it to have codes taken.",
                "%(count)s deals have ends that are past: move them to have codes taken.",
                len(over),
            )
            self.message_user(request, words % {"count": len(over)}, messages.WARNING)


def _paused(count: int) -> str:
    words = ngettext(
        "%(count)s deal paused. Its codes are refused until you resume it.",
        "%(count)s deals paused. Their codes are refused until you resume them.",
        count,
    )
    return words % {"count": count}


def _resumed(count: int) -> str:
    words = ngettext(
        "%(count)s deal active. Its codes are taken again.",
        "%(count)s deals active. Their codes are taken again.",
        count,
    )
    return words % {"count": count}


def _ended(count: int) -> str:
    return ngettext("%(count)s deal ended.", "%(count)s deals ended.", count) % {"count": count}


def is_list(request: HttpRequest, opts: Any) -> bool:
    match = request.resolver_match
    return bool(match and match.url_name == f"{opts.app_label}_{opts.model_name}_changelist")


def not_open_any_more(offer: Offer) -> bool:
    return OfferState.of(offer, timezone.now()) == OfferState.OVER


def so_far(offer: Offer) -> list[tuple[str, str]]:
    """Return what was given of a deal, and what is used up of its limits, in words."""
    tally = OfferTally.objects.filter(pk=offer.pk).first() or OfferTally(offer=offer)
    given: int = Redemption.objects.filter(offer=offer).aggregate(n=GIVEN)["n"]
    spent = money(tally.given, offer.currency)
    shown = [(_("Given"), f"{given:,}")]
    if offer.max_total:
        used = {"used": f"{tally.used:,}", "limit": f"{offer.max_total:,}"}
        shown.append((_("Of its limit"), _("%(used)s of %(limit)s") % used))
    if offer.budget:
        spent = _("%(used)s of %(limit)s") % {"used": spent, "limit": money(offer.budget, offer.currency)}
    return [*shown, (_("In money"), spent)]
