"""What is typed about a person: the contact itself, what they agreed to, why they are blocked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.channels import AddressError, Channel, clean_name
from contacts.days import UNKNOWN_YEAR
from contacts.models import Contact, Tag, stored_address
from contacts.places import clean_region, clean_time_zone
from contacts.sentences import said
from contacts.services.lifting import LONGEST_BLOCK_REASON, SHORTEST_REASON


class ContactForm(forms.ModelForm[Contact]):
    tagged = forms.ModelMultipleChoiceField(
        Tag.objects.all(), label=gettext_lazy("Tags"), required=False, widget=forms.CheckboxSelectMultiple
    )
    region = forms.CharField(
        label=gettext_lazy("State"), required=False, max_length=40, help_text=gettext_lazy("TX or Texas.")
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        max_length=64,
        help_text=gettext_lazy(
            "Where you know it: America/Chicago, or Central. Texts keep quiet hours there, and wherever the "
            "state, the postal code and the number are from."
        ),
    )

    class Meta:
        model = Contact
        fields = [
            "first_name",
            "last_name",
            "email",
            "phone",
            "birthday",
            "postal_code",
            "region",
            "time_zone",
            "notes",
        ]
        widgets = {
            "birthday": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "notes": forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if birthday := self.fields.get("birthday"):  # whoever may only look has no field
            birthday.help_text = _("Where the year is not known: %(year)s.") % {"year": UNKNOWN_YEAR}
        if self.instance.pk:
            self.initial.setdefault("tagged", list(self.instance.tags.values_list("pk", flat=True)))
        if not Tag.objects.exists() and "tagged" in self.fields:
            self.fields["tagged"].help_text = _("There are no tags yet. Make one under Tags, or by an import.")

    def clean_first_name(self) -> str | None:
        return clean_name(self.cleaned_data.get("first_name") or "") or None

    def clean_last_name(self) -> str | None:
        return clean_name(self.cleaned_data.get("last_name") or "") or None

    def clean_region(self) -> str | None:
        return self._cleaned("region", clean_region)

    def clean_time_zone(self) -> str | None:
        return self._cleaned("time_zone", clean_time_zone)

    def _cleaned(self, name: str, clean: Callable[[str], str]) -> str | None:
        text = self.cleaned_data[name]
        try:
            return clean(text) if text else None
        except ValueError as error:
            raise forms.ValidationError(said(str(error))) from error

    def clean(self) -> dict[str, Any]:
        """Find out whether an address is another contact's: the database would refuse it, without a word."""
        for channel, field in Contact.ADDRESS_FIELDS.items():
            text = self.cleaned_data.get(field)
            other = self._owner(channel, text) if text else None
            if other is not None:
                url = reverse("admin:contacts_contact_change", args=[other.pk])
                name = f"{other.first_name or ''} {other.last_name or ''}".strip() or other.masked
                link = format_html(
                    _('This is <a href="{url}">{name}</a> (contact {number}) already.'),
                    url=url,
                    name=name,
                    number=other.pk,
                )
                self.add_error(field, forms.ValidationError(link))
        return self.cleaned_data

    def _owner(self, channel: Channel, text: str) -> Contact | None:
        try:
            _, index = stored_address(channel, text)
        except AddressError:
            return None  # the model says so itself
        found: Contact | None = Contact.objects.with_address(channel, index).exclude(pk=self.instance.pk).first()
        return found


class ConsentForm(forms.Form):
    wording = forms.CharField(
        label=gettext_lazy("What did they agree to, and how?"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("For example: “Signed the card at the bar: yes to news and deals by e-mail.”"),
    )
    at = forms.DateTimeField(
        label=gettext_lazy("When?"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("Empty: now."),
    )

    def clean_at(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["at"]
        if at and at > timezone.now():
            raise forms.ValidationError(_("That is in the future."))
        return at


class BlockForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        min_length=SHORTEST_REASON,
        max_length=LONGEST_BLOCK_REASON,
        help_text=gettext_lazy(
            "For example: “Asked at the till to hear nothing for a while.” It is kept with the block."
        ),
    )


class LiftForm(forms.Form):
    """`reason` is asked for in other words where the person had opted out."""

    reason = forms.CharField(
        min_length=SHORTEST_REASON,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, needs_their_word: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["reason"]
        if needs_their_word:
            field.label = _("What did the person say, when and how?")
            field.help_text = _(
                "For example: “Asked at the bar on Friday, November 20, to get our e-mails again.” "
                "This is recorded as their consent, with your name and the time."
            )
        else:
            field.label = _("Why does the block end?")
            field.help_text = _("For example: “She says her mailbox was full and works again.” Kept with your name.")


class MergeSearchForm(forms.Form):
    text = forms.CharField(
        label=gettext_lazy("Who is the same person?"),
        max_length=200,
        help_text=gettext_lazy("Their name, whole e-mail address, whole phone number, or the number of the contact."),
    )
