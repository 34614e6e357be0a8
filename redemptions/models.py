"""What was promised, and kept. Knows contacts; knows no campaign."""

from __future__ import annotations

import secrets
from datetime import time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils.formats import date_format
from django.utils.functional import cached_property

from contacts.fields import DigestField, EncryptedCharField, key_id
from contacts.models import Contact, SignupForm
from redemptions.codes import display


def image_reference() -> str:
    """Name a QR image without naming its code: 128 random bits."""
    return secrets.token_urlsafe(16)


def public_id() -> str:
    return secrets.token_hex(10)


class Location(models.Model):
    name = models.CharField(max_length=80)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="location_name_once_in_any_case")]

    def __str__(self) -> str:
        return self.name


class Offer(models.Model):
    """A deal. `value` is a percentage for `percent`, money for `amount`, and empty for `item` and `bogo`."""

    class Type(models.TextChoices):
        PERCENT = "percent", "Percent off"
        AMOUNT = "amount", "Money off"
        ITEM = "item", "Free item"
        BOGO = "bogo", "Buy one, get one"

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        ENDED = "ended", "Ended"

    name = models.CharField(max_length=100, help_text="What guests read: '20 % off lunch'.")
    type = models.CharField(max_length=8, choices=Type, default=Type.PERCENT)
    value = models.DecimalField(
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text="20 for 20 %, or 5.00 for $5 off. Empty for a free item.",
    )
    currency = models.CharField(max_length=3, default="USD")
    terms = models.TextField(blank=True, help_text="Small print on the coupon: 'One per table. Not with other deals.'")
    instructions = models.CharField(max_length=200, blank=True, help_text="Shown to staff after a good scan.")
    status = models.CharField(max_length=6, choices=Status, default=Status.ACTIVE)
    starts_at = models.DateTimeField(null=True, blank=True, help_text="Empty: valid at once.")
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty: no end.")
    max_uses = models.PositiveSmallIntegerField(
        "uses per person", default=1, validators=[MinValueValidator(1)], help_text="How often one code may be used."
    )
    locations = models.ManyToManyField(Location, blank=True, help_text="None chosen: valid at all of them.")
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = "deal"
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(starts_at__lt=F("ends_at")),
                name="offer_starts_before_it_ends",
                violation_error_message="The deal ends before it starts.",
            ),
            models.CheckConstraint(
                # IS NOT NULL is said aloud: a check that compares with NULL passes.
                condition=~Q(type="percent") | Q(value__isnull=False, value__gt=0, value__lte=100),
                name="offer_percent_is_between_0_and_100",
                violation_error_message="A percentage is between 0 and 100.",
            ),
            models.CheckConstraint(
                condition=~Q(type="amount") | Q(value__isnull=False, value__gt=0),
                name="offer_amount_is_positive",
                violation_error_message="Say how much money is taken off.",
            ),
            models.CheckConstraint(condition=Q(max_uses__gte=1), name="offer_may_be_used_at_least_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.type in {self.Type.ITEM, self.Type.BOGO} and self.value is not None:
            raise ValidationError({"value": f"Leave the value empty: “{self.get_type_display()}” has none."})

    def valid_until(self, zone: ZoneInfo) -> str:
        """Return the last moment in words; an end at midnight is named by the day before. Empty: no end."""
        if self.ends_at is None:
            return ""
        end = self.ends_at.astimezone(zone)
        if end.time() == time.min:
            return date_format(end - timedelta(days=1), "l, F j, Y")
        return f"{date_format(end, 'l, F j, Y, g:i A')} {end.tzname() or ''}".strip()


class CodeQuerySet(models.QuerySet["Code"]):
    def real(self) -> CodeQuerySet:
        return self.filter(is_test=False)


class Code(models.Model):
    """One person's right to one offer. Once per (offer, contact), whatever message carried it.

    The secrets are kept twice: as keyed hashes, which find the row, and as ciphertext, which draws the image again.
    """

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="codes")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="codes")
    token = EncryptedCharField(max_length=26)
    token_index = DigestField(unique=True)
    typed = EncryptedCharField(max_length=10)
    typed_index = DigestField(unique=True)
    index_key_id = models.CharField(max_length=8, default=key_id)
    image_reference = models.CharField(max_length=22, unique=True, default=image_reference)
    used = models.PositiveSmallIntegerField(default=0)
    max_uses = models.PositiveSmallIntegerField(default=1)
    is_test = models.BooleanField(default=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = CodeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["offer", "contact"], condition=Q(is_test=False), name="code_once_per_contact"
            ),
            models.CheckConstraint(condition=Q(used__lte=F("max_uses")), name="code_never_used_more_than_allowed"),
        ]

    def __str__(self) -> str:
        return f"Code {self.pk}"

    @cached_property
    def typed_display(self) -> str:
        """The code as people read it aloud: `TESTT-ESTTB`."""
        return display(self.typed)


