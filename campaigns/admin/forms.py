"""The forms of a campaign: its words, and the last question before it is sent."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Q
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.blocks import BlockError
from campaigns.models import Campaign, Variant
from campaigns.queries import variant_of
from campaigns.rendering import Compiled, ContentError
from campaigns.services import MAX_SPREAD_HOURS, Draft, says_the_same, with_blocks
from contacts.channels import Channel
from redemptions.models import Offer

Mode = Variant.Mode
TYPE_ABOVE = 500
NOT_A_DIGIT = re.compile(r"[\s.,'\u2019]")  # what stands between thousands
EMPTY_LABELS = {
    "offer": _("No deal"),
    "tag": _("Everyone who is subscribed"),
    "segment": _("No segment"),
    "exclude_segment": _("Nobody"),
    "exclude_tag": _("No tag"),
}


class Lines(forms.CharField):
    """A text of several lines. Browsers send other line ends than were saved: that alone is no change."""

    def to_python(self, value: Any) -> str:
        return super().to_python(str(value or "").replace("\r\n", "\n")) or ""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.to_python(initial), data)


class BlocksField(forms.CharField):
    """Blocks as the editor writes them: JSON."""

    widget = forms.Textarea(
        attrs={"rows": 6, "class": "vLargeTextField code", "spellcheck": "false", "autocomplete": "off"}
    )

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return json.loads(str(value))
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(_("The blocks cannot be read. Load the page again.")) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial) if data else bool(initial)
        except forms.ValidationError:
            return True


class ModeField(forms.ChoiceField):
    """How the mail is written. A form that does not say keeps what was."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data) and super().has_changed(initial, data)


