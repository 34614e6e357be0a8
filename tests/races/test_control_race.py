"""Several people at the buttons of one campaign, and pumps at its rows: one press wins, no row is lost or stuck."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from campaigns import services as campaigns
from campaigns.models import Approval, Campaign
from campaigns.queries import has_not_grown
from campaigns.services import NotPossible
from contacts.models import AuditEvent, Business, Contact
from messaging.models import Message
from messaging.services.control import (
    approve,
    ask_approval,
    cancel,
    launch,
    pause,
    resume,
    send_back,
    take_back,
)
from messaging.services.settling import retry_failed, send_anyway, settle_unknown
from messaging.services.starting import start_due
from tests.admin.conftest import add_contact, write_draft
from tests.messaging.ledger import add, begun, states

AT = datetime(2026, 11, 21, 18, tzinfo=UTC)
PATIENCE_S = 20
ROUNDS = 5


@pytest.fixture(autouse=True)
def several_writers(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")


@pytest.fixture
def people() -> list[Contact]:
    return [add_contact(f"guest{number}@example.org") for number in range(6)]


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Start these together; return what each returned, or raised."""
    start = threading.Barrier(len(actions))
    results: list[Any] = [None] * len(actions)

    def run(number: int, action: Callable[[], Any]) -> None:
        try:
            start.wait(PATIENCE_S)
            results[number] = action()
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return results


def refused(results: list[Any]) -> int:
    """Count the refusals; anything else that was raised is a bug."""
    errors = [result for result in results if isinstance(result, Exception)]
    assert all(isinstance(error, NotPossible) for error in errors), errors
    return len(errors)


def status_of(campaign: Campaign) -> str:
    return Campaign.objects.get(pk=campaign.pk).status


def test_of_two_who_undo_and_start_one_wins(people: list[Contact]) -> None:
    for _ in range(ROUNDS):
        campaign = launch(write_draft(), at=AT)

        undone, begun_count = at_once(partial(take_back, campaign), partial(start_due, at=AT))

        fresh = Campaign.objects.get(pk=campaign.pk)
        if isinstance(undone, NotPossible):
            assert (fresh.status, begun_count, fresh.begun_at) == ("sending", 1, AT)
            assert fresh.audience is not None
        else:
            assert (fresh.status, begun_count, fresh.begun_at) == ("draft", 0, None)
            assert fresh.audience is None
        fresh.delete()


def test_of_five_who_pause_one_does(people: list[Contact]) -> None:
    campaign = begun(write_draft(), at=AT)

    results = at_once(*[lambda: pause(campaign)] * 5)

    assert refused(results) == 4
    assert status_of(campaign) == "paused"


def test_pause_resume_and_cancel_at_once_end_cancelled_and_complete(people: list[Contact]) -> None:
    for _ in range(ROUNDS):
        campaign = begun(write_draft(), at=AT)
        for person, status in zip(
            people, ["accepted", "handed", "claimed", "claimed", "queued", "queued"], strict=True
        ):
            add(campaign, person, status, at=AT)

        results = at_once(partial(pause, campaign), partial(resume, campaign, at=AT), partial(cancel, campaign, at=AT))

        refused(results)
        assert status_of(campaign) == "cancelled"
        assert states(campaign) == {"accepted": 1, "sending": 1, "cancelled": 4}


def test_a_pause_waits_for_no_pump_and_leaves_what_is_handed_over_just_now(people: list[Contact]) -> None:
    campaign = begun(write_draft(), at=AT)
    rows = [add(campaign, person, "claimed", at=AT) for person in people]
    handing, done = threading.Event(), threading.Event()

    def hand_over() -> None:
        """What a pump does in one transaction, held open while somebody pauses."""
        with transaction.atomic():
            Message.objects.filter(pk__in=[row.pk for row in rows[:2]]).update(handed_at=AT)
            handing.set()
            done.wait(PATIENCE_S)

    def press() -> None:
        handing.wait(PATIENCE_S)
        try:
            pause(campaign)
        finally:
            done.set()

    assert at_once(hand_over, press) == [None, None]
    assert status_of(campaign) == "paused"
    assert states(campaign) == {"sending": 2, "queued": 4}
    assert Message.objects.filter(campaign=campaign, status="sending", handed_at=AT).count() == 2


def test_a_claim_under_way_is_never_handed_over_after_a_cancel(people: list[Contact]) -> None:
    campaign = begun(write_draft(), at=AT)
    rows = [add(campaign, person, "queued", at=AT) for person in people]
    claiming, done = threading.Event(), threading.Event()

    def claim() -> None:
        with transaction.atomic():
            Message.objects.filter(pk=rows[0].pk).update(status="sending", claim=uuid.uuid4(), claimed_at=AT)
            claiming.set()
            done.wait(PATIENCE_S)

    def press() -> None:
        claiming.wait(PATIENCE_S)
        try:
            cancel(campaign, at=AT)
        finally:
            done.set()

    assert at_once(claim, press) == [None, None]
    # The claimed row is its pump's to settle: it looks at the campaign before it hands over, and finds it cancelled.
    assert states(campaign) == {"sending": 1, "cancelled": 5}
    assert Message.objects.get(status="sending").handed_at is None


def test_of_several_who_retry_one_does(people: list[Contact]) -> None:
    campaign = begun(write_draft(), at=AT)
    for person in people:
        add(campaign, person, "failed", at=AT)

    results = at_once(*[lambda: retry_failed(campaign, at=AT)] * 4)

    assert refused(results) == 3
    assert [result for result in results if isinstance(result, int)] == [6]
    assert states(campaign) == {"queued": 6}


