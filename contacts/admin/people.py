"""Contacts: the list that decrypts one page only, the form, and what each person agreed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from contacts.admin.base import EstimatedPaginator, PlainAdmin, badge, status_badge
from contacts.admin.consent import source_label
from contacts.admin.groups import chips
from contacts.channels import AddressError, Channel, clean_name
from contacts.models import ChannelStatus, ConsentEvent, Contact, ContactTag, Suppression, Tag, stored_address
from contacts.queries import address_index_of, channel_state
from contacts.services import record_consent, save_contact, unsubscribe

NOT_AN_ADDRESS = (
    "Addresses are stored encrypted, so people are found by a whole e-mail address or a whole phone number. "
    "What you typed is neither."
)


class TagFilter(admin.SimpleListFilter):
    """Filter by tag through a subquery: a join would count the distinct rows of all encrypted columns."""

    title = "tag"
    parameter_name = "tag"
    SHOWN = 40

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(str(pk), name) for pk, name in Tag.objects.values_list("pk", "name")[: self.SHOWN]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not (value and value.isdigit()):
            return queryset
        return queryset.filter(pk__in=ContactTag.objects.filter(tag_id=int(value)).values("contact_id"))


class ContactForm(forms.ModelForm[Contact]):
    tagged = forms.ModelMultipleChoiceField(
        Tag.objects.all(), label="Tags", required=False, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = Contact
        fields = ["first_name", "last_name", "email", "phone", "birthday", "postal_code", "notes"]
        widgets = {
            "birthday": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "notes": forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial.setdefault("tagged", list(self.instance.tags.values_list("pk", flat=True)))
        if not Tag.objects.exists() and "tagged" in self.fields:
            self.fields["tagged"].help_text = "There are no tags yet. Make one under Tags, or by an import."

    def clean_first_name(self) -> str | None:
        return clean_name(self.cleaned_data.get("first_name") or "") or None

    def clean_last_name(self) -> str | None:
        return clean_name(self.cleaned_data.get("last_name") or "") or None

    def clean(self) -> dict[str, Any]:
        """Find out whether an address is another contact's: the database would refuse it, without a word."""
        for channel, field in Contact.ADDRESS_FIELDS.items():
            text = self.cleaned_data.get(field)
            other = self._owner(channel, text) if text else None
            if other is not None:
                url = reverse("admin:contacts_contact_change", args=[other.pk])
                name = f"{other.first_name or ''} {other.last_name or ''}".strip() or other.masked
                link = format_html('This is <a href="{}">{}</a> (contact {}) already.', url, name, other.pk)
                self.add_error(field, forms.ValidationError(link))
        return self.cleaned_data

    def _owner(self, channel: Channel, text: str) -> Contact | None:
        try:
            _, index = stored_address(channel, text)
        except AddressError:
            return None  # the model says so itself
        found: Contact | None = Contact.objects.with_address(channel, index).exclude(pk=self.instance.pk).first()
        return found


