"""People who sign in: what they may, their second factor, their sessions, and who was locked out.

Wrong passwords are counted by django-axes in the database, for all processes together. It is given a keyed hash instead
of the name that was typed: that may be an e-mail address, or a password in the wrong field.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Sum
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_otp import verify_token

from contacts.fields import keyed_hash
from contacts.models import AuditEvent, AuthenticatorApp, RecoveryCodes, Role
from contacts.qr import svg
from contacts.services.audit import audit
from contacts.services.origin import address_of, current_origin

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.functional import _StrPromise

RECOVERY_CODES = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
APP_DIGITS = 6
SIGNED_IN_AT, SEEN_AT = "signed_in_at", "seen_at"  # in a session, in seconds
HOW = {"AuthenticatorApp": "with the app", "RecoveryCodes": "with a recovery code"}
NO_WRONG_CODES: dict[str, Any] = {"throttling_failure_count": 0, "throttling_failure_timestamp": None}
Action = AuditEvent.Action


# --- What they may ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extra:
    """A permission that is given to a person by name, beyond their role."""

    permission: str
    label: _StrPromise


EXTRAS = (
    Extra("campaigns.send_campaign", gettext_lazy("Send campaigns, pause and cancel them")),
    Extra("campaigns.approve_campaign", gettext_lazy("Approve campaigns of others, and send big ones alone")),
    Extra("contacts.export_contact", gettext_lazy("Download contacts")),
    Extra("contacts.reveal_contact", gettext_lazy("See full addresses and numbers")),
    Extra("contacts.erase_contact", gettext_lazy("Erase contacts for good")),
    Extra("contacts.lift_suppression", gettext_lazy("End a block of an address")),
    Extra("redemptions.void_redemption", gettext_lazy("Take redemptions back")),
)


def role_of(user: User) -> Role | None:
    """Return somebody's role; None: none of ours. One query, unless the groups were fetched before."""
    names = {group.name for group in user.groups.all()}
    return next((role for role in Role if role in names), None)


def extras_of(user: User) -> list[str]:
    """Return the extra permissions somebody was given by name."""
    given = {f"{app}.{name}" for app, name in user.user_permissions.values_list("content_type__app_label", "codename")}
    return [extra.permission for extra in EXTRAS if extra.permission in given]


@transaction.atomic
def save_person(user: User, *, role: Role | None, extras: Iterable[str]) -> User:
    """Save somebody with a role and permissions beyond it. Groups that are not ours stay as they are."""
    kept = User.objects.get(pk=user.pk) if user.pk else None
    before = (role_of(kept), extras_of(kept), kept.is_active) if kept else None
    user.is_staff = user.is_superuser or (role is not None and role != Role.STAFF)
    if not user.pk:
        user.set_unusable_password()
    user.save()
    user.groups.remove(*Group.objects.filter(name__in=Role.values))
    if role is not None:
        user.groups.add(Group.objects.get_or_create(name=role.value)[0])
    _set_extras(user, set(extras))
    after = (role_of(User.objects.get(pk=user.pk)), extras_of(user), user.is_active)
    if before != after:
        audit(Action.PERSON, detail=f"user {user.pk}: {_words(*after)}")
    if kept is not None:
        note_new_name(user, before=kept.username)
    return user


def sign_in_link(user: User) -> str:
    """Return a link with which somebody chooses a password, good once and for three days, and write it down.

    It leads to the address the shop is known by, whatever address the one who asks has typed.
    """
    number, token = urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)
    audit(Action.INVITED, detail=f"user {user.pk}")
    return f"{settings.PUBLIC_BASE_URL}{reverse('admin:invite', args=[number, token])}"


def note_new_name(user: User, *, before: str) -> None:
    """Write down that somebody signs in by another name: the log shows everybody's name of today."""
    if user.username != before:
        old = "by another name" if "@" in before else f"as {before}"
        audit(Action.PERSON, detail=f"user {user.pk}: signed in {old} until now")


def _set_extras(user: User, wanted: set[str]) -> None:
    known = {extra.permission for extra in EXTRAS}
    for permission in Permission.objects.filter(codename__in=[name.partition(".")[2] for name in known]):
        full = f"{permission.content_type.app_label}.{permission.codename}"
        if full in known:
            (user.user_permissions.add if full in wanted else user.user_permissions.remove)(permission)


