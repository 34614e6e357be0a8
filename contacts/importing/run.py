"""Match candidates with the table and write them, a chunk per transaction. The dry run takes the same path."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Q

from contacts.channels import Channel
from contacts.importing.rows import Candidate, Problem, read_row
from contacts.importing.sniff import Row, Table, read_table
from contacts.models import ChannelStatus, ConsentEvent, Contact, ContactTag, Import, Tag
from contacts.queries import ChannelState, derive_states
from contacts.services import find_or_make_tag
from contacts.sheets import to_csv

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ImportBusy(Exception):
    """The import cannot be started: it is running, or done."""


CHUNK_ROWS = 1000
DEAD_AFTER = timedelta(hours=1)
TRIES = 3
FILLABLE = ("email", "phone", "first_name", "last_name", "birthday", "postal_code", "notes")
KEPT_AWAY = {ChannelStatus.UNSUBSCRIBED, ChannelStatus.SUPPRESSED}


@dataclass(slots=True)
class Counts:
    """rows = created + updated + unchanged + duplicates + invalid. `review` and `suppressed` are among those.

    `review`: imported, but a cell was left out. `suppressed`: someone who opted out or cannot be reached, and stays so.
    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    invalid: int = 0
    review: int = 0
    suppressed: int = 0


@dataclass(slots=True)
class _Run:
    """What a pass over the file carries along; of each address seen, 8 bytes of its index."""

    record: Import
    write: bool
    counts: Counts = field(default_factory=Counts)
    problems: list[Problem] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)

    def consent(self, channel: Channel) -> str:
        """The wording these people agreed to on a channel; empty: they agreed to nothing."""
        return self.record.consent_email if channel == Channel.EMAIL else self.record.consent_sms


def stage(
    *,
    table: Table,
    content: bytes,
    file_name: str,
    at: datetime,
    tag: Tag | None = None,
    consent_email: str = "",
    consent_sms: str = "",
    consent_at: datetime | None = None,
    actor: User | None = None,
) -> Import:
    """Keep an upload, encrypted, with what was asked of it. Nothing is imported yet."""
    return Import.objects.create(
        file_name=file_name[:255],
        file_sha256=table.sha256,
        upload=content.decode("latin-1"),
        mapping={str(position): name for position, name in table.mapping.items()},
        tag=tag,
        consent_email=consent_email.strip(),
        consent_sms=consent_sms.strip(),
        consent_at=min(consent_at or at, at),  # nobody agrees in the future: such a grant would outlast an opt-out
        created_by=actor,
    )


def check(record: Import, table: Table) -> Counts:
    """Run the whole file without writing; keep the true counts and problems on the import."""
    run = _Run(record, write=False)
    _pass(run, table)
    record.counts, record.problems = asdict(run.counts), json.dumps([asdict(problem) for problem in run.problems])
    record.save(update_fields=["counts", "problems"])
    return run.counts


def staged_table(record: Import) -> Table:
    """Read the upload again, with the columns that were decided on. Raises ImportFileError."""
    assert record.upload is not None
    mapping = {int(position): name for position, name in record.mapping.items() if name}
    return read_table(record.upload.encode("latin-1"), mapping=mapping)


def run_import(record: Import, *, at: datetime, progress: Callable[[int], None] = lambda rows: None) -> Counts:
    """Import a staged file. Each chunk is a transaction; running the same file again changes nothing.

    Raises ImportFileError, and ImportBusy where it is running or done already.
    """
    return _execute(record, staged_table(record), at=at, progress=progress)


def stage_and_run(
    record: Import, table: Table, *, at: datetime, progress: Callable[[int], None] = lambda rows: None
) -> Counts:
    """Import a file that was just staged from `table`, without reading it again. A failed run keeps no upload."""
    try:
        return _execute(record, table, at=at, progress=progress)
    except BaseException:
        Import.objects.filter(pk=record.pk).update(upload=None)
        raise


def _execute(record: Import, table: Table, *, at: datetime, progress: Callable[[int], None]) -> Counts:
    """Claim the import and run it; one whose process died may be claimed again after a while."""
    free = Q(status__in=(Import.Status.CHECKED, Import.Status.FAILED))
    dead = Q(status=Import.Status.RUNNING, started_at__lt=at - DEAD_AFTER)
    claimed = Import.objects.filter(free | dead, pk=record.pk)
    if not claimed.update(status=Import.Status.RUNNING, started_at=at):
        raise ImportBusy(f"Import {record.pk} is running or done already.")
    run = _Run(record, write=True)
    try:
        _pass(run, table, progress)
    except BaseException:
        Import.objects.filter(pk=record.pk).update(status=Import.Status.FAILED)
        raise
    record.status, record.finished_at, record.upload = Import.Status.DONE, at, None
    record.counts, record.problems = asdict(run.counts), json.dumps([asdict(problem) for problem in run.problems])
    record.save(update_fields=["status", "finished_at", "upload", "counts", "problems"])
    return run.counts


def problems_of(record: Import) -> list[Problem]:
    return [Problem(**problem) for problem in json.loads(record.problems or "[]")]


