"""The admin site: the product's whole user interface, its menu grouped by task."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from config.dashboard import dashboard
from contacts.models import AuditEvent
from contacts.services import audit, has_second_factor
from messaging.models import Message
from messaging.queries import OUTBOX_PERMISSIONS, SETUP_PERMISSION

MENU = (
    ("Campaigns", ("campaigns.campaign", "campaigns.template", "messaging.reports")),
    ("Audience", ("contacts.contact", "contacts.segment", "contacts.tag", "contacts.signupform", "contacts.import")),
    (
        "Deals",
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
    ("Messages", ("messaging.message", "messaging.outbox", "messaging.inboundtext")),
    (
        "Records",
        (
            "contacts.consentevent",
            "contacts.suppression",
            "contacts.job",
            "contacts.auditevent",
            "messaging.providerevent",
        ),
    ),
    ("Settings", ("contacts.business", "messaging.setup", "messaging.providersettings", "auth.user", "auth.group")),
    ("Machinery", ()),
)
NAMES = {
    "contacts.business": "Business",
    "contacts.auditevent": "Audit log",
    "contacts.consentevent": "Consent history",
    "contacts.job": "Bulk jobs",
    "contacts.suppression": "Blocked addresses",
    "messaging.providerevent": "Delivery events",
    "redemptions.codesheet": "Printed codes",
}
# What is no table: its address is the key's, and its permissions are all needed.
PAGES = (
    ("messaging.outbox", "Outbox", OUTBOX_PERMISSIONS),
    ("messaging.reports", "Reports", ("campaigns.view_campaign",)),
    ("messaging.setup", "Sending set-up", (SETUP_PERMISSION,)),
    ("redemptions.report", "Redemptions report", ("redemptions.view_redemption",)),
    ("redemptions.signals", "What looks odd", ("redemptions.view_redemption", "redemptions.view_scan")),
)
QUEUE = "django_q"


class RegularsAdminSite(AdminSite):
    site_header = site_title = "Regulars"
    index_title = "Dashboard"
    index_template = "admin/dashboard.html"
    site_url = None

    def has_permission(self, request: HttpRequest) -> bool:
        """Let nobody in who may not come, or who lacks the second factor where everybody needs one."""
        return super().has_permission(request) and not _lacks_factor(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ask who it is; lead whoever needs a second factor and has none yet to the page where it is set up."""
        from contacts.admin.users.forms import SignInForm  # its package registers with this very site

        if request.method == "GET" and super().has_permission(request) and _lacks_factor(request):
            assert isinstance(request.user, User)
            if not has_second_factor(request.user):
                return HttpResponseRedirect(reverse("admin:sign_in", current_app=self.name))
        self.login_form = SignInForm
        return super().login(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        response = super().password_change(request, extra_context)
        if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            audit(AuditEvent.Action.PASSWORD)
        return response

    def get_urls(self) -> list[Any]:
        from contacts.admin.users.pages import sign_in_urls
        from messaging.admin import MessageAdmin  # it registers with this very site
        from messaging.admin.reports import reports_urls
        from messaging.admin.setup import setup_urls

        messages = self._registry.get(Message)
        outbox = messages.outbox_urls() if isinstance(messages, MessageAdmin) else []
        return [*outbox, *setup_urls(self), *reports_urls(self), *sign_in_urls(self), *super().get_urls()]

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
            _group(title, [_renamed(key, entries.pop(key)) for key in keys if key in entries]) for title, keys in MENU
        ]
        groups[-1]["models"] += [entries.pop(key) for key in list(entries) if key.startswith(f"{QUEUE}.")]
        groups[-2]["models"] += entries.values()  # whatever else is registered
        return [_with_link(group) for group in groups if group["models"]]


def _lacks_factor(request: HttpRequest) -> bool:
    return settings.REQUIRE_2FA and not getattr(request.user, "is_verified", bool)()


def _key(app: dict[str, Any], model: dict[str, Any]) -> str:
    return f"{app['app_label']}.{model['object_name'].lower()}"


def _menu_name(request: HttpRequest) -> str:
    """Return what the menu calls the table of this page, where that is not the table's own name."""
    page = (request.resolver_match and request.resolver_match.url_name) or ""
    return next((name for key, name in NAMES.items() if page.startswith(f"{key.replace('.', '_')}_")), "")


def _page(name: str, url: str) -> dict[str, Any]:
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


def _group(title: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": title, "app_label": f"group-{title.lower()}", "has_module_perms": True, "models": models}


def _with_link(group: dict[str, Any]) -> dict[str, Any]:
    """Let the title of a group lead to its first entry."""
    return {**group, "app_url": group["models"][0].get("admin_url") or reverse("admin:index")}
