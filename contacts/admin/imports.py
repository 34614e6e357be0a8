"""The way in for a list: upload, check, import. Nothing is written to contacts before the last step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from itertools import islice
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from contacts.admin.base import Number, PlainAdmin, badge, people
from contacts.importing import (
    FIELDS,
    Counts,
    ImportBusy,
    ImportFileError,
    check,
    read_table,
    run_import,
    stage,
    staged_table,
)
from contacts.importing.run import problems_csv, problems_of
from contacts.models import Import, Tag
from contacts.services import cancel_import, find_or_make_tag

MAX_UPLOAD_BYTES = 5 * 1024 * 1024
MAX_ROWS = 20_000  # what is sure to be done before the web server ends the request
TOO_LARGE = (
    "Split it, or have the person who runs the server import it with the command import_contacts, which takes more."
)
PROBLEMS_SHOWN = 20
SAMPLES_SHOWN = 3
STATUS_KINDS = {
    Import.Status.CHECKED: "warn",
    Import.Status.RUNNING: "info",
    Import.Status.DONE: "ok",
    Import.Status.FAILED: "bad",
    Import.Status.CANCELLED: "quiet",
}


class UploadForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        help_text="Exported from Mailchimp, Klaviyo or Square, or a spreadsheet saved as CSV. Up to 5 MB.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"}),
        allow_empty_file=True,
    )
    tag = forms.CharField(
        label="Tag everyone in this file",
        required=False,
        max_length=100,
        help_text="Optional, such as “Loyalty list 2026”. A campaign can go to one tag only.",
        widget=forms.TextInput(attrs={"list": "known-tags", "autocomplete": "off"}),
    )
    consent_email = forms.BooleanField(label="They agreed to get marketing e-mails from us", required=False)
    consent_sms = forms.BooleanField(label="They agreed to get marketing texts (SMS) from us", required=False)
    wording = forms.CharField(
        label="What did they agree to, when, and how?",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For example: “Ticked 'send me deals by e-mail' on the loyalty card, 2024-2026.” Kept as evidence.",
    )
    consent_date = forms.DateField(
        label="Since when?", required=False, widget=forms.DateInput(attrs={"type": "date"}), help_text="Empty: today."
    )

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_UPLOAD_BYTES:
            raise forms.ValidationError(f"This file is larger than 5 MB. {TOO_LARGE}")
        return file

    def clean_consent_date(self) -> datetime | None:
        day = self.cleaned_data["consent_date"]
        if day and day > timezone.localdate():
            raise forms.ValidationError("That is in the future.")
        return datetime.combine(day, time(12), tzinfo=UTC) if day else None

    def clean(self) -> dict[str, Any]:
        agreed = self.cleaned_data.get("consent_email") or self.cleaned_data.get("consent_sms")
        if agreed and not (self.cleaned_data.get("wording") or "").strip():
            self.add_error("wording", "Say what they agreed to: it is the evidence you may be asked for.")
        return self.cleaned_data


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: its header, what it fills, and its first values."""

    position: int
    name: str
    field: str
    samples: list[str]


