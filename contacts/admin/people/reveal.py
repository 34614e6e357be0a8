"""Looking at a contact in full: asked for by a press of a button, written down, and over after a quarter of an hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.http import HttpRequest

from contacts.services.revealing import note_revealed

if TYPE_CHECKING:
    from contacts.models import Contact

SHOWN_FOR = timedelta(minutes=15)
SHELF = "revealed"


def reveal(request: HttpRequest, contact: Contact, *, at: datetime) -> None:
    """Show a contact in full to this session from now on, and write a line of the audit."""
    note_revealed(contact.pk, actor=request.user, at=at)  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
    now = at.timestamp()
    lasting = {key: until for key, until in request.session.get(SHELF, {}).items() if until > now}
    request.session[SHELF] = {**lasting, str(contact.pk): (at + SHOWN_FOR).timestamp()}


def is_revealed(request: HttpRequest, contact: Contact, *, at: datetime) -> bool:
    until: float = request.session.get(SHELF, {}).get(str(contact.pk), 0)
    return until > at.timestamp() and request.user.has_perm("contacts.reveal_contact")
