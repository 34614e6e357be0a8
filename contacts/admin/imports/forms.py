"""What the steps of the import ask."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.importing import FIELDS, PRESETS, TablePlan
from contacts.importing.reading.files import MAX_BYTES
from contacts.models import Import, Tag

SEPARATORS = [
    ("", gettext_lazy("Find out")),
    (",", gettext_lazy("Comma")),
    (";", gettext_lazy("Semicolon")),
    ("\t", gettext_lazy("Tab")),
    ("|", gettext_lazy("Vertical bar")),
]
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": gettext_lazy("Windows (Western)"),
    "mac_roman": gettext_lazy("Old Mac"),
    "cp1250": gettext_lazy("Windows (Central Europe)"),
    "cp1251": gettext_lazy("Windows (Cyrillic)"),
}


class UploadForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("Your file"),
        help_text=gettext_lazy(
            "CSV, TSV, text, Excel (.xlsx), or a ZIP of text files, such as the three Mailchimp exports."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,.zip,text/csv"}),
        allow_empty_file=True,
    )
    preset = forms.ChoiceField(
        label=gettext_lazy("Where is it from?"),
        required=False,
        choices=[
            ("auto", gettext_lazy("Find out")),
            *((name, gettext_lazy(preset.label)) for name, preset in PRESETS.items()),
        ],
    )

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_BYTES:
            raise forms.ValidationError(
                _("This file is larger than %(most)s MB. Split it and import the parts.")
                % {"most": MAX_BYTES // 1024 // 1024}
            )
        return file


class ConsentForm(forms.Form):
    """What these people agreed to, for each channel. Nothing, unless somebody says so."""

    email_agreed = forms.ChoiceField(
        label=gettext_lazy("Marketing e-mails"),
        choices=[
            ("no", gettext_lazy("I cannot say that all of them agreed")),
            ("yes", gettext_lazy("Everyone in this file agreed")),
        ],
        widget=forms.RadioSelect,
        initial="no",
    )
    email_wording = forms.CharField(
        label=gettext_lazy("What did they agree to by e-mail, when, and how?"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy(
            "For example: “Ticked 'send me deals by e-mail' on the loyalty card, 2024-2026.” Kept as evidence."
        ),
    )
    sms_agreed = forms.ChoiceField(
        label=gettext_lazy("Marketing texts (SMS)"),
        choices=[
            ("no", gettext_lazy("I cannot say that all of them agreed")),
            ("yes", gettext_lazy("Everyone in this file agreed in writing")),
        ],
        widget=forms.RadioSelect,
        initial="no",
    )
    sms_wording = forms.CharField(
        label=gettext_lazy("The words they agreed to, when, and how"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy(
            "The law (TCPA) wants written consent to marketing texts. Give the wording people signed or ticked."
        ),
    )
    consent_date = forms.DateField(
        label=gettext_lazy("Since when?"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Empty: today."),
    )
    conflicts = forms.ChoiceField(
        label=gettext_lazy("Where the file differs from what you have"),
        choices=[
            (Import.Conflicts.KEEP, gettext_lazy("Keep what I have")),
            (Import.Conflicts.OVERWRITE, gettext_lazy("Take the file's names, phone numbers, birthdays and notes")),
        ],
        widget=forms.RadioSelect,
        initial=Import.Conflicts.KEEP,
        help_text=gettext_lazy("Either way empty cells clear nothing, and e-mail addresses stay."),
    )
    tag = forms.CharField(
        label=gettext_lazy("Tag everyone in this file"),
        required=False,
        max_length=100,
        help_text=gettext_lazy("Optional, such as “Loyalty list 2026”. A campaign can go to one tag only."),
        widget=forms.TextInput(attrs={"list": "known-tags", "autocomplete": "off"}),
    )

    def clean_consent_date(self) -> datetime | None:
        day = self.cleaned_data["consent_date"]
        if day and day > timezone.localdate():
            raise forms.ValidationError(_("That is in the future."))
        return datetime.combine(day, time(12), tzinfo=UTC) if day else None

    def clean(self) -> dict[str, Any]:
        for channel, what in (("email", _("what they agreed to")), ("sms", _("the words they agreed to"))):
            agreed = self.cleaned_data.get(f"{channel}_agreed") == "yes"
            if agreed and not (self.cleaned_data.get(f"{channel}_wording") or "").strip():
                self.add_error(
                    f"{channel}_wording", _("Say %(what)s: it is the evidence you may be asked for.") % {"what": what}
                )
        return self.cleaned_data

    def wording(self, channel: str) -> str:
        agreed = self.cleaned_data[f"{channel}_agreed"] == "yes"
        return str(self.cleaned_data[f"{channel}_wording"]).strip() if agreed else ""


def known_tags() -> list[str]:
    return list(Tag.objects.values_list("name", flat=True)[:500])


class ReadingForm(forms.Form):
    """How a table is read; every answer may be left to the program."""

    encoding = forms.ChoiceField(label=gettext_lazy("Letters"), required=False)
    separator = forms.ChoiceField(label=gettext_lazy("Separator"), choices=SEPARATORS, required=False)
    header_line = forms.IntegerField(
        label=gettext_lazy("Line of the headers"),
        required=False,
        min_value=0,
        help_text=gettext_lazy("0: the file has none."),
    )

    @classmethod
    def of(cls, plan: TablePlan, number: int, data: Any = None) -> ReadingForm:
        initial = {"encoding": plan.encoding, "separator": plan.separator, "header_line": plan.header_line}
        form = cls(data, prefix=f"table-{number}", initial=initial, label_suffix="")
        found = {plan.encoding: ENCODINGS.get(plan.encoding, plan.encoding.upper())}
        form.fields["encoding"].choices = [("", _("Find out")), *(found | ENCODINGS).items()]  # type: ignore[attr-defined]
        return form


def chosen_columns(data: Any, plan: TablePlan, number: int) -> dict[int, str]:
    """Return what was chosen for each column of a table."""
    positions = range(len(plan.header))
    return {position: data.get(f"table-{number}-column-{position}", "") for position in positions}


def field_choices() -> list[tuple[str, str]]:
    return [(name, _(label)) for name, label in FIELDS.items()]
