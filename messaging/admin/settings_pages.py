"""The page "All settings": what can be set, how it stands, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.queries import Check, look_of
from contacts.channels import Channel
from contacts.models import Business
from contacts.queries import has_example_address
from messaging.admin.guarded import guarded
from messaging.admin.hours import clock, hours_urls
from messaging.admin.look import look_urls
from messaging.admin.providers import NAMES, speed
from messaging.admin.setup import setup_urls
from messaging.admin.system import system_urls
from messaging.queries import set_up
from messaging.queries.system import system
from messaging.services.pacing import provider_name, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.contrib.admin import AdminSite

ORDER = ("block", "warn", "ok")
ENDS = ("?", "!", ".", "…")  # of a sentence that needs no full stop


class Entry(NamedTuple):
    """A settings page: its name and address, how it stands in a sentence, and the level of that."""

    title: str
    url: str
    words: str
    level: str = "ok"


def settings_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of all pages of the settings that are no tables."""
    return [
        path("settings/", guarded(site, settings_view, "GET", "HEAD"), name="messaging_settings"),
        *setup_urls(site),
        *look_urls(site),
        *hours_urls(site),
        *system_urls(site),
    ]


def settings_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    context = {**site.each_context(request), "title": _("All settings"), "entries": list(entries(request))}
    return TemplateResponse(request, "admin/messaging/settings.html", context)


def entries(request: HttpRequest) -> Iterable[Entry]:
    """Yield the pages this person may open. About thirty queries."""
    at, business, user = timezone.now(), Business.load(), request.user
    if user.has_perm("contacts.view_business"):
        yield _business(business)
    look = look_of()
    yield Entry(
        _("Look of your mails"),
        reverse("admin:messaging_look"),
        (_("Your logo on top, buttons in %(color)s.") if look.logo else _("Your name on top, buttons in %(color)s."))
        % {"color": look.accent},
    )
    found = set_up(at=at)
    yield _of_lines(
        _("Sending set-up"),
        reverse("admin:messaging_setup"),
        [*found.email, *found.dns, *found.sms, *found.webhooks],
        fine=_("Mails come from %(sender)s, and all that was looked at is fine.") % {"sender": business.from_email},
    )
    yield _providers()
    yield Entry(
        _("Quiet hours"),
        reverse("admin:messaging_hours"),
        _("Texts go out from %(first)s to %(last)s where each guest is.")
        % {"first": clock(business.texts_from), "last": clock(business.texts_until)},
    )
    if user.has_perm("auth.view_user"):
        yield _people(may_groups=user.has_perm("auth.view_group"))
    shown = system(at=at)
    yield _of_lines(
        _("System"),
        reverse("admin:messaging_system"),
        [line for line in shown.lines if line not in found.webhooks],
        fine=_("The worker runs, and nothing waits for you."),
    )


def _business(business: Business) -> Entry:
    url, title = reverse("admin:contacts_business_changelist"), _("Business")
    if not business.name or not business.postal_address:
        return Entry(title, url, _("Name and postal address are missing: the law wants both in every mail."), "block")
    if has_example_address(business):
        return Entry(title, url, _("The postal address is still the example: put yours."), "block")
    words = _("%(name)s, %(zone)s time.") % {"name": business.name, "zone": business.timezone}
    return Entry(title, url, words)


def _of_lines(title: str, url: str, lines: Sequence[Check], *, fine: str) -> Entry:
    """Return a page by its worst line."""
    bad = sorted((line for line in lines if line.level != "ok"), key=lambda line: ORDER.index(line.level))
    if not bad:
        return Entry(title, url, fine)
    more = len(bad) - 1
    others = (
        ngettext("And %(count)s more line to look at.", "And %(count)s more lines to look at.", more) if more else ""
    )
    worst = bad[0].title if bad[0].title.endswith(ENDS) else f"{bad[0].title}."
    return Entry(title, url, f"{worst} {others % {'count': more} if others else ''}".strip(), bad[0].level)


def _providers() -> Entry:
    parts = []
    for channel in Channel:
        provider = provider_name(channel)
        if provider == "outbox":
            parts.append(_("%(channel)s: no provider yet.") % {"channel": channel.label})
        else:
            parts.append(f"{channel.label}: {NAMES.get(provider, provider)}, {speed(settings_of(channel).rate)}.")
    return Entry(_("Providers and rates"), reverse("admin:messaging_providersettings_changelist"), " ".join(parts))


def _people(*, may_groups: bool) -> Entry:
    count = User.objects.filter(is_active=True).count()
    words = ngettext("%(count)s person may sign in.", "%(count)s people may sign in.", count) % {"count": count}
    if may_groups:
        roles = ngettext("%(count)s role.", "%(count)s roles.", Group.objects.count())
        words = f"{words} {roles % {'count': Group.objects.count()}}"
    return Entry(_("People and roles"), reverse("admin:auth_user_changelist"), words)
