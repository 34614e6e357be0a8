"""Signing up: the shop's form, and the way back from the mail that asks whether it was you."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from contacts.channels import AddressError, Channel, clean_name, normalise
from contacts.links import BadLink, read_confirmation_token
from contacts.models import ChannelStatus, Confirmation, ConsentEvent, Contact, SignupForm
from contacts.services import signup
from contacts.views.visitors import page, visitor_of

OLDEST = date(1900, 1, 1)
TRAP = "website"  # people do not see this field; programs that fill in everything do
ADDRESS_FIELDS = {Channel.EMAIL: "email", Channel.SMS: "phone"}
AGREE_FIELDS = {Channel.EMAIL: "agree_email", Channel.SMS: "agree_sms"}
TICK = gettext_lazy("Tick the box below it if you want to hear from us this way; if not, leave this empty.")
FILL = gettext_lazy("You ticked the box below it, so we need to know where to reach you.")


class JoinForm(forms.Form):
    """What one sign-up form asks for; each channel has a box of its own, and none is ticked beforehand."""

    def __init__(self, signup_form: SignupForm, data: QueryDict | None = None) -> None:
        super().__init__(data, label_suffix="")
        self.signup_form = signup_form
        self.channels = [
            channel
            for channel, asked in ((Channel.EMAIL, signup_form.asks_email), (Channel.SMS, signup_form.asks_phone))
            if asked
        ]
        for channel in self.channels:
            self.fields[ADDRESS_FIELDS[channel]] = self._address_field(channel)
            self.fields[AGREE_FIELDS[channel]] = forms.BooleanField(
                label=signup_form.wording(channel),
                required=self._is_alone,
                error_messages={"required": _("Tick this box if you want to hear from us.")},
            )
        self.fields.update(self._detail_fields())
        self.fields[TRAP] = forms.CharField(
            label=_("Leave this empty"),
            required=False,
            widget=forms.TextInput(attrs={"tabindex": "-1", "autocomplete": "off"}),
        )

    @property
    def _is_alone(self) -> bool:
        return len(self.channels) == 1

    def _address_field(self, channel: Channel) -> forms.Field:
        if channel == Channel.EMAIL:
            attributes = {"type": "email", "autocomplete": "email", "inputmode": "email"}
            return forms.CharField(
                label=_("E-mail"), max_length=254, required=self._is_alone, widget=forms.TextInput(attrs=attributes)
            )
        attributes = {"type": "tel", "autocomplete": "tel", "inputmode": "tel"}
        return forms.CharField(
            label=_("Mobile number"), max_length=32, required=self._is_alone, widget=forms.TextInput(attrs=attributes)
        )

    def _detail_fields(self) -> dict[str, forms.Field]:
        asks, fields = self.signup_form, dict[str, forms.Field]()
        for name, label, hint in (
            ("first_name", _("First name"), "given-name"),
            ("last_name", _("Last name"), "family-name"),
        ):
            if getattr(asks, f"asks_{name}"):
                widget = forms.TextInput(attrs={"autocomplete": hint})
                fields[name] = forms.CharField(label=label, max_length=40, required=False, widget=widget)
        if asks.asks_birthday:
            widget = forms.DateInput(attrs={"type": "date", "autocomplete": "bday"})
            fields["birthday"] = forms.DateField(label=_("Birthday"), required=False, widget=widget)
        if asks.asks_postal_code:
            widget = forms.TextInput(attrs={"autocomplete": "postal-code"})
            fields["postal_code"] = forms.RegexField(
                r"^[A-Za-z0-9 -]*$", label=_("Postal code"), max_length=12, required=False, widget=widget
            )
        return fields

    def clean_birthday(self) -> date | None:
        birthday: date | None = self.cleaned_data["birthday"]
        if birthday and not OLDEST <= birthday <= timezone.now().date():
            raise forms.ValidationError(_("Check the year, please."))
        return birthday

    def clean(self) -> dict[str, Any]:
        for channel in self.channels:
            self._clean_channel(channel)
        if not self.errors and not self.addresses:
            self.add_error(None, _("Give at least one way to reach you, and tick the box below it."))
        return self.cleaned_data

    def _clean_channel(self, channel: Channel) -> None:
        name = ADDRESS_FIELDS[channel]
        address, agreed = self.cleaned_data.get(name), self.cleaned_data.get(AGREE_FIELDS[channel])
        if address:
            try:
                normalise(channel, address)
            except AddressError as error:
                self.add_error(name, error.sentence)
                return
        if bool(address) != bool(agreed) and not self._is_alone:
            self.add_error(name, TICK if address else FILL)

    @property
    def addresses(self) -> dict[Channel, str]:
        """The addresses of the channels somebody agreed to."""
        given = self.cleaned_data
        return {
            channel: given[ADDRESS_FIELDS[channel]]
            for channel in self.channels
            if given.get(ADDRESS_FIELDS[channel]) and given.get(AGREE_FIELDS[channel])
        }

    @property
    def details(self) -> dict[str, str]:
        """What else was typed, cleaned, as text."""
        given = self.cleaned_data
        birthday: date | None = given.get("birthday")
        return {
            "first_name": clean_name(given.get("first_name") or ""),
            "last_name": clean_name(given.get("last_name") or ""),
            "birthday": birthday.isoformat() if birthday else "",
            "postal_code": (given.get("postal_code") or "").strip(),
        }

    @cached_property
    def is_a_trap(self) -> bool:
        return bool(self.data.get(TRAP))

    @property
    def asked(self) -> list[forms.BoundField]:
        """The fields a person sees, in order."""
        return [field for field in self if field.name != TRAP]

    @property
    def trap(self) -> forms.BoundField:
        return self[TRAP]


@csrf_exempt  # no cookie stands behind this form, so a forged post could do no more than a typed one
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the form, and take what was typed. The answer is the same whether or not the address is known."""
    signup_form = _open_form(slug)
    if signup_form is None:
        return page(request, "joined", {"state": "closed"}, status=404)
    # Other sites must not have their visitors ask for mails to strangers: each would come from another address.
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site") == "cross-site":
        return page(request, "joined", {"state": "elsewhere", "form": signup_form}, status=403)
    form = JoinForm(signup_form, request.POST or None)
    if request.method != "POST":
        return page(request, "join", {"form": form, "signup": signup_form})
    done = HttpResponseRedirect(reverse("join-asked", args=[signup_form.slug]))
    if form.is_a_trap:
        return done
    if not form.is_valid():
        return page(request, "join", {"form": form, "signup": signup_form}, status=400)
    try:
        signup.request(
            form=signup_form,
            addresses=form.addresses,
            source=ConsentEvent.Source.FORM,
            at=timezone.now(),
            details=form.details,
            visitor=visitor_of(request),
        )
    except signup.TooMany:
        return page(request, "joined", {"state": "too_many", "form": signup_form}, status=429)
    return done