@admin.register(Import)
class ImportAdmin(PlainAdmin[Import]):
    list_display = ("name", "status_badge", "rows", "new", "problems_found", "day", "by")
    list_filter = ("status",)
    list_select_related = ("created_by",)
    sortable_by = ()
    actions = None
    add_label = "Import contacts"
    empty_title = "Nothing imported yet"
    empty_text = "Bring the list you have: a CSV file from Mailchimp, Klaviyo, Square or a spreadsheet."

    def has_change_permission(self, request: HttpRequest, obj: Import | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Import | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Import]:
        return super().get_queryset(request).defer("upload", "problems")

    # --- The list ---

    @admin.display(description="File")
    def name(self, record: Import) -> str:
        return str(record.file_name)

    @admin.display(description="Status")
    def status_badge(self, record: Import) -> SafeString:
        status = Import.Status(record.status)
        label = "Not imported yet" if status == Import.Status.CHECKED else status.label
        return badge(STATUS_KINDS[status], label)

    @admin.display(description="Rows")
    def rows(self, record: Import) -> int:
        return counts_of(record).rows

    @admin.display(description="New")
    def new(self, record: Import) -> int:
        return counts_of(record).created

    @admin.display(description="Problems")
    def problems_found(self, record: Import) -> int:
        return counts_of(record).invalid

    @admin.display(description="When")
    def day(self, record: Import) -> object:
        return timezone.localtime(record.created_at).date()

    @admin.display(description="By", empty_value="—")
    def by(self, record: Import) -> object:
        return record.created_by

    # --- The steps ---

    def get_urls(self) -> list[URLPattern]:
        def wrap(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        return [
            path("<int:pk>/run/", wrap(require_POST(self.run_view)), name="contacts_import_run"),
            path("<int:pk>/cancel/", wrap(require_POST(self.cancel_view)), name="contacts_import_cancel"),
            path("<int:pk>/columns/", wrap(require_POST(self.columns_view)), name="contacts_import_columns"),
            path("<int:pk>/problems.csv", wrap(self.problems_view), name="contacts_import_problems"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Step 1: take the file and what was agreed to; read it, and keep it encrypted until it is confirmed."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None, label_suffix="")
        if request.method == "POST" and form.is_valid():
            try:
                return _page_of(self._stage(request, form))
            except ImportFileError as error:
                form.add_error("file", str(error))
        context = {"form": form, "known_tags": list(Tag.objects.values_list("name", flat=True)[:500])}
        return self._step(request, "upload", {"title": "Import contacts", **context})

    def _stage(self, request: HttpRequest, form: UploadForm) -> Import:
        file, data = form.cleaned_data["file"], form.cleaned_data
        content = file.read()
        table = read_table(content)
        if sum(1 for _ in islice(table.rows(), MAX_ROWS + 1)) > MAX_ROWS:
            raise ImportFileError(f"This file has more than {MAX_ROWS:,} rows. {TOO_LARGE}")
        record = stage(
            table=table,
            content=content,
            file_name=file.name or "contacts.csv",
            at=timezone.now(),
            tag=find_or_make_tag(data["tag"].strip()) if data["tag"].strip() else None,
            consent_email=data["wording"] if data["consent_email"] else "",
            consent_sms=data["wording"] if data["consent_sms"] else "",
            consent_at=data["consent_date"],
            actor=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
        )
        check(record, table)
        self.log_addition(request, record, "Uploaded and checked.")
        return record

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Step 2 and 3: what the import would do, or what it did."""
        record = self._record(request, int(object_id) if object_id.isdigit() else 0, view_only=True)
        waiting = record.status in {Import.Status.CHECKED, Import.Status.FAILED} and record.upload is not None
        problems = problems_of(record)
        context = {
            "title": record.file_name,
            "record": record,
            "status": self.status_badge(record),
            "numbers": numbers_of(record),
            "importable": importable(counts_of(record)),
            "is_done": record.status == Import.Status.DONE,
            "is_failed": record.status == Import.Status.FAILED,
            "is_waiting": waiting,
            "can_run": waiting and self.has_add_permission(request),
            "problems": problems[:PROBLEMS_SHOWN],
            "more_problems": max(len(problems) - PROBLEMS_SHOWN, 0),
            "columns": columns_of(record) if waiting and self.has_add_permission(request) else [],
            "fields": FIELDS.items(),
        }
        return self._step(request, "result" if record.status == Import.Status.DONE else "check", context)

    def columns_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Match the columns by hand, and check again."""
        record = self._record(request, pk)
        if record.status != Import.Status.CHECKED or record.upload is None:
            self.message_user(request, "This file is not waiting to be imported any more.", level="WARNING")
            return _page_of(record)
        positions = range(len(columns_of(record)))
        chosen = {position: request.POST.get(f"column-{position}", "") for position in positions}
        taken = [field for field in chosen.values() if field]
        try:
            if len(taken) != len(set(taken)):
                raise ImportFileError("Two columns were given the same meaning. Choose one of them.")
            if set(taken) - FIELDS.keys():
                raise ImportFileError("That is not a field. Choose one from the list.")
            table = read_table(
                record.upload.encode("latin-1"),
                mapping={position: field for position, field in chosen.items() if field},
            )
        except ImportFileError as error:
            self.message_user(request, str(error), level="ERROR")
            return _page_of(record)
        record.mapping = {str(position): field for position, field in table.mapping.items()}
        record.save(update_fields=["mapping"])
        counts = check(record, table)
        self.message_user(request, f"Checked again with {len(taken)} columns: {counts.rows:,} rows.")
        return _page_of(record)

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Step 3: write."""
        record = self._record(request, pk)
        if record.upload is None:
            self.message_user(request, "This file was imported or cancelled already.", level="WARNING")
            return _page_of(record)
        try:
            counts = run_import(record, at=timezone.now())
        except (ImportBusy, ImportFileError) as error:
            self.message_user(request, str(error), level="ERROR")
            return _page_of(record)
        self.log_change(request, record, f"Imported {counts.rows} rows.")
        self.message_user(
            request,
            f"Imported {counts.rows:,} rows: {counts.created:,} new, {counts.updated:,} updated, "
            f"{counts.unchanged:,} unchanged, {counts.duplicates:,} duplicate{'s' * (counts.duplicates != 1)}, "
            f"{counts.invalid:,} left out.",
        )
        return _page_of(record)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        record = self._record(request, pk)
        was_begun = record.status == Import.Status.FAILED
        if not cancel_import(record):
            self.message_user(request, "This import is running or done, and cannot be cancelled.", level="WARNING")
            return _page_of(record)
        self.log_change(request, record, "Cancelled.")
        what = "What it wrote before it stopped stays." if was_begun else "0 contacts were changed."
        self.message_user(request, f"The import is cancelled and its file deleted. {what}")
        return HttpResponseRedirect(reverse("admin:contacts_import_changelist"))

    def problems_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        record = self._record(request, pk)
        response = HttpResponse(problems_csv(record), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="import-{record.pk}-problems.csv"'
        return response

    def _record(self, request: HttpRequest, pk: int, *, view_only: bool = False) -> Import:
        """Return an import. Raises Http404 and PermissionDenied."""
        record = Import.objects.filter(pk=pk).first()
        if record is None:
            raise Http404
        allowed = self.has_view_permission(request, record) if view_only else self.has_add_permission(request)
        if not (allowed or self.has_add_permission(request)):
            raise PermissionDenied
        return record

    def _step(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        everywhere = {**self.admin_site.each_context(request), "opts": self.opts, "step": name}
        return TemplateResponse(request, f"admin/contacts/import/{name}.html", {**everywhere, **context})


def importable(counts: Counts) -> str:
    return people(counts.created + counts.updated + counts.unchanged)


def counts_of(record: Import) -> Counts:
    return Counts(**record.counts) if record.counts else Counts()


def numbers_of(record: Import) -> list[Number]:
    counts, done = counts_of(record), record.status == Import.Status.DONE
    return [
        Number("Rows in the file", counts.rows),
        Number("New" if done else "Will be new", counts.created, "good"),
        Number("Updated" if done else "Will be updated", counts.updated),
        Number("Unchanged", counts.unchanged),
        Number("Duplicates", counts.duplicates),
        Number("Problems, left out", counts.invalid, "poor" if counts.invalid else ""),
        Number("Need a look", counts.review),
        Number("Kept unsubscribed", counts.suppressed),
    ]


def columns_of(record: Import) -> list[Column]:
    table = staged_table(record)
    rows = list(islice(table.rows(), SAMPLES_SHOWN))
    return [
        Column(
            position=position,
            name=name,
            field=table.mapping.get(position, ""),
            samples=[row.cells[position] for row in rows if position < len(row.cells) and row.cells[position].strip()],
        )
        for position, name in enumerate(table.header)
    ]


def _page_of(record: Import) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:contacts_import_change", args=[record.pk]))