class Device(models.Model):
    """A phone or till that scans. Its token and its enrolment token are kept as SHA-256 only."""

    class Profile(models.TextChoices):
        SCANNER = "scanner", "Scanner"
        KIOSK = "kiosk", "Kiosk: shows no names"
        MANAGER = "manager", "Manager"

    name = models.CharField(max_length=80)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="devices")
    profile = models.CharField(max_length=8, choices=Profile, default=Profile.SCANNER)
    token_hash = DigestField(null=True, unique=True)
    enrol_hash = DigestField(null=True, unique=True)
    enrol_expires_at = models.DateTimeField(null=True, blank=True)
    enrol_key = models.CharField(max_length=64, blank=True)
    enrolled_at = models.DateTimeField(null=True, blank=True)
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


class EntryCounter(models.Model):
    """The last entry number given out, one row: numbers without gaps need a counter inside the transaction."""

    last_entry_no = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="there_is_one_entry_counter")]

    def __str__(self) -> str:
        return "Entry counter"


class Redemption(models.Model):
    """A line of the ledger: a deal given, or its reversal. Added, never changed but for what staff add at the till."""

    class Kind(models.TextChoices):
        REDEEMED = "redeemed", "Redeemed"
        VOIDED = "voided", "Taken back"

    public_id = models.CharField(max_length=20, unique=True, default=public_id, editable=False)
    entry_no = models.PositiveBigIntegerField(unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.REDEEMED)
    code = models.ForeignKey(Code, on_delete=models.PROTECT, related_name="redemptions")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="redemptions")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="redemptions")
    device = models.ForeignKey(Device, null=True, on_delete=models.PROTECT, related_name="redemptions")
    reverses = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversal")
    at = models.DateTimeField(help_text="When the deal was given, by the server's clock.")
    order_value = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    discount = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    receipt_no = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=24, blank=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-entry_no"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="redeemed", reverses__isnull=True) | Q(kind="voided", reverses__isnull=False),
                name="only_a_void_reverses",
            ),
        ]
        indexes = [
            models.Index(fields=["at"], name="redemption_by_time"),
            models.Index(fields=["code", "at"], name="redemption_by_code"),
        ]
        permissions = [("void_redemption", "Can take a redemption back")]

    def __str__(self) -> str:
        return f"Redemption {self.entry_no}"

    @property
    def receipt(self) -> str:
        """The number printed for the accountant, without gaps."""
        return f"R-{self.entry_no:06d}"


class Scan(models.Model):
    """Every attempt a device made, refusals too: the answer a repeated key gets, and the trail for the owner."""

    class Result(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        REFUSED = "refused", "Refused"

    class Reason(models.TextChoices):
        UNKNOWN_CODE = "unknown_code", "Unknown code"
        TEST_CODE = "test_code", "Test, not valid"
        CODE_REVOKED = "code_revoked", "Code withdrawn"
        ALREADY_REDEEMED = "already_redeemed", "Already used"
        NOT_YET_VALID = "not_yet_valid", "Not valid yet"
        EXPIRED = "expired", "Expired"
        WRONG_LOCATION = "wrong_location", "Not valid here"
        OFFER_PAUSED = "offer_paused", "Deal paused"
        OFFER_ENDED = "offer_ended", "Deal ended"
        DEVICE_LOCKED = "device_locked", "Device locked"

    class Entry(models.TextChoices):
        QR = "qr", "QR code"
        TYPED = "typed", "Typed"
        WEDGE = "wedge", "Hand scanner"

    public_id = models.CharField(max_length=20, unique=True, default=public_id, editable=False)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="scans")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="scans")
    key = models.CharField(max_length=64, help_text="The client's idempotency key.")
    fingerprint = DigestField(help_text="Keyed hash of the code that was read.")
    code = models.ForeignKey(Code, null=True, on_delete=models.PROTECT, related_name="scans")
    entry = models.CharField(max_length=5, choices=Entry, default=Entry.QR)
    result = models.CharField(max_length=8, choices=Result)
    reason = models.CharField(max_length=20, choices=Reason, blank=True)
    redemption = models.OneToOneField(Redemption, null=True, blank=True, on_delete=models.PROTECT, related_name="scan")
    scanned_at = models.DateTimeField(null=True, blank=True, help_text="By the device's clock.")
    at = models.DateTimeField(help_text="By the server's clock.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["device", "key"], name="scan_key_once_per_device"),
            models.CheckConstraint(
                condition=Q(result="accepted", redemption__isnull=False, reason="")
                | (Q(result="refused", redemption__isnull=True) & ~Q(reason="")),
                name="scan_is_redeemed_or_refused_with_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["at"], name="scan_by_time")]

    def __str__(self) -> str:
        return f"Scan {self.pk}"


class WelcomeDeal(models.Model):
    """What people get for joining by a sign-up form, once their address is confirmed."""

    form = models.OneToOneField(SignupForm, on_delete=models.CASCADE, related_name="welcome_deal")
    offer = models.ForeignKey(
        Offer,
        on_delete=models.PROTECT,
        related_name="welcomes",
        verbose_name="deal",
        help_text="Each person gets a code of their own, once, right after confirming.",
    )

    class Meta:
        verbose_name = "welcome deal"

    def __str__(self) -> str:
        return f"Deal of form {self.form_id}"
