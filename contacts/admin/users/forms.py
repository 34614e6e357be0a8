"""What is asked of those who sign in, and of those who let them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from contacts.models import Role
from contacts.services import EXTRAS, extras_of, has_second_factor, role_of, verify_second_factor

WRONG_CODE = _(
    "This code is not right. Each is good once: wait for the next one, and see that the clock of the phone is right. "
    "After several wrong ones it takes a little longer each time."
)
WRONG_PASSWORD = _("This is not your password. Capital and small letters differ.")


class CodeField(forms.CharField):
    """A code of the app, or one of the recovery codes."""

    def __init__(self, **kwargs: Any) -> None:
        attributes = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        kwargs.setdefault("label", _("Code from your app"))
        super().__init__(max_length=20, widget=forms.TextInput(attrs=attributes), **kwargs)


class SignInForm(AdminAuthenticationForm):
    """Name, password, and the code of the app where somebody has one. Wrong codes count as wrong passwords do."""

    otp_token = CodeField(required=False, help_text=_("Only if you have set one up. A recovery code does as well."))
    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": _("This name and password do not go together. Capital and small letters differ in both."),
        "no_code": _("Type your password once more, and the code your app shows now."),
        "wrong_code": WRONG_CODE,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Name")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        user = self.get_user()
        if has_second_factor(user):  # a name or password that is wrong has been refused above
            self._take_code(user, cleaned.get("otp_token", ""))
        return cleaned

    def _take_code(self, user: Any, token: str) -> None:
        if not token:
            raise ValidationError(self.error_messages["no_code"], code="no_code")
        device = verify_second_factor(user, token)
        if device is None:
            user_login_failed.send(
                sender=__name__, credentials={"username": self.cleaned_data["username"]}, request=self.request
            )
            raise ValidationError(self.error_messages["wrong_code"], code="wrong_code")
        user.otp_device = device  # django-otp notes it in the session when the user is logged in


class CodeForm(forms.Form):
    """One code, to show that the phone is at hand."""

    token = CodeField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class PasswordForm(forms.Form):
    """One's password once more."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class OwnForm(forms.ModelForm[User]):
    """What somebody may change of themselves: not their role, and not whether they may come in."""

    class Meta:
        model = User
        fields = ["username", "first_name", "email"]
        labels = {"username": _("Sign-in name"), "first_name": _("Name"), "email": _("E-mail address")}
        help_texts = {
            "username": _("What they type to sign in, and what the audit log calls them. No e-mail address."),
            "email": _("For you only; nothing is sent there."),
        }

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if "@" in name and name != self.instance.username:
            raise ValidationError(_("Choose a short name, not an e-mail address: it appears in the audit log."))
        return name


class PersonForm(OwnForm):
    """Somebody, their role, and what they may beyond it."""

    role = forms.ChoiceField(label=_("Role"), widget=forms.RadioSelect, choices=Role.choices)
    extras = forms.MultipleChoiceField(
        label=_("May also"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(extra.permission, extra.label) for extra in EXTRAS],
        help_text=_("Beyond the role. An owner may all of these anyway."),
    )

    class Meta(OwnForm.Meta):
        fields = ["username", "first_name", "email", "is_active"]
        labels = {**OwnForm.Meta.labels, "is_active": _("May sign in")}
        help_texts = {
            **OwnForm.Meta.help_texts,
            "is_active": _("Take the tick away when somebody leaves. Nothing they did is lost."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "role" in self.fields:
            self.fields["role"].initial = role_of(self.instance) if self.instance.pk else Role.MARKETER
            self.fields["extras"].initial = extras_of(self.instance) if self.instance.pk else []
