"""Days and hours as a form field: a few rows of seven boxes and two times. It needs no script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from redemptions.hours import DAYS, BadHours, parse, stored

ROWS = 4
Row = dict[str, Any]  # {"days": [0, 1], "from": "11:00", "to": "15:00"} as it was typed, or as a deal keeps it


class HoursWidget(forms.Widget):
    template_name = "admin/redemptions/offer/hours.html"
    use_fieldset = True

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        """Render among the templates of this site: the renderer of forms knows Django's own only."""
        return render_to_string(template_name, context)

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        rows: list[Row] = list(value or [])
        rows += [{"days": [], "from": "", "to": ""}] * (ROWS - len(rows))
        shown = [
            {
                "name": f"{name}-{number}",
                "number": number + 1,
                "opens": row["from"],
                "closes": row["to"],
                "days": [(day, label, day in row["days"]) for day, label in enumerate(DAYS)],
            }
            for number, row in enumerate(rows)
        ]
        return {**super().get_context(name, value, attrs), "rows": shown}

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[Row]:
        """Return the rows in which anything was filled in."""
        rows: list[Row] = []
        number = 0
        while f"{name}-{number}-from" in data:
            ticked: list[str] = data.getlist(f"{name}-{number}-day") if hasattr(data, "getlist") else []
            days = sorted({int(day) for day in ticked if day in {"0", "1", "2", "3", "4", "5", "6"}})
            times = {end: str(data.get(f"{name}-{number}-{end}") or "").strip() for end in ("from", "to")}
            if days or any(times.values()):
                rows.append({"days": days, **times})
            number += 1
        return rows

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return f"{name}-0-from" not in data


class HoursField(forms.Field):
    widget = HoursWidget

    def clean(self, value: Any) -> list[Row]:
        """Return the windows as a deal keeps them. Raises ValidationError, which names the row."""
        rows: list[Row] = value or []
        kept: list[Row] = []
        for row in rows:
            kept += self._one(row)
        return kept

    def _one(self, row: Row) -> list[Row]:
        if not row["days"]:
            raise ValidationError(
                _("%(from)s to %(to)s: tick the days.") % {"from": row["from"], "to": row["to"]}, code="days"
            )
        if not row["from"] or not row["to"]:
            days = ", ".join(str(DAYS[day]) for day in row["days"])
            raise ValidationError(_("%(days)s: say from when to when.") % {"days": days}, code="times")
        try:
            return stored(parse([row]))
        except BadHours as error:
            raise ValidationError(_("Write times like 11:00 or 23:30."), code="times") from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != list(data or [])
