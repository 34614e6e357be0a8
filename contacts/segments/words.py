"""How a question reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from contacts.segments.rules import DETAILS, SOURCES, STATES, Group, Rule, rules_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers in rules are called; a number that is missing belongs to something deleted."""

    tags: Mapping[int, str] = field(default_factory=dict)
    imports: Mapping[int, str] = field(default_factory=dict)


# A phrase for each operator, since languages turn them differently.
_DID: dict[str, dict[str, _StrPromise]] = {
    "redeemed": {
        "within": gettext_lazy("redeemed %(days)s"),
        "not_within": gettext_lazy("not redeemed %(days)s"),
        "not_within_or_never": gettext_lazy("not redeemed %(days)s (or never)"),
        "never": gettext_lazy("never redeemed"),
        "ever": gettext_lazy("redeemed at some time"),
    },
    "sent": {
        "within": gettext_lazy("sent a message %(days)s"),
        "not_within": gettext_lazy("not sent a message %(days)s"),
        "not_within_or_never": gettext_lazy("not sent a message %(days)s (or never)"),
        "never": gettext_lazy("never sent a message"),
        "ever": gettext_lazy("sent a message at some time"),
    },
    "clicked": {
        "within": gettext_lazy("clicked a link %(days)s"),
        "not_within": gettext_lazy("not clicked a link %(days)s"),
        "not_within_or_never": gettext_lazy("not clicked a link %(days)s (or never)"),
        "never": gettext_lazy("never clicked a link"),
        "ever": gettext_lazy("clicked a link at some time"),
    },
    "email_agreed": {
        "within": gettext_lazy("agreed to e-mail %(days)s"),
        "not_within": gettext_lazy("not agreed to e-mail %(days)s"),
        "not_within_or_never": gettext_lazy("not agreed to e-mail %(days)s (or never)"),
        "never": gettext_lazy("never agreed to e-mail"),
        "ever": gettext_lazy("agreed to e-mail at some time"),
    },
    "sms_agreed": {
        "within": gettext_lazy("agreed to SMS %(days)s"),
        "not_within": gettext_lazy("not agreed to SMS %(days)s"),
        "not_within_or_never": gettext_lazy("not agreed to SMS %(days)s (or never)"),
        "never": gettext_lazy("never agreed to SMS"),
        "ever": gettext_lazy("agreed to SMS at some time"),
    },
}


def words(group: Group, names: Names, *, everybody: str = "") -> str:
    """Return a question as one line: `Never redeemed · subscribed to e-mail`."""
    if not group.rules:
        return everybody or _("Everybody")
    did = _done_by_all(group)
    line = (" · " if group.match == "all" else _(" or ")).join(_item_words(item, names, did) for item in group.rules)
    return line[:1].upper() + line[1:]


def _item_words(item: Rule | Group, names: Names, did: frozenset[str]) -> str:
    if isinstance(item, Rule):
        return rule_words(item, names, did=did)
    did |= _done_by_all(item)
    line = (_(" and ") if item.match == "all" else _(" or ")).join(
        rule_words(rule, names, did=did) for rule in rules_of(item)
    )
    return f"({line})" if len(item.rules) > 1 else line


def _done_by_all(group: Group) -> frozenset[str]:
    """Return the fields of which the group says that it happened to everybody in it."""
    if group.match != "all":
        return frozenset()
    rules = (rule for rule in group.rules if isinstance(rule, Rule))
    return frozenset(rule.field for rule in rules if rule.op in {"ever", "within"})


def includes_never(group: Group) -> list[str]:
    """Return the fields of rules such as "not in the last 60 days" that people pass to whom it never happened."""
    did = _done_by_all(group)
    found = [
        rule.field
        for item in group.rules
        for rule, known in _with_known(item, did)
        if rule.op == "not_within" and rule.field in _DID and rule.field not in known
    ]
    return list(dict.fromkeys(found))


def _with_known(item: Rule | Group, did: frozenset[str]) -> list[tuple[Rule, frozenset[str]]]:
    if isinstance(item, Rule):
        return [(item, did)]
    return [(rule, did | _done_by_all(item)) for rule in rules_of(item)]


def rule_words(rule: Rule, names: Names, *, did: frozenset[str] = frozenset()) -> str:
    """Return one rule as a part of a sentence; `did` are the fields that happened to everybody it is asked of."""
    if rule.field in _DID:
        return _did_words(rule, did)
    return _WORDS[rule.field](rule, names)