def _words(role: Role | None, extras: list[str], is_active: bool) -> str:
    names = [name.partition(".")[2] for name in extras]
    parts = [role.value if role else "no role", *(["with " + ", ".join(names)] if names else [])]
    return ", ".join([*parts, *([] if is_active else ["may not sign in"])])


# --- The second factor ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an app needs: the key to type, and a picture of it to scan."""

    key: str
    image: str


def has_second_factor(user: User) -> bool:
    return bool(AuthenticatorApp.objects.filter(user=user, confirmed=True).exists())


def recovery_codes_left(user: User) -> int:
    codes = RecoveryCodes.objects.filter(user=user).first()
    return len(codes.hashes) if codes else 0


def start_enrolment(user: User) -> None:
    """Make a new key, which counts when a code of it was typed; the app used so far stays good until then.

    One statement, so that a double click makes one.
    """
    fresh = {"key": AuthenticatorApp.new_key(), "last_step": -1, **NO_WRONG_CODES}
    AuthenticatorApp.objects.update_or_create(user=user, confirmed=False, defaults={"name": "app", **fresh})


def stop_enrolment(user: User) -> None:
    AuthenticatorApp.objects.filter(user=user, confirmed=False).delete()


def enrolment(user: User, *, business: str) -> Enrolment | None:
    """Return what to scan, where an enrolment was begun."""
    app = AuthenticatorApp.objects.filter(user=user, confirmed=False).first()
    if app is None:
        return None
    issuer = quote(business or "Regulars", safe="")
    link = f"otpauth://totp/{issuer}:{quote(user.get_username(), safe='')}?secret={app.key}&issuer={issuer}"
    image = base64.b64encode(svg(link).encode()).decode("ascii")
    spaced = " ".join(app.key[at : at + 4] for at in range(0, len(app.key), 4))
    return Enrolment(spaced, f"data:image/svg+xml;base64,{image}")


@transaction.atomic
def finish_enrolment(user: User, token: str) -> tuple[AuthenticatorApp, list[str]] | None:
    """Take the new app for good where `token` is of it; return it with fresh recovery codes. None: a wrong code."""
    app = AuthenticatorApp.objects.select_for_update().filter(user=user, confirmed=False).first()
    if app is None or not app.verify_token(_plain(token)):
        return None
    AuthenticatorApp.objects.filter(user=user, confirmed=True).delete()
    app.confirmed = True
    app.save(update_fields=["confirmed"])
    codes = _write_codes(user)
    audit(Action.FACTOR_ON, detail=f"user {user.pk}", actor=user)
    return app, codes


def make_recovery_codes(user: User) -> list[str]:
    """Replace somebody's recovery codes; return the new ones, which nobody can show again."""
    codes = _write_codes(user)
    audit(Action.RECOVERY, detail=f"user {user.pk}", actor=user)
    return codes


def _write_codes(user: User) -> list[str]:
    codes = [f"{_letters()}-{_letters()}" for number in range(RECOVERY_CODES)]
    hashes = [RecoveryCodes.hash_of(code) for code in codes]
    RecoveryCodes.objects.update_or_create(user=user, defaults={"name": "codes", "hashes": hashes, **NO_WRONG_CODES})
    return codes


def _letters() -> str:
    return "".join(secrets.choice(LETTERS) for position in range(5))


def verify_second_factor(user: User, token: str) -> Any | None:
    """Return the app, or the recovery codes, that a code is of, and use the code up; None where it is wrong."""
    plain = _plain(token)
    kind = AuthenticatorApp if plain.isdigit() and len(plain) == APP_DIGITS else RecoveryCodes
    device = kind.objects.filter(user=user, confirmed=True).first()
    return verify_token(user, device.persistent_id, plain) if device else None


def _plain(token: str) -> str:
    return "".join(token.split())


@transaction.atomic
def turn_off_second_factor(user: User) -> None:
    """Take somebody's app and recovery codes away, and end their sessions that rested on them."""
    AuthenticatorApp.objects.filter(user=user).delete()
    RecoveryCodes.objects.filter(user=user).delete()
    audit(Action.FACTOR_OFF, detail=f"user {user.pk}")


# --- Sessions ---------------------------------------------------------------------------------------------------------


