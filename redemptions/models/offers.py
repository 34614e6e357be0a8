"""What is promised: deals, where they are good, and who gets one for joining."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from contacts.models import SignupForm


class Location(models.Model):
    name = models.CharField(max_length=80)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="location_name_once_in_any_case")]

    def __str__(self) -> str:
        return self.name


class Offer(models.Model):
    """A deal. `value` is a percentage for `percent`, money for `amount`, and empty for `item` and `bogo`.

    `hours` is when it is good in the shop's time zone, as `redemptions.hours` reads it; empty: always. A limit that is
    empty is none. What is used up of the limits over all codes is in its tally.
    """

    class Type(models.TextChoices):
        PERCENT = "percent", gettext_lazy("Percent off")
        AMOUNT = "amount", gettext_lazy("Money off")
        ITEM = "item", gettext_lazy("Free item")
        BOGO = "bogo", gettext_lazy("Buy one, get one")

    class Status(models.TextChoices):
        ACTIVE = "active", gettext_lazy("Active")
        PAUSED = "paused", gettext_lazy("Paused")
        ENDED = "ended", gettext_lazy("Ended")

    class Offline(models.TextChoices):
        """What a scanner without network may do."""

        REFUSE = "refuse", gettext_lazy("Wait for the network")
        KNOWN = "honour_known", gettext_lazy("Take codes the phone knows to be good")
        WELLFORMED = "honour_wellformed", gettext_lazy("Take any code that looks right")

    name = models.CharField(max_length=100, help_text=gettext_lazy("What guests read: '20 % off lunch'."))
    type = models.CharField(max_length=8, choices=Type, default=Type.PERCENT)
    value = models.DecimalField(
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text=gettext_lazy("20 for 20 %, or 5.00 for $5 off. Empty for a free item."),
    )
    currency = models.CharField(max_length=3, default="USD")
    max_discount = models.DecimalField(
        gettext_lazy("at most"),
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text=gettext_lazy("With a percentage: 15.00 is never more than $15 off."),
    )
    min_spend = models.DecimalField(
        gettext_lazy("minimum spend"),
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text=gettext_lazy("Staff type what the order costs. Empty: any order."),
    )
    terms = models.TextField(
        blank=True, help_text=gettext_lazy("Small print on the coupon: 'One per table. Not with other deals.'")
    )
    instructions = models.CharField(
        max_length=200, blank=True, help_text=gettext_lazy("Shown to staff after a good scan.")
    )
    status = models.CharField(max_length=6, choices=Status, default=Status.ACTIVE)
    starts_at = models.DateTimeField(null=True, blank=True, help_text=gettext_lazy("Empty: valid at once."))
    ends_at = models.DateTimeField(null=True, blank=True, help_text=gettext_lazy("Empty: no end."))
    hours = models.JSONField(gettext_lazy("days and hours"), default=list, blank=True)
    max_uses = models.PositiveSmallIntegerField(
        gettext_lazy("uses per code"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=gettext_lazy("How often one code may be used."),
    )
    max_per_person = models.PositiveSmallIntegerField(
        gettext_lazy("uses per person"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=gettext_lazy("Over all codes one person has. Empty: no limit."),
    )
    max_total = models.PositiveIntegerField(
        gettext_lazy("uses in all"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=gettext_lazy("The first so many get it. Empty: no limit."),
    )
    budget = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text=gettext_lazy("Given away in all, in money; staff type what orders cost. Empty: no limit."),
    )
    offline = models.CharField(
        gettext_lazy("without network"),
        max_length=18,
        choices=Offline,
        default=Offline.REFUSE,
        help_text=gettext_lazy("What staff may do when their phone has no network."),
    )
    offline_per_day = models.PositiveSmallIntegerField(
        gettext_lazy("without network, a day"),
        default=20,
        help_text=gettext_lazy("At most so many on one phone a day."),
    )
    offline_max_value = models.DecimalField(
        gettext_lazy("without network, at most"),
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=gettext_lazy("The largest discount. Empty: no limit."),
    )
    locations = models.ManyToManyField(
        Location, blank=True, help_text=gettext_lazy("None chosen: valid at all of them.")
    )
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = gettext_lazy("deal")
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(starts_at__lt=F("ends_at")),
                name="offer_starts_before_it_ends",
                violation_error_message=gettext_lazy("The deal ends before it starts."),
            ),
            models.CheckConstraint(
                # IS NOT NULL is said aloud: a check that compares with NULL passes.
                condition=~Q(type="percent") | Q(value__isnull=False, value__gt=0, value__lte=100),
                name="offer_percent_is_between_0_and_100",
                violation_error_message=gettext_lazy("A percentage is between 0 and 100."),
            ),
            models.CheckConstraint(
                condition=~Q(type="amount") | Q(value__isnull=False, value__gt=0),
                name="offer_amount_is_positive",
                violation_error_message=gettext_lazy("Say how much money is taken off."),
            ),
            models.CheckConstraint(condition=Q(max_uses__gte=1), name="offer_may_be_used_at_least_once"),
            models.CheckConstraint(
                condition=Q(max_discount__isnull=True) | Q(type="percent", max_discount__gt=0),
                name="offer_cap_is_for_percentages",
                violation_error_message=gettext_lazy("“At most” goes with a percentage."),
            ),
            models.CheckConstraint(
                condition=Q(budget__isnull=True) | Q(type__in=["percent", "amount"], budget__gt=0),
                name="offer_budget_is_for_money",
                violation_error_message=gettext_lazy("A budget goes with a percentage or money off."),
            ),
            models.CheckConstraint(
                condition=(Q(max_per_person__isnull=True) | Q(max_per_person__gte=1))
                & (Q(max_total__isnull=True) | Q(max_total__gte=1)),
                name="offer_limits_leave_one",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.type in {self.Type.ITEM, self.Type.BOGO} and self.value is not None:
            raise ValidationError(
                {"value": _("Leave the value empty: “%(type)s” has none.") % {"type": self.get_type_display()}}
            )

    def valid_until(self, zone: ZoneInfo) -> str:
        """Return the last moment in words; an end at midnight is named by the day before. Empty: no end."""
        if self.ends_at is None:
            return ""
        end = self.ends_at.astimezone(zone)
        if end.time() == time.min:
            return date_format(end - timedelta(days=1), pgettext("date", "l, F j, Y"))
        words = date_format(end, pgettext("date", "l, F j, Y, g:i A"))
        return f"{words} {end.tzname() or ''}".strip()


class OfferTally(models.Model):
    """What is used up of a deal's limits over all its codes: how often, and how much money. Voids give back."""

    offer = models.OneToOneField(Offer, primary_key=True, on_delete=models.CASCADE, related_name="tally")
    used = models.PositiveIntegerField(default=0)
    given = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))

    def __str__(self) -> str:
        return f"Tally of offer {self.offer_id}"


class WelcomeDeal(models.Model):
    """What people get for joining by a sign-up form, once their address is confirmed."""

    form = models.OneToOneField(SignupForm, on_delete=models.CASCADE, related_name="welcome_deal")
    offer = models.ForeignKey(
        Offer,
        on_delete=models.PROTECT,
        related_name="welcomes",
        verbose_name=gettext_lazy("deal"),
        help_text=gettext_lazy("Each person gets a code of their own, once, right after confirming."),
    )

    class Meta:
        verbose_name = gettext_lazy("welcome deal")

    def __str__(self) -> str:
        return f"Deal of form {self.form_id}"