@require_safe
def asked(request: HttpRequest, slug: str) -> HttpResponse:
    """Say what happens next, to everybody the same."""
    signup_form = get_object_or_404(SignupForm, slug=slug.lower())
    return page(request, "joined", {"state": "asked", "form": signup_form})


@csrf_exempt  # the token is the proof
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows one button, since mail scanners follow every link; POST confirms."""
    confirmation_id = _read(token)
    if request.method != "POST":
        return _ask(request, token, confirmation_id)
    at = timezone.now()
    try:
        joined = signup.confirm(
            confirmation_id=confirmation_id,
            source=ConsentEvent.Source.FORM,
            at=at,
            visitor=visitor_of(request),
        )
    except signup.NotConfirmed as refused:
        return _refuse(request, refused)
    context = {"state": "joined", "form": joined.form, "welcome": signup.welcome(joined, at=at)}
    return page(request, "joined", context)


def _ask(request: HttpRequest, token: str, confirmation_id: int) -> HttpResponse:
    row = Confirmation.objects.select_related("form").filter(pk=confirmation_id, is_muted=False).first()
    if row is None or (row.confirmed_at is None and row.expires_at <= timezone.now()):
        return _refuse(request, signup.NotConfirmed(signup.NotConfirmed.Reason.EXPIRED, row.form if row else None))
    if row.confirmed_at and not _is_subscribed(row):
        return _refuse(request, signup.NotConfirmed(signup.NotConfirmed.Reason.USED, row.form))
    context = {"token": token, "wording": row.wording, "form": row.form, "again": row.confirmed_at is not None}
    return page(request, "confirm", context)


def _is_subscribed(row: Confirmation) -> bool:
    channel = Channel(row.channel)
    contact = Contact.objects.with_address(channel, bytes(row.address_index)).first()
    return contact is not None and contact.status(channel) == ChannelStatus.SUBSCRIBED


def _refuse(request: HttpRequest, refused: signup.NotConfirmed) -> HttpResponse:
    form = refused.form if refused.form and refused.form.is_open else None
    return page(request, "joined", {"state": refused.reason.value, "form": form}, status=410)


def _open_form(slug: str) -> SignupForm | None:
    """Return the form if it is open, None if it is closed. Raises Http404."""
    form = get_object_or_404(SignupForm, slug=slug.lower())
    return form if form.is_open else None


def _read(token: str) -> int:
    try:
        return read_confirmation_token(token)
    except BadLink as error:
        raise Http404("No such page.") from error
