"""People, their labels, and what may be asked of them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

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
from contacts.models.shop import validate_timezone
from contacts.places import STATES


def validate_region(code: str) -> None:
    if code not in STATES:
        raise ValidationError(_("Choose a state or territory of the United States by its two letters, such as TX."))


class Tag(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="tag_name_once_in_any_case")]

    def __str__(self) -> str:
        return self.name


class ChannelStatus(models.TextChoices):
    """What a contact's consent and suppressions add up to, for one channel."""

    ABSENT = "absent", _("No address")
    NONE = "none", _("Never agreed")
    PENDING = "pending", _("Not confirmed yet")
    SUBSCRIBED = "subscribed", _("Subscribed")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
    SUPPRESSED = "suppressed", _("Cannot be reached")


KEPT_AWAY = frozenset({ChannelStatus.UNSUBSCRIBED, ChannelStatus.SUPPRESSED})


class ContactQuerySet(EncryptedQuerySet):
    def with_address(self, channel: Channel, index: bytes) -> ContactQuerySet:
        """Keep the contact whose address of `channel` has this blind index: none or one."""
        return self.filter(**{Contact.INDEX_FIELDS[channel]: index})

    def subscribed(self, channel: Channel) -> ContactQuerySet:
        """Keep those who may be sent marketing on `channel`. A suppression is part of the status already."""
        return self.filter(**{f"{channel.value}_status": ChannelStatus.SUBSCRIBED})


# A channel, and the blind index of an address there.
Address = tuple[Channel, bytes]


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
    # Encrypted, and shown on the contact's own page alone: lists leave them unread.
    DETAIL_FIELDS = ("birthday", "postal_code", "region", "time_zone", "notes")

    email = EncryptedCharField(_("e-mail"), max_length=254, null=True, blank=True, validators=[MaxLengthValidator(254)])
    email_index = BlindIndexField(source="email", domain="email")
    phone = EncryptedCharField(max_length=32, null=True, blank=True)
    phone_index = BlindIndexField(source="phone", domain="sms")
    index_key_id = models.CharField(max_length=8, default=key_id, editable=False)

    first_name = EncryptedCharField(max_length=40, null=True, blank=True)
    last_name = EncryptedCharField(max_length=40, null=True, blank=True)
    birthday = EncryptedDateField(null=True, blank=True)
    birthday_index = BlindIndexField(source="birthday", domain="birthday")  # of month and day
    postal_code = EncryptedCharField(max_length=12, null=True, blank=True)
    region = EncryptedCharField(_("state"), max_length=2, null=True, blank=True, validators=[validate_region])
    time_zone = EncryptedCharField(max_length=64, null=True, blank=True, validators=[validate_timezone])
    notes = EncryptedTextField(null=True, blank=True)

    email_status = models.CharField(
        _("e-mail"), max_length=12, choices=ChannelStatus, default=ChannelStatus.ABSENT, editable=False
    )
    sms_status = models.CharField(
        _("SMS"), max_length=12, choices=ChannelStatus, default=ChannelStatus.ABSENT, editable=False
    )
    tags: models.ManyToManyField[Tag, ContactTag] = models.ManyToManyField(Tag, through="ContactTag", blank=True)
    source = models.CharField(
        max_length=10,
        choices=[
            ("import", _("Import")),
            ("admin", _("Typed in")),
            ("form", _("Sign-up form")),
            ("keyword", _("Text message")),
            ("demo", _("Demo")),
        ],
        default="admin",
        editable=False,
    )
    fewer_messages = models.BooleanField(default=False, help_text=_("Asked for at most one message a month."))
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
                violation_error_message=_("Give an e-mail address or a phone number."),
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
                violation_error_message=_("Another contact has this e-mail address already."),
            ),
            models.UniqueConstraint(
                fields=["phone_index"],
                name="contact_phone_once",
                violation_error_message=_("Another contact has this phone number already."),
            ),
        ]
        indexes = [
            models.Index(fields=["email_status", "id"], name="contact_by_email_status"),
            models.Index(fields=["sms_status", "id"], name="contact_by_sms_status"),
            models.Index(fields=["is_demo", "id"], name="contact_demo", condition=Q(is_demo=True)),
            # All that can be asked of a contact without reading its row, which is wide: segments are counted over it,
            # in the order in which tags and activity are joined to it. New rows go to its end.
            models.Index(
                fields=["id", "email_status", "sms_status", "source", "created_at", "birthday_index"],
                name="contact_facets",
            ),
        ]
        permissions = [
            ("export_contact", "Can export contacts"),
            ("reveal_contact", "Can see full addresses"),
            ("erase_contact", "Can erase contacts"),
        ]

    def __str__(self) -> str:
        return gettext("Contact %(number)s") % {"number": self.pk}

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a value named in `update_fields` takes its blind index along."""
        if (fields := kwargs.get("update_fields")) is not None:
            named = set(fields)
            kwargs["update_fields"] = named | {
                field.name
                for field in self._meta.concrete_fields
                if isinstance(field, BlindIndexField) and field.source in named
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
                errors[field] = error.sentence
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
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, db_index=False)  # the constraint's index begins with it
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tag", "contact"], name="tag_once_per_contact")]

    def __str__(self) -> str:
        return f"Tag {self.tag_id} on contact {self.contact_id}"


class FormerAddress(models.Model):
    """An address a contact had once: what is known of it is theirs, to be shown and erased with them."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="former_addresses", db_index=False)
    channel = models.CharField(max_length=5, choices=Channel)
    address_index = DigestField()
    index_key_id = models.CharField(max_length=8, default=key_id)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contact", "channel", "address_index"], name="former_address_once")
        ]

    def __str__(self) -> str:
        return f"Former address {self.pk}"


class NameIndex(models.Model):
    """Finds a contact by a word of the name, or its first letters (from three): keyed hashes, nothing readable."""

    pk = models.CompositePrimaryKey("digest", "contact_id")
    digest = models.BigIntegerField()
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"Name index of contact {self.contact_id}"


class Activity(models.Model):
    """What a contact did and got, added up: a narrow row beside the wide one, for segments to ask.

    Written by `contacts.services.note_*`, which the apps above call as it happens.
    """

    contact = models.OneToOneField(Contact, primary_key=True, on_delete=models.CASCADE, related_name="activity")
    last_sent_at = models.DateTimeField(null=True)
    last_clicked_at = models.DateTimeField(null=True)
    last_redeemed_at = models.DateTimeField(null=True)
    redemptions = models.PositiveIntegerField(default=0)
    spend = models.DecimalField(max_digits=12, decimal_places=2, default=0)

    class Meta:
        verbose_name_plural = "activity"

    def __str__(self) -> str:
        return f"Activity of contact {self.contact_id}"


class Segment(models.Model):
    """A saved question; `contacts.segments` says what `rules` may hold. No rule means everybody."""

    name = models.CharField(max_length=100, unique=True)
    rules = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
