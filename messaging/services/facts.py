"""What was found out about the set-up, written down where a page can show it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import transaction

from messaging.models import Fact

AGAIN = timedelta(minutes=1)  # a webhook that is called all the time is noted so often
REFUSALS_S = 10


def note(name: str, is_good: bool | None, detail: Mapping[str, Any] | None = None, *, at: datetime) -> None:
    """Write a fact down in place of the one before; nothing personal goes into `detail`."""
    Fact.objects.update_or_create(name=name, defaults={"is_good": is_good, "detail": dict(detail or {}), "at": at})


def read(name: str) -> dict[str, Any]:
    """Return a fact's detail; empty where there is none."""
    return Fact.objects.filter(pk=name).values_list("detail", flat=True).first() or {}


def note_call(provider: str, *, at: datetime) -> None:
    """Note a good call of a provider's webhook, and that none was refused since. One query, and a write a minute."""
    name = f"webhook.{provider}"
    known = Fact.objects.filter(pk=name, is_good=True, at__gt=at - AGAIN).values_list("detail", flat=True).first()
    if known != {}:
        note(name, True, at=at)


def note_refusal(provider: str, *, at: datetime) -> None:
    """Count a refused call of a provider's webhook: `refused` since the last good one, and `refused_at`.

    What was green stays so: anybody may call, and as often as they like, so that those of ten seconds count once.
    `at` stays the time of the last good call, where there was one.
    """
    if cache.add(f"webhook/refused/{provider}", True, REFUSALS_S):
        _count_refusal(f"webhook.{provider}", at)


@transaction.atomic
def _count_refusal(name: str, at: datetime) -> None:
    Fact.objects.bulk_create([Fact(name=name, is_good=False, at=at)], ignore_conflicts=True)
    fact = Fact.objects.select_for_update().get(pk=name)
    fact.detail = {"refused": fact.detail.get("refused", 0) + 1, "refused_at": at.isoformat()}
    fact.save(update_fields=["detail"])