class Seen(forms.CharField):
    """When the draft was saved last, as the page knows it. No part of what is written."""

    widget = forms.HiddenInput(attrs={"autocomplete": "off"})  # browsers bring old values back

    def to_python(self, value: Any) -> Any:
        try:
            return datetime.fromisoformat(str(value)) if value else None
        except ValueError as error:
            raise forms.ValidationError(_("Load the page again.")) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class CampaignForm(forms.ModelForm[Campaign]):
    """A campaign and its words. `draft` holds what was typed, also where it is not valid yet."""

    subject = forms.CharField(
        label=_("Subject"),
        max_length=200,
        required=False,
        help_text=_("What is in it for them, in a few words. Phones show about 40 characters."),
        widget=forms.TextInput(attrs={"class": "vTextField", "data-insert-into": "", "autocomplete": "off"}),
    )
    preheader = forms.CharField(
        label=_("Preview text"),
        max_length=200,
        required=False,
        help_text=_("Shown after the subject in most inboxes."),
        widget=forms.TextInput(attrs={"class": "vTextField", "data-insert-into": "", "autocomplete": "off"}),
    )
    mode = ModeField(
        label=_("Write with"), choices=Mode.choices, required=False, widget=forms.RadioSelect(attrs={"class": "inline"})
    )
    blocks = BlocksField(label=_("Blocks"), required=False)
    body = Lines(
        label=_("Message"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 12, "class": "vLargeTextField", "data-insert-into": ""}),
    )
    html = Lines(
        label=_("Own HTML"),
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 12, "class": "vLargeTextField code", "data-insert-into": "", "spellcheck": "false"}
        ),
        help_text=_(
            "The words of the mail, without header and footer, which are added. Styles are written into the tags; "
            "scripts, forms and remote style sheets are taken out. The message above is shown where no HTML is; left "
            "empty, it is made from the HTML."
        ),
    )
    seen = Seen(required=False)
    draft: Draft
    newer: Campaign | None = None  # as somebody else saved it, after `seen`

    class Meta:
        model = Campaign
        fields = ["name", "channel", "offer", "tag", "segment", "exclude_segment", "exclude_tag", "utm_campaign"]
        labels = {
            "offer": _("Deal"),
            "segment": _("Or a segment"),
            "exclude_segment": _("Leave out"),
            "exclude_tag": _("And leave out people tagged"),
        }
        help_texts = {"segment": _("A saved question; instead of a tag.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            words = variant_of(self.instance)
            for name in ("subject", "preheader", "body", "html", "blocks"):
                self.initial.setdefault(name, getattr(words, name))
            self.initial.setdefault("mode", words.written_as)
            self.initial.setdefault("seen", self.instance.updated_at.isoformat())
        self.initial.setdefault("mode", Mode.BLOCKS)
        self.fields["body"].help_text = format_html(
            "{} {}",
            _("Plain words; leave a blank line between paragraphs."),
            by_channel(
                self.instance.channel,
                email=gettext("Your name, address and an unsubscribe link are added."),
                sms=gettext("Your name and how to stop are added."),
            ),
        )
        for name, label in EMPTY_LABELS.items():
            if isinstance(field := self.fields.get(name), forms.ModelChoiceField):
                field.empty_label = label
        if isinstance(offers := self.fields.get("offer"), forms.ModelChoiceField):
            usable = ~Q(status=Offer.Status.ENDED) | Q(pk=self.instance.offer_id)
            offers.queryset = Offer.objects.filter(usable).order_by("name")

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("tag") and data.get("segment"):
            self.add_error("segment", _("Choose a tag or a segment, not both."))
        self.draft = draft_of(data)
        try:
            if data.get("blocks") is not None:
                self.draft = with_blocks(self.draft, data["blocks"])
        except BlockError as error:
            self.add_error("blocks", str(error))
        try:
            Compiled(self.draft.content, has_deal=self.draft.offer is not None, utm=self.draft.utm_campaign)
        except ContentError as error:
            self.add_error(error.field, str(error))
        self._check_newer()
        return data

    def _check_newer(self) -> None:
        """Say so where somebody else saved the campaign after this page was opened."""
        seen = self.seen_at
        if seen is None or not self.instance.pk:
            return
        now = Campaign.objects.select_related("updated_by").filter(pk=self.instance.pk).first()
        if now is None or now.updated_at == seen:
            return
        if says_the_same(self.draft, now):
            self.cleaned_data["seen"] = now.updated_at
        else:
            self.newer = now
            self.add_error(None, _("Somebody else saved this campaign after you opened it."))

    @property
    def seen_at(self) -> datetime | None:
        """When the draft was saved last, as the page knows it."""
        value: datetime | None = self.cleaned_data.get("seen")
        return value

    def campaign(self) -> Campaign:
        """Return the campaign as it is typed now, not saved. Call after `is_valid`."""
        draft = self.draft
        return Campaign(
            name=draft.name,
            channel=draft.channel,
            offer=draft.offer,
            segment=draft.segment,
            tag=draft.tag,
            exclude_segment=draft.exclude_segment,
            exclude_tag=draft.exclude_tag,
            utm_campaign=draft.utm_campaign,
        )


def by_channel(channel: str, *, email: str, sms: str) -> SafeString:
    """Return words for both channels, those of the other one hidden: the page switches with what is chosen."""
    shown = ((Channel.EMAIL, email), (Channel.SMS, sms))
    return format_html_join(
        "",
        '<span data-for="{}"{}>{}</span>',
        ((key.value, "" if key == channel else mark_safe(" hidden"), words) for key, words in shown),
    )


def draft_of(data: dict[str, Any]) -> Draft:
    """Return what was typed, as far as it could be read."""

    def text(name: str) -> str:
        return str(data.get(name) or "").replace("\r\n", "\n")

    return Draft(
        name=text("name"),
        channel=Channel(data.get("channel") or Channel.EMAIL),
        subject=text("subject"),
        preheader=text("preheader"),
        body=text("body"),
        html=text("html"),
        mode=Mode(data["mode"]) if data.get("mode") else None,
        offer=data.get("offer"),
        segment=None if data.get("tag") else data.get("segment"),
        tag=data.get("tag"),
        exclude_segment=data.get("exclude_segment"),
        exclude_tag=data.get("exclude_tag"),
        utm_campaign=text("utm_campaign"),
    )


class ReviewForm(forms.Form):
    """When to send, and to how many: `expected` is the number the page showed."""

    when = forms.ChoiceField(
        label=_("When?"), choices=[("now", _("Now")), ("later", _("Later"))], initial="now", widget=forms.RadioSelect
    )
    starts_at = forms.DateTimeField(
        label=_("Day and time"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    spread_hours = forms.IntegerField(
        label=_("Spread over how many hours?"),
        required=False,
        min_value=0,
        max_value=MAX_SPREAD_HOURS,
        help_text=_("They leave evenly over this time, so that not everybody comes at once. 0: as fast as it goes."),
        widget=forms.NumberInput(attrs={"class": "short", "inputmode": "numeric"}),
    )
    expected = forms.IntegerField(widget=forms.HiddenInput)
    typed = forms.CharField(
        required=False, widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})
    )

    def __init__(self, *args: Any, size: int, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.size = size
        self.initial.update(expected=size, spread_hours=0)
        self.fields["starts_at"].help_text = _("In the time zone of your business, %(zone)s.") % {"zone": zone}
        if size > TYPE_ABOVE:
            self.fields["typed"].label = _("Type %(number)s to confirm") % {"number": f"{size:,}"}
        else:
            del self.fields["typed"]

    def clean_expected(self) -> int:
        expected: int = self.cleaned_data["expected"]
        if expected != self.size:
            words = _("Meanwhile the number of people changed from %(before)s to %(now)s. Please look again.")
            raise forms.ValidationError(words % {"before": f"{expected:,}", "now": f"{self.size:,}"})
        return expected

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if NOT_A_DIGIT.sub("", typed) != str(self.size):
            words = _("Type %(number)s, the number of people this goes to.")
            raise forms.ValidationError(words % {"number": f"{self.size:,}"})
        return typed

    def clean(self) -> dict[str, Any]:
        starts_at: datetime | None = self.cleaned_data.get("starts_at")
        if self.cleaned_data.get("when") == "later" and "starts_at" not in self.errors:
            if starts_at is None:
                self.add_error("starts_at", _("Choose a day and a time."))
            elif starts_at <= timezone.now():
                self.add_error("starts_at", _("That is in the past."))
        return self.cleaned_data

    @property
    def start(self) -> datetime | None:
        """The chosen moment; None: at once."""
        return self.cleaned_data["starts_at"] if self.cleaned_data["when"] == "later" else None

    @property
    def spread_minutes(self) -> int:
        return 60 * (self.cleaned_data["spread_hours"] or 0)


class TestForm(forms.Form):
    """Where a test goes."""

    __test__ = False

    to = forms.CharField(max_length=254)
