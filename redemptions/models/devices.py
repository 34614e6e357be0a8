"""The phones and tills that scan, and who holds them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower, Now

from contacts.fields import DigestField
from redemptions.models.offers import Location


class Staff(models.Model):
    """Somebody who scans, where devices ask who holds them. The PIN is kept as a keyed hash."""

    name = models.CharField(max_length=80, help_text="As it stands in reports.")
    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="staff", help_text="Empty: all of them."
    )
    pin_hash = models.CharField(max_length=128, editable=False)
    is_active = models.BooleanField("works here", default=True)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    locked_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = verbose_name_plural = "staff"
        constraints = [models.UniqueConstraint(Lower("name"), name="staff_name_once_in_any_case")]

    def __str__(self) -> str:
        return self.name


class Device(models.Model):
    """A phone or till that scans. Its tokens and its enrolment token are kept as SHA-256 only.

    `next_token_hash` is of a token that was given out and not used yet: its first use ends the old one.
    """

    class Profile(models.TextChoices):
        SCANNER = "scanner", "Scanner"
        KIOSK = "kiosk", "Kiosk: shows no names"
        MANAGER = "manager", "Manager"

    name = models.CharField(max_length=80)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="devices")
    profile = models.CharField(max_length=8, choices=Profile, default=Profile.SCANNER)
    token_hash = DigestField(null=True, unique=True)
    next_token_hash = DigestField(null=True, unique=True)
    next_token_at = models.DateTimeField(null=True, blank=True)
    rotate_key = models.CharField(max_length=64, blank=True)
    enrol_hash = DigestField(null=True, unique=True)
    enrol_expires_at = models.DateTimeField(null=True, blank=True)
    enrol_key = models.CharField(max_length=64, blank=True)
    enrolled_at = models.DateTimeField(null=True, blank=True)
    asks_pin = models.BooleanField("asks for a PIN", default=False, help_text="Staff say who they are first.")
    platform = models.CharField(max_length=80, blank=True)
    app_version = models.CharField(max_length=20, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    # Django REST Framework puts the caller in request.user and asks this of it.
    @property
    def is_authenticated(self) -> bool:
        return True
