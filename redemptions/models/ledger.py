"""What was given, and every attempt to get it."""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from contacts.fields import DigestField
from redemptions.models.codes import Code
from redemptions.models.devices import Device, Staff
from redemptions.models.offers import Location, Offer


def public_id() -> str:
    return secrets.token_hex(10)


class EntryCounter(models.Model):
    """The last entry number given out, one row: numbers without gaps need a counter inside the transaction."""

    last_entry_no = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="there_is_one_entry_counter")]

    def __str__(self) -> str:
        return "Entry counter"


class Redemption(models.Model):
    """A line of the ledger: a deal given, its reversal, or goods given without network that should not have been.

    Added, never changed but for what staff add at the till. `at` is when it happened, `recorded_at` when it came to be
    known here; they differ for what was scanned without network. `conflict` is why a conflict would have been refused;
    one of an unknown code names no code and no deal. A conflict uses the code and the deal up as far as they go.
    """

    class Kind(models.TextChoices):
        REDEEMED = "redeemed", gettext_lazy("Redeemed")
        VOIDED = "voided", gettext_lazy("Taken back")
        CONFLICT = "conflict", gettext_lazy("Conflict")

    class Override(models.TextChoices):
        """How staff went beyond what a deal allows without network."""

        NOT_ALLOWED = "not_allowed", gettext_lazy("Not to be given without network")
        TOO_MANY = "too_many", gettext_lazy("More than a phone may give in a day")
        TOO_DEAR = "too_dear", gettext_lazy("More than may be given without network")

    public_id = models.CharField(max_length=20, unique=True, default=public_id, editable=False)
    entry_no = models.PositiveBigIntegerField(unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.REDEEMED)
    code = models.ForeignKey(Code, null=True, on_delete=models.PROTECT, related_name="redemptions")
    offer = models.ForeignKey(Offer, null=True, on_delete=models.PROTECT, related_name="redemptions")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="redemptions")
    device = models.ForeignKey(Device, null=True, on_delete=models.PROTECT, related_name="redemptions")
    staff = models.ForeignKey(Staff, null=True, on_delete=models.PROTECT, related_name="redemptions")
    reverses = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversal")
    at = models.DateTimeField(help_text=gettext_lazy("When the deal was given, by the server's clock."))
    recorded_at = models.DateTimeField(db_default=Now())
    is_offline = models.BooleanField(default=False)
    conflict = models.CharField(max_length=20, blank=True)
    override = models.CharField(max_length=12, choices=Override, blank=True)
    is_use = models.BooleanField(default=True, help_text=gettext_lazy("It used the code once more."))
    cost = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=gettext_lazy("Of the deal's budget; empty: not counted there."),
    )
    void_key = models.CharField(
        max_length=64, blank=True, help_text=gettext_lazy("The key under which a device took it back.")
    )
    is_burned = models.BooleanField(default=False, help_text=gettext_lazy("Taken back, and the code not good again."))
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
                condition=Q(kind__in=["redeemed", "conflict"], reverses__isnull=True)
                | Q(kind="voided", reverses__isnull=False),
                name="only_a_void_reverses",
            ),
            models.CheckConstraint(
                condition=Q(kind="conflict", is_offline=True) & ~Q(conflict="") | ~Q(kind="conflict") & Q(conflict=""),
                name="only_a_conflict_says_why",
            ),
            models.CheckConstraint(
                condition=Q(code__isnull=False, offer__isnull=False)
                | Q(code__isnull=True, offer__isnull=True, conflict="unknown_code")
                | Q(code__isnull=True, offer__isnull=True, kind="voided"),
                name="only_an_unknown_code_is_none",
            ),
            models.UniqueConstraint(fields=["device", "void_key"], condition=~Q(void_key=""), name="void_key_once"),
        ]
        indexes = [
            models.Index(fields=["at"], name="redemption_by_time"),
            models.Index(fields=["code", "at"], name="redemption_by_code"),
        ]
        permissions = [("void_redemption", "Can take a redemption back")]

    def __str__(self) -> str:
        return _("Redemption %(number)s") % {"number": self.entry_no}

    @property
    def deal(self) -> str:
        """The deal's name; an unknown code that was honoured without network has none."""
        return self.offer.name if self.offer else _("Unknown code")

    @property
    def receipt(self) -> str:
        """The number printed for the accountant, without gaps."""
        return f"R-{self.entry_no:06d}"


class Amendment(models.Model):
    """What a line of the ledger said of the order before staff changed it at the till. Added, never changed."""

    redemption = models.ForeignKey(Redemption, on_delete=models.CASCADE, related_name="amendments")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    order_value = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    discount = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    receipt_no = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"Amendment {self.pk}"


