"""The rule builder: a form field that holds a question, its rows and groups, and what is wrong with each row.

It works without JavaScript: the buttons that add and remove rows are submit buttons, and the page comes back with the
row added and nothing saved. The script does the same on the spot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import Import, Tag
from contacts.segments import CHOICES, FIELDS, MATCHES, Group, Rule, SegmentError, parse, parse_rule, to_json

UNREADABLE = gettext_lazy("The saved rules cannot be read. Make them anew.")
NOT_SAVED = gettext_lazy("Not saved yet: fill in the rule, then save.")
MEND = gettext_lazy("Please mend the rules that are marked.")
LISTS = {"email_state", "sms_state", "source"}
GROUP_FIELDS = [
    (gettext_lazy("What they did"), ("redeemed", "redemptions", "spend", "sent", "clicked")),
    (gettext_lazy("What they agreed to"), ("email", "sms", "email_agreed", "sms_agreed")),
    (gettext_lazy("Who they are"), ("tag", "birthday", "knows")),
    (gettext_lazy("How they came"), ("created", "source", "import")),
]


@dataclass
class Row:
    """One rule as it was typed; `values` holds what was entered for each kind of value its field can take."""

    number: str
    asked: str
    op: str = ""
    values: dict[str, list[str]] = field(default_factory=dict)
    error: str = ""

    def data(self) -> dict[str, Any]:
        """Return the rule in the shape it is kept in, as far as it was typed."""
        operator = FIELDS[self.asked].operators.get(self.op)
        if operator is None or not operator.kind:
            return {"field": self.asked, "op": self.op}
        values = self.values.get(operator.kind, [])
        value = values if operator.kind in LISTS else (values[0] if values else "")
        return {"field": self.asked, "op": self.op, "value": value}


@dataclass
class Box:
    """The rows of which all must hold, or any: the whole question (number "") or a group in it."""

    number: str = ""
    match: str = "all"
    rows: list[Row] = field(default_factory=list)
    groups: list[Box] = field(default_factory=list)
    edited: bool = False

    def boxes(self) -> Iterator[Box]:
        yield self
        yield from self.groups

    def rows_inside(self) -> list[Row]:
        return [row for box in self.boxes() for row in box.rows]

    def data(self) -> dict[str, Any]:
        rules = [row.data() for row in self.rows] + [group.data() for group in self.groups]
        return {"match": self.match, "rules": rules}

    def mark(self) -> bool:
        """Write beside each row what is wrong with it; return whether anything is."""
        for row in self.rows_inside():
            try:
                parse_rule(row.data())
            except SegmentError as error:
                row.error = str(error)
        return any(row.error for row in self.rows_inside())


def typed(posted: Mapping[str, Any], name: str) -> Box:
    """Return the question a form holds, with a row or a group added or removed where that button was pressed."""

    def several(key: str) -> list[str]:
        found: list[str] = posted.getlist(f"{name}-{key}") if hasattr(posted, "getlist") else []
        return found

    def one(key: str) -> str:
        return str(posted.get(f"{name}-{key}") or "")

    top = Box("", one("match") if one("match") in MATCHES else "all")
    top.groups = [Box(number, one(f"group-{number}-match") or "all") for number in several("group")]
    boxes = {box.number: box for box in top.boxes()}
    for number in several("rule"):
        asked = one(f"{number}-field")
        if asked in FIELDS:
            kinds = {operator.kind for operator in FIELDS[asked].operators.values() if operator.kind}
            row = Row(number, asked, one(f"{number}-op"), {kind: several(f"{number}-{kind}") for kind in kinds})
            boxes.get(one(f"{number}-group"), top).rows.append(row)
    return _edited(top, posted, name)


def _edited(top: Box, posted: Mapping[str, Any], name: str) -> Box:
    numbers = [row.number for row in top.rows_inside()] + [box.number for box in top.groups]
    new = str(max((int(number) for number in numbers if number.isdigit()), default=0) + 1)
    if (removed := posted.get(f"{name}-remove")) is not None:
        for box in top.boxes():
            box.rows = [row for row in box.rows if row.number != removed]
    elif (removed := posted.get(f"{name}-remove-group")) is not None:
        top.groups = [box for box in top.groups if box.number != removed]
    elif f"{name}-add-group" in posted:
        top.groups.append(Box(new, "any" if top.match == "all" else "all"))
    elif (target := posted.get(f"{name}-add")) is not None:
        asked = posted.get(f"{name}-new-{target}")
        for box in top.boxes():
            if box.number == target and asked in FIELDS:
                box.rows.append(Row(new, asked))
    else:
        return top
    top.edited = True
    return top


def box_of(group: Group) -> Box:
    """Return a saved question as the rows of a form."""
    numbers = iter(range(1, 1000))

    def row(rule: Rule) -> Row:
        kind = FIELDS[rule.field].operators[rule.op].kind
        value = to_json(rule).get("value")
        values = [] if value is None else [str(one) for one in value] if isinstance(value, list) else [str(value)]
        return Row(str(next(numbers)), rule.field, rule.op, {kind: values} if kind else {})

    top = Box("", group.match)
    for item in group.rules:
        if isinstance(item, Rule):
            top.rows.append(row(item))
        else:
            box = Box(str(next(numbers)), item.match)
            box.rows = [row(rule) for rule in item.rules if isinstance(rule, Rule)]
            top.groups.append(box)
    return top


class RuleBuilder(forms.Widget):
    template_name = "admin/contacts/segment/builder.html"

    class Media:
        js = ("regulars/segment.js",)

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        """Render among the templates of this site: the renderer of forms knows Django's own only."""
        return render_to_string(template_name, context)

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Box:
        return typed(data, name)

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return False

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        box = value if isinstance(value, Box) else _box_or_none(value)
        if isinstance(value, Box) and not value.edited:
            box.mark()
        choices: dict[str, list[tuple[Any, str]]] = {
            kind: [(code, str(label)) for code, label in labels.items()] for kind, labels in CHOICES.items()
        }
        choices |= _numbered()
        boxes = [self._box_context(one, choices) for one in box.boxes()]
        blank = [self._row_context(Row("__number__", asked), choices) for asked in FIELDS]
        context = super().get_context(name, None, attrs)
        context["widget"] |= {
            "name": name,
            "top": boxes[0],
            "groups": boxes[1:],
            "new_group": self._box_context(Box("__number__", "any"), choices),
            "blank_rows": blank,
            "group_fields": [
                (label, [(asked, FIELDS[asked].label) for asked in fields]) for label, fields in GROUP_FIELDS
            ],
        }
        return context

    def _box_context(self, box: Box, choices: dict[str, list[tuple[Any, str]]]) -> dict[str, Any]:
        return {
            "number": box.number,
            "matches": [(code, label, code == box.match) for code, label in MATCHES.items()],
            "rows": [self._row_context(row, choices) for row in box.rows],
        }

    def _row_context(self, row: Row, choices: dict[str, list[tuple[Any, str]]]) -> dict[str, Any]:
        asked = FIELDS[row.asked]
        op = row.op if row.op in asked.operators else next(iter(asked.operators))
        kinds = list(dict.fromkeys(operator.kind for operator in asked.operators.values() if operator.kind))
        return {
            "number": row.number,
            "field": row.asked,
            "label": asked.label,
            "error": row.error,
            "kind": asked.operators[op].kind,
            "operators": [(code, each.label, each.kind, code == op) for code, each in asked.operators.items()],
            "inputs": [
                {
                    "kind": kind,
                    "value": next(iter(row.values.get(kind, [])), ""),
                    "choices": [
                        (code, label, str(code) in row.values.get(kind, [])) for code, label in choices.get(kind, [])
                    ],
                    "is_list": kind in LISTS,
                    "gone": _gone(row.values.get(kind, []), choices.get(kind)),
                }
                for kind in kinds
            ],
        }


