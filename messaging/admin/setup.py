"""The page "Sending set-up": what is there, what is missing, and buttons that find out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from contacts.channels import AddressError, Channel, mask_email, mask_phone
from contacts.models import AuditEvent, Business
from contacts.queries import sender_domain
from contacts.services import audit
from messaging import warming
from messaging.models import WarmUp
from messaging.queries import SETUP_PERMISSION, set_up, warm_up_of, warmth
from messaging.services import TestRefused, TransportError, setup
from messaging.services import warming as warm_ups

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite

View = Callable[[HttpRequest], HttpResponse]


def setup_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the page and of its buttons."""
    pressed: dict[str, View] = {
        "dns": dns_view,
        "number": number_view,
        "test": test_view,
        "warm-up": warm_up_view,
    }

    def page(request: HttpRequest) -> HttpResponse:
        return setup_view(request, site)

    return [
        path("setup/", site.admin_view(_allowed(require_safe(page))), name="messaging_setup"),
        *(
            path(f"setup/{name}/", site.admin_view(_allowed(require_POST(view))), name=f"messaging_setup_{name}")
            for name, view in pressed.items()
        ),
    ]


def _allowed(view: View) -> View:
    def checked(request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(SETUP_PERMISSION):
            raise PermissionDenied
        return view(request)

    return checked


def setup_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show how the set-up stands. Reads what is known; asks nobody."""
    at, business = timezone.now(), Business.load()
    warm_up = warm_up_of(business)
    context = {
        **site.each_context(request),
        "title": _("Sending set-up"),
        "set_up": set_up(at=at),
        "business": business,
        "to": getattr(request.user, "email", ""),
        "warm_up": warm_up,
        "warmth": warmth(business, at=at),
        "ramp": (warm_up.ramp if warm_up else warming.FIRST_RAMP).replace(",", ", "),
    }
    return TemplateResponse(request, "admin/messaging/setup.html", context)


def _back(place: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('admin:messaging_setup')}#{place}")


# --- Buttons that find out --------------------------------------------------------------------------------------------


def dns_view(request: HttpRequest) -> HttpResponse:
    typed = request.POST.get("selectors")
    chosen = None if typed is None else typed.replace(",", " ").split()
    try:
        findings = setup.check_dns(at=timezone.now(), selectors=chosen)
    except ValueError as error:
        messages.error(request, str(error))
        return _back("dns")
    if not findings:
        messages.error(request, _("There is no sender address yet. Set it under Business."))
    else:
        _tell(request, [finding.is_good for finding in findings], _("Looked at %(count)s records: %(found)s."))
    return _back("dns")


def number_view(request: HttpRequest) -> HttpResponse:
    findings = setup.check_number(at=timezone.now())
    if not findings:
        messages.error(request, _("There is no provider for texts to ask."))
    else:
        _tell(request, [finding.is_good for finding in findings], _("Looked at %(count)s answers: %(found)s."))
    return _back("sms")


def _tell(request: HttpRequest, results: list[bool | None], words: str) -> None:
    counts = ((True, _("fine")), (False, _("to mend")), (None, _("not known")))
    parts = [f"{results.count(key)} {name}" for key, name in counts if results.count(key)]
    level = messages.SUCCESS if all(results) else messages.WARNING
    messages.add_message(request, level, words % {"count": len(results), "found": ", ".join(parts)})


def test_view(request: HttpRequest) -> HttpResponse:
    channel = Channel.SMS if request.POST.get("channel") == Channel.SMS else Channel.EMAIL
    to = request.POST.get("to", "").strip()
    shown = mask_email(to) if channel == Channel.EMAIL else mask_phone(to)
    place = "email" if channel == Channel.EMAIL else "sms"
    try:
        setup.send_test(channel, to=to, at=timezone.now())
    except AddressError as error:
        messages.error(request, _("No test was sent. %(why)s") % {"why": error.sentence})
    except TestRefused as error:
        messages.error(request, _("No test was sent. %(why)s") % {"why": error})
    except TransportError as error:
        messages.error(request, _("No test was sent: the provider answered “%(code)s”.") % {"code": error.code})
    else:
        messages.success(request, _("1 test is on its way to %(address)s.") % {"address": shown})
    return _back(place)


# --- Warm-up ----------------------------------------------------------------------------------------------------------


def warm_up_view(request: HttpRequest) -> HttpResponse:
    """Start a warm-up, change its numbers, or end it."""
    domain = sender_domain(Business.load())
    act: Callable[[], tuple[WarmUp, int, str]] = {
        "start": lambda: _start(request),
        "end": lambda: _end(request, domain),
    }.get(request.POST.get("do", ""), lambda: _change(request, domain))
    try:
        warm_up, flag, words = act()
    except (ValueError, warm_ups.NotPossible) as error:
        messages.error(request, str(error))
    else:
        _log(request, warm_up, flag, words)
        messages.success(request, words)
    return _back("warm-up")


def _ramp(request: HttpRequest) -> str:
    return request.POST.get("ramp", "")


def _start(request: HttpRequest) -> tuple[WarmUp, int, str]:
    warm_up = warm_ups.start(ramp=_ramp(request))
    return warm_up, ADDITION, _("%(domain)s warms up from its next mail on.") % {"domain": warm_up.domain}


def _change(request: HttpRequest, domain: str) -> tuple[WarmUp, int, str]:
    warm_up = warm_ups.change(domain, ramp=_ramp(request))
    return warm_up, CHANGE, _("The numbers of the warm-up are %(ramp)s.") % {"ramp": warm_up.ramp.replace(",", ", ")}


def _end(request: HttpRequest, domain: str) -> tuple[WarmUp, int, str]:
    warm_up = warm_ups.end(domain, reason=request.POST.get("reason", ""), at=timezone.now())
    return warm_up, CHANGE, _("The warm-up has ended: %(why)s") % {"why": warm_up.ended_because}


def _log(request: HttpRequest, warm_up: WarmUp, flag: int, words: str) -> None:
    assert request.user.pk is not None
    LogEntry.objects.log_actions(request.user.pk, [warm_up], flag, words, single_object=True)
    audit(AuditEvent.Action.SETTINGS, detail=f"warm-up: {'started' if flag == ADDITION else 'changed'}")
