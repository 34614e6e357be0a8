"""What the shop says, to whom, when."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_noop, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from campaigns.pictures import new_reference
from contacts.channels import Channel
from contacts.models import Segment, Tag
from redemptions.models import Offer


class Campaign(models.Model):
    """One announcement on one channel. Its words live in its variants.

    Whom it goes to is a question (`segment`, `tag`, or everybody) without whom it leaves out (`exclude_segment`,
    `exclude_tag`); `audience` is all that as it was at launch: `{"include": RULES, "exclude": [RULES, ...]}`.

    `starts_at` is when it may begin, `begun_at` when it did. `spread_minutes` is the time its messages are spread over,
    evenly; 0: as fast as the provider's limits allow. `size_at_launch` is how many would have got it then, `language`
    the one in which the product speaks to guests around its words.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", pgettext_lazy("campaign", "Draft")
        SCHEDULED = "scheduled", pgettext_lazy("campaign", "Scheduled")
        SENDING = "sending", pgettext_lazy("campaign", "Sending")
        PAUSED = "paused", pgettext_lazy("campaign", "Paused")
        SENT = "sent", pgettext_lazy("campaign", "Sent")
        CANCELLED = "cancelled", pgettext_lazy("campaign", "Cancelled")

    name = models.CharField(max_length=100, help_text=_("For you only; guests do not see it."))
    channel = models.CharField(max_length=5, choices=Channel, default=Channel.EMAIL)
    offer = models.ForeignKey(
        Offer,
        verbose_name=_("deal"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="campaigns",
        help_text=_("Everyone gets a code of their own for it."),
    )
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="campaigns")
    tag = models.ForeignKey(
        Tag,
        verbose_name=_("only people tagged"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="campaigns",
        help_text=_("Empty: everyone who is subscribed."),
    )
    exclude_segment = models.ForeignKey(
        Segment,
        verbose_name=_("leave out the segment"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="left_out_by_campaigns",
        help_text=_("Whoever is in it gets nothing, even if they are in the audience."),
    )
    exclude_tag = models.ForeignKey(
        Tag,
        verbose_name=_("leave out people tagged"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="left_out_by_campaigns",
    )
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT, editable=False)
    audience = models.JSONField(null=True, editable=False)
    utm_campaign = models.CharField(
        _("name for your web statistics"),
        max_length=100,
        blank=True,
        help_text=_("Added to links to web sites as utm_campaign, with utm_source and utm_medium. Empty: no change."),
    )
    starts_at = models.DateTimeField(null=True, editable=False)
    spread_minutes = models.PositiveIntegerField(default=0, editable=False)
    launched_at = models.DateTimeField(null=True, editable=False)
    launched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, editable=False, related_name="+"
    )
    size_at_launch = models.PositiveIntegerField(null=True, editable=False)
    begun_at = models.DateTimeField(null=True, editable=False)
    planned_at = models.DateTimeField(null=True, editable=False)
    plan_position = models.BigIntegerField(default=0, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    pause_reason = models.CharField(max_length=200, blank=True, editable=False)
    language = models.CharField(max_length=7, blank=True, default="", db_default="", editable=False)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, editable=False, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("send_campaign", "Can send campaigns"),
            ("test_campaign", "Can send tests"),
            ("approve_campaign", "Can approve campaigns of others, and send big ones alone"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="draft") | Q(status="cancelled") | Q(starts_at__isnull=False),
                name="launched_campaign_has_a_start",
            ),
            models.CheckConstraint(
                condition=Q(segment__isnull=True) | Q(tag__isnull=True), name="campaign_asks_one_question"
            ),
        ]
        indexes = [
            models.Index(fields=["starts_at"], name="campaign_due", condition=Q(status__in=["scheduled", "sending"]))
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_editable(self) -> bool:
        return self.status == self.Status.DRAFT


class Approval(models.Model):
    """A launch that waits until somebody else has looked at it, or has been approved.

    It holds for the words, the deal and the audience as they were when it was asked for, whose `fingerprint` this is:
    whatever is changed later has to be approved anew.
    """

    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, related_name="approval")
    fingerprint = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    starts_at = models.DateTimeField(null=True)  # empty: at once
    spread_minutes = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"Approval of campaign {self.campaign_id}"


# What Django derives, for the page that deletes a campaign: no page lists them.
VARIANT, VARIANTS = gettext_noop("variant"), gettext_noop("variants")


class Variant(models.Model):
    """The words of a campaign. A campaign has one today, and several in an A/B test.

    For e-mail: `subject`, `preheader`, and as `mode` says, `body` (simple text), `html` with `body` as its plain part,
    or `blocks`; no mode means own HTML where there is some. For SMS: `body` alone. What was written in another mode is
    kept, and not sent.

    `built_html` and `built_text` are the mail made from the blocks when they were saved, `gaps` what they lack.
    """

    class Mode(models.TextChoices):
        BLOCKS = "blocks", _("Blocks")
        TEXT = "text", _("Plain words")
        HTML = "html", _("Own HTML")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="variants")
    name = models.CharField(max_length=20, default="A")
    weight = models.PositiveSmallIntegerField(default=1)
    subject = models.CharField(max_length=200, blank=True)
    preheader = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    html = models.TextField(blank=True)
    mode = models.CharField(max_length=6, choices=Mode, blank=True)
    blocks = models.JSONField(null=True, blank=True)
    built_html = models.TextField(blank=True, editable=False)
    built_text = models.TextField(blank=True, editable=False)
    gaps = models.JSONField(default=list, blank=True, editable=False)

    class Meta:
        ordering = ["campaign", "name"]
        constraints = [models.UniqueConstraint(fields=["campaign", "name"], name="variant_name_once_per_campaign")]

    def __str__(self) -> str:
        return gettext("Variant %(name)s of campaign %(pk)s") % {"name": self.name, "pk": self.campaign_id}

    @property
    def written_as(self) -> Mode:
        """The mode of what is sent by e-mail."""
        return self.Mode(self.mode or (self.Mode.HTML if self.html.strip() else self.Mode.TEXT))


class Picture(models.Model):
    """An uploaded picture, made small enough for mails. It lives in the database, so that a backup has it.

    Mails in people's inboxes show it for years: pictures are never deleted.
    """

    reference = models.CharField(max_length=22, unique=True, default=new_reference, editable=False)
    format = models.CharField(max_length=3, choices=[("jpg", "JPEG"), ("png", "PNG")], editable=False)
    width = models.PositiveSmallIntegerField(editable=False)
    height = models.PositiveSmallIntegerField(editable=False)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)  # SHA-256: what is here is not kept twice
    data = models.BinaryField(editable=False)
    alt = models.CharField(_("description"), max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, editable=False, related_name="+"
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Picture {self.pk}"

    @property
    def name(self) -> str:
        """Its name in blocks and in its address."""
        return f"{self.reference}.{self.format}"


class Template(models.Model):
    """A mail made of blocks to start from again."""

    name = models.CharField(_("name"), max_length=100)
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    preheader = models.CharField(_("preview text"), max_length=200, blank=True)
    blocks = models.JSONField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Link(models.Model):
    """A link in the words of a variant, as it was at launch: clicks are counted by it, and lead nowhere else."""

    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, related_name="links")
    position = models.PositiveSmallIntegerField()
    url = models.TextField()

    class Meta:
        ordering = ["variant", "position"]
        constraints = [models.UniqueConstraint(fields=["variant", "position"], name="link_once_per_variant")]

    def __str__(self) -> str:
        return f"Link {self.position} of variant {self.variant_id}"