@admin.register(Contact)
class ContactAdmin(PlainAdmin[Contact]):
    form = ContactForm
    change_form_template = "admin/contacts/contact/change_form.html"
    change_list_template = "admin/contacts/contact/change_list.html"
    list_display = ("person", "email_badge", "sms_badge", "tag_chips", "added")
    list_filter = ("email_status", "sms_status", "source", TagFilter)
    search_fields = ("email_index",)  # turns the search box on; get_search_results does the search
    search_help_text = "A whole e-mail address or a whole phone number: addresses are stored encrypted."
    ordering = ("-id",)
    sortable_by = ()
    actions = None
    paginator = EstimatedPaginator
    readonly_fields = ("masked_addresses", "full_name", "tag_chips", "added")
    empty_title = "No contacts yet"
    empty_text = "Import the list you have, from Mailchimp, Klaviyo, Square or any spreadsheet saved as CSV."

    # --- The list ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        contacts = super().get_queryset(request)
        if _is_list(request):
            # Each encrypted column costs a decryption per row, and the list shows names and addresses only.
            contacts = contacts.defer("birthday", "postal_code", "notes").prefetch_related("tags")
        return contacts

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Contact], search_term: str
    ) -> tuple[QuerySet[Contact], bool]:
        """Look an address up by its blind index; nothing else about a person can be searched."""
        if not search_term.strip():
            return queryset, False
        try:
            channel, index = address_index_of(search_term)
        except AddressError:
            if _is_list(request):
                self.message_user(request, NOT_AN_ADDRESS, level="WARNING")
            return queryset.none(), False
        return queryset.filter(**{Contact.INDEX_FIELDS[channel]: index}), False

    @admin.display(description="Person")
    def person(self, contact: Contact) -> SafeString:
        name = self.full_name(contact)
        if not name:
            return format_html("<strong>{}</strong>", contact.masked)
        return format_html('<strong>{}</strong><br><span class="quiet">{}</span>', name, contact.masked)

    @admin.display(description="E-mail")
    def email_badge(self, contact: Contact) -> SafeString:
        return status_badge(contact.status(Channel.EMAIL))

    @admin.display(description="SMS")
    def sms_badge(self, contact: Contact) -> SafeString:
        return status_badge(contact.status(Channel.SMS))

    @admin.display(description="Tags", empty_value="—")
    def tag_chips(self, contact: Contact) -> SafeString | None:
        return chips([tag.name for tag in contact.tags.all()]) or None

    @admin.display(description="Added")
    def added(self, contact: Contact) -> object:
        return timezone.localtime(contact.created_at).date()

    # --- The form ---

    @admin.display(description="Name", empty_value="—")
    def full_name(self, contact: Contact) -> str:
        return f"{contact.first_name or ''} {contact.last_name or ''}".strip()

    @admin.display(description="Addresses")
    def masked_addresses(self, contact: Contact) -> str:
        return contact.masked

    def has_change_permission(self, request: HttpRequest, obj: Contact | None = None) -> bool:
        return super().has_change_permission(request, obj) and request.user.has_perm("contacts.reveal_contact")

    def has_delete_permission(self, request: HttpRequest, obj: Contact | None = None) -> bool:
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Keep the form's own widgets for the day and the notes; the admin's calendar speaks of server time."""
        if db_field.name in {"birthday", "notes"} and "widget" in kwargs:
            return db_field.formfield(**kwargs)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Contact | None = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            details = ("birthday", "postal_code", "notes", "tagged")
            names: tuple[object, ...] = (("first_name", "last_name"), ("email", "phone"))
            return [("Person", {"fields": names}), ("Details", {"fields": details})]
        revealed = ("email", "phone", "birthday", "postal_code", "notes")
        addresses = revealed if request.user.has_perm("contacts.reveal_contact") else ("masked_addresses",)
        shown = ("full_name", *addresses, "tag_chips", "added")
        return [("Person", {"fields": shown})]

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
        if contact and self.has_view_permission(request, contact):
            context = {
                "heading": self.full_name(contact) or contact.masked,
                "channels": channel_panels(contact),
                "timeline": timeline(contact),
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def response_add(self, request: HttpRequest, obj: Contact, post_url_continue: str | None = None) -> HttpResponse:
        """Lead on to the contact's own page: without recorded consent nobody may write to the person."""
        if "_popup" in request.POST or "_addanother" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        self.message_user(
            request, "The contact is saved. Nobody may write to this person before their consent is recorded below."
        )
        return _back_to(obj)

    # --- Consent, by hand ---

    def get_urls(self) -> list[URLPattern]:
        def wrap(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        return [
            path(
                "<int:pk>/unsubscribe/<str:channel>/",
                wrap(require_POST(self.unsubscribe_view)),
                name="contacts_contact_unsubscribe",
            ),
            path("<int:pk>/consent/<str:channel>/", wrap(self.consent_view), name="contacts_contact_consent"),
            *super().get_urls(),
        ]

    def unsubscribe_view(self, request: HttpRequest, pk: int, channel: str) -> HttpResponse:
        contact, way, index = self._addressed(request, pk, channel)
        newly = unsubscribe(
            channel=way,
            address_index=index,
            source=ConsentEvent.Source.ADMIN,
            at=timezone.now(),
            actor=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
        )
        done = f"is off {way.label} from now on" if newly else f"was off {way.label} already"
        self.log_change(request, contact, f"Unsubscribed from {way.label}.")
        self.message_user(request, f"This contact {done}. 1 address changed." if newly else f"This contact {done}.")
        return _back_to(contact)

    def consent_view(self, request: HttpRequest, pk: int, channel: str) -> HttpResponse:
        contact, way, index = self._addressed(request, pk, channel)
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
            self.log_change(request, contact, f"Recorded consent to {way.label}.")
            self.message_user(request, f"Consent to {way.label} is recorded for 1 contact.")
            return _back_to(contact)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Record consent to {way.label}",
            "contact": contact,
            "heading": self.full_name(contact) or contact.masked,
            "channel": way,
            "form": form,
        }
        return TemplateResponse(request, "admin/contacts/contact/consent.html", context)

    def _addressed(self, request: HttpRequest, pk: int, channel: str) -> tuple[Contact, Channel, bytes]:
        """Return a contact, one of its channels and its address there. Raises PermissionDenied and Http404."""
        contact = self.get_object(request, str(pk))
        index = contact.address_index(Channel(channel)) if contact and channel in Channel.values else None
        if contact is None or index is None:
            raise Http404
        if not self.has_change_permission(request, contact):
            raise PermissionDenied
        return contact, Channel(channel), index


