"""How a question reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from contacts.segments.rules import DETAILS, SOURCES, STATES, Group, Rule, rules_of


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers in rules are called; a number that is missing belongs to something deleted."""

    tags: Mapping[int, str] = field(default_factory=dict)
    imports: Mapping[int, str] = field(default_factory=dict)


_DID = {
    "redeemed": "redeemed",
    "sent": "sent a message",
    "clicked": "clicked a link",
    "email_agreed": "agreed to e-mail",
    "sms_agreed": "agreed to SMS",
}


def words(group: Group, names: Names, *, everybody: str = "Everybody") -> str:
    """Return a question as one line: `Never redeemed · subscribed to e-mail`."""
    if not group.rules:
        return everybody
    did = _done_by_all(group)
    line = (" · " if group.match == "all" else " or ").join(_item_words(item, names, did) for item in group.rules)
    return line[:1].upper() + line[1:]


def _item_words(item: Rule | Group, names: Names, did: frozenset[str]) -> str:
    if isinstance(item, Rule):
        return rule_words(item, names, did=did)
    did |= _done_by_all(item)
    line = (" and " if item.match == "all" else " or ").join(
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
    did = _DID[rule.field]
    return {
        "within": f"{did} {_last(rule.value)}",
        "not_within": f"not {did} {_last(rule.value)}{'' if rule.field in known else ' (or never)'}",
        "never": f"never {did}",
        "ever": f"{did} at some time",
    }[rule.op]


def _last(days: int | None) -> str:
    if days == 0:
        return "today"
    return "since yesterday" if days == 1 else f"in the last {days} days"


def _tag_words(rule: Rule, names: Names) -> str:
    name = f"“{names.tags[rule.value]}”" if rule.value in names.tags else "a deleted tag"
    return f"tagged {name}" if rule.op == "has" else f"not tagged {name}"


def _import_words(rule: Rule, names: Names) -> str:
    name = names.imports.get(rule.value, "a deleted import")
    return f"in {name}" if rule.op == "in" else f"not in {name}"


def _state_words(rule: Rule, channel: str) -> str:
    if rule.value == ["subscribed"]:
        return f"{'' if rule.op == 'is' else 'not '}subscribed to {channel}"
    return f"{channel} {'is' if rule.op == 'is' else 'is not'} {_either(rule.value, STATES)}"


def _either(codes: list[str], labels: Mapping[str, str]) -> str:
    return " or ".join(f"“{labels[code].lower()}”" for code in codes)


def _created_words(rule: Rule, names: Names) -> str:
    return {
        "within": f"added {_last(rule.value)}",
        "not_within": f"not added {_last(rule.value)}",
        "this_month": "added this month",
        "since": f"added on or after {rule.value}",
        "before": f"added before {rule.value}",
    }[rule.op]


def _birthday_words(rule: Rule, names: Names) -> str:
    if rule.value <= 1:
        return "birthday today"
    return "birthday today or tomorrow" if rule.value == 2 else f"birthday in the next {rule.value} days"


def _redemptions_words(rule: Rule, names: Names) -> str:
    noun = "visit" if rule.value == 1 else "visits"
    return f"{rule.op.replace('_', ' ')} {rule.value:,} {noun} with a deal"


_WORDS: dict[str, Callable[[Rule, Names], str]] = {
    "tag": _tag_words,
    "import": _import_words,
    "email": lambda rule, names: _state_words(rule, "e-mail"),
    "sms": lambda rule, names: _state_words(rule, "SMS"),
    "source": lambda rule, names: f"came {'' if rule.op == 'is' else 'not '}by {_either(rule.value, SOURCES)}",
    "created": _created_words,
    "birthday": _birthday_words,
    "redemptions": _redemptions_words,
    "spend": lambda rule, names: f"spent {rule.op.replace('_', ' ')} {rule.value:,} with deals",
    "knows": lambda rule, names: f"{DETAILS[rule.value]} {'known' if rule.op == 'known' else 'not known'}",
}


def gone(group: Group, names: Names) -> list[str]:
    """Say which rules ask for what was deleted, and what comes of it."""
    lines = []
    for rule in rules_of(group):
        known = {"tag": names.tags, "import": names.imports}.get(rule.field)
        if known is not None and rule.value not in known:
            outcome = "matches nobody" if rule.op in {"has", "in"} else "is true of everybody"
            lines.append(
                f"A rule asks for {'a tag' if rule.field == 'tag' else 'an import'} that was deleted; it {outcome}."
            )
    return lines
