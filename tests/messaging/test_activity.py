"""What is sent and redeemed is noted for segments, once a batch, also where the worker died in the middle of one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from contacts.models import Activity
from contacts.services import note_sent
from messaging import services
from messaging.models import Message, Pump
from messaging.services.sending import PumpRun
from redemptions.models import Device
from redemptions.services import enrol_device_start, redeem
from tests.messaging.conftest import run_all

pytestmark = pytest.mark.django_db


def test_notes_who_got_something(planned, guests, at):
    Message.objects.filter(contact=guests[0]).delete()

    run_all(at)

    noted = dict(Activity.objects.values_list("contact_id", "last_sent_at"))
    assert noted == {guest.pk: at for guest in guests[1:]}


def test_notes_a_batch_in_a_few_statements(planned, at, django_assert_num_queries):
    ids = list(Message.objects.values_list("contact_id", flat=True))

    with django_assert_num_queries(3):  # one, and a savepoint
        note_sent(ids, at=at)


def test_who_was_erased_meanwhile_is_left_out(planned, guests, at):
    gone = guests[0].pk
    guests[0].delete()

    note_sent([gone, guests[1].pk], at=at)

    assert list(Activity.objects.values_list("contact_id", flat=True)) == [guests[1].pk]


def test_notes_later_what_a_worker_that_died_had_sent(planned, guests, at, monkeypatch):
    monkeypatch.setattr(PumpRun, "_sign", lambda self: None)
    monkeypatch.setattr(PumpRun, "_drain", lambda self: None)
    services.send_due(clock=lambda: at)
    assert not Activity.objects.exists()
    sent = Message.objects.filter(status=Message.Status.ACCEPTED).values_list("contact_id", flat=True)
    assert len(sent) == 5

    services.recover(at=at + timedelta(hours=1))

    assert set(Activity.objects.values_list("contact_id", flat=True)) == set(sent)
    assert not Pump.objects.exists()


def test_notes_a_redemption_and_its_order_with_the_redemption(planned, guests, at):
    device, _ = enrol_device_start(
        name="Bar", location_name="Main Street", profile=Device.Profile.SCANNER, at=timezone.now()
    )
    code = Message.objects.get(contact=guests[0]).code
    assert code is not None

    for key in ("first", "first", "again"):
        redeem(code_text=code.token, device=device, key=key, at=at, order_value=Decimal("31.50"))

    known = Activity.objects.get(pk=guests[0].pk)
    assert (known.redemptions, known.spend, known.last_redeemed_at) == (1, Decimal("31.50"), at)
