"""The same reports in any order, any number of times, in any portions: the same end."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import ConsentEvent, Suppression
from messaging.incoming import EventType, Incoming, Verdict
from messaging.models import Message, ProviderEvent
from messaging.services.events import apply_waiting, applying, take_in
from tests.messaging.conftest import add_guest
from tests.messaging.events.conftest import AT, sent

LATER = AT + timedelta(days=1)
STATUSES = ["accepted", "delivered", "failed", "unknown", "queued", "skipped", "handed"]
FAILING = ("bounced", "rejected", "failed")


@st.composite
def reports(draw: st.DrawFn) -> tuple[list[str], list[tuple[int, str, str, str, int]]]:
    """Return the statuses of some messages, and reports on them: whose, type, verdict, reject reason, minute."""
    statuses = draw(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=4))
    kinds = st.sampled_from(list(EventType))
    verdicts = st.sampled_from(["", "hard", "soft", "sender"])
    reasons = st.sampled_from(["", "", "unsubscribed", "spam", "bounced"])
    one = st.tuples(st.integers(0, len(statuses) - 1), kinds.map(str), verdicts, reasons, st.integers(0, 600))
    return statuses, draw(st.lists(one, min_size=1, max_size=10))


def end_of(messages: list[Message]) -> dict[str, Any]:
    rows = Message.objects.filter(pk__in=[message.pk for message in messages]).order_by("pk")
    campaign = messages[0].campaign
    campaign.refresh_from_db()
    return {
        "messages": [(row.status, row.reason, row.provider_id) for row in rows],
        "suppressed": sorted(Suppression.objects.values_list("channel", "address_index", "reason")),
        "withdrawn": sorted(ConsentEvent.objects.filter(action="revoked").values_list("channel", "address_index")),
        "events": ProviderEvent.objects.count(),
        "waiting": ProviderEvent.objects.filter(applied_at=None).exclude(message__status="sending").count(),
        "campaign": campaign.status,
    }


def as_incoming(case: tuple[int, str, str, str, int], number: int, messages: list[Message]) -> Incoming:
    whose, kind, verdict, reason, minute = case
    message = messages[whose]
    return Incoming(
        key=f"{number}",
        type=EventType(kind),
        at=AT + timedelta(minutes=minute),
        reference=message.reference,
        provider_id=f"try-{whose}",
        verdict=Verdict(verdict if kind in FAILING else ""),
        reject_reason=reason if kind in FAILING else "",
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(case=reports(), seed=st.integers(0, 10**6))
@pytest.mark.django_db
def test_neither_order_nor_repetition_matters(case, seed, campaign, offer, monkeypatch):
    monkeypatch.setattr(applying, "CALL_S", 600.0)
    statuses, told = case
    ends = []
    for chance in (None, Random(seed)):
        with transaction.atomic():
            messages = [
                sent(campaign, add_guest(number + 10), status, provider_id="", reason=REASONS.get(status, ""))
                for number, status in enumerate(statuses)
            ]
            events = [as_incoming(one, number, messages) for number, one in enumerate(told)]
            if chance is None:
                for event in events:
                    take_in("sendgrid", [event], at=LATER)
            else:
                doubled = events + chance.choices(events, k=len(events))
                chance.shuffle(doubled)
                while doubled:
                    size = chance.randint(1, len(doubled))
                    take_in("sendgrid", doubled[:size], at=LATER)
                    doubled = doubled[size:]
                apply_waiting(at=LATER)
            ends.append(end_of(messages))
            transaction.set_rollback(True)

    assert ends[0] == ends[1]
    assert ends[0]["waiting"] == 0


REASONS = {"unknown": "outcome_unknown", "skipped": "unsubscribed", "failed": "gave_up"}
