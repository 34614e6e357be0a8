"""The shop itself, its keys, and who did what that must be answered for."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from contacts.fields import EncryptedCharField


def validate_timezone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValidationError("Choose a time zone name such as America/Chicago.") from error


class Business(models.Model):
    """The shop itself, one row: what the law wants printed, and the clock the shop lives by."""

    name = models.CharField(max_length=80, help_text="Printed in every mail and at the start of every text.")
    postal_address = models.CharField(
        max_length=200,
        blank=True,
        help_text="Street or registered PO box. The law (CAN-SPAM) wants it in every marketing mail.",
    )
    timezone = models.CharField(
        "time zone", max_length=64, default="UTC", validators=[validate_timezone], help_text="E.g. America/Chicago"
    )
    from_email = models.EmailField("sender address", blank=True, help_text="On a domain of your own.")
    from_name = models.CharField("sender name", max_length=80, blank=True)
    reply_to = models.EmailField("answers go to", blank=True, help_text="Empty: the sender address.")
    approval_above = models.PositiveIntegerField(
        "approval above",
        null=True,
        blank=True,
        help_text="A campaign to more people than this waits until somebody else has approved it. Empty: never.",
    )

    class Meta:
        verbose_name = verbose_name_plural = "business"
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="there_is_one_business")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def load(cls) -> Business:
        """Return the one row; the first call writes it from the environment. One query."""
        business, _ = cls.objects.get_or_create(
            pk=1,
            defaults={
                "name": settings.BUSINESS_NAME,
                "postal_address": settings.BUSINESS_ADDRESS,
                "timezone": settings.BUSINESS_TIMEZONE,
                "from_email": settings.FROM_EMAIL,
                "from_name": settings.FROM_NAME,
            },
        )
        return business

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Canary(models.Model):
    """One encrypted constant: start-up reads it to prove that the keys in the environment are the right ones."""

    secret = EncryptedCharField(max_length=40)
    index_key_id = models.CharField(max_length=8)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="there_is_one_canary")]

    def __str__(self) -> str:
        return "Canary"


class AuditEvent(models.Model):
    """Who did what that must be answered for. Added, never changed; names no contact.

    `address` is the network it came from, as `contacts.services.origin` cuts it: enough to recognise, too little to
    find somebody by.
    """

    class Action(models.TextChoices):
        EXPORTED = "exported", "Exported contacts"
        EXPORTED_ONE = "exported_one", "Exported one contact"
        REVEALED = "revealed", "Looked at full addresses"
        ERASED = "erased", "Erased a contact"
        MERGED = "merged", "Merged two contacts"
        LIFTED = "lifted", "Lifted a suppression"
        UNDONE = "undone", "Undid an import"
        EXPORTED_LEDGER = "exported_ledger", "Exported redemptions"
        VOIDED = "voided", "Took a redemption back"
        LAUNCHED = "launched", "Launched a campaign"
        TAKEN_BACK = "taken_back", "Undid a launch"
        PAUSED = "paused", "Paused a campaign"
        RESUMED = "resumed", "Resumed a campaign"
        CANCELLED = "cancelled", "Cancelled a campaign"
        ASKED = "asked", "Asked for approval"
        APPROVED = "approved", "Approved a campaign"
        SENT_BACK = "sent_back", "Sent a campaign back"
        SETTINGS = "settings", "Changed settings"
        SIGNED_IN = "signed_in", "Signed in"
        SIGNED_OUT = "signed_out", "Signed out"
        FAILED_SIGN_IN = "failed_sign_in", "Failed to sign in"
        LOCKED_OUT = "locked_out", "Locked out after wrong passwords"
        UNLOCKED = "unlocked", "Let somebody try again"
        INVITED = "invited", "Made a sign-in link"
        PERSON = "person", "Changed who may sign in, or what they may"
        PASSWORD = "password", "Changed their password"
        FACTOR_ON = "factor_on", "Turned the second factor on"
        FACTOR_OFF = "factor_off", "Turned the second factor off"
        RECOVERY = "recovery", "Made new recovery codes"

    action = models.CharField(max_length=16, choices=Action)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    via = models.CharField(max_length=7, choices=[("admin", "Admin"), ("command", "Command or worker")])
    address = models.CharField("from where", max_length=45, blank=True)
    detail = models.CharField(max_length=200, blank=True, help_text="What it touched: 'contact 12', '2,500 contacts'.")
    reason = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        verbose_name = "audit line"

    def __str__(self) -> str:
        return f"Audit line {self.pk}"
