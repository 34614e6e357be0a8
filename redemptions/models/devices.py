"""The phones and tills that scan, and who holds them."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from contacts.fields import DigestField
from redemptions.models.offers import Location

PIN_ONCE = models.UniqueConstraint(
    fields=["pin_hash"],
    condition=Q(is_active=True) & ~Q(pin_hash=""),
    name="pin_once_among_those_who_work_here",
    violation_error_message=_("Somebody else has this PIN. Choose another one."),
)


class Staff(models.Model):
    """Somebody who scans, where devices ask who holds them. The PIN is kept as a keyed hash."""

    name = models.CharField(max_length=80, help_text=_("As it stands in reports."))
    location = models.ForeignKey(
        Location,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="staff",
        help_text=_("Empty: all of them."),
    )
    pin_hash = models.CharField(max_length=128, editable=False)
    is_active = models.BooleanField(_("works here"), default=True)
    left_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = verbose_name_plural = _("staff")
        constraints = [models.UniqueConstraint(Lower("name"), name="staff_name_once_in_any_case"), PIN_ONCE]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        # No form shows the hash, so none looks at its constraint: who works here again may find their PIN taken.
        PIN_ONCE.validate(Staff, self)

    def worked_here(self, at: datetime) -> bool:
        """Say whether somebody worked here then. Of whom it is not known when they left, they had."""
        return self.is_active or (self.left_at is not None and at < self.left_at)


class Device(models.Model):
    """A phone or till that scans. Its tokens and its enrolment token are kept as SHA-256 only.

    `next_token_hash` is of a token that was given out and not used yet: its first use ends the old one.
    """

    class Profile(models.TextChoices):
        SCANNER = "scanner", _("Scanner")
        KIOSK = "kiosk", _("Kiosk: shows no names")
        MANAGER = "manager", _("Manager")

    name = models.CharField(max_length=80)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="devices")
    profile = models.CharField(max_length=8, choices=Profile, default=Profile.SCANNER)
    token_hash = DigestField(null=True, unique=True)
    next_token_hash = DigestField(null=True, unique=True)
    enrol_hash = DigestField(null=True, unique=True)
    enrol_expires_at = models.DateTimeField(null=True, blank=True)
    enrol_key = models.CharField(max_length=64, blank=True)
    enrolled_at = models.DateTimeField(null=True, blank=True)
    asks_pin = models.BooleanField(_("asks for a PIN"), default=False, help_text=_("Staff say who they are first."))
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


class SignIn(models.Model):
    """A PIN typed on a device, and whose it was; a wrong one is nobody's."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="sign_ins")
    staff = models.ForeignKey(Staff, null=True, on_delete=models.CASCADE, related_name="sign_ins")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["device", "at"], name="sign_in_by_device_and_time")]

    def __str__(self) -> str:
        return f"Sign-in {self.pk}"
