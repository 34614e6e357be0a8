"""From a question to one SQL query.

Each thing a rule asks about is joined once, from the outside (`LEFT JOIN ... AND tag_id = 5`), and the rules become one
condition over the joined rows: AND, OR and NOT are then equally cheap. A subquery under OR would be run for each row,
or hashed only where it fits into the memory of a sort. No join has two rows for a contact, but for that of consent:
such a question is asked inside a subquery.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property, reduce
from operator import and_, or_
from zoneinfo import ZoneInfo

from django.db.models import FilteredRelation, Q

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.models import ChannelStatus, ConsentEvent, Contact, ContactQuerySet, Import
from contacts.segments import Group, Rule, birthdays, day_start, days_ago, month_start

NOBODY = Q(pk__in=[])
ANYBODY = ~NOBODY
# The operator of which each is the opposite.
OPPOSITES = {
    "has_not": "has",
    "is_not": "is",
    "not_in": "in",
    "not_within": "within",
    "never": "ever",
    "before": "since",
    "unknown": "known",
}
WHEN = {"sent": "last_sent_at", "clicked": "last_clicked_at", "redeemed": "last_redeemed_at"}
STATUS_FIELDS = {"email": "email_status", "sms": "sms_status", "source": "source"}
AGREED = {"email_agreed": Channel.EMAIL, "sms_agreed": Channel.SMS}


class Question:
    """Puts one query together. `zone` is asked for where a rule speaks of days."""

    def __init__(self, at: datetime, zone: Callable[[], ZoneInfo]) -> None:
        self.at = at
        self._zone = zone
        self._joins: dict[str, FilteredRelation] = {}
        self._repeats = False

    @cached_property
    def zone(self) -> ZoneInfo:
        return self._zone()

    def contacts(self, include: Group, exclude: list[Group]) -> ContactQuerySet:
        """Return who is in `include` and in none of `exclude`."""
        conditions = [self._group(include, True) if include.rules else ANYBODY]
        conditions += [self._group(group, False) if group.rules else NOBODY for group in exclude]
        contacts: ContactQuerySet = Contact.objects.all()
        if self._joins:
            contacts = contacts.annotate(**self._joins)
        contacts = contacts.filter(reduce(and_, conditions))
        # Not by DISTINCT, which would compare all columns.
        return Contact.objects.filter(pk__in=contacts.order_by().values("pk")) if self._repeats else contacts

    def _group(self, group: Group, wanted: bool) -> Q:
        """Return the condition that the group holds, or (not `wanted`) that it does not."""
        parts = [
            self._group(item, wanted) if isinstance(item, Group) else self._rule(item, wanted) for item in group.rules
        ]
        return reduce(and_ if (group.match == "all") is wanted else or_, parts)

    def _rule(self, rule: Rule, wanted: bool) -> Q:
        if rule.op in OPPOSITES:
            rule, wanted = Rule(rule.field, OPPOSITES[rule.op], rule.value), not wanted
        if rule.field in STATUS_FIELDS:
            holds = Q(**{f"{STATUS_FIELDS[rule.field]}__in": rule.value})
            return holds if wanted else ~holds
        if rule.field in WHEN:
            return self._when(rule, wanted)
        if rule.field in AGREED:
            return self._agreed(rule, wanted)
        if rule.field in ("redemptions", "spend"):
            return _number(rule, wanted)
        return {
            "tag": self._tag,
            "import": self._import,
            "created": self._created,
            "birthday": self._birthday,
            "knows": self._knows,
        }[rule.field](rule, wanted)

    def _joined(self, alias: str, relation: str, condition: Q, wanted: bool) -> Q:
        """Join a relation's rows of one kind; return the condition that there is one. One join for all that ask."""
        self._joins[alias] = FilteredRelation(relation, condition=condition)
        # The column the index has, so that the table itself stays unread.
        return Q(**{f"{alias}__contact__isnull": not wanted})

    def _tag(self, rule: Rule, wanted: bool) -> Q:
        return self._joined(f"tag_{rule.value}", "contacttag", Q(contacttag__tag=rule.value), wanted)

    def _import(self, rule: Rule, wanted: bool) -> Q:
        return self._joined(f"import_{rule.value}", "import_entries", Q(import_entries__run=rule.value), wanted)

    def _when(self, rule: Rule, wanted: bool) -> Q:
        name = f"activity__{WHEN[rule.field]}"
        if rule.op == "ever":
            return Q(**{f"{name}__isnull": not wanted})
        since = days_ago(rule.value, self.at, self.zone)
        return Q(**{f"{name}__gte": since}) if wanted else Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__lt": since})

    def _agreed(self, rule: Rule, wanted: bool) -> Q:
        """Whether the person agreed, in that time or at all. What an import granted ends with its undoing."""
        self._repeats = True
        agreed = Q(consent_events__channel=AGREED[rule.field], consent_events__action=ConsentEvent.Action.GRANTED)
        if rule.op == "within":
            agreed &= Q(consent_events__at__gte=days_ago(rule.value, self.at, self.zone))
        if self._undone:
            agreed &= Q(consent_events__import_run__isnull=True) | ~Q(consent_events__import_run__in=self._undone)
        alias = f"{rule.field}_{'ever' if rule.value is None else rule.value}"
        return self._joined(alias, "consent_events", agreed, wanted)

    @cached_property
    def _undone(self) -> list[int]:
        return list(Import.objects.filter(undone_at__isnull=False).values_list("pk", flat=True))

    def _created(self, rule: Rule, wanted: bool) -> Q:
        if rule.op == "this_month":
            since = month_start(self.at, self.zone)
        elif rule.op == "since":
            since = day_start(rule.value, self.zone)
        else:
            since = days_ago(rule.value, self.at, self.zone)
        return Q(created_at__gte=since) if wanted else Q(created_at__lt=since)

    def _birthday(self, rule: Rule, wanted: bool) -> Q:
        days = birthdays(rule.value, self.at, self.zone)
        celebrates = Q(birthday_index__in=[keyed_hash("birthday", day) for day in sorted(days)])
        return celebrates if wanted else ~celebrates

    def _knows(self, rule: Rule, wanted: bool) -> Q:
        if rule.value == "birthday":
            return Q(birthday_index__isnull=not wanted)
        absent = Q(**{f"{'email' if rule.value == 'email' else 'sms'}_status": ChannelStatus.ABSENT})
        return ~absent if wanted else absent


def _number(rule: Rule, wanted: bool) -> Q:
    """Compare a sum; of whom nothing is known, it is nought."""
    name = f"activity__{rule.field}"
    nothing = Q(activity__isnull=True)
    if rule.op == "exactly":
        equal, other = Q(**{name: rule.value}), Q(**{f"{name}__lt": rule.value}) | Q(**{f"{name}__gt": rule.value})
        if rule.value == 0:
            equal |= nothing
        else:
            other |= nothing
        return equal if wanted else other
    at_least = rule.op == "at_least"
    if at_least and rule.value == 0:
        return ANYBODY if wanted else NOBODY
    if at_least is wanted:
        return Q(**{f"{name}__{'gte' if at_least else 'gt'}": rule.value})
    return Q(**{f"{name}__{'lt' if at_least else 'lte'}": rule.value}) | nothing
