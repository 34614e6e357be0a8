"""Who may be reached. The ground floor: no other app is known here."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from contacts.channels import AddressError, Channel, clean_email, mask_email, mask_phone, normalise
from contacts.fields import (
    BlindIndexField,
    DigestField,
    EncryptedCharField,
    EncryptedDateField,
    EncryptedQuerySet,
    EncryptedTextField,
    key_id,
    keyed_hash,
)


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


class Tag(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="tag_name_once_in_any_case")]

    def __str__(self) -> str:
        return self.name


class ChannelStatus(models.TextChoices):
    """What a contact's consent and suppressions add up to, for one channel."""

    ABSENT = "absent", "No address"
    NONE = "none", "Never agreed"
    PENDING = "pending", "Not confirmed yet"
    SUBSCRIBED = "subscribed", "Subscribed"
    UNSUBSCRIBED = "unsubscribed", "Unsubscribed"
    SUPPRESSED = "suppressed", "Cannot be reached"


class ContactQuerySet(EncryptedQuerySet):
    def with_address(self, channel: Channel, index: bytes) -> ContactQuerySet:
        """Keep the contact whose address of `channel` has this blind index: none or one."""
        return self.filter(**{Contact.INDEX_FIELDS[channel]: index})

    def subscribed(self, channel: Channel) -> ContactQuerySet:
        """Keep those who may be sent marketing on `channel`. A suppression is part of the status already."""
        return self.filter(**{f"{channel.value}_status": ChannelStatus.SUBSCRIBED})


def stored_address(channel: Channel, text: str) -> tuple[str, bytes]:
    """Return an address as it is kept and its blind index: a phone number in E.164, an e-mail address as entered.

    Raises AddressError.
    """
    normal = normalise(channel, text)
    return (clean_email(text) if channel == Channel.EMAIL else normal), keyed_hash(channel.value, normal)


