"""The record of who did what that must be answered for: data taken out, campaigns sent, people let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contacts.models import AuditEvent
from contacts.services.origin import current_origin

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def audit(action: AuditEvent.Action, *, detail: str = "", reason: str = "", actor: User | None = None) -> AuditEvent:
    """Write a line. `detail` and `reason` name contacts by number, never by name or address.

    Without an actor it is whoever asks just now at the admin; where nobody does, a command or the worker.
    """
    origin = current_origin()
    if actor is None and origin is not None and origin.user is not None and origin.user.is_authenticated:
        actor = origin.user  # the lazy one of the request
    via = "admin" if actor or origin else "command"
    return AuditEvent.objects.create(
        action=action,
        actor_id=actor.pk if actor else None,
        via=via,
        address=origin.network if origin else "",
        detail=detail[:200],
        reason=reason,
    )
