"""Keeping an address off a channel until somebody has read what its owner wrote."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from contacts.channels import Channel
from contacts.models import Suppression
from contacts.services.consent import refresh_owner, suppress
from contacts.services.people import lock_contact

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def pause(*, channel: Channel, address_index: bytes, because: str, at: datetime) -> bool:
    """Write nothing to an address until `resume`; return whether it was written to before. `because`: `text 55`."""
    reason = Suppression.Reason.PAUSED
    return suppress(channel=channel, address_index=address_index, reason=reason, at=at, source=because)


def resume(*, channel: Channel, address_index: bytes, because: str, at: datetime, by: User | None = None) -> bool:
    """End such a pause, and nothing else; return whether there was one."""
    with transaction.atomic():
        lock_contact(channel, address_index)
        pauses = Suppression.objects.filter(
            channel=channel,
            address_index=address_index,
            reason=Suppression.Reason.PAUSED,
            lifted_at=None,
        )
        ended = pauses.update(lifted_at=at, lifted_by=by, lifted_because=because)
        if ended:
            refresh_owner(channel, address_index)
    return bool(ended)
