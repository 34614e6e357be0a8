"""How the shop's mails look, now and before."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Look(models.Model):
    """How mails look from `since` on. Added, never changed: a campaign keeps the look of the moment of its launch.

    `accent` is the colour of buttons and links, `#rrggbb`. `logo` is the name of an uploaded picture, which the apps
    above keep and never delete; empty: the shop's name stands on top in letters.
    """

    since = models.DateTimeField(db_index=True)
    accent = models.CharField(
        _("colour"), max_length=7, validators=[RegexValidator(r"^#[0-9a-f]{6}\Z", _("Write # and six digits."))]
    )
    logo = models.CharField(max_length=30, blank=True)
    logo_width = models.PositiveSmallIntegerField(default=0)
    logo_height = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-since", "-id"]

    def __str__(self) -> str:
        return f"Look {self.pk}"
