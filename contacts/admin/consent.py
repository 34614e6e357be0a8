"""What people agreed to and withdrew: append-only, so only read here."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts.admin.base import ChoicesInUse, ReadOnlyAdmin, badge
from contacts.models import ConsentEvent, Suppression

ACTION_KINDS = {
    ConsentEvent.Action.GRANTED: "ok",
    ConsentEvent.Action.REVOKED: "bad",
    ConsentEvent.Action.REQUESTED: "warn",
}


def source_label(source: str) -> str:
    """Return the words for how an address came to be blocked; what is no known source is shown as it is."""
    return str(ConsentEvent.Source(source).label) if source in ConsentEvent.Source.values else source


@admin.register(ConsentEvent)
class ConsentEventAdmin(ReadOnlyAdmin[ConsentEvent]):
    list_display = ("id", "who", "what", "channel", "source", "at", "reference")
    list_filter = ("channel", "action", "source")
    list_select_related = ("contact",)
    sortable_by = ()
    empty_title = "No consent recorded yet"
    empty_text = "Each time someone agrees, asks to confirm or unsubscribes, a line is added here for good."
    fields = (
        "who",
        "what",
        "channel",
        "source",
        "at",
        "recorded_at",
        "wording",
        "reference",
        "import_run",
        "actor",
        "ip_address",
        "user_agent",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConsentEvent]:
        # The list shows a contact by its number, so neither its row nor the visitor's address is decrypted.
        return (
            super()
            .get_queryset(request)
            .defer("ip_address", "user_agent")
            .only(
                "id",
                "contact__id",
                "channel",
                "action",
                "source",
                "at",
                "recorded_at",
                "wording",
                "reference",
                "import_run_id",
                "actor_id",
            )
        )

    def get_fields(self, request: HttpRequest, obj: ConsentEvent | None = None) -> tuple[str, ...]:
        personal = () if request.user.has_perm("contacts.reveal_contact") else ("ip_address", "user_agent")
        return tuple(name for name in self.fields or () if name not in personal)

    @admin.display(description="Contact")
    def who(self, event: ConsentEvent) -> str | SafeString:
        if event.contact_id is None:
            return "No contact any more"
        url = reverse("admin:contacts_contact_change", args=[event.contact_id])
        return format_html('<a href="{}">Contact {}</a>', url, event.contact_id)

    @admin.display(description="What")
    def what(self, event: ConsentEvent) -> SafeString:
        action = ConsentEvent.Action(event.action)
        return badge(ACTION_KINDS[action], action.label)


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin[Suppression]):
    list_display = ("id", "channel", "why", "how", "created_at", "lifted")
    list_filter = ("channel", ("reason", ChoicesInUse))
    sortable_by = ()
    fields = ("channel", "reason", "how", "created_at", "lifted_at", "lifted_by", "lifted_because")
    empty_title = "Nobody is suppressed"
    empty_text = "Addresses that unsubscribed, bounced or complained are kept here, and are never written to."

    @admin.display(description="Why")
    def why(self, suppression: Suppression) -> SafeString:
        return badge("quiet" if suppression.lifted_at else "bad", suppression.get_reason_display())

    @admin.display(description="How", empty_value="—")
    def how(self, suppression: Suppression) -> str:
        return source_label(suppression.source)

    @admin.display(description="Lifted", empty_value="No")
    def lifted(self, suppression: Suppression) -> object:
        return suppression.lifted_at
