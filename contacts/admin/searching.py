"""Searching a list for a person, without the words ever standing in an address, a log or a browser's history.

The form posts; what was found is kept in the session as numbers, and the list is opened with the name of the search.
Where nothing was found, what was typed is kept beside it, encrypted, so that the box still shows it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, TypeVar

from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from contacts.admin.base import PlainAdmin
from contacts.fields import DecryptionError, decrypt, encrypt

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

FOUND = "found"
SEARCHES_KEPT = 5
LONGEST = 200
TOO_OLD = gettext_lazy("That search is not kept any more. Search again.")

M = TypeVar("M", bound=Model)


class SearchRefused(ValueError):
    """The text cannot be searched for; the message says why, without repeating it."""


class Search(TypedDict):
    """What the session keeps of a search: what it found; where that is nothing, also the words (encrypted) and why."""

    found: list[int]
    typed: str
    refusal: str


class FoundList(ChangeList):
    """A list that may show what a search found; filters and pages work on it as on any other.

    `refusal` says why a text could not be searched for (nothing is listed then), `typed` what it was.
    """

    is_found = False
    refusal = ""
    typed = ""
    without_search = "?"

    def get_filters_params(self, params: Any = None) -> Any:
        return {name: value for name, value in super().get_filters_params(params).items() if name != FOUND}

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        search = self.model_admin.search_of(request)  # type: ignore[attr-defined]
        self.refusal, self.typed = (search["refusal"], _readable(search["typed"])) if search else ("", "")
        self.is_found = FOUND in self.params and not self.refusal
        self.without_search = self.get_query_string(remove=[FOUND])
        return rows


def _readable(typed: str) -> str:
    """Return what was typed; nothing where the key is another one by now."""
    try:
        return decrypt(typed) if typed else ""
    except DecryptionError:
        return ""


class PrivateSearch(PlainAdmin[M]):
    """The mixin of an admin whose rows are searched for by what may not be written down."""

    search_label = ""
    search_help_text: ClassVar[_StrOrPromise | None] = ""

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
        if FOUND in request.GET and self.search_of(request) is None:
            self.message_user(request, TOO_OLD, level="WARNING")
            filters = request.GET.copy()
            filters.pop(FOUND)
            return self._listed(filters)
        context = {"search_url": reverse(f"admin:{self._route}_search"), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        rows = super().get_queryset(request)
        if self.is_list(request) and FOUND in request.GET:
            search = self.search_of(request)
            rows = rows.filter(pk__in=search["found"] if search else [])
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

    def search_of(self, request: HttpRequest) -> Search | None:
        """Return the search the list was opened with; None: it is not kept any more, or there was none."""
        search: Search | None = request.session.get(self._shelf, {}).get(request.GET.get(FOUND, ""))
        return search if isinstance(search, dict) else None

    def _searched(self, request: HttpRequest, text: str, filters: QueryDict) -> HttpResponse:
        filters.pop(FOUND, None)
        if not text.strip():
            return self._listed(filters)
        search = self._search(text[:LONGEST])
        name = secrets.token_urlsafe(6)
        earlier = list(request.session.get(self._shelf, {}).items())[1 - SEARCHES_KEPT :]
        request.session[self._shelf] = {**dict(earlier), name: search}
        filters[FOUND] = name
        return self._listed(filters)

    def _search(self, text: str) -> Search:
        try:
            found, refusal = self.find(text), ""
        except SearchRefused as refused:
            found, refusal = [], str(refused)
        return {"found": found, "typed": "" if found else encrypt(text), "refusal": refusal}

    def _listed(self, filters: QueryDict) -> HttpResponseRedirect:
        query = f"?{filters.urlencode()}" if filters else ""
        return HttpResponseRedirect(reverse(f"admin:{self._route}_changelist") + query)
