"""What the owner allows a provider: how fast, how often to one person, many people with one request."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminIntegerFieldWidget
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin.base import PlainAdmin
from contacts.channels import Channel
from contacts.models import AuditEvent
from contacts.services import audit
from messaging import rates, transports
from messaging.models import ProviderSettings
from messaging.queries.setup import PROVIDER_NAMES
from messaging.services.pacing import provider_name, settings_of

NAMES = {"outbox": gettext_lazy("None: files on this machine"), **PROVIDER_NAMES}
MOST_TEXTS_A_DAY = 3  # in 24 hours, by the law of some states


def speed(rate: str) -> str:
    """`14 a second, 50,000 a day`."""
    return rates.words(rates.parse(rate))


def most(caps: ProviderSettings) -> str:
    """`1 in 24 hours, 6 in 30 days`."""
    parts = ((caps.per_person_day, _("%(count)s in 24 hours")), (caps.per_person_month, _("%(count)s in 30 days")))
    return ", ".join(words % {"count": count} for count, words in parts if count) or _("no limit")


class ProviderSettingsForm(forms.ModelForm[ProviderSettings]):
    rate = forms.CharField(
        label=gettext_lazy("How fast"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "As many as your provider allows you: a number, a slash, and s, m, h or d for second, minute, hour or day; "
            "several with commas. “14/s” is 14 a second. “14/s,50000/d” is 14 a second and 50,000 a day. "
            "Of a text each part counts. "
            "Empty: no limit."
        ),
    )

    class Meta:
        model = ProviderSettings
        fields = ["rate", "per_person_day", "per_person_month", "uses_batches"]
        labels = {
            "per_person_day": gettext_lazy("Most to one person in 24 hours"),
            "per_person_month": gettext_lazy("Most to one person in 30 days"),
            "uses_batches": gettext_lazy("Send to many people with one request"),
        }
        help_texts = {
            "per_person_day": gettext_lazy("Whoever had as many is left out. 0: no limit."),
            "per_person_month": gettext_lazy("Whoever had as many is left out. 0: no limit."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channel = Channel(self.instance.channel)
        if channel == Channel.SMS and "per_person_day" in self.fields:
            self.fields["per_person_day"] = forms.IntegerField(
                label=_("Most to one person in 24 hours"),
                min_value=1,
                max_value=MOST_TEXTS_A_DAY,
                widget=AdminIntegerFieldWidget,
                help_text=_("1 to %(most)s. The law of some states allows no more, so it cannot be raised.")
                % {"most": MOST_TEXTS_A_DAY},
            )
        if "uses_batches" in self.fields:
            self.fields["uses_batches"].help_text = _(
                "Much faster, and used for audiences above 100,000 only. If the connection breaks, up to %(count)s "
                "people are unknown at once instead of 1."
            ) % {"count": f"{transports.batch_limit(channel):,}"}

    def clean_rate(self) -> str:
        try:
            return str(rates.parse(self.cleaned_data["rate"]))
        except ValueError as error:
            raise ValidationError(str(error)) from error


@admin.register(ProviderSettings)
class ProviderSettingsAdmin(PlainAdmin[ProviderSettings]):
    form = ProviderSettingsForm
    list_display = ("channel", "provider_label", "how_fast", "per_person", "batches")
    sortable_by = ()
    actions = None
    readonly_fields = ("now_label",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ProviderSettings | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderSettings]:
        """Those in use: what was set for another provider comes back when it does."""
        in_use = [Q(channel=channel, provider=provider_name(channel)) for channel in Channel]
        return super().get_queryset(request).filter(in_use[0] | in_use[1]).order_by("channel")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        for channel in Channel:
            settings_of(channel)
        return super().changelist_view(request, extra_context)

    def get_fieldsets(self, request: HttpRequest, obj: ProviderSettings | None = None) -> Any:
        batches = [(_("Big audiences"), {"fields": ("uses_batches",)})] if self._has_batches(obj) else []
        return [
            (
                _("Speed"),
                {
                    "fields": ("now_label", "rate"),
                    "description": _("All campaigns together stay within it; confirmations and tests go first."),
                },
            ),
            (_("One person"), {"fields": ("per_person_day", "per_person_month")}),
            *batches,
        ]

    @staticmethod
    def _has_batches(settings: ProviderSettings | None) -> bool:
        return settings is not None and transports.batch_limit(Channel(settings.channel)) > 0

    @admin.display(description=gettext_lazy("Provider"))
    def provider_label(self, settings: ProviderSettings) -> str:
        return str(NAMES.get(settings.provider, settings.provider))

    @admin.display(description=gettext_lazy("How fast"))
    def how_fast(self, settings: ProviderSettings) -> str:
        return speed(settings.rate)

    @admin.display(description=gettext_lazy("Now"))
    def now_label(self, settings: ProviderSettings) -> str:
        return speed(settings.rate)

    @admin.display(description=gettext_lazy("Most to one person"))
    def per_person(self, settings: ProviderSettings) -> str:
        return most(settings)

    @admin.display(description=gettext_lazy("Many with one request"))
    def batches(self, settings: ProviderSettings) -> str:
        return _("Above 100,000 people") if settings.uses_batches and self._has_batches(settings) else ""

    def save_model(self, request: HttpRequest, obj: ProviderSettings, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.changed_data:
            audit(AuditEvent.Action.SETTINGS, detail=f"{obj.channel} provider: {', '.join(form.changed_data)}")

    def response_change(self, request: HttpRequest, obj: ProviderSettings) -> HttpResponse:
        words = _("%(channel)s is saved: %(speed)s, within a minute.")
        self.message_user(request, words % {"channel": obj.get_channel_display(), "speed": speed(obj.rate)})
        return self.response_post_save_change(request, obj)
