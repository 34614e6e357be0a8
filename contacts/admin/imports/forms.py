"""What the steps of the import ask."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from contacts.importing import FIELDS, PRESETS, TablePlan
from contacts.importing.reading.files import MAX_BYTES
from contacts.models import Import, Tag

SEPARATORS = [("", "Find out"), (",", "Comma"), (";", "Semicolon"), ("\t", "Tab"), ("|", "Vertical bar")]
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": "Windows (Western)",
    "mac_roman": "Old Mac",
    "cp1250": "Windows (Central Europe)",
    "cp1251": "Windows (Cyrillic)",
}


class UploadForm(forms.Form):
    file = forms.FileField(
        label="Your file",
        help_text="CSV, TSV, text, Excel (.xlsx), or a ZIP of text files, such as the three Mailchimp exports.",
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,.zip,text/csv"}),
        allow_empty_file=True,
    )
    preset = forms.ChoiceField(
        label="Where is it from?",
        required=False,
        choices=[("auto", "Find out"), *((name, preset.label) for name, preset in PRESETS.items())],
    )

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_BYTES:
            raise forms.ValidationError(
                f"This file is larger than {MAX_BYTES // 1024 // 1024} MB. Split it and import the parts."
            )
        return file


class ConsentForm(forms.Form):
    """What these people agreed to, for each channel. Nothing, unless somebody says so."""

    email_agreed = forms.ChoiceField(
        label="Marketing e-mails",
        choices=[("no", "I cannot say that all of them agreed"), ("yes", "Everyone in this file agreed")],
        widget=forms.RadioSelect,
        initial="no",
    )
    email_wording = forms.CharField(
        label="What did they agree to by e-mail, when, and how?",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="For example: “Ticked 'send me deals by e-mail' on the loyalty card, 2024-2026.” Kept as evidence.",
    )
    sms_agreed = forms.ChoiceField(
        label="Marketing texts (SMS)",
        choices=[("no", "I cannot say that all of them agreed"), ("yes", "Everyone in this file agreed in writing")],
        widget=forms.RadioSelect,
        initial="no",
    )
    sms_wording = forms.CharField(
        label="The words they agreed to, when, and how",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The law (TCPA) wants written consent to marketing texts. Give the wording people signed or ticked.",
    )
    consent_date = forms.DateField(
        label="Since when?", required=False, widget=forms.DateInput(attrs={"type": "date"}), help_text="Empty: today."
    )
    conflicts = forms.ChoiceField(
        label="Where the file differs from what you have",
        choices=[
            (Import.Conflicts.KEEP, "Keep what I have"),
            (Import.Conflicts.OVERWRITE, "Take the file's names, phone numbers, birthdays and notes"),
        ],
        widget=forms.RadioSelect,
        initial=Import.Conflicts.KEEP,
        help_text="Either way empty cells clear nothing, and e-mail addresses stay.",
    )
    tag = forms.CharField(
        label="Tag everyone in this file",
        required=False,
        max_length=100,
        help_text="Optional, such as “Loyalty list 2026”. A campaign can go to one tag only.",
        widget=forms.TextInput(attrs={"list": "known-tags", "autocomplete": "off"}),
    )

    def clean_consent_date(self) -> datetime | None:
        day = self.cleaned_data["consent_date"]
        if day and day > timezone.localdate():
            raise forms.ValidationError("That is in the future.")
        return datetime.combine(day, time(12), tzinfo=UTC) if day else None

    def clean(self) -> dict[str, Any]:
        for channel, what in (("email", "what they agreed to"), ("sms", "the words they agreed to")):
            agreed = self.cleaned_data.get(f"{channel}_agreed") == "yes"
            if agreed and not (self.cleaned_data.get(f"{channel}_wording") or "").strip():
                self.add_error(f"{channel}_wording", f"Say {what}: it is the evidence you may be asked for.")
        return self.cleaned_data

    def wording(self, channel: str) -> str:
        agreed = self.cleaned_data[f"{channel}_agreed"] == "yes"
        return str(self.cleaned_data[f"{channel}_wording"]).strip() if agreed else ""


def known_tags() -> list[str]:
    return list(Tag.objects.values_list("name", flat=True)[:500])


class ReadingForm(forms.Form):
    """How a table is read; every answer may be left to the program."""

    encoding = forms.ChoiceField(label="Letters", required=False)
    separator = forms.ChoiceField(choices=SEPARATORS, required=False)
    header_line = forms.IntegerField(
        label="Line of the headers", required=False, min_value=0, help_text="0: the file has none."
    )

    @classmethod
    def of(cls, plan: TablePlan, number: int, data: Any = None) -> ReadingForm:
        initial = {"encoding": plan.encoding, "separator": plan.separator, "header_line": plan.header_line}
        form = cls(data, prefix=f"table-{number}", initial=initial, label_suffix="")
        found = {plan.encoding: ENCODINGS.get(plan.encoding, plan.encoding.upper())}
        form.fields["encoding"].choices = [("", "Find out"), *(found | ENCODINGS).items()]  # type: ignore[attr-defined]
        return form


def chosen_columns(data: Any, plan: TablePlan, number: int) -> dict[int, str]:
    """Return what was chosen for each column of a table."""
    positions = range(len(plan.header))
    return {position: data.get(f"table-{number}-column-{position}", "") for position in positions}


def field_choices() -> list[tuple[str, str]]:
    return list(FIELDS.items())
