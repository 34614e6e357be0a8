"""Imports: a file on its way to contacts, and the trail that lets it be resumed, explained and undone."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from contacts.fields import DigestField, EncryptedCharField, EncryptedTextField
from contacts.models.files import StoredFile
from contacts.models.people import Contact, Tag
from contacts.models.work import BackgroundWork

UNDO_FOR = timedelta(days=30)


class Import(BackgroundWork):
    """One file of contacts, what was asked of it, and what it did. The upload is kept encrypted until the run ends.

    `plan` is how the file is read (JSON, a dict for each table in it: name, encoding, separator, header line, header,
    mapping of columns, meaning): what was detected, and changed by hand. Encrypted, since headers may be personal.
    """

    class Status(models.TextChoices):
        UPLOADED = "uploaded", _("Not checked yet")
        CHECKING = "checking", _("Being checked")
        CHECKED = "checked", _("Not imported yet")
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        UNDOING = "undoing", _("Being undone")
        UNDONE = "undone", _("Undone")

    class Conflicts(models.TextChoices):
        KEEP = "keep", _("Keep what is known")
        OVERWRITE = "overwrite", _("Take the file's word")

    status = models.CharField(max_length=10, choices=Status, default=Status.UPLOADED)
    file_name = EncryptedCharField(max_length=255)
    file_sha256 = models.CharField(max_length=64)
    upload_file = models.ForeignKey(StoredFile, null=True, on_delete=models.SET_NULL, related_name="+")
    plan = EncryptedTextField(null=True)
    conflicts = models.CharField(max_length=9, choices=Conflicts, default=Conflicts.KEEP)
    tag = models.ForeignKey(Tag, null=True, blank=True, on_delete=models.SET_NULL)
    consent_email = models.TextField(blank=True)
    consent_sms = models.TextField(blank=True)
    consent_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict)
    samples = EncryptedTextField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)
    forgotten_at = models.DateTimeField(null=True, editable=False, help_text=_("When its trail was deleted."))

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return gettext("Import %(number)s") % {"number": self.pk}


class ImportEntry(models.Model):
    """One person of a file and what the import did with them: what a repeat is told by, and what undo takes back.

    While a file is checked nothing is created, and `email_index`, `phone_index` and `states` (`{channel: [status,
    whether this file granted it]}`) stand for the people it would create or complete. `left` is the keyed hash of the
    contact's values as the import left them: a contact that differs was touched since. `before` is JSON, `{field:
    [value before, short hash of the value after]}` of what it changed.
    """

    class Kind(models.TextChoices):
        CREATED = "created", _("New")
        UPDATED = "updated", _("Updated")
        UNCHANGED = "unchanged", _("Unchanged")

    run = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="entries")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.CASCADE, related_name="import_entries")
    kind = models.CharField(max_length=9, choices=Kind)
    email_index = DigestField(null=True)
    phone_index = DigestField(null=True)
    states = models.JSONField(null=True)
    left = DigestField(null=True)
    before = EncryptedTextField(null=True)
    tags_added = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "contact"], condition=Q(contact__isnull=False), name="import_entry_once_per_contact"
            )
        ]
        indexes = [
            models.Index(
                fields=["run", "email_index"], name="import_entry_email", condition=Q(email_index__isnull=False)
            ),
            models.Index(
                fields=["run", "phone_index"], name="import_entry_phone", condition=Q(phone_index__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Entry {self.pk} of import {self.run_id}"


class ImportProblem(models.Model):
    """A row or a cell of a file that was left out or needs a look. Deleted with the undo of its import.

    `cells` is the row as it stood in the file (JSON list): with them the problems can be mended and imported again.
    """

    class Kind(models.TextChoices):
        PROBLEM = "problem", _("Left out")
        REVIEW = "review", _("Needs a look")

    run = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="problems")
    kind = models.CharField(max_length=7, choices=Kind)
    table = models.PositiveSmallIntegerField(default=0)  # which of the file's tables
    line = models.PositiveIntegerField()
    column = EncryptedCharField(max_length=200)
    value = EncryptedTextField()
    reason = models.CharField(max_length=200)
    cells = EncryptedTextField()

    class Meta:
        ordering = ["run", "table", "line", "id"]

    def __str__(self) -> str:
        return f"Problem {self.pk} of import {self.run_id}"


class ColumnMemory(models.Model):
    """What the columns of a kind of file were last said to mean: `mapping` is `{position: field}`."""

    fingerprint = models.CharField(max_length=64, unique=True)
    mapping = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = _("column memories")

    def __str__(self) -> str:
        return f"Columns {self.fingerprint[:8]}"
