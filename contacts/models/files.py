"""Files that hold personal data: kept encrypted in the database, where web server and worker both reach them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from contacts.fields import EncryptedTextField


class StoredFile(models.Model):
    """An upload or a download for as long as it is needed. Its content lies in its parts."""

    size_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"File {self.pk}"


class FilePart(models.Model):
    """A piece of a file, compressed and encrypted by itself: a file of any size is read with little memory."""

    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    content = EncryptedTextField()

    class Meta:
        ordering = ["file", "number"]
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="file_part_once")]

    def __str__(self) -> str:
        return f"Part {self.number} of file {self.file_id}"
