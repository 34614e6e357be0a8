"""The way in for a list: upload, match columns, consent, check, import, and a way back for 30 days.

Nothing is written to contacts before the import is confirmed. A small file is done while one waits; the worker does
the rest of a large one.
"""

from __future__ import annotations

from datetime import time
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext
from django.views.decorators.http import require_POST

from contacts.admin.base import PlainAdmin
from contacts.admin.imports import pages
from contacts.admin.imports.forms import (
    ConsentForm,
    ReadingForm,
    UploadForm,
    chosen_columns,
    field_choices,
    known_tags,
)
from contacts.importing import (
    ImportBusy,
    ImportFileError,
    NoAddressColumn,
    NotWaiting,
    Reading,
    advance_now,
    ask_check,
    ask_run,
    ask_undo,
    can_undo,
    cancel_import,
    match_columns,
    plans_of,
    problems_csv,
    read_again,
    stage,
    state_consent,
)
from contacts.importing.reading.sniff import MEANINGS, require_addresses
from contacts.models import UNDO_FOR, Import, ImportProblem
from contacts.sentences import kept, said
from contacts.services import find_or_make_tag

NOON = time(12)
SECONDS_HERE = 2.0  # what is done within the request; the worker does the rest
PROBLEMS_SHOWN = 20
Status = Import.Status
EDITABLE = {Status.UPLOADED, Status.CHECKED}


STARTED = kept("Started, %(count)s rows.")


