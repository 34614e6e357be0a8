"""Who holds the phone: PINs and signing in with them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q, QuerySet

from contacts.fields import keyed_hash
from redemptions.models import Device, Staff

ERRORS_ALLOWED = 5
LOCKED_FOR = timedelta(minutes=15)
PIN = re.compile(r"[0-9]{4,6}")


class SignInRefused(Exception):
    class Reason(models.TextChoices):
        WRONG = "pin_wrong", "Wrong PIN"
        LOCKED = "pin_locked", "Too many wrong PINs"

    def __init__(self, reason: Reason, *, until: datetime | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.until = until


def set_pin(*, staff: Staff, pin: str) -> Staff:
    """Give somebody a PIN of 4 to 6 digits; what was locked is open again. Raises ValidationError.

    Kept is a keyed hash: the key is no part of the database, without it even a million PINs tell nothing. It finds its
    owner in one look, so two who work here cannot have the same.
    """
    if not PIN.fullmatch(pin):
        raise ValidationError({"pin": "A PIN has 4 to 6 digits."})
    pin_hash = _hash(pin)
    if Staff.objects.filter(is_active=True, pin_hash=pin_hash).exclude(pk=staff.pk).exists():
        raise ValidationError({"pin": "Somebody else has this PIN. Choose another one."})
    staff.pin_hash, staff.failures, staff.locked_until = pin_hash, 0, None
    staff.save()
    return staff


def _hash(pin: str) -> str:
    return keyed_hash("staff-pin", pin).hex()


def sign_in(*, device: Device, pin: str, at: datetime) -> Staff:
    """Return whose PIN this is. Raises SignInRefused.

    A wrong PIN is nobody's, so it counts against all who may sign in on this device: after five in a row nobody can for
    15 minutes. Who is signed in goes on working.
    """
    found = _sign_in(device, pin, at)
    if isinstance(found, Staff):
        return found
    raise found  # outside of the transaction, which has counted it


@transaction.atomic
def _sign_in(device: Device, pin: str, at: datetime) -> Staff | SignInRefused:
    here = list(staff_of(device).select_for_update(of=("self",)).order_by("pk"))
    until = max((one.locked_until for one in here if one.locked_until), default=None)
    if until and at < until:
        return SignInRefused(SignInRefused.Reason.LOCKED, until=until)
    all_here = Staff.objects.filter(pk__in=[one.pk for one in here])
    owner = next((one for one in here if one.pin_hash == _hash(pin)), None)
    if owner:
        all_here.exclude(failures=0).update(failures=0)
        return owner
    failures = max((one.failures for one in here), default=0) + 1
    if failures < ERRORS_ALLOWED:
        all_here.update(failures=failures)
        return SignInRefused(SignInRefused.Reason.WRONG)
    all_here.update(failures=0, locked_until=at + LOCKED_FOR)
    return SignInRefused(SignInRefused.Reason.LOCKED, until=at + LOCKED_FOR)


def staff_of(device: Device) -> QuerySet[Staff]:
    """Return who may sign in on a device: who works at its place, or everywhere, and has a PIN."""
    here = Q(location=None) | Q(location=device.location_id)
    return Staff.objects.filter(here, is_active=True).exclude(pin_hash="")


def find_staff(*, device: Device, staff_id: int) -> Staff | None:
    """Return who says to hold a device, if they may. One query."""
    return staff_of(device).filter(pk=staff_id).first()