def open_sessions(user: User, *, at: datetime) -> list[Session]:
    """Return somebody's sessions. Reads all that are open: one for each person signed in somewhere."""
    alive = Session.objects.filter(expire_date__gt=at).iterator()
    return [session for session in alive if session.get_decoded().get("_auth_user_id") == str(user.pk)]


def end_sessions(user: User, *, at: datetime, but: str | None = None) -> int:
    """Sign somebody out everywhere, but in the session of the key `but`; return in how many places that was."""
    keys = [session.pk for session in open_sessions(user, at=at) if session.pk != but]
    Session.objects.filter(pk__in=keys).delete()
    return len(keys)


def note_sign_in(request: HttpRequest, user: User) -> None:
    """Begin the time somebody may stay signed in, and write it down. Called by Django's signal."""
    now = time.time()
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = now
    if current_origin() is not None:
        factor = getattr(user, "otp_device", None)
        words = HOW.get(type(factor).__name__, "")
        audit(Action.SIGNED_IN, actor=user, detail=words)


def note_sign_out(user: User | None) -> None:
    """Write down that somebody left by themselves. Called by Django's signal."""
    if user is not None and current_origin() is not None:
        audit(Action.SIGNED_OUT, actor=user)


def note_failed_sign_in(request: HttpRequest | None, credentials: dict[str, Any]) -> None:
    """Write down a wrong password or code, and that it was one too many; nothing more once somebody is locked out.

    Called by Django's signal, after django-axes has counted.
    """
    failures = getattr(request, "axes_failures_since_start", None)
    if failures is None:
        return
    name = str(credentials.get("username") or "")
    user = User.objects.filter(username=name).first()
    who = f"user {user.pk}" if user else "a name nobody has"
    audit(Action.FAILED_SIGN_IN, detail=who)
    if failures >= settings.SIGN_IN_TRIES:
        audit(Action.LOCKED_OUT, detail=who)


# --- Locked out -------------------------------------------------------------------------------------------------------


def hashed_name(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """Return what wrong passwords are counted under: a hash of the name that was typed. Called by django-axes."""
    posted = request.POST.get("username", "") if request is not None else ""
    return _hashed(str((credentials or {}).get("username") or posted))


def _hashed(name: str) -> str:
    return keyed_hash("sign-in", name.strip().lower()).hex()[:32]


def visitor_address(request: HttpRequest) -> str | None:
    """Return what wrong passwords are counted by: the address, or the network of 64 bits that one line of IPv6 gets.

    Whoever has such a line could try a password from each of its addresses. Called by django-axes.
    """
    address = address_of(request)
    if address is None or ipaddress.ip_address(address).version == 4:
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False).network_address)


def nameless(*args: Any, **kwargs: Any) -> str:
    """Return what the log calls somebody who signs in: nothing. Called by django-axes."""
    return "somebody"


def locked_places(user: User, *, at: datetime) -> int:
    """Return from how many addresses somebody is locked out just now."""
    recent = AccessAttempt.objects.filter(
        username=_hashed(user.get_username()), attempt_time__gt=at - timedelta(minutes=settings.SIGN_IN_WAIT_MINUTES)
    )
    totals = recent.values("ip_address").annotate(failures=Sum("failures_since_start")).order_by()
    return int(totals.filter(failures__gte=settings.SIGN_IN_TRIES).count())


def too_many_from(request: HttpRequest, *, at: datetime) -> bool:
    """Say whether so much was tried from one address, whatever the names, that it has to wait as well."""
    since = at - timedelta(minutes=settings.SIGN_IN_WAIT_MINUTES)
    recent = AccessAttempt.objects.filter(ip_address=visitor_address(request), attempt_time__gt=since)
    failures = recent.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
    return bool(failures >= settings.SIGN_IN_TRIES_OF_ALL_NAMES)


@transaction.atomic
def unlock(user: User) -> None:
    """Forget the wrong passwords and codes that were typed for somebody, wherever that was."""
    AccessAttempt.objects.filter(username=_hashed(user.get_username())).delete()
    for kind in (AuthenticatorApp, RecoveryCodes):
        kind.objects.filter(user=user).update(**NO_WRONG_CODES)
    audit(Action.UNLOCKED, detail=f"user {user.pk}")


def wait_words() -> str:
    """Say how long somebody who is locked out has to wait."""
    return _("Wait %(minutes)s minutes, then try again.") % {"minutes": settings.SIGN_IN_WAIT_MINUTES}