@admin.register(Import)
class ImportAdmin(PlainAdmin[Import]):
    list_display = ("name", "status_badge", "rows", "new", "problems_found", "to_look_at", "day", "by")
    list_filter = ("status",)
    list_select_related = ("created_by",)
    sortable_by = ()
    actions = None
    add_label = gettext_lazy("Import contacts")
    empty_title = gettext_lazy("Nothing imported yet")
    empty_text = gettext_lazy("Bring the list you have: from Mailchimp, Klaviyo, Square, any spreadsheet.")

    def has_change_permission(self, request: HttpRequest, obj: Import | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Import | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Import]:
        return super().get_queryset(request).defer("plan", "samples")

    # --- The list ---

    @admin.display(description=gettext_lazy("File"))
    def name(self, record: Import) -> str:
        return str(record.file_name)

    @admin.display(description=gettext_lazy("Status"))
    def status_badge(self, record: Import) -> SafeString:
        return pages.status_badge(record)

    @admin.display(description=gettext_lazy("Rows"))
    def rows(self, record: Import) -> str:
        return f"{pages.counts_of(record).rows or record.total or 0:,}"

    @admin.display(description=gettext_lazy("New"))
    def new(self, record: Import) -> str:
        return f"{pages.counts_of(record).created:,}"

    @admin.display(description=gettext_lazy("Left out"))
    def problems_found(self, record: Import) -> str:
        return f"{pages.counts_of(record).invalid:,}"

    @admin.display(description=gettext_lazy("To look at"))
    def to_look_at(self, record: Import) -> str:
        return f"{pages.counts_of(record).review:,}"

    @admin.display(description=gettext_lazy("When"))
    def day(self, record: Import) -> object:
        return timezone.localtime(record.created_at)

    @admin.display(description=gettext_lazy("By"), empty_value="—")
    def by(self, record: Import) -> object:
        return record.created_by

    # --- The steps ---

    def get_urls(self) -> list[URLPattern]:
        def wrap(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        return [
            path("<int:pk>/columns/", wrap(self.columns_view), name="contacts_import_columns"),
            path("<int:pk>/consent/", wrap(self.consent_view), name="contacts_import_consent"),
            path("<int:pk>/run/", wrap(require_POST(self.run_view)), name="contacts_import_run"),
            path("<int:pk>/cancel/", wrap(require_POST(self.cancel_view)), name="contacts_import_cancel"),
            path("<int:pk>/undo/", wrap(require_POST(self.undo_view)), name="contacts_import_undo"),
            path("<int:pk>/progress/", wrap(self.progress_view), name="contacts_import_progress"),
            path("<int:pk>/problems.csv", wrap(self.problems_view), name="contacts_import_problems"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Step 1: take the file, find out how it is to be read, and keep it encrypted until it is imported."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None, label_suffix="")
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                record = stage(
                    file.file,
                    name=file.name or "contacts.csv",
                    at=timezone.now(),
                    reading=Reading(preset=form.cleaned_data["preset"] or "auto"),
                    actor=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
                )
            except ImportFileError as error:
                form.add_error("file", said(str(error)))
            else:
                self.log_addition(request, record, gettext_noop("Uploaded."))
                return _go("columns", record)
        return self._step(request, "upload", {"title": _("Import contacts"), "form": form})

    def columns_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Step 2: what the columns are. Everything found out can be changed, and is remembered for the next file."""
        record = self._record(request, pk)
        if record.status not in EDITABLE or record.upload_file is None:
            return self._too_late(request, record)
        if request.method == "POST":
            try:
                if answer := self._take_columns(request, record):
                    return answer
            except (ImportFileError, NotWaiting) as error:
                self.message_user(request, said(str(error)), level="ERROR")
        plans = plans_of(record)
        readings = [ReadingForm.of(plan, number) for number, plan in enumerate(plans)]
        context = {
            "title": record.file_name,
            "record": record,
            "tables": list(zip(pages.tables_of(record), readings, strict=True)),
            "fields": field_choices(),
            "meanings": [(code, _(label)) for code, label in MEANINGS.items()],
            "has_meanings": len(plans) > 1 or any(plan.meaning for plan in plans),
        }
        return self._step(request, "columns", context)

    def _take_columns(self, request: HttpRequest, record: Import) -> HttpResponse | None:
        """Take what was chosen. Raises ImportFileError and NotWaiting."""
        for number, plan in enumerate(plans_of(record)):
            if request.POST.get("read") == str(number):
                form = ReadingForm.of(plan, number, request.POST)
                if not form.is_valid():
                    raise ImportFileError(_("The line of the headers is a number; 0 means there are none."))
                read_again(
                    record,
                    number,
                    encoding=form.cleaned_data["encoding"] or None,
                    separator=form.cleaned_data["separator"] or None,
                    header_line=form.cleaned_data["header_line"],
                )
                return _go("columns", record)
        for number, plan in enumerate(plans_of(record)):
            meaning = request.POST.get(f"table-{number}-meaning")
            match_columns(
                record,
                number,
                chosen_columns(request.POST, plan, number),
                meaning=meaning if meaning in MEANINGS else None,
            )
        try:
            require_addresses(plans_of(record))
        except NoAddressColumn as error:
            raise ImportFileError(_("Say which column holds the e-mail addresses or the phone numbers.")) from error
        return _go("consent", record)

    def consent_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Step 3: what these people agreed to; then the whole file is checked."""
        record = self._record(request, pk)
        if record.status not in EDITABLE or record.upload_file is None:
            return self._too_late(request, record)
        form = ConsentForm(request.POST or None, initial=_initial(record), label_suffix="")
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            try:
                state_consent(
                    record,
                    email=form.wording("email"),
                    sms=form.wording("sms"),
                    since=data["consent_date"] or timezone.now(),
                    conflicts=Import.Conflicts(data["conflicts"]),
                    tag=find_or_make_tag(data["tag"].strip()) if data["tag"].strip() else None,
                )
                ask_check(record)
            except ImportFileError as error:
                self.message_user(request, said(str(error)), level="ERROR")
                return _go("columns", record)
            except (ImportBusy, NotWaiting):
                return self._too_late(request, record)
            advance_now(record, clock=timezone.now, seconds=SECONDS_HERE)
            return _page_of(record)
        context = {
            "title": record.file_name,
            "record": record,
            "form": form,
            "known_tags": known_tags(),
            "has_evidence": pages.has_consent_columns(record),
        }
        return self._step(request, "consent", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Step 4 to 6: what the import would do, how far it is, what it did."""
        record = self._record(request, int(object_id) if object_id.isdigit() else 0, view_only=True)
        may = self.has_add_permission(request)
        if record.status == Status.UPLOADED and record.upload_file is not None and may:
            if record.failure:  # the check stopped: nothing was written, and the columns may be what is wrong
                self.message_user(request, said(record.failure), level="ERROR")
            return _go("columns", record)
        found = ImportProblem.objects.filter(run=record)
        shown, total = list(found[:PROBLEMS_SHOWN]), found.count()
        for problem in shown:
            problem.said = said(problem.reason)  # type: ignore[attr-defined]
        waiting = record.status in {Status.CHECKED, Status.FAILED} and record.upload_file is not None
        waiting = waiting and record.undone_at is None
        context = {
            "title": record.file_name,
            "record": record,
            "status": self.status_badge(record),
            "numbers": pages.numbers_of(record),
            "consent_lines": pages.consent_lines(record),
            "nobody_agreed": not (record.consent_email or record.consent_sms or pages.has_consent_columns(record)),
            "importable": pages.importable(record),
            "line": pages.line_of(record),
            "is_moving": record.status in pages.MOVING,
            "is_ended": record.status in pages.ENDED,
            "is_waiting": waiting,
            "can_run": waiting and may,
            "can_change": waiting and may and record.status == Status.CHECKED,
            "can_stop": may and record.status in {Status.CHECKING, Status.QUEUED, Status.RUNNING},
            "can_undo": may and can_undo(record, at=timezone.now()),
            "undo_until": record.started_at + UNDO_FOR if record.started_at else None,
            "failure": said(record.failure),
            "problems": shown,
            "more_problems": total - len(shown),
            "samples": pages.samples_shown(record) if may else [],
        }
        step = "result" if record.status in pages.ENDED else "check"
        return self._step(request, step, context)

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Step 5: write."""
        record = self._record(request, pk)
        try:
            ask_run(record, at=timezone.now())
        except (ImportBusy, ImportFileError) as error:
            self.message_user(request, said(str(error)), level="WARNING")
            return _page_of(record)
        self.log_change(request, record, STARTED % {"count": record.total or 0})
        if advance_now(record, clock=timezone.now, seconds=SECONDS_HERE) and record.status == Status.DONE:
            counts = pages.counts_of(record)
            words = _(
                "Imported %(rows)s rows: %(created)s new, %(updated)s updated, %(unchanged)s unchanged, "
                "%(duplicates)s, %(invalid)s left out."
            )
            twice = ngettext("%(count)s duplicate", "%(count)s duplicates", counts.duplicates)
            numbers = {
                name: f"{getattr(counts, name):,}" for name in ("rows", "created", "updated", "unchanged", "invalid")
            }
            again = twice % {"count": f"{counts.duplicates:,}"}
            self.message_user(request, words % {**numbers, "duplicates": again})
        return _page_of(record)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        record = self._record(request, pk)
        if not cancel_import(record):
            self.message_user(request, _("This import is done or cancelled already."), level="WARNING")
            return _page_of(record)
        self.log_change(request, record, gettext_noop("Cancelled."))
        if record.status != Status.CANCELLED:
            self.message_user(request, _("It stops within a few seconds."))
            return _page_of(record)
        what = (
            _("What it wrote before stays, and can be undone.") if record.started_at else _("0 contacts were changed.")
        )
        self.message_user(request, f"{_('The import is cancelled and its file deleted.')} {what}")
        return HttpResponseRedirect(reverse("admin:contacts_import_changelist"))

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        record = self._record(request, pk)
        try:
            ask_undo(record, at=timezone.now(), actor=request.user)
        except ImportBusy as error:
            self.message_user(request, said(str(error)), level="WARNING")
            return _page_of(record)
        self.log_change(request, record, gettext_noop("Undone."))
        advance_now(record, clock=timezone.now, seconds=SECONDS_HERE)
        return _page_of(record)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """Answer the page's question, once a second, how far the import is."""
        record = self._record(request, pk, view_only=True)
        return JsonResponse(
            {
                "status": record.status,
                "final": record.status not in pages.MOVING,
                "audience": record.total or 0,
                "done": record.position,
                "line": pages.line_of(record),
                "numbers": {},
            }
        )

    def problems_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        record = self._record(request, pk)
        response = StreamingHttpResponse(problems_csv(record), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="import-{record.pk}-problems.csv"'
        response["Cache-Control"] = "no-store"
        return response

    def _record(self, request: HttpRequest, pk: int, *, view_only: bool = False) -> Import:
        """Return an import. Raises Http404 and PermissionDenied."""
        record = Import.objects.select_related("tag", "created_by", "upload_file").filter(pk=pk).first()
        if record is None:
            raise Http404
        allowed = self.has_view_permission(request, record) if view_only else self.has_add_permission(request)
        if not (allowed or self.has_add_permission(request)):
            raise PermissionDenied
        return record

    def _too_late(self, request: HttpRequest, record: Import) -> HttpResponse:
        self.message_user(request, _("This file is not waiting to be imported any more."), level="WARNING")
        return _page_of(record)

    def _step(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        everywhere = {**self.admin_site.each_context(request), "opts": self.opts, "step": name}
        return TemplateResponse(request, f"admin/contacts/import/{name}.html", {**everywhere, **context})


def _initial(record: Import) -> dict[str, Any]:
    """Return what was said before, when somebody comes back to a step."""
    return {
        "email_agreed": "yes" if record.consent_email else "no",
        "email_wording": record.consent_email,
        "sms_agreed": "yes" if record.consent_sms else "no",
        "sms_wording": record.consent_sms,
        "conflicts": record.conflicts,
        "tag": record.tag.name if record.tag else "",
        "consent_date": _date_said(record),
    }


def _date_said(record: Import) -> object:
    """Return the day that was given for the consent; none where it was left empty."""
    if record.consent_at is None or not (record.consent_email or record.consent_sms):
        return None
    return record.consent_at.date() if record.consent_at.time() == NOON else None


def _go(step: str, record: Import) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(f"admin:contacts_import_{step}", args=[record.pk]))


def _page_of(record: Import) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:contacts_import_change", args=[record.pk]))
