"""The shop itself, its keys, and who did what that must be answered for."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from contacts.fields import EncryptedCharField


def validate_timezone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValidationError(_("Choose a time zone name such as America/Chicago.")) from error


class Business(models.Model):
    """The shop itself, one row: what the law wants printed, and the clock the shop lives by."""

    name = models.CharField(max_length=80, help_text=_("Printed in every mail and at the start of every text."))
    postal_address = models.CharField(
        max_length=200,
        blank=True,
        help_text=_("Street or registered PO box. The law (CAN-SPAM) wants it in every marketing mail."),
    )
    timezone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[validate_timezone], help_text="E.g. America/Chicago"
    )
    from_email = models.EmailField(_("sender address"), blank=True, help_text=_("On a domain of your own."))
    from_name = models.CharField(_("sender name"), max_length=80, blank=True)
    reply_to = models.EmailField(_("answers go to"), blank=True, help_text=_("Empty: the sender address."))
    approval_above = models.PositiveIntegerField(
        _("approval above"),
        null=True,
        blank=True,
        help_text=_("A campaign to more people than this waits until somebody else has approved it. Empty: never."),
    )
    texts_from = models.PositiveSmallIntegerField(
        _("no texts before"), default=9, help_text=_("An hour of the guest's own day. The law's hours hold besides.")
    )
    texts_until = models.PositiveSmallIntegerField(_("no texts from … on"), default=20)

    class Meta:
        verbose_name = verbose_name_plural = _("business")
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="there_is_one_business"),
            # Every state's hours hold noon to five, and four time zones together still two hours of them.
            models.CheckConstraint(
                condition=Q(texts_from__range=(9, 12), texts_until__range=(17, 20)),
                name="texts_have_hours_in_every_state",
            ),
        ]

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
        EXPORTED = "exported", _("Exported contacts")
        EXPORTED_ONE = "exported_one", _("Exported one contact")
        REVEALED = "revealed", _("Looked at full addresses")
        ERASED = "erased", _("Erased a contact")
        MERGED = "merged", _("Merged two contacts")
        LIFTED = "lifted", _("Lifted a suppression")
        UNDONE = "undone", _("Undid an import")
        EXPORTED_LEDGER = "exported_ledger", _("Exported redemptions")
        VOIDED = "voided", _("Took a redemption back")
        LAUNCHED = "launched", _("Launched a campaign")
        TAKEN_BACK = "taken_back", _("Undid a launch")
        PAUSED = "paused", _("Paused a campaign")
        RESUMED = "resumed", _("Resumed a campaign")
        CANCELLED = "cancelled", _("Cancelled a campaign")
        ASKED = "asked", _("Asked for approval")
        APPROVED = "approved", _("Approved a campaign")
        SENT_BACK = "sent_back", _("Sent a campaign back")
        SETTINGS = "settings", _("Changed settings")
        SIGNED_IN = "signed_in", _("Signed in")
        SIGNED_OUT = "signed_out", _("Signed out")
        FAILED_SIGN_IN = "failed_sign_in", _("Failed to sign in")
        LOCKED_OUT = "locked_out", _("Locked out after wrong passwords")
        UNLOCKED = "unlocked", _("Let somebody try again")
        INVITED = "invited", _("Made a sign-in link")
        PERSON = "person", _("Changed who may sign in, or what they may")
        PASSWORD = "password", _("Changed their password")
        FACTOR_ON = "factor_on", _("Turned the second factor on")
        FACTOR_OFF = "factor_off", _("Turned the second factor off")
        RECOVERY = "recovery", _("Made new recovery codes")

    action = models.CharField(max_length=16, choices=Action)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    via = models.CharField(max_length=7, choices=[("admin", _("Admin")), ("command", _("Command or worker"))])
    address = models.CharField(_("from where"), max_length=45, blank=True)
    detail = models.CharField(
        max_length=200, blank=True, help_text=_("What it touched: 'contact 12', '2,500 contacts'.")
    )
    reason = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        verbose_name = _("audit line")

    def __str__(self) -> str:
        return gettext("Audit line %(number)s") % {"number": self.pk}
