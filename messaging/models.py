"""How it travelled: one row per campaign, contact and channel, and what providers and people sent back."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from campaigns.models import Campaign, Variant
from contacts.channels import Channel
from contacts.fields import DigestField, EncryptedCharField, EncryptedTextField, key_id
from contacts.models import Contact
from redemptions.models import Code


class Message(models.Model):
    """What one person gets from one campaign. The audience of a campaign is the sum over its states, always.

    queued -> sending (claimed by a worker; `handed_at` is set just before the provider is called) -> accepted, ...
    A row whose worker died before `handed_at` goes back to queued; after it, to unknown, and is never sent again by
    itself.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting"
        SENDING = "sending", "On its way"
        ACCEPTED = "accepted", "Sent"
        DELIVERED = "delivered", "Delivered"
        BOUNCED = "bounced", "Bounced"
        COMPLAINED = "complained", "Marked as spam"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Left out"
        UNKNOWN = "unknown", "Not known"
        CANCELLED = "cancelled", "Cancelled"

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", "unsubscribed before it was sent"
        SUPPRESSED = "suppressed", "cannot be reached any more"
        ERASED = "erased", "was erased"
        FEWER = "fewer", "asked for at most one message a month, and had one"
        OFFER_OVER = "offer_over", "the deal was over"
        RENDER = "render", "a merge field could not be filled"
        TOO_LONG = "too_long", "the text became too long"
        REFUSED = "refused", "the provider refused this address"
        GAVE_UP = "gave_up", "the provider could not be reached"
        ERROR = "error", "something went wrong here; the log says what"
        OUTCOME_UNKNOWN = "outcome_unknown", "the provider did not answer"
        WORKER_DIED = "worker_died", "the worker stopped while sending"

    PENDING = (Status.QUEUED, Status.SENDING)
    REACHED = (Status.ACCEPTED, Status.DELIVERED, Status.COMPLAINED)
    MAY_HAVE_ARRIVED = (*REACHED, Status.BOUNCED, Status.UNKNOWN)

    reference = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="messages")
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="messages")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="messages")
    channel = models.CharField(max_length=5, choices=Channel)
    code = models.ForeignKey(Code, null=True, on_delete=models.PROTECT, related_name="messages")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    reason = models.CharField(max_length=20, choices=Reason, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    claim = models.UUIDField(null=True)
    claimed_at = models.DateTimeField(null=True)
    handed_at = models.DateTimeField(null=True)
    provider = models.CharField(max_length=12, blank=True)
    provider_id = models.CharField(max_length=200, blank=True)
    address_index = DigestField(null=True)
    status_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "contact", "channel"], name="message_once_per_campaign_contact_and_channel"
            ),
            models.CheckConstraint(
                condition=~Q(status="sending") | Q(claim__isnull=False, claimed_at__isnull=False),
                name="message_on_its_way_is_claimed",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["failed", "skipped", "unknown"]) | ~Q(reason=""),
                name="message_not_sent_says_why",
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "status"], name="message_by_campaign_status"),
            models.Index(fields=["campaign", "id"], name="message_queued", condition=Q(status="queued")),
            models.Index(fields=["claimed_at"], name="message_sending", condition=Q(status="sending")),
            models.Index(fields=["provider_id"], name="message_by_provider_id", condition=~Q(provider_id="")),
        ]

    def __str__(self) -> str:
        return f"Message {self.pk}"


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


class Heartbeat(models.Model):
    """When a part of the machinery was last alive: the worker's clock writes its row every minute."""

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
