"""The inbox: texts that people sent, what was understood, and a decision where it was not clear."""

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
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext, pgettext_lazy

from contacts.admin.base import ReadOnlyAdmin, badge
from contacts.channels import Channel, mask_phone
from contacts.models import ChannelStatus, Contact
from contacts.queries import derive_states
from messaging.models import InboundText
from messaging.queries.inbox import other_texts, urgency
from messaging.services.reviewing import carry_on, want_no_more

Meaning = InboundText.Meaning
MEANING_KINDS = {
    Meaning.STOP: "bad",
    Meaning.START: "ok",
    Meaning.JOIN: "ok",
    Meaning.HELP: "info",
    Meaning.DOUBT: "warn",
    Meaning.REVIEW: "warn",
}
UNDERSTOOD = {
    Meaning.STOP: gettext_lazy("They want no more texts. Done at once."),
    Meaning.START: gettext_lazy("They want texts again."),
    Meaning.JOIN: gettext_lazy("They want to join the list."),
    Meaning.HELP: gettext_lazy("They asked who you are. Answered at once."),
    Meaning.DOUBT: gettext_lazy("Perhaps they want no more texts. They get none until you decide."),
    Meaning.REVIEW: gettext_lazy("Nothing: these are their own words."),
}
SHOWN = 80  # characters of a text in the list
OTHERS = 5  # texts of the same number


