"""What the admin pages of all apps share: plain words, badges, lists that are only read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.paginator import Page, Paginator
from django.core.validators import EMPTY_VALUES
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import formats
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_noop, ngettext

from contacts.admin.deleting import Kept, as_owner, in_the_way
from contacts.models import ChannelStatus
from contacts.sentences import kept, said

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

M = TypeVar("M", bound=Model)

FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https:; frame-ancestors 'self'; sandbox"
)

STATUS_KINDS = {
    ChannelStatus.ABSENT: "quiet",
    ChannelStatus.NONE: "quiet",
    ChannelStatus.PENDING: "warn",
    ChannelStatus.SUBSCRIBED: "ok",
    ChannelStatus.UNSUBSCRIBED: "bad",
    ChannelStatus.SUPPRESSED: "bad",
}


ONE_PERSON, SOME_PEOPLE = gettext_noop("1 person"), kept("%(count)s people")


def badge(kind: str, label: _StrOrPromise) -> SafeString:
    """Return a small coloured label; `kind` is `ok`, `info`, `warn`, `bad` or `quiet`."""
    return format_html('<span class="badge badge-{}">{}</span>', kind, label)


def thousands(count: int) -> str:
    """Return a count as people write it in the language of the page: `2,500`."""
    return formats.number_format(count, force_grouping=True)


class Number(NamedTuple):
    """A count as a page shows it; `key` is the name a live page updates it by, `url` leads to what is counted."""

    label: str
    value: int
    kind: str = ""
    key: str = ""
    url: str = ""

    @property
    def text(self) -> str:
        return thousands(self.value)


class Bar(NamedTuple):
    """A row of a bar chart; `percent` is the length of the bar, `note` stands behind the count."""

    label: str
    value: int
    percent: float
    note: str = ""

    @property
    def text(self) -> str:
        return thousands(self.value)


def bars(rows: list[tuple[str, int]]) -> list[Bar]:
    """Return rows as bars, the longest filling the width."""
    longest = max((count for _, count in rows), default=0)
    return [Bar(label, count, 100 * count / longest if longest else 0) for label, count in rows]


def people(count: int) -> str:
    """`1 person`, `2,500 people`."""
    return ngettext("%(count)s person", "%(count)s people", count) % {"count": thousands(count)}


def people_kept(count: int) -> str:
    """Return `people` as it is kept: in English, for `said`."""
    return ONE_PERSON if count == 1 else SOME_PEOPLE % {"count": f"{count:,}"}


def status_badge(status: ChannelStatus) -> SafeString:
    if status == ChannelStatus.ABSENT:
        return format_html('<span class="quiet" title="{}">—</span>', status.label)
    return badge(STATUS_KINDS[status], status.label)


def framed(html: str) -> HttpResponse:
    """Return mail HTML for an iframe of this site: its own inline styles work, and nothing in it runs or loads."""
    response = HttpResponse(html)
    response["Content-Security-Policy"] = FRAME_POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Cache-Control"] = "no-store"
    return response


class ChoicesInUse(admin.ChoicesFieldListFilter):
    """Filter by a field's choices, but for those that nothing sets."""

    NOT_IN_USE = frozenset({"erased"})

    def choices(self, changelist: Any) -> Iterator[Any]:
        everything, *links = super().choices(changelist)
        yield everything
        for (value, _), link in zip(self.field.flatchoices, links, strict=False):
            if value not in self.NOT_IN_USE:
                yield link


class EstimatedPaginator(Paginator[Any]):
    """Pages of a big table.

    The count of an unfiltered one comes from PostgreSQL's own statistics; everything else is counted exactly. Rows are
    skipped by their keys alone, from the nearer end: skipping them with all that is joined to them takes seconds.
    """

    TRUSTED_FROM = 20_000
    DEEP = 1_000  # rows to skip; fewer cost less than a second query

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        if connection.vendor == "postgresql" and not rows.query.where:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [rows.model._meta.db_table]
                )
                estimate = int(cursor.fetchone()[0])
            if estimate >= self.TRUSTED_FROM:
                return estimate
        return rows.count()

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        if first < self.DEEP:
            return super().page(number)
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        length = min(self.per_page, self.count - first)
        after = self.count - first - length
        keys = rows.values_list("pk", flat=True)
        chosen = keys.reverse()[after : after + length] if after < first else keys[first : first + length]
        return Page(rows.filter(pk__in=list(chosen)), number, self)


class Answering:
    """A table's admin as the form asks it for what is only read: a display function never answers with nothing.

    Django prints "None" there, where a list has the dash, and does not heed the function's `empty_value`.
    """

    def __init__(self, model_admin: admin.ModelAdmin[Any], names: Collection[object]) -> None:
        self._model_admin, self._names = model_admin, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model_admin, name)
        if name not in self._names or getattr(found, "boolean", False):
            return found
        return self._answering(found)

    def _answering(self, display: Callable[[Model], object]) -> Callable[[Model], object]:
        empty = getattr(display, "empty_value_display", self._model_admin.get_empty_value_display())

        @wraps(display)
        def answer(row: Model) -> object:
            shown = display(row)
            return empty if shown in EMPTY_VALUES else shown

        return answer


class PlainAdmin(admin.ModelAdmin[M]):
    """A list and a form in plain words. The `empty_*` texts stand where a list has nothing to show yet.

    `instead_of_deleting` is for what cannot be deleted because of what is kept for good; a table whose rows nobody
    changes has no history.
    """

    empty_title: _StrOrPromise = ""
    empty_text: _StrOrPromise = ""
    add_label: _StrOrPromise = ""
    instead_of_deleting: _StrOrPromise = ""
    has_history = True
    empty_value_display = "—"
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = EstimatedPaginator

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Leave the plus sign beside a choice, and take the pencil, the cross and the eye away."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        widget = getattr(field, "widget", None)
        if isinstance(widget, RelatedFieldWidgetWrapper):
            widget.can_change_related = widget.can_delete_related = widget.can_view_related = False
        return field

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name what is in the way by kind and number; what nobody may delete is not read for it."""
        if kept := in_the_way(self, objs, as_owner(request)):
            return [], {}, Kept(kept, self.instead_of_deleting), []
        going, counts, lacking, protected = super().get_deleted_objects(objs, request)
        named = in_the_way(self, objs, request) if lacking else []
        return going, counts, named or lacking, protected

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the history in the reader's language, as `said`."""
        response = super().history_view(request, *args, **kwargs)
        for entry in getattr(response, "context_data", {}).get("action_list", ()):
            entry.said = said(entry.get_change_message())
        return response

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Offer one way to save: "Save", and on a new row "Save and add another"."""
        context.setdefault("show_save_and_continue", False)
        context.setdefault("show_save_and_add_another", kwargs.get("add", False))
        context.setdefault("has_history", self.has_history)
        form = context["adminform"]
        form.model_admin = Answering(self, form.readonly_fields)
        return super().render_change_form(request, context, *args, **kwargs)


class ReadOnlyAdmin(PlainAdmin[M]):
    """A table that is only ever added to by the product itself."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False
