"""The jobs on many contacts: who started what, how far it is, and what came of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext
from django.views.decorators.http import require_POST

from contacts.admin.base import ReadOnlyAdmin, badge, people, people_kept
from contacts.admin.bulk import PERMISSIONS, ask, form_for, may_start, unsign
from contacts.models import AuditEvent, Job, Tag
from contacts.sentences import kept, said
from contacts.services import audit, find_or_make_tag, read_file
from contacts.services.jobs import EXPORT_KEPT, JobRefused, begin, selected, start_job, stop_job

Kind, Status = Job.Kind, Job.Status

STARTED = kept("Started for %(people)s.")
STATUS_KINDS = {
    Status.QUEUED: "quiet",
    Status.RUNNING: "info",
    Status.DONE: "ok",
    Status.FAILED: "bad",
    Status.CANCELLED: "warn",
}
FINAL = {Status.DONE, Status.FAILED, Status.CANCELLED}
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def headline(job: Job) -> str:
    """Say what the job does, and to whom: `Tag “Lunch” on 2,500 people`."""
    whom = people(job.total or 0)
    if job.kind == Kind.TAG:
        return _("Tag “%(tag)s” on %(people)s") % {"tag": _tag_name(job), "people": whom}
    if job.kind == Kind.UNTAG:
        return _("Take the tag “%(tag)s” off %(people)s") % {"tag": _tag_name(job), "people": whom}
    if job.kind == Kind.EXPORT:
        file_format = str(job.options.get("format", "csv")).upper()
        return _("Export %(people)s as %(format)s") % {"people": whom, "format": file_format}
    return _("Erase %(people)s for good") % {"people": whom}


def _tag_name(job: Job) -> str:
    if (name := getattr(job, "tag_name", None)) is None:
        name = Tag.objects.filter(pk=job.options.get("tag")).values_list("name", flat=True).first()
    return name or _("a deleted tag")


class JobList(ChangeList):
    """A page of jobs with the names of their tags: one query for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page: list[Any] = list(self.result_list)
        names = dict(Tag.objects.filter(pk__in={job.options.get("tag") for job in page}).values_list("pk", "name"))
        for job in page:
            job.tag_name = names.get(job.options.get("tag"), "")
        self.result_list = page


def outcome(job: Job) -> str:
    """Say what came of the job so far: how many changed, and how many were left alone."""
    changed, done, total = int(job.options.get("changed", 0)), job.position, job.total or 0
    words = {
        Kind.TAG: ngettext("%(count)s person tagged", "%(count)s people tagged", changed),
        Kind.UNTAG: ngettext("%(count)s person lost the tag", "%(count)s people lost the tag", changed),
        Kind.EXPORT: ngettext("%(count)s person exported", "%(count)s people exported", changed),
        Kind.ERASE: ngettext("%(count)s person erased", "%(count)s people erased", changed),
    }
    parts = [words[Kind(job.kind)] % {"count": f"{changed:,}"}]
    if job.kind in {Kind.TAG, Kind.UNTAG} and done > changed:
        had_it = _("%(count)s had it already")
        had_not = _("%(count)s did not have it")
        parts.append((had_it if job.kind == Kind.TAG else had_not) % {"count": f"{done - changed:,}"})
    rest = {"count": f"{total - done:,}"}
    if job.status == Status.DONE and total > done:
        parts.append(_("%(count)s left out, because they changed or went away meanwhile") % rest)
    if job.status in {Status.CANCELLED, Status.FAILED} and total > done:
        parts.append(_("%(count)s not reached") % rest)
    return "; ".join(parts) + "."


