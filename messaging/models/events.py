"""What providers and people sent back."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from campaigns.models import Link
from contacts.fields import DigestField, EncryptedCharField, EncryptedTextField, key_id
from messaging.models.ledger import Message


class ProviderEvent(models.Model):
    """What a provider reported of a message, stored once; `event_key` is the provider's id, or a hash of the event.

    `event_type` and `reject_reason` are Anymail's words, for texts too. `verdict` says whose fault a failure is, as
    `messaging.bounces` judges it; `code` is the status or error code behind it (`5.1.1`, `30005`). `address_index` is
    the message's, so that what befell an address is found across campaigns. The raw payload is emptied after a while.
    """

    class Verdict(models.TextChoices):
        NONE = "", _("No failure")
        HARD = "hard", _("Cannot be reached")  # this address, ever: suppressed at once
        SOFT = "soft", _("Not this time")  # counted; several in a row suppress
        SENDER = "sender", _("The sender's fault")  # policy, reputation, content, account: the campaign's alarm
        EXPIRED = "expired", _("Ran out of time")  # a text that did not go before the quiet hours: it may go again

    provider = models.CharField(max_length=12)
    event_key = models.CharField(max_length=128)
    event_type = models.CharField(max_length=16)
    reject_reason = models.CharField(max_length=16, blank=True)
    verdict = models.CharField(max_length=7, choices=Verdict, blank=True)
    code = models.CharField(max_length=40, blank=True)
    message = models.ForeignKey(Message, null=True, on_delete=models.PROTECT, related_name="events")
    provider_id = models.CharField(max_length=200, blank=True)
    address_index = DigestField(null=True)
    payload = EncryptedTextField()
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    applied_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_key"], name="provider_event_stored_once"),
        ]
        indexes = [
            models.Index(
                fields=["address_index", "occurred_at"],
                name="event_by_address",
                condition=Q(address_index__isnull=False),
            ),
            models.Index(fields=["id"], name="event_to_apply", condition=Q(applied_at__isnull=True)),
            models.Index(fields=["received_at"], name="event_by_arrival"),
        ]

    def __str__(self) -> str:
        return gettext("Provider event %(number)s") % {"number": self.pk}


class InboundText(models.Model):
    """A text a person sent to the shop's number, and what was made of it."""

    class Meaning(models.TextChoices):
        STOP = "stop", pgettext_lazy("text", "Stop")
        START = "start", _("Start")
        JOIN = "join", _("Wants to join")
        HELP = "help", _("Help")
        DOUBT = "doubt", _("Perhaps stop")  # nothing is texted to them until somebody has read it
        REVIEW = "review", _("Someone should read it")

    provider = models.CharField(max_length=12)
    provider_id = models.CharField(max_length=64)
    sender = EncryptedCharField(max_length=32)
    sender_index = DigestField()
    index_key_id = models.CharField(max_length=8, default=key_id)
    body = EncryptedTextField()
    answer = EncryptedTextField(null=True)
    meaning = models.CharField(max_length=6, choices=Meaning, default=Meaning.REVIEW)
    received_at = models.DateTimeField(db_default=Now())
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_id"], name="inbound_text_stored_once"),
        ]
        indexes = [models.Index(fields=["sender_index"], name="inbound_text_by_sender")]

    def __str__(self) -> str:
        return gettext("Inbound text %(number)s") % {"number": self.pk}


class Click(models.Model):
    """Somebody, or something, followed a link of a message. `machine` says what betrays a scanner; empty: a person."""

    class Machine(models.TextChoices):
        NONE = "", _("A person")
        HEAD = "head", _("asked for headers only")
        AGENT = "agent", _("says it is a scanner")
        TRAP = "trap", _("followed a link nobody can see")
        FAST = "fast", _("came within seconds of the mail")
        MANY = "many", _("followed several links at once")

    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="clicks")
    link = models.ForeignKey(Link, null=True, on_delete=models.PROTECT, related_name="clicks")
    machine = models.CharField(max_length=5, choices=Machine, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["message", "at"], name="click_by_message")]

    def __str__(self) -> str:
        return f"Click {self.pk}"
