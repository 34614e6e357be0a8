"""What providers and people sent back."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from contacts.fields import DigestField, EncryptedCharField, EncryptedTextField, key_id
from messaging.models.ledger import Message


class ProviderEvent(models.Model):
    """What a provider reported of a message, stored once; `event_key` is the provider's id, or a hash of the event."""

    provider = models.CharField(max_length=12)
    event_key = models.CharField(max_length=128)
    event_type = models.CharField(max_length=16)
    reject_reason = models.CharField(max_length=16, blank=True)
    message = models.ForeignKey(Message, null=True, on_delete=models.PROTECT, related_name="events")
    payload = EncryptedTextField()
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    applied_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_key"], name="provider_event_stored_once"),
        ]

    def __str__(self) -> str:
        return f"Provider event {self.pk}"


class InboundText(models.Model):
    """A text a person sent to the shop's number, and what was made of it."""

    class Meaning(models.TextChoices):
        STOP = "stop", "Stop"
        START = "start", "Start"
        JOIN = "join", "Wants to join"
        HELP = "help", "Help"
        REVIEW = "review", "Someone should read it"

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
        return f"Inbound text {self.pk}"
