"""What people agreed to and withdrew, and the addresses nobody may write to."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from contacts.channels import Channel
from contacts.fields import DigestField, EncryptedCharField, EncryptedTextField, key_id
from contacts.models.imports import Import
from contacts.models.people import Contact


class ConsentEvent(models.Model):
    """Who agreed to or withdrew from what, when, how and in which words. Added, never changed.

    `address_index` keeps the event tied to the address after the contact is erased.
    """

    class Action(models.TextChoices):
        GRANTED = "granted", _("Agreed")
        REVOKED = "revoked", _("Withdrew")
        REQUESTED = "requested", _("Asked to confirm")

    class Source(models.TextChoices):
        IMPORT = "import", _("Import")
        FORM = "form", _("Sign-up form")
        UNSUBSCRIBE_PAGE = "unsubscribe_page", _("Unsubscribe page")
        ONE_CLICK = "one_click", _("One-click unsubscribe")
        KEYWORD = "keyword", _("Text message")
        PROVIDER = "provider", _("Provider")
        ADMIN = "admin", _("Admin")
        DEMO = "demo", _("Demo")

    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="consent_events")
    channel = models.CharField(max_length=5, choices=Channel)
    address_index = DigestField()
    index_key_id = models.CharField(max_length=8, default=key_id)
    action = models.CharField(max_length=9, choices=Action)
    source = models.CharField(max_length=16, choices=Source)
    at = models.DateTimeField(help_text=_("When the person did it."))
    recorded_at = models.DateTimeField(db_default=Now())
    wording = models.TextField(blank=True)
    version = models.CharField(max_length=40, blank=True, help_text=_("Which wording: 'form table version 3'."))
    evidence = EncryptedTextField(null=True, blank=True)
    reference = models.CharField(
        max_length=80, blank=True, help_text=_("Where from: 'import 3 line 12', 'message 55'.")
    )
    import_run = models.ForeignKey(Import, null=True, blank=True, on_delete=models.PROTECT, related_name="events")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    ip_address = EncryptedCharField(max_length=45, null=True, blank=True)
    user_agent = EncryptedTextField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["contact", "channel", "at"], name="consent_by_contact"),
            models.Index(fields=["channel", "address_index", "at"], name="consent_by_address"),
        ]

    def __str__(self) -> str:
        return gettext("Consent event %(number)s") % {"number": self.pk}


class Suppression(models.Model):
    """An address nobody may write to on a channel. No link to the contact: it outlives erasure and re-import.

    Several may be in force at once, one of each reason: a complaint after an opt-out binds beside it, and ending one
    ends no other. The strongest is the one that is shown.
    """

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
        STOPPED = "stopped", _("Texted STOP")
        BOUNCED = "bounced", _("Bounced")
        COMPLAINED = "complained", _("Complained of spam")
        PAUSED = "paused", _("Waits until somebody has read their text")
        INVALID = "invalid", _("Not a working address")
        MANUAL = "manual", _("Blocked by the shop")
        ERASED = "erased", _("Erased")

    OPT_OUTS = (Reason.UNSUBSCRIBED, Reason.STOPPED)
    # What a fresh word of the person ends. A bounce, a complaint or the shop's own block stays.
    THEIR_WORD = (*OPT_OUTS, Reason.ERASED)
    WEAKEST_FIRST = (
        Reason.PAUSED,
        *OPT_OUTS,
        Reason.INVALID,
        Reason.BOUNCED,
        Reason.COMPLAINED,
        Reason.MANUAL,
        Reason.ERASED,
    )

    channel = models.CharField(max_length=5, choices=Channel)
    address_index = DigestField()
    index_key_id = models.CharField(max_length=8, default=key_id)
    reason = models.CharField(max_length=12, choices=Reason)
    source = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    lifted_because = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "address_index", "reason"],
                condition=Q(lifted_at__isnull=True),
                name="one_live_suppression_per_address_and_reason",
            )
        ]
        permissions = [("lift_suppression", "Can lift a suppression")]

    def __str__(self) -> str:
        return gettext("Suppression %(number)s") % {"number": self.pk}

    @property
    def strength(self) -> int:
        """How much it takes to end it; of two in force, the stronger one is shown."""
        return self.WEAKEST_FIRST.index(self.Reason(self.reason))
