"""Charts that are tables first: the page draws what the table says, and the file holds the same cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from django import forms
from django.http import HttpResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from contacts.sheets import Cell, to_csv

LONGEST_BY_HOUR = 14  # days


class Row(NamedTuple):
    """A row of a chart: `name` is what people read, `key` what a file says for it."""

    name: str
    key: str
    values: tuple[int, ...]
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Counts under a title. `kind` is `bar` (columns), `rows` (bars that lie) or `line`.

    `series` are what the columns of `values` are called, `colors` the names of their CSS variables, and `more` are
    columns of the table that are not drawn.
    """

    what: str
    title: str
    kind: str
    head: str
    series: tuple[str, ...]
    rows: Sequence[Row]
    colors: tuple[str, ...] = ("--chart-1",)
    more: tuple[str, ...] = ()

    @property
    def columns(self) -> list[tuple[str, str]]:
        return list(zip(self.series, self.colors, strict=True))

    @property
    def has_any(self) -> bool:
        return any(any(row.values) for row in self.rows)


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> HttpResponse:
    """Return a file for a spreadsheet; nothing in it is run as a formula."""
    response = HttpResponse(to_csv(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def chart_file(chart: Chart, name: str) -> HttpResponse:
    """Return the table of a chart as a file."""
    header = (chart.head, *chart.series, *chart.more)
    return csv_file(f"{name}-{chart.what}", header, ((row.key, *row.values, *row.more) for row in chart.rows))


class Period(forms.Form):
    """The days a report is about, both included, and whether it goes by day or by hour; read from the address."""

    first = forms.DateField(
        label=pgettext_lazy("period", "From"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    last = forms.DateField(
        label=pgettext_lazy("period", "To"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    by = forms.ChoiceField(
        label=gettext_lazy("Show by"),
        choices=[("day", gettext_lazy("Day")), ("hour", gettext_lazy("Hour"))],
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and first > last:
            self.add_error("last", _("The last day is before the first."))
        elif cleaned.get("by") == "hour" and not (first and last and (last - first).days < LONGEST_BY_HOUR):
            words = _("By hour, choose a first and a last day, %(count)s days at most.") % {"count": LONGEST_BY_HOUR}
            self.add_error("by", words)
        return cleaned

    @property
    def chosen(self) -> tuple[date | None, date | None, str]:
        """The first day, the last day, and `day` or `hour`; all days where something asked for makes no sense."""
        if not self.is_valid():
            return None, None, "day"
        return self.cleaned_data["first"], self.cleaned_data["last"], self.cleaned_data.get("by") or "day"

    @property
    def query(self) -> str:
        """The same question for another address."""
        first, last, by = self.chosen
        asked = {"first": first, "last": last, "by": by if by != "day" else None}
        return urlencode({name: str(value) for name, value in asked.items() if value})


class Preset(NamedTuple):
    """A period at a click."""

    label: str
    query: str
    is_chosen: bool


def preset(label: str, period: Period, first: date | None, last: date | None, by: str = "day") -> Preset:
    bound = Period({"first": first, "last": last, "by": by})
    return Preset(label, bound.query, period.chosen == (first, last, by))


def latest(days: int, today: date) -> tuple[date, date]:
    """Return the first and the last of so many days until today."""
    return today - timedelta(days=days - 1), today