class Contact(models.Model):
    """A person the shop knows, by e-mail, phone or both.

    `email_status` and `sms_status` are what ConsentEvent and Suppression add up to; `contacts.services` alone writes
    them, in the transaction of the event.
    """

    INDEX_FIELDS = {Channel.EMAIL: "email_index", Channel.SMS: "phone_index"}
    ADDRESS_FIELDS = {Channel.EMAIL: "email", Channel.SMS: "phone"}

    email = EncryptedCharField("e-mail", max_length=254, null=True, blank=True, validators=[MaxLengthValidator(254)])
    email_index = BlindIndexField(source="email", domain="email")
    phone = EncryptedCharField(max_length=32, null=True, blank=True)
    phone_index = BlindIndexField(source="phone", domain="sms")
    index_key_id = models.CharField(max_length=8, default=key_id, editable=False)

    first_name = EncryptedCharField(max_length=40, null=True, blank=True)
    last_name = EncryptedCharField(max_length=40, null=True, blank=True)
    birthday = EncryptedDateField(null=True, blank=True)
    postal_code = EncryptedCharField(max_length=12, null=True, blank=True)
    notes = EncryptedTextField(null=True, blank=True)

    email_status = models.CharField(
        "e-mail", max_length=12, choices=ChannelStatus, default=ChannelStatus.ABSENT, editable=False
    )
    sms_status = models.CharField(
        "SMS", max_length=12, choices=ChannelStatus, default=ChannelStatus.ABSENT, editable=False
    )
    tags: models.ManyToManyField[Tag, ContactTag] = models.ManyToManyField(Tag, through="ContactTag", blank=True)
    source = models.CharField(
        max_length=10,
        choices=[("import", "Import"), ("admin", "Typed in"), ("form", "Sign-up form"), ("demo", "Demo")],
        default="admin",
        editable=False,
    )
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, editable=False)

    objects = ContactQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(email__isnull=False) | Q(phone__isnull=False),
                name="contact_has_email_or_phone",
                violation_error_message="Give an e-mail address or a phone number.",
            ),
            models.CheckConstraint(
                condition=Q(email__isnull=True, email_index__isnull=True)
                | Q(email__isnull=False, email_index__isnull=False),
                name="contact_email_always_has_its_index",
            ),
            models.CheckConstraint(
                condition=Q(phone__isnull=True, phone_index__isnull=True)
                | Q(phone__isnull=False, phone_index__isnull=False),
                name="contact_phone_always_has_its_index",
            ),
            models.UniqueConstraint(
                fields=["email_index"],
                name="contact_email_once",
                violation_error_message="Another contact has this e-mail address already.",
            ),
            models.UniqueConstraint(
                fields=["phone_index"],
                name="contact_phone_once",
                violation_error_message="Another contact has this phone number already.",
            ),
        ]
        indexes = [
            models.Index(fields=["email_status", "id"], name="contact_by_email_status"),
            models.Index(fields=["sms_status", "id"], name="contact_by_sms_status"),
            models.Index(fields=["is_demo", "id"], name="contact_demo", condition=Q(is_demo=True)),
        ]
        permissions = [
            ("export_contact", "Can export contacts"),
            ("reveal_contact", "Can see full addresses"),
            ("erase_contact", "Can erase contacts"),
        ]

    def __str__(self) -> str:
        return f"Contact {self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; an address named in `update_fields` takes its blind index along."""
        if (fields := kwargs.get("update_fields")) is not None:
            named = set(fields)
            kwargs["update_fields"] = named | {
                self.INDEX_FIELDS[channel] for channel, name in self.ADDRESS_FIELDS.items() if name in named
            }
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Bring both addresses into the form they are stored and looked up in."""
        errors = {}
        for channel, field in self.ADDRESS_FIELDS.items():
            text = getattr(self, field) or None
            try:
                value, index = stored_address(channel, text) if text else (None, None)
            except AddressError as error:
                errors[field] = f"This {error}."
                continue
            setattr(self, field, value)
            setattr(self, self.INDEX_FIELDS[channel], index)
        if errors:
            raise ValidationError(errors)

    @property
    def masked(self) -> str:
        """The addresses shortened so that a reader over the shoulder learns little."""
        shown = [mask_email(self.email)] if self.email else []
        return " · ".join(shown + ([mask_phone(self.phone)] if self.phone else []))

    def address(self, channel: Channel) -> str | None:
        """The e-mail address or E.164 number, or None."""
        value: str | None = getattr(self, self.ADDRESS_FIELDS[channel])
        return value

    def address_index(self, channel: Channel) -> bytes | None:
        value: bytes | None = getattr(self, self.INDEX_FIELDS[channel])
        return value

    def status(self, channel: Channel) -> ChannelStatus:
        return ChannelStatus(getattr(self, f"{channel.value}_status"))


class ContactTag(models.Model):
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tag", "contact"], name="tag_once_per_contact")]

    def __str__(self) -> str:
        return f"Tag {self.tag_id} on contact {self.contact_id}"


class Segment(models.Model):
    """A saved question. `rules` is `{"all": [{"tag": ID}, ...]}`; no rule means everybody."""

    name = models.CharField(max_length=100, unique=True)
    rules = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Import(models.Model):
    """One file of contacts, what was asked of it, and what it did. The upload is kept encrypted until the run ends.

    `mapping` is `{position of the column: field}`: positions and not headers, which may be repeated or personal.
    """

    class Status(models.TextChoices):
        CHECKED = "checked", "Checked, nothing written yet"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    status = models.CharField(max_length=10, choices=Status, default=Status.CHECKED)
    file_name = EncryptedCharField(max_length=255)
    file_sha256 = models.CharField(max_length=64)
    upload = EncryptedTextField(null=True)
    mapping = models.JSONField(default=dict)
    tag = models.ForeignKey(Tag, null=True, blank=True, on_delete=models.SET_NULL)
    consent_email = models.TextField(blank=True)
    consent_sms = models.TextField(blank=True)
    consent_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict)
    problems = EncryptedTextField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Import {self.pk}"


class ConsentEvent(models.Model):
    """Who agreed to or withdrew from what, when, how and in which words. Added, never changed.

    `address_index` keeps the event tied to the address after the contact is erased.
    """

    class Action(models.TextChoices):
        GRANTED = "granted", "Agreed"
        REVOKED = "revoked", "Withdrew"
        REQUESTED = "requested", "Asked to confirm"

    class Source(models.TextChoices):
        IMPORT = "import", "Import"
        FORM = "form", "Sign-up form"
        UNSUBSCRIBE_PAGE = "unsubscribe_page", "Unsubscribe page"
        ONE_CLICK = "one_click", "One-click unsubscribe"
        KEYWORD = "keyword", "Text message"
        PROVIDER = "provider", "Provider"
        ADMIN = "admin", "Admin"
        DEMO = "demo", "Demo"

    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="consent_events")
    channel = models.CharField(max_length=5, choices=Channel)
    address_index = DigestField()
    index_key_id = models.CharField(max_length=8, default=key_id)
    action = models.CharField(max_length=9, choices=Action)
    source = models.CharField(max_length=16, choices=Source)
    at = models.DateTimeField(help_text="When the person did it.")
    recorded_at = models.DateTimeField(db_default=Now())
    wording = models.TextField(blank=True)
    reference = models.CharField(max_length=80, blank=True, help_text="Where from: 'import 3 line 12', 'message 55'.")
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
        return f"Consent event {self.pk}"


class Suppression(models.Model):
    """An address nobody may write to on a channel. No link to the contact: it outlives erasure and re-import."""

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", "Unsubscribed"
        STOPPED = "stopped", "Texted STOP"
        BOUNCED = "bounced", "Bounced"
        COMPLAINED = "complained", "Complained of spam"
        INVALID = "invalid", "Not a working address"
        MANUAL = "manual", "Blocked by the shop"
        ERASED = "erased", "Erased"

    OPT_OUTS = (Reason.UNSUBSCRIBED, Reason.STOPPED)

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
                fields=["channel", "address_index"],
                condition=Q(lifted_at__isnull=True),
                name="one_live_suppression_per_address",
            )
        ]
        permissions = [("lift_suppression", "Can lift a suppression")]

    def __str__(self) -> str:
        return f"Suppression {self.pk}"
