"""The record of who took personal data out, erased it, or lifted a protection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contacts.models import AuditEvent

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def audit(action: AuditEvent.Action, *, detail: str = "", reason: str = "", actor: User | None = None) -> AuditEvent:
    """Write a line. `detail` and `reason` name contacts by number, never by name or address. No actor: a command."""
    via = "admin" if actor else "command"
    return AuditEvent.objects.create(action=action, actor=actor, via=via, detail=detail[:200], reason=reason)
