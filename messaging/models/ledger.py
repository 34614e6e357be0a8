"""The ledger: one row per campaign, contact and channel, and how fast they leave."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from campaigns.models import Campaign, Variant
from contacts.channels import Channel
from contacts.fields import DigestField
from contacts.models import Contact
from redemptions.models import Code


class Message(models.Model):
    """What one person gets from one campaign. The audience of a campaign is the sum over its states, always.

    queued (due from `not_before` on) -> sending (claimed by a pump; `handed_at` is set just before the provider is
    called) -> accepted, ... A row whose pump died before `handed_at` goes back to queued; after it, to unknown, and is
    never sent again by itself. `look_ups` counts how often the provider was asked what became of an unknown one.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        SENDING = "sending", _("On its way")
        ACCEPTED = "accepted", _("Sent")
        DELIVERED = "delivered", _("Delivered")
        BOUNCED = "bounced", _("Bounced")
        COMPLAINED = "complained", _("Marked as spam")
        FAILED = "failed", _("Failed")
        SKIPPED = "skipped", pgettext_lazy("message", "Left out")
        UNKNOWN = "unknown", _("Not known")
        CANCELLED = "cancelled", pgettext_lazy("message", "Cancelled")

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed before it was sent")
        SUPPRESSED = "suppressed", _("cannot be reached any more")
        ERASED = "erased", _("was erased")
        FEWER = "fewer", _("asked for at most one message a month, and had one")
        TOO_OFTEN = "too_often", _("had as many messages lately as one person may get")
        TOO_LATE = "too_late", _("the deal ends before texts may be sent again")
        NO_HOURS = "no_hours", _("the places this person may be share no hour for texts")
        OFFER_OVER = "offer_over", _("the deal was over")
        RENDER = "render", _("a merge field could not be filled")
        TOO_LONG = "too_long", _("the text became too long")
        REFUSED = "refused", _("the provider refused this address")
        GAVE_UP = "gave_up", _("the provider could not be reached")
        ERROR = "error", _("something went wrong here; the log says what")
        OUTCOME_UNKNOWN = "outcome_unknown", _("the provider did not answer")
        WORKER_DIED = "worker_died", _("the worker stopped while sending")
        LEFT = "left", _("nobody knows whether it arrived; left so")
        NO_SUCH_ADDRESS = "no_such_address", _("the address does not work")
        NOT_THIS_TIME = "not_this_time", _("could not be delivered this time")
        SENDERS_FAULT = "senders_fault", _("was refused because of the sender or the content")

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
    not_before = models.DateTimeField(db_default=Now())
    claim = models.UUIDField(null=True)
    claimed_at = models.DateTimeField(null=True)
    handed_at = models.DateTimeField(null=True)
    look_ups = models.PositiveSmallIntegerField(default=0)
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
            models.Index(fields=["campaign", "not_before", "id"], name="message_due", condition=Q(status="queued")),
            models.Index(fields=["claimed_at"], name="message_sending", condition=Q(status="sending")),
            models.Index(fields=["provider_id"], name="message_by_provider_id", condition=~Q(provider_id="")),
        ]

    def __str__(self) -> str:
        return gettext("Message %(number)s") % {"number": self.pk}


class Tally(models.Model):
    """How many messages of a campaign were handed over in the ten seconds from `at` on; old rows are deleted."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()
    sent = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "at"], name="tally_once_per_campaign_and_time")]

    def __str__(self) -> str:
        return f"Tally {self.pk}"
