"""Segments: every rule beside a plain predicate over the same people, on whichever database the tests run."""

from __future__ import annotations

import importlib
import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.channels import Channel
from contacts.models import (
    Activity,
    Business,
    ChannelStatus,
    ConsentEvent,
    Contact,
    ContactTag,
    Import,
    ImportEntry,
    Segment,
    Tag,
)
from contacts.queries import (
    audience_contacts,
    audience_sizes,
    count_people,
    examples,
    names_for,
    reachable,
    segments_asking,
)
from contacts.segments import (
    DETAILS,
    FIELDS,
    SOURCES,
    STATES,
    Group,
    Names,
    Rule,
    SegmentError,
    birthdays,
    gone,
    includes_never,
    parse,
    parse_rule,
    rules_of,
    to_json,
    words,
)
from contacts.services import note_clicked, note_redeemed, note_sent

ZONE = ZoneInfo("America/Chicago")
LATE = datetime(2026, 11, 21, 23, 30, tzinfo=ZONE).astimezone(UTC)  # the 22nd already, by UTC
ready_made = importlib.import_module("contacts.migrations.0009_segment_rules")


def rule(asked, op, *value):
    return {"field": asked, "op": op, **({"value": value[0]} if value else {})}


def every(*rules):
    return {"match": "all", "rules": list(rules)}


def some(*rules):
    return {"match": "any", "rules": list(rules)}


# --- The shape --------------------------------------------------------------------------------------------------------


def test_knows_the_states_and_sources_of_the_tables():
    assert STATES.keys() == set(ChannelStatus.values)
    assert {code: str(label) for code, label in ChannelStatus.choices} == {
        code: str(label) for code, label in STATES.items()
    }
    assert Contact._meta.get_field("source").choices == list(SOURCES.items())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "cannot be read"),
        ({"match": "all"}, "cannot be read"),
        ({"match": "all", "rules": [], "more": 1}, "cannot be read"),
        ({"match": "none", "rules": []}, "all of the rules must hold, or any"),
        (every(every()), "no rules"),
        (every(every(every(rule("redeemed", "never")))), "cannot hold another group"),
        (every("tag"), "cannot be read"),
        (every({"field": "tag", "op": "has", "value": 1, "x": 1}), "cannot be read"),
        (every(rule("shoe_size", "is", 44)), "what the rule asks"),
        (every(rule(["tag"], "has", 1)), "what the rule asks"),
        (every(rule("tag", "within", 1)), "how the rule asks"),
        (every(rule("tag", "has")), "Choose a tag"),
        (every(rule("tag", "has", "")), "Choose a tag"),
        (every(rule("tag", "has", True)), "Choose a tag"),
        (every(rule("import", "in", None)), "Choose an import"),
        (every(rule("email", "is", [])), "at least one"),
        (every(rule("email", "is", ["subscribed", "happy"])), "at least one"),
        (every(rule("email", "is", "subscribed")), "at least one"),
        (every(rule("source", "is_not", ["moon"])), "at least one"),
        (every(rule("knows", "known", "shoe")), "Choose one"),
        (every(rule("redeemed", "within", "")), "how many days"),
        (every(rule("redeemed", "within", "-3")), "how many days"),
        (every(rule("redeemed", "within", 99999)), "between 0 and 3,660"),
        (every(rule("redeemed", "never", 3)), "takes no value"),
        (every(rule("birthday", "within", 367)), "between 0 and 366"),
        (every(rule("redemptions", "at_least", "three")), "Give a number"),
        (every(rule("redemptions", "at_least", 1.5)), "Give a number"),
        (every(rule("spend", "at_least", "much")), "Give an amount"),
        (every(rule("spend", "at_least", "NaN")), "between 0 and"),
        (every(rule("spend", "at_least", "-1")), "between 0 and"),
        (every(rule("created", "since", "yesterday")), "Choose a day"),
        (every(rule("created", "since", "0001-01-01")), "day of this time"),
        (every(*[rule("redeemed", "never")] * 21), "too many rules"),
        ({"all": [{"tagg": 1}]}, "cannot be read"),
        ({"all": 3}, "cannot be read"),
    ],
)
def test_says_what_is_wrong(data, says):
    with pytest.raises(SegmentError, match=says):
        parse(data)


