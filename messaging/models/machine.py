"""The machinery: what is alive, and how fast it may go."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from contacts.channels import Channel


class Heartbeat(models.Model):
    """When a part of the machinery was last alive: the worker's clock writes its row every minute."""

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Pump(models.Model):
    """One run of a worker that sends. Its id is the claim its messages carry.

    It says every few seconds that it is alive; the claims of one that has fallen silent are settled by the sweeper.
    """

    id = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"Pump {self.pk}"


class ProviderSettings(models.Model):
    """What the owner allows for a provider: how fast, how often to one person, and many people to a request.

    `rate` is written as in `messaging.rates`; empty: as fast as it goes. A cap of 0 is none.
    """

    channel = models.CharField(max_length=5, choices=Channel, editable=False)
    provider = models.CharField(max_length=12, editable=False)
    rate = models.CharField(max_length=100, blank=True)
    uses_batches = models.BooleanField(default=False)
    per_person_day = models.PositiveSmallIntegerField(default=0)
    per_person_month = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = verbose_name_plural = _("provider settings")
        constraints = [models.UniqueConstraint(fields=["channel", "provider"], name="provider_settings_once")]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.provider}"


class Fact(models.Model):
    """What was found out about the set-up, and when: a DNS record, a number's registration, a webhook's last call.

    `name` is made of words and dots (`dns.spf`, `webhook.sendgrid`). `is_good` is None where it could not be found out.
    `detail` is for whoever shows it, and holds nothing personal.
    """

    name = models.CharField(max_length=60, primary_key=True)
    is_good = models.BooleanField(null=True)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class WarmUp(models.Model):
    """How many mails a day a new From domain starts with: `ramp` is a number for each day, with commas.

    Day one is `begun_on`, the day of the first mail in the shop's time zone; None: nothing was sent yet. After the last
    day there is no limit any more. `ended_because` is the owner's reason for ending it early.
    """

    domain = models.CharField(max_length=253, primary_key=True)
    ramp = models.CharField(max_length=400, default="50,100,200,400,800,1500,3000")
    begun_on = models.DateField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("warm-up")

    def __str__(self) -> str:
        return self.domain


class Pace(models.Model):
    """How much of a limit is used up: one row for each provider, and for each campaign that is spread over hours.

    `state` belongs to `messaging.rates`. The row is locked while it is read and written.
    """

    key = models.CharField(max_length=40, primary_key=True)
    state = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.key
