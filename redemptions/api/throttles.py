"""Limits of politeness, a minute, over all processes. Guessing is stopped by the record of scans, not here."""

from __future__ import annotations

import logging
import os
import time
from typing import Any, cast

from django.conf import settings
from django.core.cache import cache
from redis import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from contacts.services.signup import visitor_index
from contacts.views.visitors import visitor_of
from redemptions.models import Device

logger = logging.getLogger(__name__)

MINUTE_S = 60
ASK_AGAIN_S = 15
_away = {"until": 0.0}  # of this process, by the clock that nobody sets


class CallThrottle(BaseThrottle):
    """Counts the calls of one endpoint by a device, or by an address where no device calls."""

    def allow_request(self, request: Request, view: Any) -> bool:
        device: Device | None = cast(Any, request.user)
        limit: int = view.calls_a_minute
        return count_call(type(view).__name__, device.pk if device else _address(request)) <= limit

    def wait(self) -> float:
        return MINUTE_S - time.time() % MINUTE_S


def _address(request: Request) -> str:
    return (visitor_index(visitor_of(request._request)) or b"").hex()


def count_call(scope: str, caller: object) -> int:
    """Count a call, and return how many that makes in this minute.

    In Redis where there is one. Else all processes are on this machine and share a file for each caller, which every
    call makes longer by a byte: what a write appends, and where it stood then, is one step for the system. Where that
    fails, nobody is kept from a deal for it.
    """
    minute = int(time.time()) // MINUTE_S
    count = _count_in_redis if settings.REDIS_URL else _append
    try:
        return count(scope, f"{scope}-{caller}-{minute}", str(minute))
    except (OSError, RedisError, ValueError):  # ValueError: Redis forgot the number right after it was made
        logger.exception("Calls of the scanner API could not be counted.")
        return 0


def _count_in_redis(scope: str, name: str, minute: str) -> int:
    """Count in Redis; where it is away, do not ask for a while: it may take seconds to fail, and staff wait."""
    if time.monotonic() < _away["until"]:
        return 0
    try:
        cache.add(f"calls:{name}", 0, 2 * MINUTE_S)
        return cache.incr(f"calls:{name}")
    except (OSError, RedisError):
        _away["until"] = time.monotonic() + ASK_AGAIN_S
        raise


def _append(scope: str, name: str, minute: str) -> int:
    folder = settings.VAR_DIR / "calls"
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, b".")
        calls = os.lseek(file, 0, os.SEEK_CUR)
    finally:
        os.close(file)
    if calls == 1:
        for old in folder.glob(f"{scope}-*"):
            if not old.name.endswith(f"-{minute}"):
                old.unlink(missing_ok=True)
    return calls