class WaitingFilter(admin.SimpleListFilter):
    title = gettext_lazy("waiting")
    parameter_name = "read"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [("no", _("Waiting")), ("yes", _("Read"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"no", "yes"}:
            return queryset
        return queryset.filter(handled_at__isnull=self.value() == "no")


@admin.register(InboundText)
class InboundTextAdmin(ReadOnlyAdmin[InboundText]):
    list_display = ("from_number", "short", "meaning_label", "received_at", "state")
    list_filter = (WaitingFilter, "meaning")
    sortable_by = ()
    fields = ("from_number", "who", "understood", "answer_label", "received_at", "state")
    actions = ("mark_as_read",)
    change_form_template = "admin/messaging/inboundtext/change_form.html"
    empty_title = gettext_lazy("No texts came in yet")
    empty_text = gettext_lazy(
        "What people answer to your texts appears here. A clear “stop” is obeyed at once; what may be one waits for "
        "you, and they get no texts meanwhile. Connect the inbound webhook first."
    )

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return [urgency(), "-id"]

    # --- The list ---

    @admin.display(description=gettext_lazy("Text"))
    def short(self, text: InboundText) -> str:
        return Truncator(" ".join(text.body.split())).chars(SHOWN) or _("(empty)")

    @admin.display(description=pgettext_lazy("sender", "From"))
    def from_number(self, text: InboundText) -> SafeString:
        return format_html('<span class="nowrap">{}</span>', mask_phone(text.sender))

    @admin.display(description=gettext_lazy("Meaning"))
    def meaning_label(self, text: InboundText) -> SafeString:
        meaning = Meaning(text.meaning)
        return badge("quiet" if text.handled_at else MEANING_KINDS[meaning], str(meaning.label))

    @admin.display(description=gettext_lazy("Read"))
    def state(self, text: InboundText) -> object:
        return text.handled_at or badge("warn", _("Waiting"))

    # --- The page of a text ---

    @admin.display(description=gettext_lazy("Contact"))
    def who(self, text: InboundText) -> str | SafeString:
        contact = Contact.objects.with_address(Channel.SMS, bytes(text.sender_index)).only("email", "phone").first()
        if contact is None:
            return _("Nobody you know has this number.")
        url = reverse("admin:contacts_contact_change", args=[contact.pk])
        return format_html('<a href="{}">{}</a>', url, contact.masked)

    @admin.display(description=gettext_lazy("Understood"))
    def understood(self, text: InboundText) -> str:
        return str(UNDERSTOOD[Meaning(text.meaning)])

    @admin.display(description=gettext_lazy("Answered"))
    def answer_label(self, text: InboundText) -> str:
        return text.answer or _("No")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        text = self.get_object(request, object_id)
        others = list(other_texts(text)[:OTHERS]) if text else []
        context = {"may_decide": self.has_handle_permission(request), "other_texts": others}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    # --- Decisions ---

    def has_handle_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("messaging.change_inboundtext")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/no-more/", wrap(self.no_more_view), name="messaging_inboundtext_no_more"),
            path("<int:pk>/carry-on/", wrap(self.carry_on_view), name="messaging_inboundtext_carry_on"),
            *super().get_urls(),
        ]

    def no_more_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, and take the number off."""
        text = self._text(request, pk)
        if request.method != "POST":
            return self._ask(request, text, "no_more", _("They want no more texts"))
        actor: Any = request.user
        newly = want_no_more(text, actor=actor, at=timezone.now())
        self.log_change(request, text, gettext_noop("Understood as: no more texts."))
        done = (
            _("They get no more texts.") if newly else _("They had been taken off before. Nothing more was to be done.")
        )
        self.message_user(request, " ".join((_("1 text read."), done)))
        return self._back_to_what_waits()

    def carry_on_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, and let the texts go on as far as they may."""
        text = self._text(request, pk)
        if request.method != "POST":
            return self._ask(request, text, "carry_on", _("Carry on"))
        actor: Any = request.user
        if carry_on(text, actor=actor, at=timezone.now()):
            self.log_change(request, text, gettext_noop("Understood as: carry on."))
            self.message_user(request, " ".join((_("1 text read."), _what_follows(text))))
        else:
            self.message_user(
                request, _("Somebody else read this text just now. Nothing was changed."), level="WARNING"
            )
        return self._back_to_what_waits()

    def _text(self, request: HttpRequest, pk: int) -> InboundText:
        if not (self.has_handle_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        text = InboundText.objects.filter(pk=pk).first()
        if text is None:
            raise Http404
        return text

    def _ask(self, request: HttpRequest, text: InboundText, decision: str, title: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "text": text,
            "number": mask_phone(text.sender),
            "decision": decision,
            "is_doubt": text.meaning == Meaning.DOUBT,
        }
        return TemplateResponse(request, "admin/messaging/inboundtext/decide.html", context)

    def _back_to_what_waits(self) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:messaging_inboundtext_changelist')}?read=no")

    @admin.action(description=gettext_lazy("Mark as read"), permissions=["handle"])
    def mark_as_read(self, request: HttpRequest, queryset: QuerySet[InboundText]) -> None:
        """Mark several as read, but for those that keep somebody from being texted: they need a decision each."""
        doubtful = queryset.filter(handled_at=None, meaning=Meaning.DOUBT).count()
        waiting = queryset.filter(handled_at=None).exclude(meaning=Meaning.DOUBT)
        count = waiting.update(handled_at=timezone.now())
        before = queryset.count() - count - doubtful
        lines = [
            ngettext("%(count)s text marked as read.", "%(count)s texts marked as read.", count) % {"count": count}
        ]
        if before:
            words = ngettext("%(count)s had been read before.", "%(count)s had been read before.", before)
            lines.append(words % {"count": before})
        if doubtful:
            words = ngettext(
                "%(count)s may mean stop: open it and decide.",
                "%(count)s may mean stop: open each and decide.",
                doubtful,
            )
            lines.append(words % {"count": doubtful})
        self.message_user(request, " ".join(lines), level="WARNING" if doubtful else "SUCCESS")


def _what_follows(text: InboundText) -> str:
    """Say whether the number is texted again, or what still keeps it from that."""
    index = bytes(text.sender_index)
    state = derive_states(Channel.SMS, [index])[index].state
    if state == ChannelStatus.SUBSCRIBED:
        return _("They get your texts.")
    return _("They get no texts: %(state)s.") % {"state": state.label.lower()}
