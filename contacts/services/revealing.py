"""Who looked at whom."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from contacts.models import AuditEvent, Contact
from contacts.services.audit import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ONE_LINE_FOR = timedelta(hours=1)


def note_revealed(contact_id: int, *, actor: User, at: datetime) -> bool:
    """Write down that somebody looks at a contact in full; once an hour will do. Return whether a line was written.

    The contact's row is locked, so a double click writes one line.
    """
    with transaction.atomic():
        Contact.objects.select_for_update().only("pk").get(pk=contact_id)
        detail = f"contact {contact_id}"
        action = AuditEvent.Action.REVEALED
        seen = AuditEvent.objects.filter(action=action, actor=actor, detail=detail, at__gt=at - ONE_LINE_FOR)
        if seen.exists():
            return False
        audit(action, detail=detail, actor=actor)
    return True
