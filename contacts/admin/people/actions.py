"""What may be done with one contact, a page or a button each: show, consent, unsubscribe, block, download, erase."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from contacts.admin.people.forms import BlockForm, ConsentForm
from contacts.admin.people.panels import may_record_consent
from contacts.admin.people.reveal import is_revealed, reveal
from contacts.channels import Channel
from contacts.models import AuditEvent, ConsentEvent, Contact
from contacts.queries import channel_state, export_person
from contacts.sentences import kept
from contacts.services import audit, block, erase, record_consent, unsubscribe

if TYPE_CHECKING:
    ContactPages = admin.ModelAdmin[Contact]
else:
    ContactPages = object


# What the history says: in English, for `said`.
UNSUBSCRIBED = kept("Unsubscribed from %(channel)s.")
RECORDED = kept("Recorded consent to %(channel)s.")
BLOCKED, WAS_BLOCKED = kept("Blocked %(channel)s."), kept("%(channel)s was blocked already.")
MERGED = kept("Merged contact %(pk)s into this one.")


class PersonActions(ContactPages):
    """The mixin of the contact admin that holds these pages."""

    def action_urls(self) -> list[URLPattern]:
        def button(route: str, view: Any, name: str) -> URLPattern:
            return page(route, require_POST(view), name)

        def page(route: str, view: Any, name: str) -> URLPattern:
            pattern: URLPattern = path(route, self.admin_site.admin_view(view), name=f"contacts_contact_{name}")
            return pattern

        return [
            button("<int:pk>/show/", self.show_view, "show"),
            button("<int:pk>/download/", self.download_view, "download"),
            page("<int:pk>/erase/", self.erase_view, "erase"),
            button("<int:pk>/unsubscribe/<str:channel>/", self.unsubscribe_view, "unsubscribe"),
            page("<int:pk>/consent/<str:channel>/", self.consent_view, "consent"),
            page("<int:pk>/block/<str:channel>/", self.block_view, "block"),
        ]

    # --- Who may ---

    def may_change(self, request: HttpRequest) -> bool:
        """Say whether the user may change contacts at all: it takes the sight of them as well."""
        permission = f"contacts.change_{self.opts.model_name}"
        return request.user.has_perms([permission, "contacts.reveal_contact"])

    def shows(self, request: HttpRequest, contact: Contact) -> bool:
        return is_revealed(request, contact, at=timezone.now())

    def contact_or_404(self, request: HttpRequest, pk: int) -> Contact:
        contact: Contact | None = self.get_object(request, str(pk))
        if contact is None:
            raise Http404
        return contact

    def title_of(self, contact: Contact) -> str:
        """Return the name, or the masked addresses of somebody without one."""
        return f"{contact.first_name or ''} {contact.last_name or ''}".strip() or contact.masked

    def person_page(self, request: HttpRequest, name: str, contact: Contact, **context: Any) -> HttpResponse:
        everywhere = {**self.admin_site.each_context(request), "opts": self.opts}
        about = {"contact": contact, "heading": self.title_of(contact)}
        return TemplateResponse(request, f"admin/contacts/contact/{name}.html", {**everywhere, **about, **context})

    # --- See and take out ---

    def show_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the full addresses, and the form where the user may change it, for a quarter of an hour."""
        contact = self.contact_or_404(request, pk)
        may_see = self.has_view_or_change_permission(request, contact)
        if not (may_see and request.user.has_perm("contacts.reveal_contact")):
            raise PermissionDenied
        reveal(request, contact, at=timezone.now())
        return back_to(contact)

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give everything about the person as a JSON file."""
        contact = self.contact_or_404(request, pk)
        if not request.user.has_perms(["contacts.view_contact", "contacts.export_contact"]):
            raise PermissionDenied
        content = json.dumps(export_person(contact), default=plain, ensure_ascii=False, indent=2)
        audit(
            AuditEvent.Action.EXPORTED_ONE,
            detail=f"contact {contact.pk}",
            actor=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
        )
        response = HttpResponse(content, content_type="application/json")
        response["Content-Disposition"] = f'attachment; filename="contact-{contact.pk}.json"'
        response["Cache-Control"] = "no-store"
        return response

    # --- Erase ---

    def erase_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say what is lost and what is kept; a POST erases."""
        contact = self.contact_or_404(request, pk)
        if not request.user.has_perms(["contacts.view_contact", "contacts.erase_contact"]):
            raise PermissionDenied
        if request.method != "POST":
            return self.person_page(request, "erase", contact, title=_("Erase this person"))
        erase(contact, at=timezone.now(), actor=request.user)  # type: ignore[arg-type]  # as above
        done = _("Contact %(number)s is erased, and their addresses are never written to again.")
        self.message_user(request, done % {"number": pk})
        return HttpResponseRedirect(reverse("admin:contacts_contact_changelist"))

    # --- Consent and blocks, by hand ---

    def unsubscribe_view(self, request: HttpRequest, pk: int, channel: str) -> HttpResponse:
        contact, way, index = self._addressed(request, pk, channel)
        newly = unsubscribe(
            channel=way,
            address_index=index,
            source=ConsentEvent.Source.ADMIN,
            at=timezone.now(),
            actor=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
        )
        newly_off = _("This contact is off %(channel)s from now on. 1 address changed.")
        was_off = _("This contact was off %(channel)s already.")
        self.log_change(request, contact, UNSUBSCRIBED % {"channel": way.label})
        self.message_user(request, (newly_off if newly else was_off) % {"channel": way.label})
        return back_to(contact)

    def consent_view(self, request: HttpRequest, pk: int, channel: str) -> HttpResponse:
        contact, way, index = self._addressed(request, pk, channel)
        may_lift = request.user.has_perm("contacts.lift_suppression")
        if not may_record_consent(channel_state(contact, way), may_lift=may_lift):
            refused = _("Consent to %(channel)s cannot be recorded here now.") % {"channel": way.label}
            self.message_user(request, refused, level="WARNING")
            return back_to(contact)
        form = ConsentForm(request.POST or None, label_suffix="")
        if request.method == "POST" and form.is_valid():
            record_consent(
                channel=way,
                address_index=index,
                action=ConsentEvent.Action.GRANTED,
                source=ConsentEvent.Source.ADMIN,
                at=form.cleaned_data["at"] or timezone.now(),
                wording=form.cleaned_data["wording"],
                actor=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
            )
            self.log_change(request, contact, RECORDED % {"channel": way.label})
            done = _("Consent to %(channel)s is recorded for 1 contact.") % {"channel": way.label}
            self.message_user(request, done)
            return back_to(contact)
        title = _("Record consent to %(channel)s") % {"channel": way.label}
        return self.person_page(request, "consent", contact, title=title, channel=way, form=form)

    def block_view(self, request: HttpRequest, pk: int, channel: str) -> HttpResponse:
        contact, way, index = self._addressed(request, pk, channel)
        form = BlockForm(request.POST or None, label_suffix="")
        if request.method == "POST" and form.is_valid():
            newly = block(channel=way, address_index=index, reason=form.cleaned_data["reason"], at=timezone.now())
            self.log_change(request, contact, (BLOCKED if newly else WAS_BLOCKED) % {"channel": way.label})
            newly_off = _("%(channel)s: this contact is not written to any more.")
            was_off = _("%(channel)s: this contact was blocked already; that block stays as it is.")
            self.message_user(request, (newly_off if newly else was_off) % {"channel": way.label})
            return back_to(contact)
        title = _("Block %(channel)s") % {"channel": way.label}
        return self.person_page(request, "block", contact, title=title, channel=way, form=form)

    def _addressed(self, request: HttpRequest, pk: int, channel: str) -> tuple[Contact, Channel, bytes]:
        """Return a contact, one of its channels and its address there. Raises PermissionDenied and Http404."""
        contact = self.contact_or_404(request, pk)
        index = contact.address_index(Channel(channel)) if channel in Channel.values else None
        if index is None:
            raise Http404
        if not self.may_change(request):
            raise PermissionDenied
        return contact, Channel(channel), index


def back_to(contact: Contact) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:contacts_contact_change", args=[contact.pk]))


def plain(value: object) -> str:
    """What JSON has no word for: times and days in ISO 8601, the rest as it prints."""
    return value.isoformat() if isinstance(value, date) else str(value)
