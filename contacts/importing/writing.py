"""One chunk of rows: read, matched, and written or only counted."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop

from contacts.fields import keyed_hash
from contacts.importing.book import FILLABLE, Book, Person, shown
from contacts.importing.consent import Consents
from contacts.importing.counts import Sample, Tally
from contacts.importing.reading.rows import Candidate, Problem, read_row
from contacts.importing.reading.sniff import Row, TablePlan
from contacts.models import Contact, ContactTag, Import, ImportEntry, ImportProblem, Tag
from contacts.services import find_or_make_tag, index_names, note_former_addresses
from contacts.services.inserting import insert_rows

UPDATED = (*FILLABLE, "email_index", "phone_index", "birthday_index", "email_status", "sms_status", "updated_at")
ENTRY_COLUMNS = ("run", "contact", "kind", "email_index", "phone_index", "states", "left", "before", "tags_added")
ENTRY_ATTRIBUTES = ("run_id", "contact_id", *ENTRY_COLUMNS[2:])
LATER_FIELDS = ("region", "time_zone")  # where they are blank, the digest is what it was before there were any
WAS_ERASED = gettext_noop("This person asked to be erased. Whoever wants to come back joins by their own act.")
Kind = ImportEntry.Kind


def do_chunk(
    record: Import, number: int, plan: TablePlan, rows: list[Row], tally: Tally, *, write: bool, at: datetime
) -> None:
    """Go through some rows within the caller's transaction. `write=False` counts and writes no contact."""
    counts, problems, candidates = tally.counts, _Problems(record, number, plan), []
    for row in rows:
        counts.rows += 1
        candidate, wrong = read_row(plan, row)
        problems.add(wrong, row.cells)
        if candidate is None:
            counts.invalid += 1
        else:
            candidates.append(candidate)
    consents = Consents.load(record, counts, candidates, at)
    welcome = []
    for candidate in candidates:
        if consents.is_erased(candidate):
            counts.invalid += 1
            problems.add([Problem(candidate.line, "", "", WAS_ERASED, whole_row=True)], [])
        else:
            welcome.append(candidate)
    book = Book(record, welcome, write=write)
    consents.take_over(book)
    for candidate in welcome:
        _place(record, book, consents, candidate, problems, tally, number)
    counts.conflicts += book.conflicts
    counts.review += problems.reviewed_rows
    _tag(record, book.people, write=write)
    for person in book.people:
        _count(person, tally)
    problems.write()
    if write:
        _write(book, consents)
    _write_entries(record, book.people, None if write else consents)


def _place(
    record: Import,
    book: Book,
    consents: Consents,
    candidate: Candidate,
    problems: _Problems,
    tally: Tally,
    number: int,
) -> None:
    person, wrong, repeat = book.place(candidate)
    problems.add(wrong, candidate.cells)
    table = f" table {number + 1}" if number else ""
    consents.apply(book, person, candidate, f"import {record.pk}{table} line {candidate.line}")
    person.tags |= {name.casefold(): name for name in candidate.tags}
    if record.tag:
        person.tags.setdefault(record.tag.name.casefold(), record.tag.name)
    if repeat:
        tally.counts.duplicates += 1
        if tally.wants("duplicates"):
            tally.keep("duplicates", Sample(candidate.line, {}, shown(person.contact)))


def _count(person: Person, tally: Tally) -> None:
    """Count each contact once in a file; one that a later row changes moves from unchanged to updated."""
    counts, entry = tally.counts, person.entry
    if entry is not None:
        if entry.kind == Kind.UNCHANGED and person.has_changed:
            counts.unchanged -= 1
            counts.updated += 1
        return
    kind = _kind(person)
    name = kind.value
    setattr(counts, name, getattr(counts, name) + 1)
    if tally.wants(name):
        tally.keep(name, Sample(person.line, person.shown_before, shown(person.contact)))
    if person.was_kept_away:
        counts.suppressed += 1
        if tally.wants("suppressed"):
            tally.keep("suppressed", Sample(person.line, person.shown_before, shown(person.contact)))


def _kind(person: Person) -> ImportEntry.Kind:
    if person.is_new:
        return Kind.CREATED
    return Kind.UPDATED if person.has_changed else Kind.UNCHANGED


class _Problems:
    """The rows and cells of a chunk that were left out, with the rows they stand in."""

    def __init__(self, record: Import, number: int, plan: TablePlan) -> None:
        self._record, self._number = record, number
        self._headers = {field: plan.header[position] for position, field in plan.mapping.items()}
        self._rows: list[ImportProblem] = []
        self._reviewed: set[int] = set()

    def add(self, problems: list[Problem], cells: list[str]) -> None:
        for problem in problems:
            column = self._headers.get(problem.column, problem.column)
            if not problem.whole_row:
                self._reviewed.add(problem.line)
            self._rows.append(
                ImportProblem(
                    run=self._record,
                    kind=ImportProblem.Kind.PROBLEM if problem.whole_row else ImportProblem.Kind.REVIEW,
                    table=self._number,
                    line=problem.line,
                    column=column[:200],
                    value=problem.value,
                    reason=problem.reason[:200],
                    cells=json.dumps(cells),
                )
            )

    @property
    def reviewed_rows(self) -> int:
        return len(self._reviewed)

    def write(self) -> None:
        ImportProblem.objects.bulk_create(self._rows)


