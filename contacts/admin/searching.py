"""Searching a list for a person, without the words ever standing in an address, a log or a browser's history.

The form posts; what was found is kept in the session as numbers, and the list is opened with the name of the search.
"""

from __future__ import annotations

import secrets
from typing import Any, TypeVar

from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from contacts.admin.base import PlainAdmin

FOUND = "found"
SEARCHES_KEPT = 5
LONGEST = 200
TOO_OLD = "That search is not kept any more. Search again."

M = TypeVar("M", bound=Model)


class SearchRefused(ValueError):
    """The text cannot be searched for; the message says why, without repeating it."""


class FoundList(ChangeList):
    """A list that may show what a search found; filters and pages work on it as on any other."""

    is_found = False
    without_search = "?"

    def get_filters_params(self, params: Any = None) -> Any:
        return {name: value for name, value in super().get_filters_params(params).items() if name != FOUND}

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        self.is_found = FOUND in self.params
        self.without_search = self.get_query_string(remove=[FOUND])
        return rows


class PrivateSearch(PlainAdmin[M]):
    """The mixin of an admin whose rows are searched for by what may not be written down."""

    search_label = ""
    search_help_text = ""

    def find(self, text: str) -> list[int]:
        """Return the keys of the rows the text finds. Raises SearchRefused."""
        raise NotImplementedError

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FoundList

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.search_view))
        return [path("search/", view, name=f"{self._route}_search"), *super().get_urls()]

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Search, keep what was found, and lead to the list of it; the filters that were on stay on."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        filters = QueryDict(request.POST.get("filters", "")[:2000], mutable=True)
        for name in (FOUND, SEARCH_VAR, "p", "all"):
            filters.pop(name, None)
        return self._searched(request, request.POST.get("text", ""), filters)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if SEARCH_VAR in request.GET:  # an old bookmark, or typed by hand: out of the address line with it
            filters = request.GET.copy()
            words = filters.pop(SEARCH_VAR)
            return self._searched(request, str(words[-1]), filters)
        if FOUND in request.GET and self._found(request) is None:
            self.message_user(request, TOO_OLD, level="WARNING")
            filters = request.GET.copy()
            filters.pop(FOUND)
            return self._listed(filters)
        context = {"search_url": reverse(f"admin:{self._route}_search"), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        rows = super().get_queryset(request)
        if self.is_list(request) and FOUND in request.GET:
            rows = rows.filter(pk__in=self._found(request) or [])
        return rows

    def is_list(self, request: HttpRequest) -> bool:
        match = request.resolver_match
        return bool(match and match.url_name == f"{self._route}_changelist")

    @property
    def _route(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    @property
    def _shelf(self) -> str:
        return f"searches:{self._route}"

    def _found(self, request: HttpRequest) -> list[int] | None:
        searches: dict[str, list[int]] = request.session.get(self._shelf, {})
        return searches.get(request.GET.get(FOUND, ""))

    def _searched(self, request: HttpRequest, text: str, filters: QueryDict) -> HttpResponse:
        filters.pop(FOUND, None)
        if not text.strip():
            return self._listed(filters)
        try:
            found = self.find(text[:LONGEST])
        except SearchRefused as refusal:
            self.message_user(request, str(refusal), level="WARNING")
            return self._listed(filters)
        name = secrets.token_urlsafe(6)
        earlier = list(request.session.get(self._shelf, {}).items())[1 - SEARCHES_KEPT :]
        request.session[self._shelf] = {**dict(earlier), name: found}
        filters[FOUND] = name
        return self._listed(filters)

    def _listed(self, filters: QueryDict) -> HttpResponseRedirect:
        query = f"?{filters.urlencode()}" if filters else ""
        return HttpResponseRedirect(reverse(f"admin:{self._route}_changelist") + query)