def test_a_proof_and_a_person_at_once_never_send_what_is_proved(people: list[Contact]) -> None:
    for _ in range(ROUNDS):
        campaign = begun(write_draft(), at=AT)
        message = add(campaign, people[0], "unknown", at=AT)

        sent, proved = at_once(
            partial(send_anyway, campaign, at=AT),
            partial(settle_unknown, message.reference, provider_id="p", at=AT + timedelta(minutes=1)),
        )

        assert isinstance(sent, NotPossible) is proved
        assert states(campaign) == ({"accepted": 1} if proved else {"queued": 1})


def test_two_who_reopen_a_sent_campaign_do_not_stop_each_other(people: list[Contact]) -> None:
    for _ in range(ROUNDS):
        campaign = begun(write_draft(), at=AT)
        add(campaign, people[0], "failed", at=AT)
        Campaign.objects.filter(pk=campaign.pk).update(status="sent", finished_at=AT)

        results = at_once(partial(retry_failed, campaign, at=AT), partial(campaigns.reopen, campaign))

        assert refused(results) == 0
        assert (status_of(campaign), states(campaign)) == ("sending", {"queued": 1})


def test_a_launch_and_an_undo_from_an_old_page_do_not_mix(people: list[Contact]) -> None:
    campaign = launch(write_draft(), at=timezone.now(), starts_at=timezone.now() + timedelta(hours=1))

    results = at_once(*[lambda: take_back(campaign)] * 3)

    assert refused(results) == 2
    fresh = Campaign.objects.get(pk=campaign.pk)
    assert (fresh.status, fresh.audience, fresh.starts_at) == ("draft", None, None)


# --- One approves, another sends back ---

APPROVED = ("scheduled", True, {"approved", "launched"})
SENT_BACK = ("draft", False, {"sent_back"})
HELD_S = 1


@pytest.fixture
def olga(people: list[Contact]) -> User:
    """Return somebody who may approve what nina asks to send."""
    Business.load()
    Business.objects.update(approval_above=2)
    User.objects.create_user("nina")
    return User.objects.create_superuser("olga")


def asked_for() -> Campaign:
    campaign = write_draft()
    ask_approval(campaign, at=AT, by=User.objects.get(username="nina"))
    return campaign


def came_to(campaign: Campaign) -> tuple[str, bool, set[str]]:
    """Return the campaign's state, whether its question is still there, and what was written down."""
    about = Q(detail=f"campaign {campaign.pk}") | Q(detail__startswith=f"campaign {campaign.pk},")
    lines = AuditEvent.objects.filter(about).exclude(action="asked")
    is_asked = Approval.objects.filter(campaign=campaign).exists()
    return status_of(campaign), is_asked, set(lines.values_list("action", flat=True))


def send_back_while_approving(
    campaign: Campaign, olga: User, monkeypatch: pytest.MonkeyPatch, held_s: float = PATIENCE_S
) -> list[Any]:
    """Hold whoever approves between looking at the question and answering it, until it was sent back meanwhile.

    `held_s`: how long, where nobody gets to send it back.
    """
    looked, done = threading.Event(), threading.Event()

    def held(*args: Any) -> bool:
        looked.set()
        done.wait(held_s)
        return has_not_grown(*args)

    def press() -> None:
        looked.wait(PATIENCE_S)
        try:
            send_back(campaign, by=olga)
        finally:
            done.set()

    monkeypatch.setattr(campaigns, "has_not_grown", held)
    return at_once(partial(approve, campaign, at=AT, by=olga, earliest=AT), press)


def test_of_one_who_approves_and_one_who_sends_back_one_wins(olga: User) -> None:
    for _ in range(ROUNDS):
        campaign = asked_for()

        results = at_once(
            partial(approve, campaign, at=AT, by=olga, earliest=AT), partial(send_back, campaign, by=olga)
        )

        assert refused(results) == 1
        assert came_to(campaign) == (SENT_BACK if isinstance(results[0], NotPossible) else APPROVED)


def test_what_is_being_approved_is_not_sent_back(olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = asked_for()

    results = send_back_while_approving(campaign, olga, monkeypatch, HELD_S)

    assert refused(results[1:]) == 1
    assert refused(results[:1]) == 0
    assert came_to(campaign) == APPROVED


def test_what_is_being_sent_back_is_not_approved(olga: User) -> None:
    campaign = asked_for()
    taken, done = threading.Event(), threading.Event()

    def send_back_slowly() -> None:
        with transaction.atomic():
            send_back(campaign, by=olga)
            taken.set()
            done.wait(HELD_S)

    def press() -> None:
        taken.wait(PATIENCE_S)
        try:
            approve(campaign, at=AT, by=olga, earliest=AT)
        finally:
            done.set()

    results = at_once(send_back_slowly, press)

    assert results[0] is None
    assert refused(results) == 1
    assert came_to(campaign) == SENT_BACK


def test_where_nobody_locks_the_campaign_approving_what_was_sent_back_is_a_fault(
    olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "_locked_draft", lambda campaign: Campaign.objects.get(pk=campaign.pk))

    results = send_back_while_approving(asked_for(), olga, monkeypatch)

    assert results[1] is None
    assert isinstance(results[0], DatabaseError)