class Scan(models.Model):
    """Every attempt a device made, refusals too: the answer a repeated key gets, and the trail for the owner."""

    class Result(models.TextChoices):
        ACCEPTED = "accepted", gettext_lazy("Accepted")
        REFUSED = "refused", gettext_lazy("Refused")
        CONFLICT = "conflict", gettext_lazy("Given, against a rule")

    class Decision(models.TextChoices):
        """What staff did without network."""

        HONOURED = "honoured", pgettext_lazy("scan", "Given")
        REFUSED = "refused", gettext_lazy("Refused")
        UNDECIDED = "undecided", gettext_lazy("Left open")

    class Reason(models.TextChoices):
        UNKNOWN_CODE = "unknown_code", gettext_lazy("Unknown code")
        TEST_CODE = "test_code", gettext_lazy("Test, not valid")
        CODE_REVOKED = "code_revoked", gettext_lazy("Code withdrawn")
        ALREADY_REDEEMED = "already_redeemed", gettext_lazy("Already used")
        NOT_YET_VALID = "not_yet_valid", gettext_lazy("Not valid yet")
        EXPIRED = "expired", gettext_lazy("Expired")
        OUTSIDE_HOURS = "outside_hours", gettext_lazy("Not at this time")
        WRONG_LOCATION = "wrong_location", gettext_lazy("Not valid here")
        OFFER_PAUSED = "offer_paused", gettext_lazy("Deal paused")
        OFFER_ENDED = "offer_ended", gettext_lazy("Deal ended")
        CUSTOMER_LIMIT = "customer_limit", gettext_lazy("This person had it often enough")
        OFFER_LIMIT = "offer_limit", gettext_lazy("All given out")
        ORDER_VALUE_REQUIRED = "order_value_required", gettext_lazy("What does the order cost?")
        MIN_SPEND_NOT_MET = "min_spend_not_met", gettext_lazy("The order is too small")
        DEVICE_LOCKED = "device_locked", gettext_lazy("Device locked")
        REFUSED_BY_STAFF = "refused_by_staff", gettext_lazy("Refused by staff")

    class Entry(models.TextChoices):
        QR = "qr", gettext_lazy("QR code")
        TYPED = "typed", gettext_lazy("Typed")
        WEDGE = "wedge", gettext_lazy("Hand scanner")

    public_id = models.CharField(max_length=20, unique=True, default=public_id, editable=False)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="scans")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="scans")
    staff = models.ForeignKey(Staff, null=True, on_delete=models.PROTECT, related_name="scans")
    key = models.CharField(max_length=64, help_text=gettext_lazy("The client's idempotency key."))
    fingerprint = DigestField(help_text=gettext_lazy("Keyed hash of the code that was read."))
    code = models.ForeignKey(Code, null=True, on_delete=models.PROTECT, related_name="scans")
    entry = models.CharField(max_length=5, choices=Entry, default=Entry.QR)
    result = models.CharField(max_length=8, choices=Result)
    reason = models.CharField(max_length=20, choices=Reason, blank=True)
    redemption = models.OneToOneField(Redemption, null=True, blank=True, on_delete=models.PROTECT, related_name="scan")
    is_mistyped = models.BooleanField(
        default=False, help_text=gettext_lazy("Its check character was wrong: nobody's guess.")
    )
    scanned_at = models.DateTimeField(null=True, blank=True, help_text=gettext_lazy("By the device's clock."))
    at = models.DateTimeField(help_text=gettext_lazy("By the server's clock."))
    is_offline = models.BooleanField(default=False)
    decision = models.CharField(max_length=9, choices=Decision, blank=True)
    skew_ms = models.BigIntegerField(
        null=True, help_text=gettext_lazy("What the server's clock was ahead of the device's.")
    )
    sequence = models.BigIntegerField(null=True, help_text=gettext_lazy("The device's own count of its scans."))
    uptime_ms = models.BigIntegerField(null=True, help_text=gettext_lazy("Since the device was started."))

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["device", "key"], name="scan_key_once_per_device"),
            models.CheckConstraint(
                condition=Q(result="accepted", redemption__isnull=False, reason="")
                | (Q(result="refused", redemption__isnull=True) & ~Q(reason=""))
                | (Q(result="conflict", redemption__isnull=False, is_offline=True) & ~Q(reason="")),
                name="scan_is_redeemed_or_refused_with_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["at"], name="scan_by_time")]

    def __str__(self) -> str:
        return _("Scan %(number)s") % {"number": self.pk}
