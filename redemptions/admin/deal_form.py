"""The form of a deal: what does not fit together is said beside the field that can mend it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from redemptions.admin.hours import HoursField
from redemptions.models import Offer

PERCENT, AMOUNT = Offer.Type.PERCENT, Offer.Type.AMOUNT
MOST_PERCENT = Decimal(100)
OFFLINE_WARNINGS = {
    Offer.Offline.KNOWN: (
        gettext_lazy(
            "Without network a phone cannot see what was used elsewhere since it last looked: a code may be taken at "
            "two tills. Each such case is recorded as a conflict and counted in the report."
        )
    ),
    Offer.Offline.WELLFORMED: (
        gettext_lazy(
            "Without network a phone takes any code that looks right, made up ones too. Each one that was not good is "
            "recorded as a conflict and counted in the report. Choose this only where turning guests away costs more."
        )
    ),
}


class OfferForm(forms.ModelForm[Offer]):
    hours = HoursField(
        label=gettext_lazy("Days and hours"),
        required=False,
        help_text=gettext_lazy(
            "In the shop's time. Nothing filled in: at any time. An end before its start is on the next day."
        ),
    )

    class Meta:
        model = Offer
        fields = "__all__"

    def clean(self) -> dict[str, Any]:
        """Say beside the field what the table's own rules would say of the whole row."""
        cleaned = super().clean() or {}
        kind = cleaned.get("type")
        self._check_value(kind, cleaned.get("value"))
        if cleaned.get("max_discount") is not None and kind != PERCENT:
            self.add_error("max_discount", _("“At most” goes with a percentage. Leave it empty."))
        if cleaned.get("budget") is not None and kind not in {PERCENT, AMOUNT}:
            self.add_error("budget", _("A budget goes with a percentage or money off. Leave it empty."))
        starts_at, ends_at = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts_at and ends_at and starts_at >= ends_at:
            self.add_error("ends_at", _("The deal ends before it starts."))
        return cleaned

    def _check_value(self, kind: str | None, value: Decimal | None) -> None:
        if "value" in self.errors:
            return
        if kind == PERCENT and (value is None or value > MOST_PERCENT):
            self.add_error("value", _("A percentage is between 0 and 100."))
        if kind == AMOUNT and value is None:
            self.add_error("value", _("Say how much money is taken off."))
