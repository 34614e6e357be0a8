"""Several calls at once, about the same messages and the same people."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from django.db import connection
from django.db.models import QuerySet

from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Suppression
from contacts.services import unsubscribe
from messaging.incoming import Incoming, Verdict
from messaging.models import Message, ProviderEvent
from messaging.services import send_anyway
from messaging.services.events import apply_waiting, applying, deriving, take_in
from tests.messaging.conftest import add_guest
from tests.messaging.events.conftest import LATER, report, sent
from tests.races.test_control_race import PATIENCE_S, at_once

ROUNDS = 4
HARD = Verdict.HARD


@pytest.fixture(autouse=True)
def several_writers(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")


@pytest.fixture
def messages(campaign) -> list[Message]:
    return [sent(campaign, add_guest(number + 10)) for number in range(20)]


def tell(events: list[Incoming]) -> int:
    return take_in("sendgrid", events, at=LATER)


def bad_news(messages: list[Message]) -> list[Incoming]:
    """Return a complaint or a bounce of each, and a delivery."""
    kinds = [("complained", Verdict.NONE), ("bounced", HARD)]
    bad = [report(message, *kinds[number % 2]) for number, message in enumerate(messages)]
    return bad + [report(message, "delivered") for message in messages]


def test_of_the_same_reports_at_once_each_counts_once(messages):
    for _ in range(ROUNDS):
        events = bad_news(messages)

        results = at_once(*[partial(tell, events), partial(tell, events[::-1])] * 2, partial(apply_waiting, at=LATER))

        assert sum(results[:4]) == len(events), results
        apply_waiting(at=LATER)
        assert not ProviderEvent.objects.filter(applied_at=None).exists()
    assert {message.status for message in Message.objects.all()} == {"complained", "bounced"}
    assert ConsentEvent.objects.filter(action="revoked").count() == 10
    assert Suppression.objects.count() == 20


def test_different_reports_on_the_same_messages_at_once_lock_nobody_out(messages):
    for _ in range(ROUNDS):
        events = bad_news(messages)
        portions = [events[::3], events[1::3][::-1], events[2::3]]

        results = at_once(*(partial(tell, portion) for portion in portions), partial(apply_waiting, at=LATER))

        assert not [result for result in results if isinstance(result, Exception)], results
        apply_waiting(at=LATER)
        assert not ProviderEvent.objects.filter(applied_at=None).exists()
    assert Suppression.objects.count() == 20


def test_a_proof_and_a_person_who_sends_anyway(campaign, messages):
    """Whoever comes first: what has arrived is not sent again."""
    for _ in range(ROUNDS):
        pks = [message.pk for message in messages]
        unknown = {"status": "unknown", "reason": "outcome_unknown", "provider_id": "", "handed_at": LATER}
        Message.objects.filter(pk__in=pks).update(**unknown)
        events = [report(message, "delivered", provider_id="p") for message in messages]

        results = at_once(partial(tell, events), partial(send_anyway, campaign, at=LATER))

        assert results[0] == len(events)
        apply_waiting(at=LATER)
        assert set(Message.objects.values_list("status", flat=True)) == {"delivered"}


@pytest.mark.parametrize(("has_lock", "expected"), [(True, "delivered"), (False, "bounced")])
def test_nobody_writes_what_was_true_before_another_report_came(has_lock, expected, messages, monkeypatch):
    """Without the lock, the second report would be lost: that is the control."""
    mine = messages[0]
    decided, told = threading.Event(), threading.Event()
    change = deriving.change

    def decide_and_wait(*args):
        found = change(*args)
        if not decided.is_set():
            decided.set()
            told.wait(PATIENCE_S)
        return found

    def tell_meanwhile() -> int:
        decided.wait(PATIENCE_S)
        try:
            return tell([report(mine, "delivered")])
        finally:
            told.set()

    monkeypatch.setattr(applying, "change", decide_and_wait)
    if not has_lock:
        monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)

    assert at_once(partial(tell, [report(mine, "bounced", Verdict.SENDER)]), tell_meanwhile) == [1, 1]

    apply_waiting(at=LATER)
    mine.refresh_from_db()
    assert mine.status == expected


def test_a_person_who_is_locked_is_waited_for(messages):
    """Somebody unsubscribes on the page while the complaint comes in: one withdrawal."""
    for message in messages[:ROUNDS]:
        index = bytes(message.address_index)
        leave = partial(
            unsubscribe,
            channel=Channel.EMAIL,
            address_index=index,
            source=ConsentEvent.Source.UNSUBSCRIBE_PAGE,
            at=LATER,
        )

        at_once(leave, partial(tell, [report(message, "complained")]), leave)
        apply_waiting(at=LATER)

        assert ConsentEvent.objects.filter(address_index=index, action="revoked").count() == 1
        reasons = Suppression.objects.filter(address_index=index).values_list("reason", flat=True)
        assert sorted(reasons) == ["complained", "unsubscribed"]
        assert Contact.objects.get(pk=message.contact_id).email_status == "suppressed"
