"""Pages of the settings: for whoever may change how the shop sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from messaging.queries import SETUP_PERMISSION

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite

View = Callable[[HttpRequest], HttpResponse]
Page = Callable[[HttpRequest, "AdminSite"], HttpResponse]


def guarded(site: AdminSite, page: Page, *methods: str) -> View:
    """Return a page of the admin site as a view that answers these methods, for those who may."""

    def checked(request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(SETUP_PERMISSION):
            raise PermissionDenied
        answer: View = require_http_methods(methods)(shown)
        return answer(request)

    def shown(request: HttpRequest) -> HttpResponse:
        return page(request, site)

    view: View = site.admin_view(checked)
    return view
