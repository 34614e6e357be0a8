"""The people of one chunk of a file: found by their addresses, matched and completed, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_noop

from contacts.channels import Channel
from contacts.days import birthday_text
from contacts.importing.reading.rows import Candidate, Problem
from contacts.models import Contact, Import, ImportEntry
from contacts.names import words_of

DETAILS = ("first_name", "last_name", "birthday", "postal_code", "region", "time_zone", "notes")
ANOTHER_NAME = gettext_noop("This phone number is known under another name.")
FILLABLE = ("email", "phone", *DETAILS)


@dataclass(slots=True, eq=False)
class Person:
    """A contact a row of the file led to. `entry`: an earlier chunk of this import met it already.

    `before` holds the value before of each field that was changed, `tags` the names of the tags the file gives.
    """

    contact: Contact
    is_new: bool = False
    entry: ImportEntry | None = None
    line: int = 0
    met: bool = False
    before: dict[str, Any] = field(default_factory=dict)
    shown_before: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)  # case-folded name -> name
    tags_added: list[int] = field(default_factory=list)
    is_tagged: bool = False
    consent_changed: bool = False
    was_kept_away: bool = False
    opted_out: bool = False
    former: list[tuple[Channel, bytes]] = field(default_factory=list)

    @property
    def is_repeat(self) -> bool:
        """Whether an earlier row of the file led here."""
        return self.met or self.entry is not None

    @property
    def has_changed(self) -> bool:
        return bool(self.before) or self.is_tagged or self.consent_changed


class Book:
    """Finds and matches. E-mail first, then phone; two different e-mails with one phone are two people."""

    def __init__(self, record: Import, candidates: list[Candidate], *, write: bool) -> None:
        self.overwrite = record.conflicts == Import.Conflicts.OVERWRITE
        self.people: list[Person] = []
        self.conflicts = 0
        self.by_email: dict[bytes, Person] = {}
        self.by_phone: dict[bytes, Person] = {}
        self.known = _known(record, candidates, write=write)
        for person in self.known:
            self._file(person)

    def _file(self, person: Person) -> None:
        contact = person.contact
        if contact.email_index:
            self.by_email[contact.email_index] = person
        if contact.phone_index:
            self.by_phone[contact.phone_index] = person

    def owner(self, channel: Channel, index: bytes) -> Person | None:
        """Return who has an address by now."""
        return (self.by_email if channel == Channel.EMAIL else self.by_phone).get(index)

    def place(self, candidate: Candidate) -> tuple[Person, list[Problem], bool]:
        """Return whose row this is, completed by it; what had to be left out; and whether the person is a repeat."""
        problems: list[Problem] = []
        person = self._match(candidate, problems)
        if person is None:
            person = Person(Contact(source="import"), is_new=True)
        repeat = person.is_repeat
        if not person.met:
            person.met, person.line = True, candidate.line
            person.shown_before = {} if person.is_new else shown(person.contact)
            self.people.append(person)
        self._fill(person, candidate, repeat=repeat)
        self._file(person)
        return person, problems, repeat

    def _match(self, candidate: Candidate, problems: list[Problem]) -> Person | None:
        same_email = self.by_email.get(candidate.email_index) if candidate.email_index else None
        same_phone = self.by_phone.get(candidate.phone_index) if candidate.phone_index else None
        if same_phone is None or same_phone is same_email:
            if same_email and not self._may_take_phone(same_email, candidate):
                _leave_phone_out(
                    candidate, problems, gettext_noop("This contact has another phone number, which was kept.")
                )
            return same_email
        if same_email is None and (candidate.email_index is None or same_phone.contact.email_index is None):
            if not _has_another_name(same_phone.contact, candidate):
                return same_phone
            if candidate.email_index is None:
                problems.append(Problem(candidate.line, "phone", candidate.phone or "", ANOTHER_NAME, whole_row=False))
                return same_phone
            _leave_phone_out(candidate, problems, ANOTHER_NAME)
            return None
        _leave_phone_out(
            candidate,
            problems,
            gettext_noop("This phone number belongs to another contact with another e-mail address."),
        )
        return same_email

    def _may_take_phone(self, person: Person, candidate: Candidate) -> bool:
        has = person.contact.phone_index
        return (
            candidate.phone_index is None
            or has in (None, candidate.phone_index)
            or (self.overwrite and not person.is_repeat)
        )

    def _fill(self, person: Person, candidate: Candidate, *, repeat: bool) -> None:
        """Complete the contact; blank cells never clear, and what is known stays unless the file has the last word.

        Of two rows about one person, the first has the say.
        """
        contact = person.contact
        self._fill_addresses(person, candidate, repeat=repeat)
        if contact.pk is None and person.entry is not None:
            return  # met in an earlier chunk of a check: its other values are not kept
        values = {"birthday": candidate.birthday, **candidate.texts}
        for name in DETAILS:
            value, known = values.get(name), getattr(contact, name)
            if not value or value == known:
                continue
            if not known:
                self._set(person, name, value)
            elif not repeat:
                self.conflicts += 1
                if self.overwrite:
                    self._set(person, name, value)

    def _fill_addresses(self, person: Person, candidate: Candidate, *, repeat: bool) -> None:
        contact = person.contact
        for channel, name in Contact.ADDRESS_FIELDS.items():
            index, known_index = candidate.index(channel), contact.address_index(channel)
            may_change = channel == Channel.SMS and self.overwrite and not repeat
            if index not in (None, known_index) and (known_index is None or may_change):
                if known_index is not None:
                    person.former.append((channel, known_index))
                    if self.by_phone.get(known_index) is person:
                        del self.by_phone[known_index]  # free for another row, as it will be in the database
                self._set(person, name, candidate.email if channel == Channel.EMAIL else candidate.phone)
                setattr(contact, Contact.INDEX_FIELDS[channel], index)

    def _set(self, person: Person, name: str, value: object) -> None:
        if not person.is_new:
            person.before.setdefault(name, getattr(person.contact, name))
        setattr(person.contact, name, value)


def _has_another_name(contact: Contact, candidate: Candidate) -> bool:
    """Whether both have a first name, and not the same: a number may be a family's."""
    known, said = words_of(contact.first_name or ""), words_of(candidate.texts.get("first_name", ""))
    return bool(known and said) and known[0][:3] != said[0][:3]


