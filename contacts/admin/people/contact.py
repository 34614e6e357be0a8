"""The admin of contacts: the list, the form, and where the pages of one person hang."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin.base import status_badge
from contacts.admin.bulk import BulkActions
from contacts.admin.groups import chips
from contacts.admin.people.actions import back_to
from contacts.admin.people.filters import ImportFilter, TagFilter
from contacts.admin.people.finding import HELP, find_contacts
from contacts.admin.people.forms import ContactForm
from contacts.admin.people.merging import MergePages
from contacts.admin.people.panels import channel_panels, numbers, story
from contacts.admin.searching import PrivateSearch
from contacts.channels import Channel
from contacts.models import Contact
from contacts.services import save_contact


@admin.register(Contact)
class ContactAdmin(BulkActions, MergePages, PrivateSearch[Contact]):
    form = ContactForm
    change_form_template = "admin/contacts/contact/change_form.html"
    change_list_template = "admin/contacts/contact/change_list.html"
    list_display = ("person", "email_badge", "sms_badge", "tag_chips", "added")
    list_filter = ("email_status", "sms_status", "source", TagFilter, ImportFilter)
    search_help_text = HELP
    ordering = ("-id",)
    sortable_by = ()
    readonly_fields = ("masked_addresses", "full_name", "tag_chips", "added")
    empty_title = gettext_lazy("No contacts yet")
    empty_text = gettext_lazy(
        "Import the list you have, from Mailchimp, Klaviyo, Square or any spreadsheet saved as CSV."
    )

    # --- The list ---

    def find(self, text: str) -> list[int]:
        return find_contacts(text)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        contacts = super().get_queryset(request)
        if self.is_list(request):
            # Each encrypted column costs a decryption per row, and the list shows names and addresses only.
            contacts = contacts.defer(*Contact.DETAIL_FIELDS).prefetch_related("tags")
        return contacts

    @admin.display(description=gettext_lazy("Person"))
    def person(self, contact: Contact) -> SafeString:
        name = self.full_name(contact)
        if not name:
            return format_html("<strong>{}</strong>", contact.masked)
        return format_html('<strong>{}</strong><br><span class="quiet">{}</span>', name, contact.masked)

    @admin.display(description=gettext_lazy("E-mail"))
    def email_badge(self, contact: Contact) -> SafeString:
        return status_badge(contact.status(Channel.EMAIL))

    @admin.display(description=gettext_lazy("SMS"))
    def sms_badge(self, contact: Contact) -> SafeString:
        return status_badge(contact.status(Channel.SMS))

    @admin.display(description=gettext_lazy("Tags"))
    def tag_chips(self, contact: Contact) -> str:
        return chips([tag.name for tag in contact.tags.all()]) or "—"

    @admin.display(description=gettext_lazy("Added"))
    def added(self, contact: Contact) -> object:
        return timezone.localtime(contact.created_at).date()

    # --- The form ---

    @admin.display(description=gettext_lazy("Name"), empty_value="—")
    def full_name(self, contact: Contact) -> str:
        return f"{contact.first_name or ''} {contact.last_name or ''}".strip()

    @admin.display(description=gettext_lazy("Addresses"))
    def masked_addresses(self, contact: Contact) -> str:
        return contact.masked

    def has_change_permission(self, request: HttpRequest, obj: Contact | None = None) -> bool:
        """A form is shown once the contact is; one that was open for long is saved all the same."""
        if not self.may_change(request):
            return False
        return obj is None or request.method == "POST" or self.shows(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Contact | None = None) -> bool:
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Keep the form's own widgets for the day and the notes; the admin's calendar speaks of server time."""
        if db_field.name in {"birthday", "notes"} and "widget" in kwargs:
            return db_field.formfield(**kwargs)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Contact | None = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            details = ("birthday", ("postal_code", "region"), "time_zone", "notes", "tagged")
            names: tuple[object, ...] = (("first_name", "last_name"), ("email", "phone"))
            return [(_("Person"), {"fields": names}), (_("Details"), {"fields": details})]
        revealed = ("email", "phone", *Contact.DETAIL_FIELDS)
        addresses = revealed if self.shows(request, obj) else ("masked_addresses",)
        return [(_("Person"), {"fields": ("full_name", *addresses, "tag_chips", "added")})]

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:
        save_contact(obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        form.instance.tags.set(form.cleaned_data["tagged"])

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        contact = self.get_object(request, object_id)
        context: dict[str, Any] = {"heading": "", "channels": [], "timeline": []}
        if contact and self.has_view_or_change_permission(request, contact):
            context = {
                "heading": self.title_of(contact),
                "channels": channel_panels(contact, request),
                "numbers": numbers(contact),
                "may_change": self.may_change(request),
                "may_show": request.user.has_perm("contacts.reveal_contact") and not self.shows(request, contact),
                **story(contact, request),
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def response_add(self, request: HttpRequest, obj: Contact, post_url_continue: str | None = None) -> HttpResponse:
        """Lead on to the contact's own page: without recorded consent nobody may write to the person."""
        if "_popup" in request.POST or "_addanother" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        self.message_user(
            request, _("The contact is saved. Nobody may write to this person before their consent is recorded below.")
        )
        return back_to(obj)

    def get_urls(self) -> list[URLPattern]:
        return [*self.action_urls(), *self.merge_urls(), *super().get_urls()]