def problems_csv(record: Import) -> bytes:
    """Return the rows and cells left out, with line, column, value and reason, safe to open in a spreadsheet."""
    return to_csv(
        ["line", "column", "value", "reason", "row left out"],
        [(p.line, p.column, p.value, p.reason, "yes" if p.whole_row else "no") for p in problems_of(record)],
    )


def _pass(run: _Run, table: Table, progress: Callable[[int], None] = lambda rows: None) -> None:
    rows = table.rows()
    while chunk := list(islice(rows, CHUNK_ROWS)):
        candidates = _read_chunk(run, table, chunk)
        _write_chunk(run, candidates)
        progress(run.counts.rows)


def _read_chunk(run: _Run, table: Table, chunk: list[Row]) -> list[Candidate]:
    """Turn rows into one candidate per person; a person met before in the file is a duplicate."""
    people: dict[bytes, Candidate] = {}
    result: list[Candidate] = []
    for row in chunk:
        run.counts.rows += 1
        candidate, problems = read_row(table, row)
        run.problems += problems
        if candidate is None:
            run.counts.invalid += 1
            continue
        run.counts.review += bool(problems)
        first = _met_before(people, candidate)
        if first is not None:
            run.counts.duplicates += 1
            first.take_blanks_from(candidate)
        else:
            candidate.is_repeat = _seen(run, candidate)
            run.counts.duplicates += candidate.is_repeat
            if run.write or not candidate.is_repeat:
                result.append(candidate)
        for index in (candidate.email_index, candidate.phone_index):
            if index is not None:
                people.setdefault(index, first or candidate)
                run.seen.add(index[:8])
    return result


def _met_before(people: dict[bytes, Candidate], candidate: Candidate) -> Candidate | None:
    """E-mail matches first, then phone; two different e-mails with one phone are two people."""
    if candidate.email_index and (same := people.get(candidate.email_index)):
        return same
    if candidate.phone_index and (same := people.get(candidate.phone_index)):
        return None if candidate.email_index and same.email_index else same
    return None


def _seen(run: _Run, candidate: Candidate) -> bool:
    index = candidate.email_index or candidate.phone_index
    return index is not None and index[:8] in run.seen


def _write_chunk(run: _Run, candidates: list[Candidate]) -> None:
    """Write a chunk; where another import took an address meanwhile, look again."""
    for attempt in range(1, TRIES + 1):
        before = Counts(**asdict(run.counts)), len(run.problems)
        try:
            with transaction.atomic():
                _merge(run, candidates)
            return
        except IntegrityError:
            if attempt == TRIES:
                raise
            run.counts = before[0]
            del run.problems[before[1] :]


def _merge(run: _Run, candidates: list[Candidate]) -> None:
    by_email, by_phone = _existing(candidates, lock=run.write)
    states = {
        channel: derive_states(channel, [index for c in candidates if (index := c.index(channel)) is not None])
        for channel in Channel
    }
    people: list[tuple[Candidate, Contact]] = []
    changed: set[int] = set()  # id() of the contacts whose row must be written
    for candidate in candidates:
        contact = _match(run, candidate, by_email, by_phone)
        if contact is None:
            contact = Contact(source="import")
            if candidate.phone_index:
                by_phone[candidate.phone_index] = contact
        if _fill(contact, candidate):
            changed.add(id(contact))
        people.append((candidate, contact))
    grants = _apply_consent(run, people, states)
    changed |= {id(grant.contact) for grant in grants}
    new = {id(contact) for _, contact in people if contact._state.adding}
    if run.write:
        Contact.objects.bulk_create({id(c): c for _, c in people if id(c) in new}.values())
        _save(list({id(c): c for _, c in people if id(c) in changed - new}.values()))
        _write_events(run, grants)
    changed |= _apply_tags(run, people)
    _count(run, people, new, changed, states)


def _count(
    run: _Run,
    people: list[tuple[Candidate, Contact]],
    new: set[int],
    changed: set[int],
    states: dict[Channel, dict[bytes, ChannelState]],
) -> None:
    """Count each contact once; a second row that led to the same contact is a duplicate."""
    counted: set[int] = set()
    for candidate, contact in people:
        if candidate.is_repeat:
            continue
        if id(contact) in counted:
            run.counts.duplicates += 1
            continue
        counted.add(id(contact))
        run.counts.created += id(contact) in new
        run.counts.updated += id(contact) in changed - new
        run.counts.unchanged += id(contact) not in new | changed
        run.counts.suppressed += any(
            (index := candidate.index(channel)) is not None and states[channel][index].state in KEPT_AWAY
            for channel in Channel
        )


def _existing(candidates: list[Candidate], *, lock: bool) -> tuple[dict[bytes, Contact], dict[bytes, Contact]]:
    """Return the contacts that have one of these addresses, by e-mail and by phone. One query.

    Locked, so that an opt-out that comes meanwhile is either seen here or waits and has the last word.
    """
    emails = [candidate.email_index for candidate in candidates if candidate.email_index]
    phones = [candidate.phone_index for candidate in candidates if candidate.phone_index]
    found = Contact.objects.filter(Q(email_index__in=emails) | Q(phone_index__in=phones)).order_by("pk")
    contacts = list(found.select_for_update() if lock else found)
    by_email = {contact.email_index: contact for contact in contacts if contact.email_index}
    return by_email, {contact.phone_index: contact for contact in contacts if contact.phone_index}