def _leave_phone_out(candidate: Candidate, problems: list[Problem], reason: str) -> None:
    problems.append(Problem(candidate.line, "phone", candidate.phone or "", reason, whole_row=False))
    candidate.drop_phone()


def _known(record: Import, candidates: list[Candidate], *, write: bool) -> list[Person]:
    """Return the contacts that have one of these addresses, and the people an earlier chunk of a check would have made.

    Locked when writing, so that an opt-out that comes meanwhile is either seen here or waits and has the last word.
    """
    emails = [candidate.email_index for candidate in candidates if candidate.email_index]
    phones = [candidate.phone_index for candidate in candidates if candidate.phone_index]
    entries: list[ImportEntry] = []
    if not write:
        addressed = Q(email_index__in=emails) | Q(phone_index__in=phones)
        entries = list(ImportEntry.objects.filter(addressed, run=record))
    of_entries = [entry.contact_id for entry in entries if entry.contact_id]
    wanted = Q(email_index__in=emails) | Q(phone_index__in=phones) | Q(pk__in=of_entries)
    found = Contact.objects.filter(wanted).order_by("pk")
    contacts = {contact.pk: contact for contact in (found.select_for_update() if write else found)}
    met = {entry.contact_id: entry for entry in ImportEntry.objects.filter(run=record, contact__in=list(contacts))}
    people = [Person(contact, entry=met.get(pk)) for pk, contact in contacts.items()]
    for person in people:
        if person.entry and not write:
            _as_checked(person.contact, person.entry)
    people += [Person(_as_checked(Contact(), entry), entry=entry) for entry in entries if entry.contact_id is None]
    return people


def _as_checked(contact: Contact, entry: ImportEntry) -> Contact:
    """Bring a contact into the state an earlier chunk of the check would have left it in."""
    contact.email_index = entry.email_index or contact.email_index
    contact.phone_index = entry.phone_index or contact.phone_index
    for channel, (status, _) in (entry.states or {}).items():
        setattr(contact, f"{channel}_status", status)
    return contact


def shown(contact: Contact) -> dict[str, str]:
    """Return the filled fields of a contact as text."""
    values = {name: getattr(contact, name) for name in FILLABLE} | {"birthday": birthday_text(contact.birthday)}
    return {name: str(values[name]) for name in FILLABLE if values[name]}
