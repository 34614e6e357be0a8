"""Sign-up by the person's own hand: the shop's forms, and the confirmations they wait for."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, pgettext_lazy

from contacts.channels import Channel
from contacts.fields import DigestField, EncryptedCharField, EncryptedTextField, key_id
from contacts.models.people import Contact, Tag
from contacts.texts import RESERVED

EMAIL_WORDING = gettext_noop("Yes, send me news and offers by e-mail. I can unsubscribe at any time.")
SMS_WORDING = gettext_noop(
    "Yes, send me offers by text message. Message and data rates may apply. Message frequency varies. "
    "Reply STOP to end, HELP for help. Agreeing is no condition of a purchase."
)
TITLE = gettext_noop("Join our regulars")


RESERVED_SLUGS = frozenset({"confirm"})  # /join/confirm/… is the way back from the mail


class SignupForm(models.Model):
    """A public page at /join/<slug>. `version` counts the wordings: each consent names the one that was shown."""

    name = models.CharField(max_length=80, help_text=_("For you only."))
    slug = models.SlugField(_("address"), max_length=40, unique=True, help_text=_("The end of its link: /join/table"))
    title = models.CharField(max_length=80, default=TITLE)
    intro = models.CharField(max_length=300, blank=True, help_text=_("One or two sentences: what is in it for them."))
    asks_email = models.BooleanField(_("e-mail"), default=True)
    asks_phone = models.BooleanField(_("mobile number"), default=False)
    asks_first_name = models.BooleanField(_("first name"), default=True)
    asks_last_name = models.BooleanField(_("last name"), default=False)
    asks_birthday = models.BooleanField(_("birthday"), default=False)
    asks_postal_code = models.BooleanField(_("postal code"), default=False)
    email_wording = models.TextField(_("what they agree to by e-mail"), default=EMAIL_WORDING)
    sms_wording = models.TextField(_("what they agree to by text"), default=SMS_WORDING)
    version = models.PositiveIntegerField(default=1, editable=False)
    keyword = models.CharField(
        max_length=12, blank=True, help_text=_("A word people may text instead, such as JOIN. Empty: none.")
    )
    tag = models.ForeignKey(
        Tag, null=True, blank=True, on_delete=models.SET_NULL, help_text=_("Given to all who join.")
    )
    thanks = models.CharField(max_length=300, blank=True, help_text=_("Shown after they confirmed."))
    is_open = models.BooleanField(pgettext_lazy("sign-up form", "open"), default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = _("sign-up form")
        constraints = [
            models.CheckConstraint(
                condition=Q(asks_email=True) | Q(asks_phone=True),
                name="form_asks_for_an_address",
                violation_error_message=_("Ask for an e-mail address, a mobile number, or both."),
            ),
            models.UniqueConstraint(fields=["keyword"], condition=~Q(keyword=""), name="form_keyword_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Bring slug and keyword into the form they are looked up in. Raises ValidationError."""
        self.slug = self.slug.lower()
        self.keyword = "".join(self.keyword.split()).lower()
        if self.slug in RESERVED_SLUGS:
            raise ValidationError({"slug": _("This address is taken; choose another.")})
        if self.keyword in RESERVED:
            raise ValidationError({"keyword": _("This word means something else in texts already; choose another.")})
        if not (self.keyword.isalnum() or self.keyword == ""):
            raise ValidationError({"keyword": _("One word of letters and digits, such as JOIN.")})

    @property
    def wording_version(self) -> str:
        """Which wording this is, as consent events name it: `form table version 3`."""
        return f"form {self.slug[:22]} version {self.version}"

    def wording(self, channel: Channel) -> str:
        """What people agree to on this channel."""
        return self.email_wording if channel == Channel.EMAIL else self.sms_wording


class Confirmation(models.Model):
    """Someone asked to be written to, and shows by answering that the address is theirs.

    `details` (name, birthday and so on, JSON) was typed by a stranger: it is used once the address is confirmed.
    The worker sends it as soon as it can: `handed_at` is set just before the provider is called, `sent_at` when it took
    it, and what was handed over and not taken is never sent again by itself.
    A muted one is counted for the limits and never sent: the address is on the list already, or nobody may write to it.
    """

    form = models.ForeignKey(SignupForm, null=True, on_delete=models.SET_NULL, related_name="confirmations")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.CASCADE, related_name="confirmations")
    channel = models.CharField(max_length=5, choices=Channel)
    address_index = DigestField()
    index_key_id = models.CharField(max_length=8, default=key_id)
    wording = models.TextField()
    version = models.CharField(max_length=40)
    details = EncryptedTextField(null=True)
    ip_address = EncryptedCharField(max_length=45, null=True)
    ip_index = DigestField(null=True)
    user_agent = EncryptedTextField(null=True)
    is_muted = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    handed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["channel", "address_index", "created_at"], name="confirmation_by_address"),
            models.Index(fields=["ip_index", "created_at"], name="confirmation_by_ip"),
            models.Index(
                fields=["id"], name="confirmation_waiting", condition=Q(handed_at__isnull=True, is_muted=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Confirmation {self.pk}"
