"""Second factors of those who sign in: an authenticator app, and recovery codes on paper.

django-otp's own plugins keep the app's key and the codes in clear. Here the key is encrypted as all personal data is,
and of a code only its keyed hash is kept; whoever copies the database can use neither.
"""

from __future__ import annotations

import base64
import secrets
import time

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from contacts.fields import EncryptedCharField, keyed_hash

KEY_BYTES = 20  # RFC 4226 asks for 160 bits
EARLIER_OR_LATER = 1  # steps of 30 seconds a clock may be off
LONGEST_WAIT_AFTER = 11  # wrong codes, and 2^10 seconds: 17 minutes, and 85 guesses a day at a million codes


class Role(models.TextChoices):
    """What somebody does here. Each is a group of that name; what it may is said in `config.roles`."""

    OWNER = "Owner", _("Owner: everything, with people and settings")
    MARKETER = "Marketer", _("Marketer: writes campaigns and tests them")
    BOOKKEEPER = "Bookkeeper", _("Bookkeeper: reports and redemptions, no contacts")
    STAFF = "Staff", _("Staff: does not sign in here")


class SecondFactor(ThrottlingMixin, Device):  # type: ignore[misc]  # the library carries no types
    """What both have in common: a wrong code makes the next one wait, twice as long each time."""

    throttling_failure_count: int

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"Second factor {self.pk}"

    def get_throttle_factor(self) -> int:
        return 1

    def throttle_increment(self, commit: bool = True) -> None:
        """Count a wrong code, up to a wait that ends: whoever knows the password alone shuts nobody out for days."""
        self.throttling_failure_count = min(self.throttling_failure_count, LONGEST_WAIT_AFTER - 1)
        super().throttle_increment(commit=commit)

    def verify_token(self, token: str) -> bool:
        """Say whether a code is right, and use it up. The caller holds the row's lock."""
        allowed, _why = self.verify_is_allowed()
        if not allowed:
            return False
        if self.use(token):
            self.throttle_reset(commit=False)
            self.save()
            return True
        self.throttle_increment(commit=True)
        return False

    def use(self, token: str) -> bool:
        raise NotImplementedError


class AuthenticatorApp(SecondFactor):
    """An app that shows six digits, new every 30 seconds (RFC 6238); each is good once."""

    key = EncryptedCharField(max_length=32)
    last_step = models.BigIntegerField(default=-1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "confirmed"], name="one_authenticator_app_for_each_person")
        ]

    @staticmethod
    def new_key() -> str:
        return base64.b32encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")

    def use(self, token: str) -> bool:
        if not token.isascii() or not token.isdigit():
            return False
        totp = TOTP(base64.b32decode(self.key))
        totp.time = time.time()
        if not totp.verify(int(token), EARLIER_OR_LATER, self.last_step + 1):
            return False
        self.last_step = totp.t()
        return True


class RecoveryCodes(SecondFactor):
    """Codes for the day the phone is lost; each is good once. Hashed: they are shown once, when they are made."""

    hashes = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user"], name="one_set_of_recovery_codes_for_each_person")]

    @staticmethod
    def hash_of(code: str) -> str:
        plain = "".join(char for char in code.lower() if char.isalnum())
        return keyed_hash("recovery-code", plain).hex()

    def use(self, token: str) -> bool:
        found = self.hash_of(token)
        if found not in self.hashes:
            return False
        self.hashes = [kept for kept in self.hashes if kept != found]
        return True
