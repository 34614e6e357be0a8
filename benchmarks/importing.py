"""Import: the importer against csv.reader, the same normalisers and ciphers, and an executemany per 1,000 rows.

The loop by hand knows the columns of its one file. It counts nothing, reports no bad rows and finds no repeats.
"""

from __future__ import annotations

import csv
import io
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from benchmarks.child import describe_database, scratch_url
from benchmarks.driver import Database
from benchmarks.measuring import Report, Sample, compare, timed
from benchmarks.people import write_csv
from contacts.channels import clean_email, clean_name, normalise_email, normalise_phone
from contacts.fields import encrypt, key_id, keyed_hash
from contacts.importing import ask_check, ask_run, finish_here, stage
from contacts.models import ConsentEvent, Contact, ContactTag, Import

WORDING = "Yes, send me deals by e-mail and text."
CHUNK = 1000

INSERT_CONTACT = """INSERT INTO contacts_contact (email, email_index, phone, phone_index, index_key_id, first_name,
    last_name, email_status, sms_status, source, fewer_messages, is_demo, updated_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, 'subscribed', 'subscribed', 'import', false, false, %s)"""
INSERT_EVENT = """INSERT INTO contacts_consentevent (contact_id, channel, address_index, index_key_id, action, source,
    at, wording, version, reference) VALUES (%s, %s, %s, %s, 'granted', 'import', %s, %s, '', %s)"""
INSERT_TAGGED = "INSERT INTO contacts_contacttag (tag_id, contact_id) VALUES (%s, %s)"
KNOWN = """SELECT id, email_index, phone_index, first_name IS NULL OR last_name IS NULL FROM contacts_contact
    WHERE email_index IN (%s)"""
SUPPRESSED = "SELECT address_index FROM contacts_suppression WHERE lifted_at IS NULL AND address_index IN (%s)"
AGREED = "SELECT address_index FROM contacts_consentevent WHERE address_index IN (%s)"
TAGGED = "SELECT contact_id, tag_id FROM contacts_contacttag WHERE contact_id IN (%s)"


def run(*, rows: int, rounds: int) -> Report:
    """Measure the first import of a file and the same file again."""
    content = write_csv(settings.SCRATCH_DIR / "people.csv", rows).read_bytes()
    small = write_csv(settings.SCRATCH_DIR / "few.csv", 100).read_bytes()
    database = Database(scratch_url())

    def by_hand(file: bytes) -> int:
        return import_by_hand(database, file, at=timezone.now())

    for loop in (by_product, by_hand):  # warm
        first_and_again(loop, small)
    first, again = [], []
    for _ in range(rounds):
        product, hand = first_and_again(by_product, content), first_and_again(by_hand, content)
        assert product.left_behind == hand.left_behind, "the two loops do not do the same work"
        first.append((product.first, hand.first))
        again.append((product.again, hand.again))
    database.close()
    return Report(
        describe_database(),
        [
            compare(f"Import of {rows:,} rows", "rows", first),
            compare("The same file again, which changes nothing", "rows", again),
        ],
    )


@dataclass(frozen=True, slots=True)
class Round:
    first: Sample
    again: Sample
    left_behind: tuple[int, ...]


def first_and_again(loop: Callable[[bytes], int], content: bytes) -> Round:
    """Empty the database, run the loop twice, and count what it left."""
    call_command("flush", interactive=False, verbosity=0)
    first, again = timed(lambda: loop(content)), timed(lambda: loop(content))
    subscribed = Contact.objects.filter(email_status="subscribed", sms_status="subscribed").count()
    left_behind = (subscribed, Contact.objects.count(), ContactTag.objects.count(), ConsentEvent.objects.count())
    return Round(first, again, left_behind)


def by_product(content: bytes) -> int:
    record = staged(io.BytesIO(content))
    ask_run(record, at=timezone.now())
    counts = finish_here(record, clock=timezone.now).counts
    assert counts["rows"] == counts["created"] + counts["unchanged"], counts
    return int(counts["rows"])


def staged(file: BinaryIO) -> Import:
    return stage(file, name="people.csv", at=timezone.now(), consent_email=WORDING, consent_sms=WORDING)


# --- By hand ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Guest:
    name: str
    email: str
    email_index: bytes
    phone: str
    phone_index: bytes
    tag: str