@pytest.mark.parametrize("data", [{}, None, every(), {"all": []}])
def test_no_rules_means_everybody(data):
    assert to_json(parse(data)) == {}
    assert words(parse(data), Names()) == "Everybody"


def test_reads_the_first_shape():
    assert to_json(parse({"all": [{"tag": 4}, {"tag": 7}]})) == every(rule("tag", "has", 4), rule("tag", "has", 7))


def test_brings_values_into_one_form():
    typed = every(
        rule("redeemed", "within", " 60 "),
        rule("spend", "at_least", "$1,200"),
        rule("email", "is", ["none", "subscribed"]),
    )

    assert to_json(parse(typed)) == every(
        rule("redeemed", "within", 60),
        rule("spend", "at_least", "1200.00"),
        rule("email", "is", ["subscribed", "none"]),
    )


VALUES = {
    "": st.none(),
    "tag": st.integers(1, 4),
    "import": st.integers(1, 3),
    "email_state": st.lists(st.sampled_from(list(STATES)), min_size=1, unique=True),
    "sms_state": st.lists(st.sampled_from(list(STATES)), min_size=1, unique=True),
    "source": st.lists(st.sampled_from(list(SOURCES)), min_size=1, unique=True),
    "detail": st.sampled_from(list(DETAILS)),
    "days": st.sampled_from([0, 1, 7, 30, 60, 365]),
    "next_days": st.sampled_from([0, 1, 7, 100, 366]),
    "count": st.integers(0, 5),
    "money": st.sampled_from(["0", "0.01", "25.00", "100", "1000"]),
    "date": st.dates(date(2026, 8, 1), date(2026, 12, 1)).map(str),
}


@st.composite
def any_rule(draw):
    asked = draw(st.sampled_from(list(FIELDS)))
    op, operator = draw(st.sampled_from(list(FIELDS[asked].operators.items())))
    return rule(asked, op, draw(VALUES[operator.kind])) if operator.kind else rule(asked, op)


def groups(inside):
    return st.builds(
        lambda match, rules: {"match": match, "rules": rules},
        st.sampled_from(["all", "any"]),
        st.lists(inside, min_size=1, max_size=4),
    )


QUESTIONS = groups(any_rule() | groups(any_rule()))


@given(QUESTIONS)
def test_a_question_survives_being_kept(question):
    kept = json.loads(json.dumps(to_json(parse(question))))

    assert to_json(parse(kept)) == kept
    assert parse(kept) == parse(question)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["match", "rules", "field", "op", "value", "all", "tag"]), x)
        ),
    )
)
def test_refuses_whatever_is_no_question_in_its_own_words(data):
    with suppress(SegmentError):
        assert isinstance(parse(data), Group)


# --- Words ------------------------------------------------------------------------------------------------------------

NAMES = Names(tags={1: "Lunch"}, imports={3: "import 3"})


@pytest.mark.parametrize(
    ("question", "line"),
    [
        (
            every(rule("redeemed", "never"), rule("email", "is", ["subscribed"])),
            "Never redeemed · subscribed to e-mail",
        ),
        (every(rule("redeemed", "not_within", 60)), "Not redeemed in the last 60 days (or never)"),
        (
            every(rule("redeemed", "ever"), rule("redeemed", "not_within", 60)),
            "Redeemed at some time · not redeemed in the last 60 days",
        ),
        (
            some(rule("redeemed", "ever"), rule("redeemed", "not_within", 60)),
            "Redeemed at some time or not redeemed in the last 60 days (or never)",
        ),
        (
            every(rule("sent", "within", 90), some(rule("sent", "not_within", 30), rule("redeemed", "not_within", 1))),
            "Sent a message in the last 90 days · "
            "(not sent a message in the last 30 days or not redeemed since yesterday (or never))",
        ),
        (every(rule("created", "not_within", 60)), "Not added in the last 60 days"),
        (every(rule("redeemed", "within", 0)), "Redeemed today"),
        (every(rule("sent", "ever")), "Sent a message at some time"),
        (some(rule("tag", "has", 1), rule("tag", "has_not", 9)), "Tagged “Lunch” or not tagged a deleted tag"),
        (every(rule("import", "in", 3), rule("import", "not_in", 4)), "In import 3 · not in a deleted import"),
        (every(rule("redemptions", "at_least", 1)), "At least 1 visit with a deal"),
        (every(rule("spend", "at_most", "25")), "Spent at most 25.00 with deals"),
        (every(rule("birthday", "within", 7)), "Birthday in the next 7 days"),
        (every(rule("birthday", "within", 2)), "Birthday today or tomorrow"),
        (every(rule("birthday", "within", 1)), "Birthday today"),
        (every(rule("knows", "unknown", "phone")), "Phone number not known"),
        (every(rule("sms", "is_not", ["none", "absent"])), "SMS is not “never agreed” or “no address”"),
        (
            every(some(rule("redeemed", "never"), rule("clicked", "never")), rule("created", "this_month")),
            "(never redeemed or never clicked a link) · added this month",
        ),
        (
            some(
                every(rule("redeemed", "never"), rule("source", "is", ["form"])),
                rule("created", "before", "2026-01-02"),
            ),
            "(never redeemed and came by “sign-up form”) or added before 2026-01-02",
        ),
    ],
)
def test_reads_as_a_sentence(question, line):
    assert words(parse(question), NAMES) == line


