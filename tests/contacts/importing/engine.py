"""What the tests of the import engine share: a file staged, checked, run and taken back at a fixed time."""

import io
from datetime import UTC, datetime, timedelta

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.importing import (
    Counts,
    Reading,
    ask_check,
    ask_run,
    ask_undo,
    finish_here,
    stage,
)
from contacts.models import (
    Contact,
    Import,
    ImportProblem,
)

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
EARLIER = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = AT + timedelta(days=3)
OVERWRITE = {"conflicts": Import.Conflicts.OVERWRITE}
TEXTS = {"Texts": "sms_status"}


def staged(text: str | bytes, *, overrides=None, **asked) -> Import:
    content = text if isinstance(text, bytes) else text.encode()
    return stage(io.BytesIO(content), name="people.csv", at=AT, reading=Reading(overrides=overrides), **asked)


def run(record: Import, *, at=AT, progress=lambda rows: None) -> Counts:
    ask_run(record, at=at)
    finish_here(record, clock=lambda: at, progress=progress)
    record.refresh_from_db()
    return Counts(**record.counts)


def checked(record: Import) -> Counts:
    ask_check(record)
    finish_here(record, clock=lambda: AT)
    return Counts(**record.counts)


def undo(record: Import, *, at=LATER) -> dict[str, int]:
    record.refresh_from_db()
    ask_undo(record, at=at)
    finish_here(record, clock=lambda: at)
    return record.counts


def import_text(text: str | bytes, *, overrides=None, **asked):
    record = staged(text, overrides=overrides, **asked)
    return record, run(record)


def problems_of(record: Import) -> list[ImportProblem]:
    return list(ImportProblem.objects.filter(run=record).order_by("pk"))


def by_email(address: str) -> Contact:
    return Contact.objects.with_address(Channel.EMAIL, keyed_hash("email", address)).get()


def by_phone(number: str) -> Contact:
    return Contact.objects.with_address(Channel.SMS, keyed_hash("sms", number)).get()


PEOPLE = """\
Email Address,First Name,Last Name,Phone,Tags
Maria.Kim@Example.org,Maria,Kim,(217) 555-0142,"vip, lunch"
ann@example.org,Ann,,,
,Joe,,217-555-0143,
"""
