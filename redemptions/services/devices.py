"""Devices and their places: enrolment, sight, withdrawal."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy

from contacts.fields import keyed_hash
from redemptions.models import Device, Location

ENROL_WITHIN = timedelta(minutes=15)
REPEAT_ENROLMENT_WITHIN = timedelta(minutes=10)
SEEN_EVERY = timedelta(minutes=1)


class EnrolmentRefused(Exception):
    """An enrolment token that does not let a device in; `reason` says why."""

    class Reason(models.TextChoices):
        USED = "enrol_used", gettext_lazy("This link was used already.")
        EXPIRED = "enrol_expired", gettext_lazy("This link is too old.")
        UNKNOWN = "enrol_unknown", gettext_lazy("This link is not known.")

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def sha256(token: str) -> bytes:
    """Return what is kept of a random token: 256 bits of chance need no slow or keyed hash."""
    return hashlib.sha256(token.encode()).digest()


def find_location(name: str) -> Location | None:
    """Return the location of this name in any case, if there is one."""
    return Location.objects.filter(name__iexact=_location_name(name)).first()


def find_or_make_location(name: str) -> Location:
    """Return the location of this name in any case, making it where it is new."""
    name = _location_name(name)
    if found := find_location(name):
        return found
    try:
        with transaction.atomic():
            return Location.objects.create(name=name)
    except IntegrityError:  # made by someone else since the look
        return Location.objects.get(name__iexact=name)


def _location_name(name: str) -> str:
    return " ".join(name.split())[:80]


def has_namesake(device: Device) -> bool:
    """Say whether another device that is not withdrawn has this one's name in any case."""
    others = Device.objects.filter(name__iexact=device.name, revoked_at=None)
    return others.exclude(pk=device.pk).exists()


def enrol_device_start(
    *, name: str, location_name: str, profile: Device.Profile, at: datetime, is_demo: bool = False
) -> tuple[Device, str]:
    """Make a device that waits for its enrolment; return it and the token for its link, good for 15 minutes, once."""
    device = Device(name=name[:80], location=find_or_make_location(location_name), profile=profile, is_demo=is_demo)
    device.save()
    return device, renew_enrolment(device=device, at=at)


def renew_enrolment(*, device: Device, at: datetime) -> str:
    """Return a new enrolment token for a device, which keeps its id and history; an older link stops working.

    The token the device has now works until the new link is used.
    """
    token = secrets.token_urlsafe(32)
    device.enrol_hash, device.enrol_key = sha256(token), ""
    device.enrol_expires_at = at + ENROL_WITHIN
    device.save(update_fields=["enrol_hash", "enrol_key", "enrol_expires_at"])
    return token


def complete_enrolment(
    *, enrol_token: str, key: str, at: datetime, platform: str = "", app_version: str = ""
) -> tuple[Device, str]:
    """Trade an enrolment token for a device token; return the device and its token. Raises EnrolmentRefused.

    The same `key` gets the same device token again within 10 minutes, so that a lost answer does not lock the device
    out, unless a rotation has ended it since. Only a hash of the token is kept, hence it is derived from what the
    caller brings along a second time; a token minted anew would part two answers that cross on the way.
    """
    device = Device.objects.select_related("location").filter(enrol_hash=sha256(enrol_token)).first()
    if device is None or device.revoked_at is not None or device.enrol_expires_at is None:
        raise EnrolmentRefused(EnrolmentRefused.Reason.UNKNOWN)
    token = _device_token(f"{enrol_token}:{key}")
    if not device.enrol_key and at >= device.enrol_expires_at:
        raise EnrolmentRefused(EnrolmentRefused.Reason.EXPIRED)
    # One update claims the link: of two that try at once, the second finds the key taken.
    claimed = Device.objects.filter(pk=device.pk, enrol_hash=device.enrol_hash, enrol_key="", revoked_at=None).update(
        token_hash=sha256(token),
        next_token_hash=None,
        enrol_key=key,
        enrolled_at=at,
        platform=platform[:80],
        app_version=app_version[:20],
    )
    device.refresh_from_db()
    if not claimed and not _repeats(device, token, at):
        raise EnrolmentRefused(EnrolmentRefused.Reason.USED)
    return device, token


def _repeats(device: Device, token: str, at: datetime) -> bool:
    """Say whether this is the token the link gave lately, by the same key, and it is still good."""
    recent = device.enrolled_at is not None and at - device.enrolled_at <= REPEAT_ENROLMENT_WITHIN
    return device.token_hash == sha256(token) and recent and device.revoked_at is None


def _device_token(source: str) -> str:
    """Return 256 bits that nobody can compute without the token in `source`, which is kept nowhere."""
    digest = keyed_hash("device-token", source)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def find_device(*, token: str) -> Device | None:
    """Return the device whose token this is, a withdrawn one too. One query; one more at a new token's first use.

    The first use of a new token ends the old one, and nothing else does: a phone that never got the answer, and lies in
    a drawer for a week, must still be known by the old one.
    """
    known = sha256(token)
    devices = Device.objects.select_related("location").order_by()
    device = devices.filter(Q(token_hash=known) | Q(next_token_hash=known)).first()
    if device is None or device.token_hash == known:
        return device
    # Of two that come with it at once, the second finds nothing left to do.
    Device.objects.filter(pk=device.pk, next_token_hash=known).update(token_hash=known, next_token_hash=None)
    device.token_hash, device.next_token_hash = known, None
    return device


def rotate_token(*, device: Device, token: str, key: str) -> str:
    """Return a new token for a device that calls with `token`; it is good at once.

    The same token and key get the same answer again, as often as it gets lost: `token` is good until the new one was
    used. Another key makes another new token, and the one made before ends.
    """
    new = _device_token(f"rotate:{token}:{key}")
    changed = Device.objects.filter(pk=device.pk, token_hash=sha256(token), revoked_at=None)
    changed.update(next_token_hash=sha256(new))
    device.refresh_from_db(fields=["token_hash", "next_token_hash"])
    return new


def revoke_device(*, device: Device, at: datetime) -> Device:
    """Shut a device out at once and for good; what it scanned stays."""
    device.revoked_at, device.enrol_hash = device.revoked_at or at, None
    device.save(update_fields=["revoked_at", "enrol_hash"])
    return device


def release_device(*, device: Device) -> Device:
    """Forget a device's tokens, for it gave up. It keeps its id and history, and a new link connects it again."""
    device.token_hash = device.next_token_hash = None
    device.enrol_hash = device.enrol_expires_at = device.enrolled_at = None
    device.enrol_key = ""
    fields = ["token_hash", "next_token_hash"]
    device.save(update_fields=[*fields, "enrol_hash", "enrol_expires_at", "enrol_key", "enrolled_at"])
    return device


def touch_device(*, device: Device, at: datetime) -> None:
    """Note that a device was seen, at most once a minute. The condition keeps it to one writer among many."""
    due = at - SEEN_EVERY
    if device.last_seen_at is None or device.last_seen_at <= due:
        seen_long_ago = Q(last_seen_at=None) | Q(last_seen_at__lte=due)
        Device.objects.filter(seen_long_ago, pk=device.pk).update(last_seen_at=at)