@given(QUESTIONS)
def test_every_question_has_words(question):
    assert words(parse(question), NAMES)


@pytest.mark.parametrize(
    ("question", "fields"),
    [
        (every(rule("redeemed", "not_within", 60)), ["redeemed"]),
        (every(rule("redeemed", "ever"), some(rule("redeemed", "not_within", 60))), []),
        (some(rule("redeemed", "ever"), rule("redeemed", "not_within", 60)), ["redeemed"]),
        (every(some(rule("sent", "not_within", 3)), rule("redeemed", "not_within", 9)), ["sent", "redeemed"]),
        (every(rule("created", "not_within", 60), rule("redeemed", "never")), []),
    ],
)
def test_knows_which_rules_include_people_to_whom_it_never_happened(question, fields):
    assert includes_never(parse(question)) == fields


def test_says_what_comes_of_a_deleted_tag():
    lines = gone(parse(every(rule("tag", "has", 9), rule("tag", "has_not", 9), rule("tag", "has", 1))), NAMES)

    assert lines == [
        "A rule asks for a tag that was deleted; it matches nobody.",
        "A rule asks for a tag that was deleted; it is true of everybody.",
    ]


# --- Days -------------------------------------------------------------------------------------------------------------


def test_a_birthday_is_counted_by_the_shops_calendar():
    assert birthdays(1, LATE, ZONE) == birthdays(0, LATE, ZONE) == {"11-21"}
    assert birthdays(2, LATE, ZONE) == {"11-21", "11-22"}
    assert len(birthdays(7, LATE, ZONE)) == 7
    assert len(birthdays(366, LATE, ZONE)) == 366


def test_the_29th_of_february_is_celebrated_on_the_28th_in_other_years():
    noon = datetime(2027, 2, 28, 12, tzinfo=ZONE)

    assert birthdays(0, noon, ZONE) == {"02-28", "02-29"}
    assert birthdays(0, noon + timedelta(days=1), ZONE) == {"03-01"}
    assert birthdays(0, noon.replace(year=2028), ZONE) == {"02-28"}
    assert birthdays(2, noon.replace(year=2028), ZONE) == {"02-28", "02-29"}


# --- People -----------------------------------------------------------------------------------------------------------


