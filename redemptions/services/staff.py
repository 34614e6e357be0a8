"""Who holds the phone: PINs, and signing in with them."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.fields import keyed_hash
from redemptions.models import Device, SignIn, Staff
from redemptions.models.devices import PIN_ONCE

WRONG_ALLOWED = 5
WRONG_WITHIN = timedelta(minutes=15)
# A phone may lie without network for a while before it brings in what was scanned on it.
SIGNED_IN_FOR = timedelta(days=14)
# As far back as "What looks odd" goes.
KEPT_FOR = timedelta(days=90)
PIN = re.compile(r"[0-9]{4,6}")


class SignInRefused(Exception):
    class Reason(models.TextChoices):
        WRONG = "pin_wrong", gettext_lazy("Wrong PIN")
        LOCKED = "pin_locked", gettext_lazy("Too many wrong PINs")

    def __init__(self, reason: Reason, *, until: datetime | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.until = until


# --- PINs -------------------------------------------------------------------------------------------------------------


def set_pin(*, staff: Staff, pin: str) -> Staff:
    """Give somebody a PIN of 4 to 6 digits. Raises ValidationError.

    Kept is a keyed hash: the key is no part of the database, without it even a million PINs tell nothing. It finds its
    owner in one look, so two who work here cannot have the same.
    """
    if not PIN.fullmatch(pin):
        raise ValidationError({"pin": _("A PIN has 4 to 6 digits.")})
    staff.pin_hash = _hash(pin)
    try:
        with transaction.atomic():
            staff.save(update_fields=["pin_hash"] if staff.pk else None)
    except IntegrityError:  # the database alone decides who was first; a look before could be too early
        if _works_here(staff.pin_hash).exclude(pk=staff.pk).exists():
            raise ValidationError({"pin": str(PIN_ONCE.violation_error_message)}) from None
        raise
    return staff


def _hash(pin: str) -> str:
    return keyed_hash("staff-pin", pin).hex()


def _works_here(pin_hash: str) -> QuerySet[Staff]:
    return Staff.objects.filter(is_active=True, pin_hash=pin_hash)


# --- Signing in -------------------------------------------------------------------------------------------------------


def sign_in(*, device: Device, pin: str, at: datetime) -> Staff:
    """Return whose PIN this is, and remember that they hold the device. Raises SignInRefused.

    Five wrong PINs on a device within 15 minutes lock its signing in until the first of them is 15 minutes old. No
    right PIN takes that back: who guesses has one of their own. Who is signed in goes on working, and so do all other
    devices.
    """
    found = _sign_in(device, pin, at)
    if isinstance(found, Staff):
        return found
    raise found  # outside of the transaction, which has counted it


@transaction.atomic
def _sign_in(device: Device, pin: str, at: datetime) -> Staff | SignInRefused:
    # One after the other on a device: no guess slips in beside the fifth. Scans do not wait for this lock.
    Device.objects.select_for_update(no_key=True).get(pk=device.pk)
    if until := locked_until(device, at=at):
        return SignInRefused(SignInRefused.Reason.LOCKED, until=until)
    owner = staff_of(device).filter(pin_hash=_hash(pin)).first()
    SignIn.objects.create(device=device, staff=owner, at=at)
    if owner:
        device.sign_ins.filter(at__lt=at - KEPT_FOR).delete()
        return owner
    until = locked_until(device, at=at)
    return SignInRefused(SignInRefused.Reason.LOCKED if until else SignInRefused.Reason.WRONG, until=until)


def locked_until(device: Device, *, at: datetime) -> datetime | None:
    """Return when one can sign in on a device again after too many wrong PINs; None: now. One query."""
    first: datetime | None = _locked_by(device.pk, at).first()
    return first + WRONG_WITHIN if first else None


def with_locks(devices: QuerySet[Device], *, at: datetime) -> QuerySet[Device]:
    """Return devices that know by which wrong PIN their signing in is locked: `locked_by`, when it was typed."""
    return devices.annotate(locked_by=Subquery(_locked_by(OuterRef("pk"), at)))


def devices_locked_by_pin(*, at: datetime) -> list[Device]:
    """Return the devices on which too many wrong PINs were typed. One query."""
    return list(Device.objects.filter(Exists(_locked_by(OuterRef("pk"), at))).order_by("name"))


def _locked_by(device_id: int | OuterRef, at: datetime) -> QuerySet[SignIn, datetime]:
    """Ask when the last but four of the wrong PINs was typed that are not 15 minutes old."""
    wrong = SignIn.objects.filter(device=device_id, staff=None, at__gt=at - WRONG_WITHIN)
    return wrong.order_by("-at").values_list("at", flat=True)[WRONG_ALLOWED - 1 : WRONG_ALLOWED]


# --- Who holds a device -----------------------------------------------------------------------------------------------


def staff_of(device: Device) -> QuerySet[Staff]:
    """Return who may sign in on a device: who works at its place, or everywhere, and has a PIN."""
    here = Q(location=None) | Q(location=device.location_id)
    return Staff.objects.filter(here, is_active=True).exclude(pin_hash="")


def find_staff(*, device: Device, staff_id: int, at: datetime) -> Staff | None:
    """Return who says to hold a device, if they signed in on it lately and still may. One query."""
    return staff_of(device).filter(pk=staff_id, pk__in=_signed_in(device, at)).first()


def staff_who_signed_in(*, device: Device, ids: Collection[int], at: datetime) -> dict[int, Staff]:
    """Return by id those of `ids` who signed in on a device lately. One query.

    Who may not any more is among them, for what they did before; see `Staff.worked_here`.
    """
    return Staff.objects.filter(pk__in=_signed_in(device, at)).in_bulk(ids)


def _signed_in(device: Device, at: datetime) -> QuerySet[SignIn, int | None]:
    return device.sign_ins.filter(at__gt=at - SIGNED_IN_FOR, staff__isnull=False).values_list("staff", flat=True)
