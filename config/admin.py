"""The admin site: the product's whole user interface, its menu grouped by task."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from config.dashboard import dashboard
from contacts.models import AuditEvent
from contacts.services import audit, has_second_factor, too_many_from
from messaging.models import Message
from messaging.queries import OUTBOX_PERMISSIONS, SETUP_PERMISSION

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MENU = (
    (gettext_lazy("Campaigns"), ("campaigns.campaign", "campaigns.template", "messaging.reports")),
    (
        gettext_lazy("Audience"),
        ("contacts.contact", "contacts.segment", "contacts.tag", "contacts.signupform", "contacts.import"),
    ),
    (
        gettext_lazy("Deals"),
        (
            "redemptions.offer",
            "redemptions.code",
            "redemptions.codesheet",
            "redemptions.redemption",
            "redemptions.report",
            "redemptions.signals",
            "redemptions.scan",
            "redemptions.location",
            "redemptions.device",
            "redemptions.staff",
        ),
    ),
    (gettext_lazy("Messages"), ("messaging.message", "messaging.outbox", "messaging.inboundtext")),
    (
        gettext_lazy("Records"),
        (
            "contacts.consentevent",
            "contacts.suppression",
            "contacts.job",
            "contacts.auditevent",
            "messaging.providerevent",
        ),
    ),
    (
        gettext_lazy("Settings"),
        (
            "messaging.settings",
            "contacts.business",
            "messaging.look",
            "messaging.setup",
            "messaging.providersettings",
            "messaging.hours",
            "auth.user",
            "auth.group",
            "messaging.system",
        ),
    ),
    (gettext_lazy("Machinery"), ()),
)
NAMES = {
    "contacts.business": gettext_lazy("Business"),
    "contacts.auditevent": gettext_lazy("Audit log"),
    "contacts.consentevent": gettext_lazy("Consent history"),
    "contacts.job": gettext_lazy("Bulk jobs"),
    "contacts.suppression": gettext_lazy("Blocked addresses"),
    "messaging.providerevent": gettext_lazy("Delivery events"),
    "messaging.providersettings": gettext_lazy("Providers and rates"),
    "redemptions.codesheet": gettext_lazy("Printed codes"),
    "django_q.failure": gettext_lazy("Failed tasks"),
    "django_q.ormq": gettext_lazy("Queued tasks"),
    "django_q.schedule": gettext_lazy("Scheduled tasks"),
    "django_q.success": gettext_lazy("Successful tasks"),
}
# What is no table: its address is the key's, and its permissions are all needed.
PAGES = (
    ("messaging.hours", gettext_lazy("Quiet hours"), (SETUP_PERMISSION,)),
    ("messaging.look", gettext_lazy("Look of your mails"), (SETUP_PERMISSION,)),
    ("messaging.outbox", gettext_lazy("Outbox"), OUTBOX_PERMISSIONS),
    ("messaging.reports", gettext_lazy("Reports"), ("campaigns.view_campaign",)),
    ("messaging.settings", gettext_lazy("All settings"), (SETUP_PERMISSION,)),
    ("messaging.setup", gettext_lazy("Sending set-up"), (SETUP_PERMISSION,)),
    ("messaging.system", gettext_lazy("System"), (SETUP_PERMISSION,)),
    ("redemptions.report", gettext_lazy("Redemptions report"), ("redemptions.view_redemption",)),
    ("redemptions.signals", gettext_lazy("What looks odd"), ("redemptions.view_redemption", "redemptions.view_scan")),
)
QUEUE = "django_q"


class RegularsAdminSite(AdminSite):
    site_header = site_title = "Regulars"
    index_title = gettext_lazy("Dashboard")
    index_template = "admin/dashboard.html"
    site_url = None

    def has_permission(self, request: HttpRequest) -> bool:
        """Let nobody in who may not come, or who lacks the second factor where everybody needs one."""
        return super().has_permission(request) and not _lacks_factor(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ask who it is; lead whoever needs a second factor and has none yet to the page where it is set up."""
        from contacts.admin.users import SignInForm, locked_out  # the package registers with this very site

        if request.method == "GET" and super().has_permission(request) and _lacks_factor(request):
            assert isinstance(request.user, User)
            if not has_second_factor(request.user):
                return HttpResponseRedirect(reverse("admin:sign_in", current_app=self.name))
        if request.method == "POST" and too_many_from(request, at=timezone.now()):
            return locked_out(request)
        self.login_form = SignInForm
        return super().login(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Change one's own password. A wrong old one counts as at the sign-in: nobody guesses it at an open laptop."""
        from contacts.admin.users import knows_password, locked_out

        is_wrong = request.method == "POST" and not knows_password(request, request.POST.get("old_password", ""))
        if is_wrong and getattr(request, "axes_locked_out", False):
            return locked_out(request)
        response = super().password_change(request, extra_context)
        if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            audit(AuditEvent.Action.PASSWORD)
        return response

    def get_urls(self) -> list[Any]:
        from contacts.admin.users.pages import sign_in_urls
        from messaging.admin import MessageAdmin  # it registers with this very site
        from messaging.admin.reports import reports_urls
        from messaging.admin.settings_pages import settings_urls

        messages = self._registry.get(Message)
        outbox = messages.outbox_urls() if isinstance(messages, MessageAdmin) else []
        return [*outbox, *settings_urls(self), *reports_urls(self), *sign_in_urls(self), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the dashboard instead of a list of tables."""
        shown = dashboard(request.user, at=timezone.now())
        return super().index(request, {**(extra_context or {}), "dashboard": shown})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the name the menu gives to the table a page belongs to, so that titles and breadcrumbs say the same."""
        return {**super().each_context(request), "menu_name": _menu_name(request)}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the menu: tables grouped by what people do with them. One app's own page stays as it is."""
        apps = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        entries = {_key(app, model): model for app in apps for model in app["models"]}
        for key, name, permissions in PAGES:
            if request.user.has_perms(permissions):
                url = reverse(f"admin:{key.replace('.', '_')}", current_app=self.name)
                entries[key] = _page(name, url)
        if not request.user.is_superuser:
            entries = {key: model for key, model in entries.items() if not key.startswith(f"{QUEUE}.")}
        groups = [
            _group(number, title, [_renamed(key, entries.pop(key)) for key in keys if key in entries])
            for number, (title, keys) in enumerate(MENU)
        ]
        groups[-1]["models"] += [
            _renamed(key, entries.pop(key)) for key in list(entries) if key.startswith(f"{QUEUE}.")
        ]
        groups[-2]["models"] += entries.values()  # whatever else is registered
        return [_with_link(group) for group in groups if group["models"]]


def _lacks_factor(request: HttpRequest) -> bool:
    return settings.REQUIRE_2FA and not getattr(request.user, "is_verified", bool)()


def _key(app: dict[str, Any], model: dict[str, Any]) -> str:
    return f"{app['app_label']}.{model['object_name'].lower()}"


def _menu_name(request: HttpRequest) -> str:
    """Return what the menu calls the table of this page, where that is not the table's own name."""
    page = (request.resolver_match and request.resolver_match.url_name) or ""
    return next((str(name) for key, name in NAMES.items() if page.startswith(f"{key.replace('.', '_')}_")), "")


def _page(name: _StrPromise, url: str) -> dict[str, Any]:
    """Return a menu entry for a page that is no table."""
    return {
        "name": name,
        "object_name": name,
        "admin_url": url,
        "add_url": None,
        "view_only": True,
        "perms": {"view": True, "add": False, "change": False, "delete": False},
    }


def _renamed(key: str, model: dict[str, Any]) -> dict[str, Any]:
    return {**model, "name": NAMES.get(key, model["name"])}


def _group(number: int, title: _StrPromise, models: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": title, "app_label": f"group-{number}", "has_module_perms": True, "models": models}


def _with_link(group: dict[str, Any]) -> dict[str, Any]:
    """Let the title of a group lead to its first entry."""
    return {**group, "app_url": group["models"][0].get("admin_url") or reverse("admin:index")}