def _match(
    run: _Run, candidate: Candidate, by_email: dict[bytes, Contact], by_phone: dict[bytes, Contact]
) -> Contact | None:
    """Find whose row this is; a phone number that is another person's is dropped and reported."""
    same_email = by_email.get(candidate.email_index) if candidate.email_index else None
    same_phone = by_phone.get(candidate.phone_index) if candidate.phone_index else None
    if same_phone is None or same_phone is same_email:
        if same_email and candidate.phone_index and same_email.phone_index not in (None, candidate.phone_index):
            _leave_phone_out(run, candidate, "This contact has another phone number, which was kept.")
        return same_email
    if same_email is None and (candidate.email_index is None or same_phone.email_index is None):
        return same_phone
    _leave_phone_out(run, candidate, "This phone number belongs to another contact with another e-mail address.")
    return same_email


def _leave_phone_out(run: _Run, candidate: Candidate, reason: str) -> None:
    run.counts.review += 1
    run.problems.append(Problem(candidate.line, "phone", candidate.phone or "", reason, whole_row=False))
    candidate.drop_phone()


def _fill(contact: Contact, candidate: Candidate) -> bool:
    """Fill the contact's blanks; blank cells never clear, and what is known stays. Return whether anything changed."""
    values = {"email": candidate.email, "phone": candidate.phone, "birthday": candidate.birthday, **candidate.texts}
    changed = False
    for name in FILLABLE:
        value = values.get(name)
        if value and not getattr(contact, name):
            setattr(contact, name, value)
            changed = True
    contact.email_index = contact.email_index or candidate.email_index
    contact.phone_index = contact.phone_index or candidate.phone_index
    return changed


@dataclass(frozen=True, slots=True)
class _Grant:
    contact: Contact
    channel: Channel
    address_index: bytes
    line: int


def _apply_consent(
    run: _Run, people: list[tuple[Candidate, Contact]], states: dict[Channel, dict[bytes, ChannelState]]
) -> list[_Grant]:
    """Set every status, and return the consent that is new, once for each contact and channel.

    Consent from a file reaches only those who never said anything: an opt-out or a suppression stays.
    """
    grants: dict[tuple[int, Channel], _Grant] = {}
    for candidate, contact in people:
        for channel in Channel:
            index = candidate.index(channel)
            if index is None:
                continue
            status = states[channel][index].state
            if run.consent(channel) and status in (ChannelStatus.NONE, ChannelStatus.PENDING):
                status = ChannelStatus.SUBSCRIBED
                grants.setdefault((id(contact), channel), _Grant(contact, channel, index, candidate.line))
            setattr(contact, f"{channel.value}_status", status)
    return list(grants.values())


def _save(contacts: list[Contact]) -> None:
    """Write changed contacts in one statement: an upsert, since encrypted columns refuse bulk_update."""
    if contacts:
        Contact.objects.bulk_create(
            contacts,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=[*FILLABLE, "email_index", "phone_index", "email_status", "sms_status", "updated_at"],
        )


def _write_events(run: _Run, grants: list[_Grant]) -> None:
    assert run.record.consent_at is not None
    ConsentEvent.objects.bulk_create(
        ConsentEvent(
            contact=grant.contact,
            channel=grant.channel,
            address_index=grant.address_index,
            action=ConsentEvent.Action.GRANTED,
            source=ConsentEvent.Source.IMPORT,
            at=run.record.consent_at,
            wording=run.consent(grant.channel),
            reference=f"import {run.record.pk} line {grant.line}",
            import_run=run.record,
            actor=run.record.created_by,
        )
        for grant in grants
    )


def _apply_tags(run: _Run, people: list[tuple[Candidate, Contact]]) -> set[int]:
    """Tag people; return `id()` of the contacts that got a tag they did not have."""
    wanted = {
        (name.casefold(), id(contact)): (name, contact)
        for candidate, contact in people
        for name in [*candidate.tags, *([run.record.tag.name] if run.record.tag else [])]
    }
    if not wanted:
        return set()
    known = {tag.name.casefold(): tag.pk for tag in Tag.objects.all()}
    have = set(
        ContactTag.objects.filter(contact_id__in=[c.pk for _, c in wanted.values() if c.pk]).values_list(
            "tag_id", "contact_id"
        )
    )
    missing = [(name, c) for (key, _), (name, c) in wanted.items() if (known.get(key), c.pk) not in have]
    if run.write:
        for name, _ in missing:
            if name.casefold() not in known:
                known[name.casefold()] = find_or_make_tag(name).pk
        ContactTag.objects.bulk_create(
            [ContactTag(tag_id=known[name.casefold()], contact=contact) for name, contact in missing],
            ignore_conflicts=True,
        )
    return {id(contact) for _, contact in missing}
