"""Saved questions about people: what may be asked, in which shape it is kept, and how it reads. Pure.

A question is kept as JSON:

    QUESTION  {"match": "all" | "any", "rules": [RULE or GROUP, ...]}   {}, or no rules: everybody
    GROUP     {"match": "all" | "any", "rules": [RULE, ...]}            one rule at least, and no group inside
    RULE      {"field": ..., "op": ..., "value": ...}                   no "value" where the operator needs none

`FIELDS` says which operators a field has, and which kind of value each of them takes:

    tag, import             the number of the row
    email_state, sms_state, source   a list of states or sources, one at least
    detail                  `email`, `phone` or `birthday`
    days, next_days, count  a whole number
    money                   an amount as text, "25.00"
    date                    a day, "2026-11-21"

Operators come in pairs of which exactly one is true of any person, so a negative includes those of whom nothing is
known. Days begin at midnight where the shop is: "in the last 7 days" is today and the seven days before it, "in the
next 7 days" is today and the six days after it. Who was born on 29 February celebrates on the 28th in other years.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MAX_RULES = 20
MAX_NUMBER = 1_000_000
MAX_DAYS = 3660
MAX_MONEY = Decimal("9999999.99")
YEAR_DAYS = 366


class SegmentError(ValueError):
    """What is wrong with a question, in the user's words."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to ask: what it is called beside its field, and the kind of value it takes (empty: none)."""

    label: _StrPromise
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    label: _StrPromise
    operators: Mapping[str, Operator]


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a question. `value` is a number, a list of codes, a Decimal, a date or None, by the operator."""

    field: str
    op: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Group:
    """Rules of which all must hold, or any (`match`)."""

    match: str = "all"
    rules: tuple[Rule | Group, ...] = ()


STATES = {
    "subscribed": gettext_lazy("Subscribed"),
    "unsubscribed": gettext_lazy("Unsubscribed"),
    "none": gettext_lazy("Never agreed"),
    "pending": gettext_lazy("Not confirmed yet"),
    "suppressed": gettext_lazy("Cannot be reached"),
    "absent": gettext_lazy("No address"),
}
SOURCES = {
    "import": gettext_lazy("Import"),
    "admin": gettext_lazy("Typed in"),
    "form": gettext_lazy("Sign-up form"),
    "keyword": gettext_lazy("Text message"),
    "demo": gettext_lazy("Demo"),
}
DETAILS = {
    "email": gettext_lazy("e-mail address"),
    "phone": gettext_lazy("phone number"),
    "birthday": gettext_lazy("birthday"),
}
CHOICES = {"email_state": STATES, "sms_state": STATES, "source": SOURCES, "detail": DETAILS}
MATCHES = {"all": gettext_lazy("all of these"), "any": gettext_lazy("any of these")}

_HAPPENED = {
    "within": Operator(gettext_lazy("in the last"), "days"),
    "not_within": Operator(gettext_lazy("not in the last"), "days"),
    "never": Operator(gettext_lazy("never")),
    "ever": Operator(gettext_lazy("at some time")),
}
_STATE = {"is": gettext_lazy("is"), "is_not": gettext_lazy("is not")}

FIELDS: dict[str, Field] = {
    "tag": Field(
        gettext_lazy("Tag"),
        {"has": Operator(gettext_lazy("is"), "tag"), "has_not": Operator(gettext_lazy("is not"), "tag")},
    ),
    "email": Field(gettext_lazy("E-mail"), {op: Operator(label, "email_state") for op, label in _STATE.items()}),
    "sms": Field(gettext_lazy("SMS"), {op: Operator(label, "sms_state") for op, label in _STATE.items()}),
    "email_agreed": Field(gettext_lazy("Agreed to e-mail"), _HAPPENED),
    "sms_agreed": Field(gettext_lazy("Agreed to SMS"), _HAPPENED),
    "redeemed": Field(gettext_lazy("Last visit with a deal"), _HAPPENED),
    "redemptions": Field(
        gettext_lazy("Visits with a deal"),
        {
            "at_least": Operator(gettext_lazy("at least"), "count"),
            "at_most": Operator(gettext_lazy("at most"), "count"),
            "exactly": Operator(gettext_lazy("exactly"), "count"),
        },
    ),
    "spend": Field(
        gettext_lazy("Spent with deals"),
        {
            "at_least": Operator(gettext_lazy("at least"), "money"),
            "at_most": Operator(gettext_lazy("at most"), "money"),
        },
    ),
    "sent": Field(gettext_lazy("Last sent a message"), _HAPPENED),
    "clicked": Field(gettext_lazy("Last clicked a link"), _HAPPENED),
    "birthday": Field(gettext_lazy("Birthday"), {"within": Operator(gettext_lazy("in the next"), "next_days")}),
    "created": Field(
        gettext_lazy("Added"),
        {
            "within": Operator(gettext_lazy("in the last"), "days"),
            "not_within": Operator(gettext_lazy("not in the last"), "days"),
            "this_month": Operator(gettext_lazy("this month")),
            "since": Operator(gettext_lazy("on or after"), "date"),
            "before": Operator(gettext_lazy("before"), "date"),
        },
    ),
    "source": Field(gettext_lazy("Came by"), {op: Operator(label, "source") for op, label in _STATE.items()}),
    "import": Field(
        gettext_lazy("Import"),
        {"in": Operator(gettext_lazy("was in"), "import"), "not_in": Operator(gettext_lazy("was not in"), "import")},
    ),
    "knows": Field(
        gettext_lazy("What we know"),
        {
            "known": Operator(gettext_lazy("includes the"), "detail"),
            "unknown": Operator(gettext_lazy("does not include the"), "detail"),
        },
    ),
}


# --- Reading ----------------------------------------------------------------------------------------------------------


def parse(data: Any) -> Group:
    """Return a saved question; also one in the first shape there was, `{"all": [{"tag": ID}, ...]}`.

    Raises SegmentError.
    """
    if isinstance(data, dict) and "all" in data:
        data = from_tags(data)
    if data in ({}, None):
        return Group()
    question = _group(data, nested=False)
    if len(list(rules_of(question))) > MAX_RULES:
        raise SegmentError(_("These are too many rules: %(most)s at most.") % {"most": MAX_RULES})
    return question


def from_tags(data: Any) -> dict[str, Any]:
    """Return a question of the first shape, `{"all": [{"tag": ID}, ...]}`, in the shape of today."""
    try:
        tags = [int(rule["tag"]) for rule in data["all"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SegmentError(_("This question cannot be read.")) from error
    return {"match": "all", "rules": [{"field": "tag", "op": "has", "value": tag} for tag in tags]} if tags else {}


def _group(data: Any, *, nested: bool) -> Group:
    if not isinstance(data, dict) or data.keys() != {"match", "rules"} or not isinstance(data["rules"], list):
        raise SegmentError(_("This question cannot be read."))
    if _text(data["match"]) not in MATCHES:
        raise SegmentError(_("Choose whether all of the rules must hold, or any."))
    if nested and not data["rules"]:
        raise SegmentError(_("This group has no rules."))
    return Group(data["match"], tuple(_item(item, nested=nested) for item in data["rules"]))


def _item(data: Any, *, nested: bool) -> Rule | Group:
    if isinstance(data, dict) and "rules" in data:
        if nested:
            raise SegmentError(_("A group cannot hold another group."))
        return _group(data, nested=True)
    return parse_rule(data)


def parse_rule(data: Any) -> Rule:
    """Return one rule. Raises SegmentError."""
    if not isinstance(data, dict) or not data.keys() <= {"field", "op", "value"}:
        raise SegmentError(_("This rule cannot be read."))
    asked = FIELDS.get(_text(data.get("field")))
    if asked is None:
        raise SegmentError(_("Choose what the rule asks."))
    operator = asked.operators.get(_text(data.get("op")))
    if operator is None:
        raise SegmentError(_("Choose how the rule asks."))
    if not operator.kind:
        if data.get("value") is not None:
            raise SegmentError(_("This rule takes no value."))
        return Rule(data["field"], data["op"])
    return Rule(data["field"], data["op"], _READERS[operator.kind](data.get("value")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(low: int, high: int, missing: _StrPromise) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
            value = int(value.strip()[:12])
        if not isinstance(value, int) or isinstance(value, bool):
            raise SegmentError(str(missing))
        if not low <= value <= high:
            raise SegmentError(_("Give a number between %(least)s and %(most)s.") % {"least": low, "most": f"{high:,}"})
        return value

    return read


def _some_of(codes: Mapping[str, _StrPromise]) -> Callable[[Any], list[str]]:
    def read(value: Any) -> list[str]:
        if not isinstance(value, list) or not value or not {*map(_text, value)} <= codes.keys():
            raise SegmentError(_("Choose at least one."))
        return [code for code in codes if code in value]

    return read


def _one_of(codes: Mapping[str, _StrPromise]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if _text(value) not in codes:
            raise SegmentError(_("Choose one."))
        return str(value)

    return read


def _money(value: Any) -> Decimal:
    try:
        amount = Decimal(_text(value).strip().removeprefix("$").replace(",", ""))
    except InvalidOperation as error:
        raise SegmentError(_("Give an amount, such as 25.00.")) from error
    if not amount.is_finite() or not 0 <= amount <= MAX_MONEY:
        raise SegmentError(_("Give an amount between 0 and %(most)s.") % {"most": f"{MAX_MONEY:,}"})
    return amount.quantize(Decimal("0.01"))


def _day(value: Any) -> date:
    try:
        day = date.fromisoformat(_text(value).strip())
    except ValueError as error:
        raise SegmentError(_("Choose a day.")) from error
    if not 1900 <= day.year <= 2200:
        raise SegmentError(_("Choose a day of this time."))
    return day


_READERS: dict[str, Callable[[Any], Any]] = {
    "tag": _whole(1, 2**53, gettext_lazy("Choose a tag.")),
    "import": _whole(1, 2**53, gettext_lazy("Choose an import.")),
    "email_state": _some_of(STATES),
    "sms_state": _some_of(STATES),
    "source": _some_of(SOURCES),
    "detail": _one_of(DETAILS),
    "days": _whole(0, MAX_DAYS, gettext_lazy("Say how many days.")),
    "next_days": _whole(0, YEAR_DAYS, gettext_lazy("Say how many days.")),
    "count": _whole(0, MAX_NUMBER, gettext_lazy("Give a number.")),
    "money": _money,
    "date": _day,
}


def to_json(item: Rule | Group) -> dict[str, Any]:
    """Return a question, or a rule, in the shape it is kept in; everybody is `{}`."""
    if isinstance(item, Group):
        return {"match": item.match, "rules": [to_json(rule) for rule in item.rules]} if item.rules else {}
    kept: dict[str, Any] = {"field": item.field, "op": item.op}
    if isinstance(item.value, Decimal | date):
        return {**kept, "value": str(item.value)}
    return kept if item.value is None else {**kept, "value": item.value}


def rules_of(group: Group) -> Iterator[Rule]:
    """Yield every rule, those of the groups inside too."""
    for item in group.rules:
        if isinstance(item, Group):
            yield from rules_of(item)
        else:
            yield item


def numbers_in(group: Group, name: str) -> set[int]:
    """Return the numbers of the rows the rules of field `tag` or `import` name."""
    return {rule.value for rule in rules_of(group) if rule.field == name}