def _did_words(rule: Rule, known: frozenset[str]) -> str:
    or_never = rule.op == "not_within" and rule.field not in known
    phrase = str(_DID[rule.field]["not_within_or_never" if or_never else rule.op])
    return phrase % {"days": _last(rule.value)} if rule.op in {"within", "not_within"} else phrase


def _last(days: int) -> str:
    if days == 0:
        return _("today")
    return _("since yesterday") if days == 1 else _("in the last %(count)s days") % {"count": days}


def _tag_words(rule: Rule, names: Names) -> str:
    name = f"“{names.tags[rule.value]}”" if rule.value in names.tags else _("a deleted tag")
    return (_("tagged %(tag)s") if rule.op == "has" else _("not tagged %(tag)s")) % {"tag": name}


def _import_words(rule: Rule, names: Names) -> str:
    name = names.imports.get(rule.value) or _("a deleted import")
    return (_("in %(import)s") if rule.op == "in" else _("not in %(import)s")) % {"import": name}


def _state_words(rule: Rule, channel: str) -> str:
    if rule.value == ["subscribed"]:
        phrase = _("subscribed to %(channel)s") if rule.op == "is" else _("not subscribed to %(channel)s")
        return phrase % {"channel": channel}
    phrase = _("%(channel)s is %(states)s") if rule.op == "is" else _("%(channel)s is not %(states)s")
    return phrase % {"channel": channel, "states": _either(rule.value, STATES)}


def _either(codes: list[str], labels: Mapping[str, _StrPromise]) -> str:
    return _(" or ").join(f"“{labels[code].lower()}”" for code in codes)


def _source_words(rule: Rule, names: Names) -> str:
    phrase = _("came by %(sources)s") if rule.op == "is" else _("came not by %(sources)s")
    return phrase % {"sources": _either(rule.value, SOURCES)}


def _created_words(rule: Rule, names: Names) -> str:
    if rule.op in {"within", "not_within"}:
        phrase = _("added %(days)s") if rule.op == "within" else _("not added %(days)s")
        return phrase % {"days": _last(rule.value)}
    if rule.op == "this_month":
        return _("added this month")
    phrase = _("added on or after %(day)s") if rule.op == "since" else _("added before %(day)s")
    return phrase % {"day": rule.value}


def _birthday_words(rule: Rule, names: Names) -> str:
    if rule.value <= 1:
        return _("birthday today")
    if rule.value == 2:
        return _("birthday today or tomorrow")
    return _("birthday in the next %(count)s days") % {"count": rule.value}


def _redemptions_words(rule: Rule, names: Names) -> str:
    phrase = {
        "at_least": ngettext(
            "at least %(count)s visit with a deal", "at least %(count)s visits with a deal", rule.value
        ),
        "at_most": ngettext("at most %(count)s visit with a deal", "at most %(count)s visits with a deal", rule.value),
        "exactly": ngettext("exactly %(count)s visit with a deal", "exactly %(count)s visits with a deal", rule.value),
    }[rule.op]
    return phrase % {"count": f"{rule.value:,}"}


def _spend_words(rule: Rule, names: Names) -> str:
    least, most = _("spent at least %(amount)s with deals"), _("spent at most %(amount)s with deals")
    return (least if rule.op == "at_least" else most) % {"amount": f"{rule.value:,}"}


def _knows_words(rule: Rule, names: Names) -> str:
    phrase = _("%(detail)s known") if rule.op == "known" else _("%(detail)s not known")
    return phrase % {"detail": DETAILS[rule.value]}


_WORDS: dict[str, Callable[[Rule, Names], str]] = {
    "tag": _tag_words,
    "import": _import_words,
    "email": lambda rule, names: _state_words(rule, _("e-mail")),
    "sms": lambda rule, names: _state_words(rule, _("SMS")),
    "source": _source_words,
    "created": _created_words,
    "birthday": _birthday_words,
    "redemptions": _redemptions_words,
    "spend": _spend_words,
    "knows": _knows_words,
}


def gone(group: Group, names: Names) -> list[str]:
    """Say which rules ask for what was deleted, and what comes of it."""
    nobody = {
        "tag": _("A rule asks for a tag that was deleted; it matches nobody."),
        "import": _("A rule asks for an import that was deleted; it matches nobody."),
    }
    everybody = {
        "tag": _("A rule asks for a tag that was deleted; it is true of everybody."),
        "import": _("A rule asks for an import that was deleted; it is true of everybody."),
    }
    lines = []
    for rule in rules_of(group):
        known = {"tag": names.tags, "import": names.imports}.get(rule.field)
        if known is not None and rule.value not in known:
            lines.append((nobody if rule.op in {"has", "in"} else everybody)[rule.field])
    return lines
