"""Who did what that must be answered for: only read here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from contacts.admin.base import ReadOnlyAdmin
from contacts.models import AuditEvent

Action = AuditEvent.Action


KINDS = {
    "sign-in": (
        gettext_lazy("Signing in"),
        (
            *(Action.SIGNED_IN, Action.SIGNED_OUT, Action.FAILED_SIGN_IN, Action.LOCKED_OUT, Action.UNLOCKED),
            *(Action.PASSWORD, Action.FACTOR_ON, Action.FACTOR_OFF, Action.RECOVERY),
        ),
    ),
    "people": (gettext_lazy("Users and settings"), (Action.PERSON, Action.INVITED, Action.SETTINGS)),
    "campaigns": (
        gettext_lazy("Campaigns"),
        (
            *(Action.LAUNCHED, Action.TAKEN_BACK, Action.PAUSED, Action.RESUMED, Action.CANCELLED),
            *(Action.ASKED, Action.APPROVED, Action.SENT_BACK),
        ),
    ),
    "data": (
        gettext_lazy("Personal data"),
        (
            *(Action.EXPORTED, Action.EXPORTED_ONE, Action.REVEALED, Action.ERASED, Action.MERGED, Action.LIFTED),
            Action.UNDONE,
        ),
    ),
    "money": (gettext_lazy("Redemptions"), (Action.VOIDED, Action.EXPORTED_LEDGER)),
}


class KindFilter(admin.SimpleListFilter):
    """A handful of kinds before the many single actions."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, label) for key, (label, _) in KINDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        chosen = KINDS.get(self.value() or "")
        return queryset.filter(action__in=chosen[1]) if chosen else queryset


class ActorFilter(admin.SimpleListFilter):
    """Those who may sign in: a handful, whatever the length of the log."""

    title = gettext_lazy("user")
    parameter_name = "user"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        people = User.objects.filter(is_staff=True).order_by("username")
        return [(str(pk), name) for pk, name in people.values_list("pk", "username")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        chosen = self.value() or ""
        return queryset.filter(actor=int(chosen)) if chosen.isdecimal() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin[AuditEvent]):
    list_display = ("at", "action", "detail", "actor", "address", "via")
    list_filter = (KindFilter, ActorFilter, ("at", admin.DateFieldListFilter), "via")
    list_select_related = ("actor",)
    sortable_by = ()
    fields = ("at", "action", "detail", "reason", "actor", "address", "via")
    has_history = False
    empty_title = gettext_lazy("Nothing to answer for yet")
    empty_text = gettext_lazy(
        "Each time someone signs in, sends or stops a campaign, downloads contacts, looks at full addresses, erases "
        "or merges people, ends a block, takes a redemption back or changes the settings, a line is added here for "
        "good. “From where” is a network, never one computer."
    )
