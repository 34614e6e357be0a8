"""How messages travelled: read-only tables, and the outbox, where messages lie that did not leave this machine."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin.base import ChoicesInUse, ReadOnlyAdmin, badge, framed
from contacts.models import Contact
from messaging.models import Message, ProviderEvent
from messaging.queries import OUTBOX_PERMISSIONS, outbox, outbox_item
from messaging.transports.outbox import OutboxMail

Status = Message.Status
STATUS_KINDS = {
    Status.QUEUED: "quiet",
    Status.SENDING: "info",
    Status.ACCEPTED: "info",
    Status.DELIVERED: "ok",
    Status.BOUNCED: "bad",
    Status.COMPLAINED: "bad",
    Status.FAILED: "bad",
    Status.SKIPPED: "quiet",
    Status.UNKNOWN: "warn",
    Status.CANCELLED: "quiet",
}
Verdict = ProviderEvent.Verdict
VERDICT_KINDS = {
    Verdict.HARD: "bad",
    Verdict.SOFT: "warn",
    Verdict.SENDER: "bad",
    Verdict.EXPIRED: "quiet",
}


def local_date(header: str) -> str:
    """Return the date of a mail in the time zone of the page, in the words of every other date."""
    at = parsedate_to_datetime(header)
    if at.tzinfo is None:  # "-0000" says UTC, and nothing of where it was written
        at = at.replace(tzinfo=UTC)
    return formats.date_format(timezone.localtime(at), "DATETIME_FORMAT")


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin[Message]):
    list_display = ("id", "campaign", "who", "channel", "status_label", "reason", "status_at")
    list_filter = ("status", ("reason", ChoicesInUse), "channel")
    list_select_related = ("campaign", "contact")
    sortable_by = ()
    fields = (
        "campaign",
        "who",
        "channel",
        "status_label",
        "reason",
        "status_at",
        "attempts",
        "handed_at",
        "provider",
        "provider_id",
        "reference",
        "created_at",
    )
    has_history = False
    empty_title = gettext_lazy("No messages yet")
    empty_text = gettext_lazy("When a campaign is sent, each person's message has a line here.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        # Of the contact, only the addresses are shown, masked; nothing else is decrypted.
        hidden = [f"contact__{name}" for name in ("first_name", "last_name", *Contact.DETAIL_FIELDS)]
        return super().get_queryset(request).defer(*hidden)

    @admin.display(description=gettext_lazy("Contact"))
    def who(self, message: Message) -> str | SafeString:
        if message.contact is None:
            return _("No contact any more")
        url = reverse("admin:contacts_contact_change", args=[message.contact_id])
        return format_html('<a href="{}">{}</a>', url, message.contact.masked)

    @admin.display(description=gettext_lazy("Status"))
    def status_label(self, message: Message) -> SafeString:
        status = Status(message.status)
        return badge(STATUS_KINDS[status], str(status.label))

    # --- The outbox ---

    def outbox_urls(self) -> list[URLPattern]:
        """Return the addresses of the outbox, which the site hangs beside those of the messages."""
        wrap = self.admin_site.admin_view
        return [
            path("messaging/outbox/", wrap(self.outbox_view), name="messaging_outbox"),
            path("messaging/outbox/<str:name>/", wrap(self.outbox_item_view), name="messaging_outbox_item"),
            path("messaging/outbox/<str:name>/html/", wrap(self.outbox_html_view), name="messaging_outbox_html"),
        ]

    def outbox_view(self, request: HttpRequest) -> HttpResponse:
        """List the newest messages that were written to files instead of sent."""
        self._need_view(request)
        return self._page(request, "outbox", {"title": _("Outbox"), "items": outbox()})

    def outbox_item_view(self, request: HttpRequest, name: str) -> HttpResponse:
        mail = self._mail(request, name)
        headers = dict(mail.headers)
        title = headers.get("Subject") or _("Text to %(number)s") % {"number": headers.get("To", "")}
        if date := headers.get("Date"):
            headers["Date"] = local_date(date)
        return self._page(request, "outbox_item", {"title": title, "mail": mail, "name": name, "headers": headers})

    def outbox_html_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Return a mail's HTML for the frame on its page."""
        return framed(self._mail(request, name).html)

    def _mail(self, request: HttpRequest, name: str) -> OutboxMail:
        self._need_view(request)
        try:
            return outbox_item(name)
        except FileNotFoundError as error:
            raise Http404 from error

    def _need_view(self, request: HttpRequest) -> None:
        """The outbox holds full addresses: it takes both permissions."""
        if not request.user.has_perms(OUTBOX_PERMISSIONS):
            raise PermissionDenied

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        everywhere = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"admin/messaging/{name}.html", {**everywhere, **context})


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin[ProviderEvent]):
    """What providers reported. The report itself stays hidden: it names the address."""

    list_display = ("id", "provider", "event_type", "whose_fault", "code", "message", "occurred_at", "applied_at")
    list_filter = (("verdict", ChoicesInUse), "provider", "event_type")
    list_select_related = ("message",)
    sortable_by = ()
    fields = (
        "provider",
        "event_type",
        "whose_fault",
        "code",
        "reject_reason",
        "message",
        "occurred_at",
        "received_at",
        "applied_at",
    )
    has_history = False
    empty_title = gettext_lazy("No provider events yet")
    empty_text = gettext_lazy("Deliveries, bounces and complaints reported by your providers appear here.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderEvent]:
        return super().get_queryset(request).defer("payload")

    @admin.display(description=gettext_lazy("Whose fault"))
    def whose_fault(self, event: ProviderEvent) -> str | SafeString:
        verdict = Verdict(event.verdict)
        return badge(VERDICT_KINDS[verdict], str(verdict.label)) if verdict else "—"
