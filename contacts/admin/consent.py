"""What people agreed to and withdrew, which is only read here, and the blocks on addresses, which may be ended."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from contacts.admin.base import ReadOnlyAdmin, badge
from contacts.admin.people.finding import address_of
from contacts.admin.people.forms import LiftForm
from contacts.admin.searching import PrivateSearch
from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Suppression
from contacts.queries import live_suppressions, source_words
from contacts.services import lift

ACTION_KINDS = {
    ConsentEvent.Action.GRANTED: "ok",
    ConsentEvent.Action.REVOKED: "bad",
    ConsentEvent.Action.REQUESTED: "warn",
}


class LiftedFilter(admin.SimpleListFilter):
    title = gettext_lazy("lifted")
    parameter_name = "lifted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [("no", _("In force")), ("yes", _("Lifted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"no", "yes"}:
            return queryset
        return queryset.filter(lifted_at__isnull=self.value() == "no")


@admin.register(ConsentEvent)
class ConsentEventAdmin(ReadOnlyAdmin[ConsentEvent]):
    list_display = ("id", "who", "what", "channel", "source", "at", "reference")
    list_filter = ("channel", "action", "source")
    list_select_related = ("contact",)
    sortable_by = ()
    has_history = False
    empty_title = gettext_lazy("No consent recorded yet")
    empty_text = gettext_lazy(
        "Each time someone agrees, asks to confirm or unsubscribes, a line is added here for good."
    )
    fields = (
        "who",
        "what",
        "channel",
        "source",
        "at",
        "recorded_at",
        "wording",
        "version",
        "evidence",
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
            .defer("ip_address", "user_agent", "evidence")
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
        hidden = ("ip_address", "user_agent", "evidence")
        personal = () if request.user.has_perm("contacts.reveal_contact") else hidden
        return tuple(name for name in self.fields or () if name not in personal)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        # Django derives "Ip address" from the name of the field.
        return super().get_form(request, obj, change, labels={"ip_address": _("IP address")}, **kwargs)

    @admin.display(description=gettext_lazy("Contact"))
    def who(self, event: ConsentEvent) -> str | SafeString:
        if event.contact_id is None:
            return _("No contact any more")
        url = reverse("admin:contacts_contact_change", args=[event.contact_id])
        return format_html('<a href="{}">{}</a>', url, _("Contact %(number)s") % {"number": event.contact_id})

    @admin.display(description=gettext_lazy("What"))
    def what(self, event: ConsentEvent) -> SafeString:
        action = ConsentEvent.Action(event.action)
        return badge(ACTION_KINDS[action], action.label)


@admin.register(Suppression)
class SuppressionAdmin(PrivateSearch[Suppression], ReadOnlyAdmin[Suppression]):
    list_display = ("id", "channel", "why", "how", "created_at", "lifted")
    list_filter = ("channel", "reason", LiftedFilter)
    sortable_by = ()
    fields = ("channel", "reason", "how", "created_at", "lifted_at", "lifted_by", "lifted_because")
    change_list_template = "admin/contacts/suppression/change_list.html"
    change_form_template = "admin/contacts/suppression/change_form.html"
    search_help_text = gettext_lazy(
        "A whole e-mail address or a whole phone number: only their fingerprints are kept here."
    )
    empty_title = gettext_lazy("No address is blocked")
    empty_text = gettext_lazy(
        "Addresses that unsubscribed, bounced or complained are kept here, and are never written to."
    )

    @admin.display(description=gettext_lazy("Why"))
    def why(self, suppression: Suppression) -> SafeString:
        return badge("quiet" if suppression.lifted_at else "bad", suppression.get_reason_display())

    @admin.display(description=gettext_lazy("How"), empty_value="—")
    def how(self, suppression: Suppression) -> str:
        return source_words(suppression.source)

    @admin.display(description=gettext_lazy("Lifted"))
    def lifted(self, suppression: Suppression) -> object:
        return suppression.lifted_at or _("No")

    def find(self, text: str) -> list[int]:
        channel, index = address_of(text.strip())
        found = Suppression.objects.filter(channel=channel, address_index=index)
        return list(found.values_list("pk", flat=True)[:100])

    # --- Lifting ---

    def get_urls(self) -> list[URLPattern]:
        lift_page = self.admin_site.admin_view(self.lift_view)
        return [path("<int:pk>/lift/", lift_page, name="contacts_suppression_lift"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        block = self.get_object(request, object_id)
        context = {"may_lift": bool(block and block.lifted_at is None and may_lift(request))}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def lift_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the reason, and end the block."""
        if not may_lift(request):
            raise PermissionDenied
        block = Suppression.objects.filter(pk=pk).first()
        if block is None:
            raise Http404
        needs_their_word = block.reason in Suppression.THEIR_WORD
        form = LiftForm(request.POST or None, needs_their_word=needs_their_word, label_suffix="")
        if block.lifted_at is not None:
            self.message_user(request, _("This block has ended already. Nothing was changed."), level="WARNING")
            return self._after_lifting(request, block)
        if request.method == "POST" and form.is_valid():
            return self._lift(request, block, form.cleaned_data["reason"])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("End this block"),
            "suppression": block,  # "block" is Django's own word in a template
            "needs_their_word": needs_their_word,
            "contact": self._contact_of(request, block),
            "form": form,
        }
        return TemplateResponse(request, "admin/contacts/suppression/lift.html", context)

    def _lift(self, request: HttpRequest, block: Suppression, reason: str) -> HttpResponse:
        actor: Any = request.user
        if lift(block, actor=actor, reason=reason, at=timezone.now()):
            consent = f" {_('Their consent is recorded.')}" if block.reason in Suppression.THEIR_WORD else ""
            self.log_change(request, block, gettext_noop("Ended the block."))
            self.message_user(request, f"{_('The block has ended for 1 address.')}{consent}{_still_blocked(block)}")
        else:
            self.message_user(
                request, _("Somebody else ended this block just now. Nothing was changed."), level="WARNING"
            )
        return self._after_lifting(request, block)

    def _after_lifting(self, request: HttpRequest, block: Suppression) -> HttpResponse:
        """Lead to the person, where there is one the user may see, and to the block otherwise."""
        contact = self._contact_of(request, block)
        page, number = ("contact", contact.pk) if contact else ("suppression", block.pk)
        return HttpResponseRedirect(reverse(f"admin:contacts_{page}_change", args=[number]))

    def _contact_of(self, request: HttpRequest, block: Suppression) -> Contact | None:
        if not request.user.has_perm("contacts.view_contact"):
            return None
        index = bytes(block.address_index)
        found: Contact | None = Contact.objects.with_address(Channel(block.channel), index).only("pk").first()
        return found


def _still_blocked(ended: Suppression) -> str:
    """Say what else keeps the address from being written to, if anything."""
    index = bytes(ended.address_index)
    blocks = live_suppressions(Channel(ended.channel), [index]).get(index, [])
    if not blocks:
        return ""
    why = blocks[0].get_reason_display()
    return " " + _("It is still not written to: %(why)s.") % {"why": why[:1].lower() + why[1:]}


def may_lift(request: HttpRequest) -> bool:
    return request.user.has_perms(["contacts.view_suppression", "contacts.lift_suppression"])
