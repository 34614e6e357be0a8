"""Whether the worker lives, and what was written to files instead of sent."""

from __future__ import annotations

from datetime import datetime, timedelta

from messaging.models import Heartbeat
from messaging.transports import outbox as files
from messaging.transports.outbox import OutboxItem, OutboxMail

OUTBOX_PERMISSIONS = ("messaging.view_message", "contacts.reveal_contact")  # it holds full addresses
WORKER_SILENT_AFTER = timedelta(minutes=3)


def worker_alive(at: datetime) -> bool:
    """Whether the worker's clock has been heard within three minutes."""
    return Heartbeat.objects.filter(at__gte=at - WORKER_SILENT_AFTER).exists()


def outbox(limit: int = 50) -> list[OutboxItem]:
    """Return the newest messages that were written to files instead of sent."""
    return files.items(limit)


def outbox_item(name: str) -> OutboxMail:
    """Return one of them. Raises FileNotFoundError."""
    return files.read(name)
