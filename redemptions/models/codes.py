"""One person's right to a deal, and the sheets of codes that belong to nobody yet."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from contacts.fields import DigestField, EncryptedCharField, key_id
from contacts.models import Contact
from redemptions.codes import display
from redemptions.models.offers import Offer


def image_reference() -> str:
    """Name a QR image without naming its code: 128 random bits."""
    return secrets.token_urlsafe(16)


class CodeSheet(models.Model):
    """Codes made together for nobody yet: flyers, table cards."""

    offer = models.ForeignKey(Offer, verbose_name=_("deal"), on_delete=models.PROTECT, related_name="sheets")
    name = models.CharField(max_length=80, help_text=_("For you only: 'Flyers, spring'."))
    count = models.PositiveIntegerField(
        _("how many"), validators=[MinValueValidator(1), MaxValueValidator(5000)], help_text=_("1 to 5,000.")
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("sheet of codes")
        verbose_name_plural = _("sheets of codes")

    def __str__(self) -> str:
        return self.name


class CodeQuerySet(models.QuerySet["Code"]):
    def real(self) -> CodeQuerySet:
        return self.filter(is_test=False)


class Code(models.Model):
    """One person's right to one offer. Once per (offer, contact), whatever message carried it.

    The secrets are kept twice: as keyed hashes, which find the row, and as ciphertext, which draws the image again.
    """

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="codes")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="codes")
    sheet = models.ForeignKey(CodeSheet, null=True, on_delete=models.PROTECT, related_name="codes")
    token = EncryptedCharField(max_length=26)
    token_index = DigestField(unique=True)
    typed = EncryptedCharField(max_length=10)
    typed_index = DigestField(unique=True)
    index_key_id = models.CharField(max_length=8, default=key_id)
    image_reference = models.CharField(max_length=22, unique=True, default=image_reference)
    used = models.PositiveSmallIntegerField(default=0)
    max_uses = models.PositiveSmallIntegerField(default=1)
    is_test = models.BooleanField(default=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = CodeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["offer", "contact"], condition=Q(is_test=False), name="code_once_per_contact"
            ),
            models.CheckConstraint(condition=Q(used__lte=F("max_uses")), name="code_never_used_more_than_allowed"),
        ]

    def __str__(self) -> str:
        return gettext("Code %(number)s") % {"number": self.pk}

    @cached_property
    def typed_display(self) -> str:
        """The code as people read it aloud: `TESTT-ESTTB`."""
        return display(self.typed)
