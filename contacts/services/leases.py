"""Background work: who holds it, how it is woken, and how it is taken over from a worker that died."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django_q.tasks import async_task

from contacts.models import BackgroundWork

LEASE = timedelta(minutes=2)  # far above the longest chunk


def wake() -> None:
    """Tell the worker that something may be waiting. A nudge: it may be lost or doubled; the clock calls as well."""
    transaction.on_commit(lambda: async_task("contacts.tasks.work", group="work"), robust=True)


def take(queryset: QuerySet[Any], *, at: datetime) -> Any | None:
    """Lease the oldest of these that nobody works on; None where all are taken or there is none."""
    free = Q(lease=None) | Q(lease_until__lt=at)
    for pk in list(queryset.filter(free).order_by("pk").values_list("pk", flat=True)[:10]):
        lease = uuid.uuid4()
        if queryset.filter(free, pk=pk).update(lease=lease, lease_until=at + LEASE):
            return queryset.model._default_manager.get(pk=pk)
    return None


def keep(work: BackgroundWork, *, at: datetime) -> bool:
    """Extend the lease, within the transaction of a chunk; False where somebody else holds the work by now."""
    model: type[Model] = type(work)
    mine = model._default_manager.filter(pk=work.pk, lease=work.lease)
    return bool(mine.update(lease_until=at + LEASE))


def give_back(work: BackgroundWork) -> None:
    """End the lease; the work may be taken at once."""
    model: type[Model] = type(work)
    model._default_manager.filter(pk=work.pk, lease=work.lease).update(lease=None, lease_until=None)