class Crowd:
    """Some sixty people of every kind, and a plain predicate that says of each whether a rule holds."""

    def __init__(self) -> None:
        Business.load()
        self.tags = [Tag.objects.create(name=name) for name in ("Lunch", "Brunch", "Nobody's")]
        self.imports = [Import.objects.create(status=Import.Status.DONE, file_name="x", file_sha256="x") for _ in "123"]
        Import.objects.filter(pk=self.imports[2].pk).update(undone_at=LATE)
        states, sources = list(STATES), list(SOURCES)
        ages = [0, 1, 6, 7, 8, 29, 31, 60, 61, 300]
        for number in range(60):
            self._add(number, states, sources, ages)
        self.people = list(
            Contact.objects.select_related("activity").prefetch_related("tags", "import_entries", "consent_events")
        )

    def _add(self, number, states, sources, ages) -> None:
        def ago(step):
            # On both sides of the shop's midnight.
            return LATE - timedelta(days=ages[(number * step) % 10], hours=(0, 23, 24)[number % 3])

        birthday = [None, date(1980, 11, 21), date(1992, 2, 29), date(2000, 11, 28), date(1971, 11, 29)][number % 5]
        contact = Contact.objects.create(
            email=f"guest{number}@example.org",
            birthday=birthday,
            email_status=states[number % 6],
            sms_status=states[(number // 6) % 6],
            source=sources[number % 5],
            created_at=ago(1),
        )
        for bit, tag in enumerate(self.tags[:2]):
            if number >> bit & 1:
                ContactTag.objects.create(tag=tag, contact=contact)
        if number % 4 < 2:
            kind = ImportEntry.Kind.CREATED
            ImportEntry.objects.create(run=self.imports[number % 4], contact=contact, kind=kind)
        if number % 3:
            Activity.objects.create(
                contact=contact,
                last_sent_at=ago(3),
                last_clicked_at=None if number % 2 else ago(7),
                last_redeemed_at=ago(9) if number % 3 == 1 else None,
                redemptions=number % 5 if number % 3 == 1 else 0,
                spend=Decimal(number % 4) * 25,
            )
        for event in range(number % 3):
            granted = event == 0 or number % 2
            ConsentEvent.objects.create(
                contact=contact,
                channel=(Channel.EMAIL, Channel.SMS)[number // 3 % 2],
                address_index=bytes(32),
                action=ConsentEvent.Action.GRANTED if granted else ConsentEvent.Action.REVOKED,
                source=ConsentEvent.Source.FORM,
                at=ago(event + 1),
                import_run=self.imports[2] if number % 7 == 0 else None,
            )

    def ids(self, question, at=LATE):
        group = parse(question)
        return {contact.pk for contact in self.people if self.holds(contact, group, at)}

    def holds(self, contact, item, at) -> bool:
        if isinstance(item, Group):
            return (all if item.match == "all" else any)(self.holds(contact, inner, at) for inner in item.rules)
        return PREDICATES[item.field](self, contact, item, at)

    def tag_id(self, value):
        return self.tags[value - 1].pk if value <= 3 else 987654

    def numbered(self, question):
        """Return the question with the real numbers of tags and imports: 1 to 3 exist, 4 was deleted."""
        if "rules" in question:
            return {**question, "rules": [self.numbered(inner) for inner in question["rules"]]}
        if question["field"] == "tag":
            return {**question, "value": self.tag_id(question["value"])}
        if question["field"] == "import":
            return {**question, "value": self.imports[question["value"] - 1].pk}
        return question


def days_before(moment, at):
    return (at.astimezone(ZONE).date() - moment.astimezone(ZONE).date()).days


def happened(moment, asked, at):
    within = moment is not None and asked.value is not None and days_before(moment, at) <= asked.value
    return {
        "within": within,
        "not_within": not within,
        "never": moment is None,
        "ever": moment is not None,
    }[asked.op]


def activity(name, nothing=None):
    return lambda contact: getattr(contact.activity, name) if hasattr(contact, "activity") else nothing


def compared(value, asked):
    return {
        "at_least": value >= asked.value,
        "at_most": value <= asked.value,
        "exactly": value == asked.value,
    }[asked.op]


def agreed(contact, channel):
    times = [
        event.at
        for event in contact.consent_events.all()
        if event.channel == channel
        and event.action == "granted"
        and not (event.import_run and event.import_run.undone_at)
    ]
    return max(times, default=None)


def added(crowd, contact, asked, at):
    day = contact.created_at.astimezone(ZONE).date()
    today = at.astimezone(ZONE).date()
    if asked.op == "this_month":
        return (day.year, day.month) >= (today.year, today.month)
    if asked.op in ("since", "before"):
        return (day >= asked.value) is (asked.op == "since")
    return happened(contact.created_at, asked, at)


def celebrates(crowd, contact, asked, at):
    if contact.birthday is None:
        return False
    for number in range(max(1, asked.value)):
        day = at.astimezone(ZONE).date() + timedelta(days=number)
        born = (contact.birthday.month, contact.birthday.day)
        try:
            this_year = date(day.year, *born)
        except ValueError:
            this_year = date(day.year, 2, 28)
        if this_year == day:
            return True
    return False


def in_list(value, asked):
    return (value in asked.value) is (asked.op == "is")


PREDICATES = {
    "tag": lambda crowd, contact, asked, at: (
        (asked.value in {tag.pk for tag in contact.tags.all()}) is (asked.op == "has")
    ),
    "import": lambda crowd, contact, asked, at: (
        (asked.value in {entry.run_id for entry in contact.import_entries.all()}) is (asked.op == "in")
    ),
    "email": lambda crowd, contact, asked, at: in_list(contact.email_status, asked),
    "sms": lambda crowd, contact, asked, at: in_list(contact.sms_status, asked),
    "source": lambda crowd, contact, asked, at: in_list(contact.source, asked),
    "redeemed": lambda crowd, contact, asked, at: happened(activity("last_redeemed_at")(contact), asked, at),
    "sent": lambda crowd, contact, asked, at: happened(activity("last_sent_at")(contact), asked, at),
    "clicked": lambda crowd, contact, asked, at: happened(activity("last_clicked_at")(contact), asked, at),
    "email_agreed": lambda crowd, contact, asked, at: happened(agreed(contact, "email"), asked, at),
    "sms_agreed": lambda crowd, contact, asked, at: happened(agreed(contact, "sms"), asked, at),
    "redemptions": lambda crowd, contact, asked, at: compared(activity("redemptions", 0)(contact), asked),
    "spend": lambda crowd, contact, asked, at: compared(activity("spend", Decimal(0))(contact), asked),
    "created": added,
    "birthday": celebrates,
    "knows": lambda crowd, contact, asked, at: (
        {
            "email": contact.email_status != "absent",
            "phone": contact.sms_status != "absent",
            "birthday": contact.birthday is not None,
        }[asked.value]
        is (asked.op == "known")
    ),
}
SAMPLES: dict[str, list[tuple]] = {
    "": [()],
    "tag": [(1,), (3,), (4,)],
    "import": [(1,), (3,)],
    "email_state": [(["subscribed"],), (["none", "absent"],)],
    "sms_state": [(["subscribed"],), (["suppressed", "pending"],)],
    "source": [(["form"],), (["import", "demo"],)],
    "detail": [("email",), ("phone",), ("birthday",)],
    "days": [(0,), (1,), (7,), (30,), (60,)],
    "next_days": [(0,), (7,), (8,), (366,)],
    "count": [(0,), (1,), (3,)],
    "money": [("0",), ("25",), ("49.99",)],
    "date": [("2026-11-21",), ("2026-10-23",)],
}
EVERY_OPERATOR = [
    (asked, op, value)
    for asked, about in FIELDS.items()
    for op, operator in about.operators.items()
    for value in SAMPLES[operator.kind]
]


@pytest.fixture
def crowd(db) -> Crowd:
    return Crowd()


def found(question, at=LATE):
    return list(audience_contacts(question, at=at).values_list("pk", flat=True))


def test_finds_whom_a_plain_predicate_finds_for_every_operator(crowd):
    for asked, op, value in EVERY_OPERATOR:
        question = crowd.numbered(every(rule(asked, op, *value)))

        ids = found(question)

        assert len(ids) == len(set(ids)), (asked, op, value)
        assert set(ids) == crowd.ids(question), (asked, op, value)
        left_out = {"include": {}, "exclude": [question]}
        assert set(found(left_out)) == {contact.pk for contact in crowd.people} - set(ids), (asked, op, value)


@pytest.mark.parametrize("asked", list(FIELDS))
def test_the_crowd_tells_every_field_apart(crowd, asked):
    """A predicate that always or never holds would test nothing."""
    questions = [crowd.numbered(every(rule(name, op, *value))) for name, op, value in EVERY_OPERATOR if name == asked]

    assert any(0 < len(crowd.ids(question)) < len(crowd.people) for question in questions)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(include=QUESTIONS, exclude=st.lists(QUESTIONS, max_size=2), days=st.integers(-3, 3))
def test_finds_whom_a_plain_predicate_finds_for_any_tree(crowd, include, exclude, days):
    at = LATE + timedelta(days=days, minutes=days)
    include, exclude = crowd.numbered(include), [crowd.numbered(question) for question in exclude]
    audience = {"include": include, "exclude": exclude}

    expected = crowd.ids(include, at) - {pk for question in exclude for pk in crowd.ids(question, at)}

    assert sorted(found(audience, at)) == sorted(expected)
    sizes = audience_sizes(audience, at=at)
    subscribed = {contact.pk for contact in crowd.people if contact.email_status == "subscribed"}
    assert (sizes.people, sizes.email) == (len(expected), len(expected & subscribed))
    assert set(reachable(audience, Channel.EMAIL, at=at).values_list("pk", flat=True)) == expected & subscribed


def test_pages_through_an_audience_in_the_order_of_numbers(crowd):
    question = crowd.numbered(
        some(rule("tag", "has", 1), rule("redeemed", "never"), rule("email_agreed", "within", 60))
    )
    expected = sorted(crowd.ids(question))

    paged, last = [], 0
    while page := list(
        audience_contacts(question, at=LATE).filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:7]
    ):
        paged += page
        last = page[-1]

    assert paged == expected


def test_a_negative_includes_those_of_whom_nothing_is_known(db):
    blank = Contact.objects.create(email="blank@example.org", email_status="none", created_at=LATE)

    questions: list[tuple] = [
        ("redeemed", "never"),
        ("redeemed", "not_within", 60),
        ("sent", "not_within", 0),
        ("clicked", "never"),
        ("email_agreed", "never"),
        ("email_agreed", "not_within", 30),
        ("tag", "has_not", 5),
        ("import", "not_in", 5),
        ("redemptions", "at_most", 0),
        ("redemptions", "exactly", 0),
        ("redemptions", "at_least", 0),
        ("spend", "at_most", "10"),
        ("knows", "unknown", "birthday"),
        ("email", "is_not", ["subscribed"]),
    ]
    for asked, op, *value in questions:
        assert found(every(rule(asked, op, *value))) == [blank.pk], (asked, op)


def test_a_deleted_tag_is_on_nobody(crowd):
    tag, pk = crowd.tags[0], crowd.tags[0].pk
    assert found(every(rule("tag", "has", pk)))
    tag.delete()

    assert found(every(rule("tag", "has", pk))) == []
    assert found(some(rule("tag", "has", pk))) == []
    assert names_for(parse(every(rule("tag", "has", pk)))).tags == {}


@pytest.mark.parametrize(("days", "inside"), [(0, False), (1, True)])
def test_a_day_begins_at_midnight_in_the_shop(db, days, inside):
    contact = Contact.objects.create(email="late@example.org")
    note_redeemed(contact.pk, at=LATE, order_value=None)  # 23:30 on the 21st
    soon_after = LATE + timedelta(minutes=45)  # 00:15 on the 22nd

    assert bool(found(every(rule("redeemed", "within", days)), soon_after)) is inside
    assert bool(found(every(rule("redeemed", "not_within", days)), soon_after)) is not inside


def test_a_month_begins_at_midnight_in_the_shop(db):
    Contact.objects.create(email="a@example.org", created_at=datetime(2026, 11, 1, 4, 59, tzinfo=UTC))  # October 31
    november = Contact.objects.create(email="b@example.org", created_at=datetime(2026, 11, 1, 5, tzinfo=UTC))

    assert found(every(rule("created", "this_month"))) == [november.pk]


def test_leaving_out_everybody_leaves_nobody(crowd):
    assert found({"include": {}, "exclude": [{}]}) == []


def test_reads_an_audience_frozen_in_the_first_shape(crowd):
    old = {"all": [{"tag": crowd.tags[0].pk}, {"tag": crowd.tags[1].pk}]}

    assert set(found(old)) == crowd.ids(every(*[rule("tag", "has", tag.pk) for tag in crowd.tags[:2]])) != set()


def test_counts_in_one_query_and_asks_for_the_zone_only_where_days_matter(crowd):
    question = crowd.numbered(every(rule("tag", "has", 1), rule("redeemed", "ever")))

    with CaptureQueriesContext(connection) as plain:
        audience_sizes(question, at=LATE)
    with CaptureQueriesContext(connection) as dated:
        audience_sizes(every(rule("redeemed", "within", 3)), at=LATE)

    def selects(captured):
        return [query for query in captured.captured_queries if query["sql"].startswith("SELECT")]

    assert len(selects(plain)) == 1
    assert len(selects(dated)) == 2


def test_puts_the_planner_back_as_it_was(crowd):
    if connection.vendor != "postgresql":
        pytest.skip("a matter of PostgreSQL")
    assert count_people(audience_contacts({}, at=LATE)) == 60

    with connection.cursor() as cursor:
        for name in ("enable_hashjoin", "enable_nestloop"):
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == ("on",)


def test_shows_the_newest_ten(crowd):
    assert [contact.pk for contact in examples({}, at=LATE)] == sorted((one.pk for one in crowd.people), reverse=True)[
        :10
    ]


def test_names_the_segments_that_ask_for_a_tag(crowd):
    asking = Segment.objects.create(name="Asks", rules=every(some(rule("tag", "has_not", crowd.tags[0].pk))))
    Segment.objects.create(name="Does not", rules=every(rule("tag", "has", crowd.tags[1].pk)))
    Segment.objects.create(name="Spoilt", rules={"match": 5})

    assert segments_asking("tag", crowd.tags[0].pk) == [asking]


# --- What is noted ----------------------------------------------------------------------------------------------------


def test_notes_add_up_and_only_move_forward(db):
    contact, other = (Contact.objects.create(email=f"{name}@example.org") for name in "ab")

    note_redeemed(contact.pk, at=LATE, order_value=Decimal("12.50"))
    note_redeemed(contact.pk, at=LATE - timedelta(days=3), order_value=None)
    note_sent([contact.pk, other.pk], at=LATE)
    note_sent([other.pk], at=LATE - timedelta(days=1))
    note_clicked(other.pk, at=LATE)

    known = Activity.objects.get(pk=contact.pk)
    assert (known.redemptions, known.spend, known.last_redeemed_at) == (2, Decimal("12.50"), LATE)
    assert known.last_sent_at == Activity.objects.get(pk=other.pk).last_sent_at == LATE
    assert Activity.objects.get(pk=other.pk).last_clicked_at == LATE


def test_lapsed_came_once_and_not_for_60_days(db):
    lapsed, fresh, _never = (Contact.objects.create(email=f"{name}@example.org") for name in "abc")
    note_redeemed(lapsed.pk, at=LATE - timedelta(days=62), order_value=None)
    note_redeemed(fresh.pk, at=LATE - timedelta(days=60), order_value=None)

    assert found(Segment.objects.get(name="Lapsed 60 days").rules) == [lapsed.pk]


def test_a_week_of_birthdays_is_today_and_the_six_days_after_it(db):
    days = [date(1980, 11, 20), date(1980, 11, 21), date(1980, 11, 27), date(1980, 11, 28)]
    guests = [Contact.objects.create(email=f"{day}@example.org", birthday=day) for day in days]

    assert set(found(Segment.objects.get(name="Birthday this week").rules)) == {guests[1].pk, guests[2].pk}


# --- Ready made -------------------------------------------------------------------------------------------------------


def test_the_ready_made_can_be_read(db):
    for name, rules in ready_made.READY_MADE.items():
        assert list(rules_of(parse(every(*rules)))), name


def test_makes_them_beside_what_is_there_and_leaves_names_in_use_alone(db):
    Segment.objects.all().delete()
    Segment.objects.create(name="Regulars", rules=every(rule("redemptions", "at_least", 9)))

    ready_made.make(apps, None)

    assert set(Segment.objects.values_list("name", flat=True)) == ready_made.READY_MADE.keys()
    assert parse(Segment.objects.get(name="Regulars").rules).rules == (Rule("redemptions", "at_least", 9),)


def test_converts_what_is_there_and_back(db):
    Segment.objects.all().delete()
    old = Segment.objects.create(name="Old", rules={"all": [{"tag": 3}, {"tag": 4}]})
    everybody = Segment.objects.create(name="Everybody", rules={})

    ready_made.convert(apps, None)
    old.refresh_from_db()
    assert old.rules == every(rule("tag", "has", 3), rule("tag", "has", 4))

    new = Segment.objects.create(name="New", rules=every(rule("redeemed", "never")))
    ready_made.convert_back(apps, None)

    for segment in (old, everybody, new):
        segment.refresh_from_db()
    assert old.rules == {"all": [{"tag": 3}, {"tag": 4}]}
    assert everybody.rules == {}
    assert new.rules == {"all": [{"tag": 0}]}, "nobody, rather than everybody"


def test_one_rule_reads_alone():
    assert parse_rule(rule("redemptions", "at_least", "3")) == Rule("redemptions", "at_least", 3)
