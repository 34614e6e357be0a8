"""Work the worker does in the background, a slice at a time, and the jobs on many contacts."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from contacts.models.files import StoredFile


class BackgroundWork(models.Model):
    """Work that is done in slices by whichever worker holds the lease.

    A worker that dies loses its lease, and the next one goes on at `position`, which is written in the transaction of
    what was done.
    """

    position = models.PositiveIntegerField(default=0, editable=False, help_text=_("Rows done."))
    total = models.PositiveIntegerField(null=True, editable=False, help_text=_("Rows to do, once known."))
    lease = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    stop_asked = models.BooleanField(default=False, editable=False)
    failure = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def percent(self) -> int | None:
        """How much is done, 0 to 100; None while the total is not known."""
        return None if self.total is None else min(100, 100 * self.position // max(self.total, 1))


class Job(BackgroundWork):
    """Something done to many contacts: `kind`, to whom (`selection`), and how it goes.

    `selection` is `{"ids": [ID, ...]}`, or `{"filters": ..., "up_to": ID, ...}` as `contacts.services.jobs` says.
    """

    class Kind(models.TextChoices):
        TAG = "tag", _("Tag")
        UNTAG = "untag", _("Take a tag off")
        EXPORT = "export", _("Export")
        ERASE = "erase", _("Erase")

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    kind = models.CharField(max_length=6, choices=Kind)
    status = models.CharField(max_length=9, choices=Status, default=Status.QUEUED)
    selection = models.JSONField(default=dict)
    options = models.JSONField(default=dict)  # {"tag": ID}, {"format": "csv"}
    last_contact_id = models.BigIntegerField(default=0, editable=False)
    result = models.ForeignKey(StoredFile, null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return gettext("Job %(number)s") % {"number": self.pk}
