"""Who asks, and from where: told once for a request, so that no service has to be handed it for the audit."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Origin:
    """Somebody at the admin, and the network they come from."""

    user: User | AnonymousUser | None
    network: str


_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """Let everything inside know who asks."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def current_origin() -> Origin | None:
    """Return who asks; None: a command or the worker, where nobody does."""
    return _origin.get()


def address_of(request: HttpRequest) -> str | None:
    """Return the visitor's address. Each proxy in front adds whom it was called by to the end of a list.

    As many of the last ones are believed as there are proxies; what stands before was sent by the visitor, who may
    write anything.
    """
    told = request.headers.get("X-Forwarded-For", "").split(",") if settings.PROXY_COUNT else []
    for text in (*told[-settings.PROXY_COUNT :][:1], request.META.get("REMOTE_ADDR") or ""):
        try:
            address = ipaddress.ip_address(text.strip())
        except ValueError:
            continue
        return str(getattr(address, "ipv4_mapped", None) or address)
    return None


def network_of(address: str | None) -> str:
    """Return an address without the part that names one machine: 203.0.113.0/24, 2001:db8:1::/48; empty: not known."""
    if not address:
        return ""
    prefix = 48 if ipaddress.ip_address(address).version == 6 else 24
    return str(ipaddress.ip_network((address.partition("%")[0], prefix), strict=False))