def _tag(record: Import, people: list[Person], *, write: bool) -> None:
    """Find out which tags are new to whom; make those that do not exist yet."""
    wanted = {(key, person): name for person in people for key, name in person.tags.items()}
    if not wanted:
        return
    known = {tag.name.casefold(): tag.pk for tag in Tag.objects.all()}
    contacts = [person.contact.pk for person in people if person.contact.pk and person.tags]
    have = set(ContactTag.objects.filter(contact__in=contacts).values_list("tag_id", "contact_id"))
    for (key, person), name in wanted.items():
        if (known.get(key), person.contact.pk) in have:
            continue
        person.is_tagged = True
        if write:
            if key not in known:
                known[key] = find_or_make_tag(name).pk
            person.tags_added.append(known[key])


def _write(book: Book, consents: Consents) -> None:
    people = book.people
    new = [person for person in people if person.is_new]
    changed = [person for person in book.known if person.before or person.consent_changed]
    if changed:  # an upsert, since encrypted columns refuse bulk_update; first, for it may free a number
        Contact.objects.bulk_create(
            [person.contact for person in changed],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=UPDATED,
        )
    # In one order for all: two imports of the same people wait for each other, and do not lock each other out.
    new.sort(key=lambda person: (person.contact.email_index or b"", person.contact.phone_index or b""))
    Contact.objects.bulk_create([person.contact for person in new])
    note_former_addresses([(person.contact.pk, *address) for person in changed for address in person.former])
    consents.write()
    insert_rows(
        ContactTag,
        ("tag", "contact"),
        ((tag, person.contact.pk) for person in people for tag in person.tags_added),
        ignore_conflicts=True,
    )
    index_names((person.contact for person in new), are_new=True)
    index_names(person.contact for person in changed if {"first_name", "last_name"} & person.before.keys())


# --- The trail --------------------------------------------------------------------------------------------------------


def _write_entries(record: Import, people: list[Person], checked: Consents | None) -> None:
    """Keep who was in the file and what was changed: what repeats are told by, and what undo takes back.

    `checked`: this is a check, and what it found of people's consent is carried on to the next chunk.
    """
    new, old = [], []
    for person in people:
        entry = person.entry or ImportEntry(run=record, kind=_kind(person))
        if person.entry is None:
            new.append(entry)
        elif person.has_changed or checked:
            old.append(entry)
        else:
            continue
        if checked:
            _describe_check(entry, person, checked)
        else:
            _describe(entry, person)
    insert_rows(ImportEntry, ENTRY_COLUMNS, ([getattr(entry, name) for name in ENTRY_ATTRIBUTES] for entry in new))
    for entry in old:
        entry.save()


def _describe_check(entry: ImportEntry, person: Person, consents: Consents) -> None:
    contact = person.contact
    if entry.kind == Kind.UNCHANGED and person.has_changed:
        entry.kind = Kind.UPDATED
    entry.contact_id = contact.pk
    entry.email_index, entry.phone_index = contact.email_index, contact.phone_index
    entry.states = (entry.states or {}) | consents.states_of(contact)


def _describe(entry: ImportEntry, person: Person) -> None:
    contact = person.contact
    if entry.kind == Kind.UNCHANGED and person.has_changed:
        entry.kind = Kind.UPDATED
    entry.contact = contact
    entry.tags_added = [*(entry.tags_added or []), *person.tags_added] or None
    if entry.kind == Kind.CREATED:
        entry.left = digest_of(contact)
    elif person.before:
        trail: dict[str, Any] = json.loads(entry.before or "{}")
        for name, value in person.before.items():
            first = trail[name][0] if name in trail else None if value is None else str(value)
            trail[name] = [first, value_digest(name, getattr(contact, name))]
        entry.before = json.dumps(trail)


def digest_of(contact: Contact) -> bytes:
    """Return the keyed hash of all that an import can fill in."""
    values = [str(getattr(contact, name) or "") for name in FILLABLE if name not in LATER_FIELDS]
    values += [f"{name}:{value}" for name in LATER_FIELDS if (value := getattr(contact, name))]
    return keyed_hash("import-left", json.dumps(values))


def value_digest(name: str, value: object) -> str:
    """Return the keyed hash of one value, short."""
    return keyed_hash("import-value", f"{name}:{value or ''}").hex()[:16]
