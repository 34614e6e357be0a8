"""What every call of a webhook passes before anybody reads a report: its size, and the proof of who sent it."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils.crypto import constant_time_compare

logger = logging.getLogger(__name__)

MAX_BYTES = 1024 * 1024
AHEAD = timedelta(minutes=5)  # by which another machine's clock may be fast
QUIET_S = 60  # between two lines in the log about the same


class Refused(Exception):
    """The call does not prove where it comes from. `why` is a fixed text for the log."""

    def __init__(self, why: str, *, status: int = 403) -> None:
        super().__init__(why)
        self.why = why
        self.status = status


class Unreadable(Exception):
    """The call is nobody's report: no JSON, or not of the form this provider uses."""


@dataclass(frozen=True)
class Call:
    """One call of a webhook, read whole. `headers` are found in any case of their letters."""

    body: bytes
    headers: Mapping[str, str]
    at: datetime

    @cached_property
    def json(self) -> Any:
        """Raises Unreadable."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Unreadable from error

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The JSON object. Raises Unreadable where it is something else."""
        if not isinstance(self.json, dict):
            raise Unreadable
        return self.json


def is_too_big(length: str) -> bool:
    """Whether a Content-Length announces more than is read. Raises Unreadable where it is no number."""
    if not length.isdecimal():
        raise Unreadable
    return int(length) > MAX_BYTES


def keys(name: str) -> list[str]:
    """Return the keys in a setting; of several, each is good, so that they can be changed. Raises Refused without."""
    found: list[str] = getattr(settings, name)
    if not found:
        raise Refused(f"{name} is not set")
    return found


def say_once(key: str, text: str, *values: object) -> None:
    """Write a line to the log, at most once a minute: whoever calls a webhook does not fill it."""
    if cache.add(f"webhook/said/{key}", True, QUIET_S):
        logger.warning(text, *values)


def need_password(call: Call) -> None:
    """Raise Refused where the call does not carry one of the names and passwords in WEBHOOK_SECRET (HTTP basic)."""
    wanted = keys("WEBHOOK_SECRET")
    scheme, _, value = call.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(value, validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        given = b""
    if not any(constant_time_compare(given, secret.encode()) for secret in wanted):
        raise Refused("wrong name or password", status=401)


def has_password_instead(name: str, call: Call) -> bool:
    """Whether the call carries WEBHOOK_SECRET where the provider could sign, and its key is not set here.

    Raises Refused where the secret is set, and the call carries another or none.
    """
    if getattr(settings, name) or not settings.WEBHOOK_SECRET:
        return False
    need_password(call)
    return True


def need_fresh(seconds: object, call: Call, *, for_: timedelta) -> None:
    """Raise Refused where a signature's time (unix seconds) is longer ago than that, or lies ahead."""
    try:
        age = call.at.timestamp() - float(str(seconds))
    except ValueError:
        raise Refused("no time in the signature") from None
    if not -AHEAD.total_seconds() <= age <= for_.total_seconds():  # false of NaN as well
        raise Refused("too old, or a clock is wrong")