class ConsentForm(forms.Form):
    wording = forms.CharField(
        label="What did they agree to, and how?",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For example: “Signed the card at the bar: yes to news and deals by e-mail.”",
    )
    at = forms.DateTimeField(
        label="When?",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Empty: now.",
    )

    def clean_at(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["at"]
        if at and at > timezone.now():
            raise forms.ValidationError("That is in the future.")
        return at


@dataclass(frozen=True, slots=True)
class ChannelPanel:
    """One channel of one contact, and what may be done about it."""

    channel: Channel
    status: SafeString
    reason: str
    since: datetime | None
    can_unsubscribe: bool
    can_consent: bool


def channel_panels(contact: Contact) -> list[ChannelPanel]:
    """Return the channels on which the contact has an address. Two queries each."""
    panels = []
    for channel in Channel:
        state = channel_state(contact, channel)
        if state.state == ChannelStatus.ABSENT:
            continue
        waiting = state.state in {ChannelStatus.NONE, ChannelStatus.PENDING}
        reason = Suppression.Reason(state.reason).label if state.reason else ""
        panels.append(
            ChannelPanel(
                channel=channel,
                status=status_badge(state.state),
                reason="" if reason == state.state.label else reason,
                since=state.since,
                can_unsubscribe=waiting or state.state == ChannelStatus.SUBSCRIBED,
                can_consent=waiting,
            )
        )
    return panels


@dataclass(frozen=True, slots=True)
class TimelineLine:
    at: datetime
    what: SafeString
    channel: str
    how: str
    wording: str


def timeline(contact: Contact) -> list[TimelineLine]:
    """Return what the person agreed to, withdrew, and what blocks their addresses, newest first. Two queries."""
    kinds = {"granted": "ok", "revoked": "bad", "requested": "warn"}
    lines = [
        TimelineLine(
            at=event.at,
            what=badge(kinds[event.action], event.get_action_display()),
            channel=event.get_channel_display(),
            how=" · ".join(
                filter(None, [event.get_source_display(), event.reference, f"by {event.actor}" if event.actor else ""])
            ),
            wording=event.wording,
        )
        for event in contact.consent_events.select_related("actor").defer("ip_address", "user_agent")
    ]
    blocked = Q(pk=None)
    for channel in Channel:
        if (index := contact.address_index(channel)) is not None:
            blocked |= Q(channel=channel, address_index=index)
    for suppression in Suppression.objects.filter(blocked):
        lifted = f"lifted {timezone.localtime(suppression.lifted_at):%Y-%m-%d}" if suppression.lifted_at else ""
        lines.append(
            TimelineLine(
                at=suppression.created_at,
                what=badge("quiet" if lifted else "bad", f"Not written to: {suppression.get_reason_display().lower()}"),
                channel=suppression.get_channel_display(),
                how=" · ".join(filter(None, [source_label(suppression.source), lifted])),
                wording=suppression.lifted_because,
            )
        )
    return sorted(lines, key=lambda line: line.at, reverse=True)


def _is_list(request: HttpRequest) -> bool:
    match = request.resolver_match
    return bool(match and match.url_name == "contacts_contact_changelist")


def _back_to(contact: Contact) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:contacts_contact_change", args=[contact.pk]))