def import_by_hand(database: Database, content: bytes, *, at: datetime) -> int:
    """Import four known columns, a transaction per 1,000 rows; people who are there already stay as they are."""
    reader = csv.reader(io.StringIO(content.decode()))
    next(reader)
    moment, done, tags = database.moment(at), 0, dict(database.rows("SELECT name, id FROM contacts_tag"))
    for chunk in chunks(map(read_guest, reader)):
        with database.transaction():
            write_guests(database, chunk, tags, moment)
        done += len(chunk)
    return done


def chunks(guests: Iterator[Guest]) -> Iterator[list[Guest]]:
    while chunk := list(islice(guests, CHUNK)):
        yield chunk


def read_guest(cells: list[str]) -> Guest:
    name, email, phone, tag = cells
    number = normalise_phone(phone)
    return Guest(
        name=clean_name(name, max_length=80),
        email=clean_email(email),
        email_index=keyed_hash("email", normalise_email(email)),
        phone=number,
        phone_index=keyed_hash("sms", number),
        tag=tag,
    )


def write_guests(database: Database, guests: list[Guest], tags: dict[str, int], moment: Any) -> None:
    emails, phones = [guest.email_index for guest in guests], [guest.phone_index for guest in guests]
    known = {bytes(row[1]) for row in database.rows_in(KNOWN, emails) if bytes(row[2]) and not row[3]}
    assert not database.rows_in(SUPPRESSED, [*emails, *phones])
    agreed = {bytes(row[0]) for row in database.rows_in(AGREED, [*emails, *phones])}
    if new := [guest for guest in guests if guest.email_index not in known]:
        database.run_many(INSERT_CONTACT, [contact_row(guest, moment) for guest in new])
    ids = {bytes(row[1]): row[0] for row in database.rows_in(KNOWN, emails)} if new else {}
    if events := [row for guest in new for row in event_rows(guest, ids, agreed, moment)]:
        database.run_many(INSERT_EVENT, events)
    write_tags(database, guests, ids, tags)


def write_tags(database: Database, guests: list[Guest], ids: dict[bytes, int], tags: dict[str, int]) -> None:
    ids = ids or {bytes(row[1]): row[0] for row in database.rows_in(KNOWN, [guest.email_index for guest in guests])}
    for name in {guest.tag for guest in guests} - tags.keys():
        tags[name] = database.rows("INSERT INTO contacts_tag (name) VALUES (%s) RETURNING id", [name])[0][0]
    have = set(database.rows_in(TAGGED, list(ids.values())))
    wanted = ((ids[guest.email_index], tags[guest.tag]) for guest in guests)
    if missing := [(tag, contact) for contact, tag in wanted if (contact, tag) not in have]:
        database.run_many(INSERT_TAGGED, missing)


def contact_row(guest: Guest, moment: Any) -> tuple[Any, ...]:
    first, _, last = guest.name.partition(" ")
    return (
        encrypt(guest.email),
        guest.email_index,
        encrypt(guest.phone),
        guest.phone_index,
        key_id(),
        encrypt(first),
        encrypt(last),
        moment,
    )


def event_rows(guest: Guest, ids: dict[bytes, int], agreed: set[bytes], moment: Any) -> Iterator[tuple[Any, ...]]:
    for channel, index in (("email", guest.email_index), ("sms", guest.phone_index)):
        if index not in agreed:
            yield ids[guest.email_index], channel, index, key_id(), moment, WORDING, "import by hand"


# --- Memory -----------------------------------------------------------------------------------------------------------


def peak_mb() -> float:
    """Return the most memory this process ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


@dataclass(frozen=True, slots=True)
class Whole:
    """A file from its upload to its last row: peak memory before and after in MB, and seconds for each part."""

    before_mb: float
    after_mb: float
    upload_s: float
    check_s: float
    run_s: float


def whole_import(path: Path) -> Whole:
    """Upload, check and import a file as the wizard does."""
    before, started = peak_mb(), time.perf_counter()
    with path.open("rb") as file:
        record = staged(file)
    uploaded = time.perf_counter()
    ask_check(record)
    finish_here(record, clock=timezone.now)
    checked = time.perf_counter()
    ask_run(record, at=timezone.now())
    finish_here(record, clock=timezone.now)
    done = time.perf_counter()
    return Whole(before, peak_mb(), uploaded - started, checked - uploaded, done - checked)
