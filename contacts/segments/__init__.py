"""Saved questions about people: their shape, their days and their words. Pure."""

from contacts.segments.days import birthdays, day_start, days_ago, month_start
from contacts.segments.rules import (
    CHOICES,
    DETAILS,
    FIELDS,
    MATCHES,
    MAX_RULES,
    SOURCES,
    STATES,
    Group,
    Rule,
    SegmentError,
    from_tags,
    numbers_in,
    parse,
    parse_rule,
    rules_of,
    to_json,
)
from contacts.segments.words import Names, gone, rule_words, words

__all__ = [
    "CHOICES",
    "DETAILS",
    "FIELDS",
    "MATCHES",
    "MAX_RULES",
    "SOURCES",
    "STATES",
    "Group",
    "Names",
    "Rule",
    "SegmentError",
    "birthdays",
    "day_start",
    "days_ago",
    "from_tags",
    "gone",
    "month_start",
    "numbers_in",
    "parse",
    "parse_rule",
    "rule_words",
    "rules_of",
    "to_json",
    "words",
]