def _gone(values: list[str], choices: list[tuple[Any, str]] | None) -> str:
    """Return the number of a tag or import that is asked for and was deleted."""
    known = {str(code) for code, _ in choices or []}
    return values[0] if choices is not None and values and values[0] and values[0] not in known else ""


def import_name(number: int, at: datetime) -> str:
    """`Import 3, Nov 20, 2026`."""
    return _("Import %(number)s, %(day)s") % {"number": number, "day": date_format(localtime(at), "DATE_FORMAT")}


def _numbered() -> dict[str, list[tuple[Any, str]]]:
    """Return the tags and the imports that brought people, to choose from. Two queries."""
    states = Import.Status
    brought = Import.objects.filter(status__in=[states.RUNNING, states.DONE, states.FAILED, states.CANCELLED])
    days = brought.values_list("pk", "created_at")[:200]
    return {
        "tag": list(Tag.objects.values_list("pk", "name")),
        "import": [(pk, import_name(pk, day)) for pk, day in days],
    }


def _box_or_none(value: Any) -> Box:
    try:
        return box_of(parse(value))
    except SegmentError:
        return Box()


class RulesField(forms.Field):
    """A question: JSON as `contacts.segments` describes it, built row by row."""

    widget = RuleBuilder

    def clean(self, value: Box) -> dict[str, Any]:
        """Return the question; where a row is wrong, mark it. Raises ValidationError."""
        if value.edited:
            raise ValidationError(NOT_SAVED, code="edited")
        if value.mark():
            raise ValidationError(MEND, code="rows")
        try:
            return to_json(parse(value.data()))
        except SegmentError as error:
            raise ValidationError(str(error)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return to_json(parse(data.data())) != to_json(parse(initial))
        except SegmentError:
            return True
