"""Contacts as a table: which columns an export has, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import override

from contacts.days import UNKNOWN_YEAR, birthday_text
from contacts.models import AuditEvent, Contact, ContactQuerySet, ContactTag, Job
from contacts.services.audit import audit
from contacts.services.files import delete_file
from contacts.sheets import Cell

if TYPE_CHECKING:
    from django.contrib.auth.models import User

UNFINISHED = (Job.Status.QUEUED, Job.Status.RUNNING)
PAGE = 1000  # contacts read and decrypted at a time


def tags_cell(names: Collection[str]) -> str:
    """Return tags as one cell, as Mailchimp writes them: separated by commas, in quotes where one has a comma."""
    return ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(',;|"') else name for name in names)


def _birthday(contact: Contact, zone: ZoneInfo) -> Cell:
    known = contact.birthday is None or contact.birthday.year != UNKNOWN_YEAR
    return contact.birthday if known else birthday_text(contact.birthday)


def _tags(contact: Contact, zone: ZoneInfo) -> str:
    names = getattr(contact, "tag_names", None)
    return tags_cell([tag.name for tag in contact.tags.all()] if names is None else names)


COLUMNS: dict[str, Callable[[Contact, ZoneInfo], Cell]] = {
    "E-mail": lambda contact, zone: contact.email,
    "Phone": lambda contact, zone: contact.phone,
    "First name": lambda contact, zone: contact.first_name,
    "Last name": lambda contact, zone: contact.last_name,
    "Birthday": _birthday,
    "Postal code": lambda contact, zone: contact.postal_code,
    "State": lambda contact, zone: contact.region,
    "Time zone": lambda contact, zone: contact.time_zone,
    "Tags": _tags,
    "E-mail status": lambda contact, zone: contact.get_email_status_display(),
    "SMS status": lambda contact, zone: contact.get_sms_status_display(),
    "Source": lambda contact, zone: contact.get_source_display(),
    "Added": lambda contact, zone: timezone.localtime(contact.created_at, zone).date(),
}
HEADER = tuple(COLUMNS)


def export_rows(contacts: ContactQuerySet, zone: ZoneInfo) -> list[tuple[Cell, ...]]:
    """Return these contacts as rows under HEADER, days in the shop's time zone. Two queries; all are in memory."""
    found = list(contacts.defer("notes", "email_index", "phone_index", "birthday_index"))
    # Not prefetched: that ties each contact into a ring, which stays in memory until the garbage collector passes.
    names: dict[int, list[str]] = {contact.pk: [] for contact in found}
    tags = ContactTag.objects.filter(contact__in=list(names)).order_by("tag__name")
    for pk, name in tags.values_list("contact_id", "tag__name"):
        names[pk].append(name)
    for contact in found:
        contact.tag_names = names[contact.pk]
    with override(None):  # the file is read by programs, this one among them, whoever asked for it
        return [tuple(value(contact, zone) for value in COLUMNS.values()) for contact in found]


def export_pages(contacts: ContactQuerySet, zone: ZoneInfo) -> Iterator[list[tuple[Cell, ...]]]:
    """Yield contacts, oldest first, as rows under HEADER, up to 1,000 at a time: memory stays flat."""
    last = 0
    while ids := list(contacts.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:PAGE]):
        yield export_rows(Contact.objects.filter(pk__in=ids).order_by("pk"), zone)
        last = ids[-1]


def audit_export(contacts: int, file_format: str, *, actor: User | None) -> AuditEvent:
    """Write down that contacts were taken out."""
    counted = "1 contact" if contacts == 1 else f"{contacts:,} contacts"
    return audit(AuditEvent.Action.EXPORTED, detail=f"{counted}, {file_format}", actor=actor)


@transaction.atomic
def forget_exports(contact_ids: Collection[int]) -> None:
    """Delete the files of exports these people are in, and start anew those under way, before or while they are erased.

    The jobs are locked first: a chunk under way is waited for, and a worker that loses its lease so writes no other.
    """
    jobs = Job.objects.select_for_update().filter(
        Q(status__in=UNFINISHED) | Q(result__isnull=False), kind=Job.Kind.EXPORT
    )
    for job in jobs.order_by("pk"):
        chosen = job.selection.get("ids")
        if all(pk > job.last_contact_id or (chosen is not None and pk not in chosen) for pk in contact_ids):
            continue
        delete_file(job.result)
        if job.status in UNFINISHED:
            options = {"format": job.options["format"]}
            mine = Job.objects.filter(pk=job.pk)
            mine.update(position=0, last_contact_id=0, options=options, lease=None, lease_until=None)
