"""The page "System": whether all that runs behind the pages runs, and what to do where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.models import AuditEvent
from contacts.services import audit
from messaging.admin.guarded import guarded
from messaging.queries.system import system
from messaging.services import machine

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite


def system_urls(site: AdminSite) -> list[URLPattern]:
    return [
        path("system/", guarded(site, system_view, "GET", "HEAD"), name="messaging_system"),
        path("system/failed/", guarded(site, failed_view, "POST"), name="messaging_system_failed"),
        path("system/backup/", guarded(site, backup_view, "POST"), name="messaging_system_backup"),
    ]


def system_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    shown = system(at=timezone.now())
    bad = [line for line in shown.lines if line.level == "block"]
    look = [line for line in shown.lines if line.level == "warn"]
    context = {**site.each_context(request), "title": _("System"), "system": shown, "bad": bad, "look": look}
    return TemplateResponse(request, "admin/messaging/system.html", context)


def failed_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Do failed work once more, or forget that it failed."""
    function = request.POST.get("function", "")
    try:
        if request.POST.get("do") == "retry":
            machine.retry(function)
            messages.success(request, _("The worker does it once more, as soon as it is free."))
        else:
            machine.forget(function)
            messages.success(request, _("It is forgotten."))
    except LookupError:
        messages.error(request, _("This is no work of this product, so it cannot be tried again here."))
    return _back(site, "failed")


def backup_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    machine.note_backup(at=timezone.now())
    audit(AuditEvent.Action.SETTINGS, detail="backup: noted")
    messages.success(request, _("Noted. After a week without another one, this page says so."))
    return _back(site, "backups")


def _back(site: AdminSite, place: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('admin:messaging_system', current_app=site.name)}#{place}")