def progress_line(job: Job) -> str:
    if job.status == Status.QUEUED:
        return _("Waiting for the background worker")
    if job.status in FINAL:
        return outcome(job)
    return _("%(done)s of %(total)s done") % {"done": f"{job.position:,}", "total": f"{job.total or 0:,}"}


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin[Job]):
    list_display = ("what", "status_badge", "progress", "result_text", "who", "created_at")
    list_display_links = ("what",)
    list_filter = ("kind", "status")
    list_select_related = ("created_by",)
    sortable_by = ()
    fields = ("what", "status_badge", "result_text", "who", "created_at", "finished_at")
    empty_title = gettext_lazy("No jobs yet")
    empty_text = gettext_lazy(
        "Tick people in the list of contacts and choose what to do with them: it is kept here with its result."
    )

    # --- Who may see what ---

    def has_view_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Let people see the jobs they started, and those with the permission all of them."""
        if super().has_view_permission(request, obj):
            return True
        if obj is None:
            return any(may_start(request, kind) for kind in Kind)
        return obj.created_by_id is not None and obj.created_by_id == request.user.pk

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return JobList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        jobs = super().get_queryset(request)
        return jobs if request.user.has_perm("contacts.view_job") else jobs.filter(created_by=request.user.pk)

    # --- The list ---

    @admin.display(description=gettext_lazy("Job"))
    def what(self, job: Job) -> str:
        return headline(job)

    @admin.display(description=gettext_lazy("State"))
    def status_badge(self, job: Job) -> SafeString:
        status = Status(job.status)
        return badge(STATUS_KINDS[status], status.label)

    @admin.display(description=gettext_lazy("Done"))
    def progress(self, job: Job) -> str:
        return _("%(done)s of %(total)s") % {"done": f"{job.position:,}", "total": f"{job.total or 0:,}"}

    @admin.display(description=gettext_lazy("Result"), empty_value="—")
    def result_text(self, job: Job) -> str:
        return " ".join(filter(None, [said(job.failure), outcome(job)])) if job.status in FINAL else ""

    @admin.display(description=gettext_lazy("Started by"))
    def who(self, job: Job) -> str:
        if job.created_by:
            return str(job.created_by)
        return _("a command") if job.options.get("command") else _("somebody who is gone")

    # --- The pages ---

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("start/<str:kind>/", wrap(require_POST(self.start_view)), name="contacts_job_start"),
            path("<int:pk>/progress/", wrap(self.progress_view), name="contacts_job_progress"),
            path("<int:pk>/stop/", wrap(require_POST(self.stop_view)), name="contacts_job_stop"),
            path("<int:pk>/download/", wrap(self.download_view), name="contacts_job_download"),
            *super().get_urls(),
        ]

    def start_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Start what the small page asked for, and lead on to the job's own page."""
        if kind not in Kind.values:
            raise Http404
        wanted = Kind(kind)
        if not may_start(request, wanted):
            raise PermissionDenied
        try:
            selection = unsign(request.POST.get("selection", ""))
        except signing.BadSignature:
            self.message_user(request, _("That page was too old. Please choose the people again."), messages.WARNING)
            return HttpResponseRedirect(reverse("admin:contacts_contact_changelist"))
        at = timezone.now()
        form = form_for(wanted, request.POST, request=request, size=selected(selection, at=at).count())
        if not form.is_valid():
            return ask(self.admin_site, request, wanted, selection, form)
        try:
            job = start_job(
                kind=wanted,
                selection=selection,
                options=_options(wanted, form),
                at=at,
                actor=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
            )
        except JobRefused as error:
            form.add_error(None, str(error))
            return ask(self.admin_site, request, wanted, selection, form)
        self.log_addition(request, job, STARTED % {"people": people_kept(job.total or 0)})
        job = begin(job, clock=timezone.now)
        if job.status == Status.DONE:
            self.message_user(request, outcome(job))
        return page_of(job)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show how far the job is and what came of it, instead of a form."""
        if request.method != "GET":
            raise PermissionDenied
        job = self.get_object(request, object_id)
        if job is None:
            raise Http404
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        is_final = job.status in FINAL
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": headline(job),
            "job": job,
            "failure": said(job.failure),
            "status": self.status_badge(job),
            "who": self.who(job),
            "line": progress_line(job),
            "is_live": not is_final,
            "percent": 100 if job.status == Status.DONE else job.percent or 0,
            "can_stop": not is_final and self._may_stop(request, job),
            "can_download": self._may_download(request, job) and job.result_id is not None,
            "file": file_line(job),
        }
        return TemplateResponse(request, "admin/contacts/job/running.html", context)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """Answer the page's question, once a second, how far the job is."""
        job = self._job(request, pk)
        return JsonResponse(
            {
                "status": job.status,
                "final": job.status in FINAL,
                "audience": job.total or 0,
                "done": job.position,
                "line": progress_line(job),
                "numbers": {},
            }
        )

    def stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = self._job(request, pk)
        if not self._may_stop(request, job):
            raise PermissionDenied
        if stop_job(job, at=timezone.now()):
            job.refresh_from_db()
            self.log_change(request, job, gettext_noop("Stopped."))
            at_once = job.status == Status.CANCELLED
            words = f"{_('Stopped.')} {outcome(job)}" if at_once else _("It stops after the people it is at right now.")
            self.message_user(request, words)
        else:
            self.message_user(request, _("It was over already: nothing was stopped."), messages.WARNING)
        return page_of(job)

    def download_view(self, request: HttpRequest, pk: int) -> Any:
        """Hand out the file of an export to who made it; a superuser who takes it is written down."""
        job = self._job(request, pk)
        if job.kind != Kind.EXPORT or not self._may_download(request, job):
            raise PermissionDenied
        if job.status != Status.DONE or job.result is None:
            raise Http404
        if job.created_by_id != request.user.pk:
            audit(
                AuditEvent.Action.EXPORTED,
                detail=f"downloaded the export of job {job.pk}",
                actor=request.user,  # type: ignore[arg-type]
            )
        file_format = job.options["format"]
        name = f"contacts-{timezone.localtime(job.created_at):%Y-%m-%d}-{job.pk}.{file_format}"
        response = StreamingHttpResponse(read_file(job.result), content_type=CONTENT_TYPES[file_format])
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["Content-Length"] = job.result.size_bytes
        response["Cache-Control"] = "no-store"
        return response

    def _job(self, request: HttpRequest, pk: int) -> Job:
        """Return a job this user may see. Raises Http404 and PermissionDenied."""
        job: Job | None = self.get_object(request, str(pk))
        if job is None:
            raise Http404
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return job

    def _may_stop(self, request: HttpRequest, job: Job) -> bool:
        return self._is_own(request, job)

    def _may_download(self, request: HttpRequest, job: Job) -> bool:
        return request.user.has_perm(PERMISSIONS[Kind.EXPORT]) and self._is_own(request, job)

    def _is_own(self, request: HttpRequest, job: Job) -> bool:
        return job.created_by_id == request.user.pk or bool(getattr(request.user, "is_superuser", False))


def file_line(job: Job) -> str:
    """Say what became of the file of an export, or will."""
    if job.kind != Kind.EXPORT or job.status != Status.DONE or job.finished_at is None:
        return ""
    if job.options.get("command"):
        return _("A command wrote the file; none is kept here.")
    until = timezone.localtime(job.finished_at + EXPORT_KEPT)
    if job.result_id is not None:
        return _("The file is deleted here by itself on %(day)s.") % {"day": date_format(until, "DATE_FORMAT")}
    if until <= timezone.now():
        return _("The file was deleted after 7 days. Export again for a new one.")
    return _("The file was deleted, because somebody in it was erased since. Export again for a new one.")


def _options(kind: Job.Kind, form: forms.Form) -> dict[str, Any]:
    data = form.cleaned_data
    if kind == Kind.TAG:
        return {"tag": (data["tag"] or find_or_make_tag(data["new_tag"])).pk}
    if kind == Kind.UNTAG:
        return {"tag": data["tag"].pk}
    return {"format": data["format"]} if kind == Kind.EXPORT else {}


def page_of(job: Job) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:contacts_job_change", args=[job.pk]))
