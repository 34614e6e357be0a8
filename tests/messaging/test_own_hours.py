"""The shop's own hours for texts: narrower than the law's, never wider, and they keep nobody from ever being texted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import Business
from messaging.admin.hours import EARLIEST, LATEST
from messaging.models import Message
from messaging.services import launch
from messaging.windows import STATES, Place, closes_at, daily, next_open, strict_hours, within
from messaging.windows.places import MAINLAND
from tests.admin.conftest import add_contact
from tests.messaging.conftest import run_all

EAST = "America/New_York"


def local(year: int, month: int, day: int, hour: int, zone: str = EAST) -> datetime:
    return datetime(year, month, day, hour, tzinfo=ZoneInfo(zone))


def test_narrows_the_hours_of_a_place():
    place, own = [Place(EAST, "NY")], daily(11, 18)

    assert next_open(place, local(2026, 11, 23, 9), own) == local(2026, 11, 23, 11)
    assert closes_at(place, local(2026, 11, 23, 12), own) == local(2026, 11, 23, 18)
    assert next_open(place, local(2026, 11, 23, 18), own) == local(2026, 11, 24, 11)


def test_widens_no_law():
    assert next_open(
        [Place("America/Chicago", "TX")], local(2026, 11, 22, 8, zone="America/Chicago"), daily(9, 20)
    ) == (
        local(2026, 11, 22, 12, zone="America/Chicago")  # a Sunday
    )


@pytest.mark.parametrize("last", LATEST)
@pytest.mark.parametrize("first", EARLIEST)
def test_whatever_may_be_chosen_leaves_hours_in_every_state_and_to_who_may_be_anywhere(first, last):
    own = daily(first, last)

    for state in STATES:
        assert all(begins < ends for begins, ends in within(strict_hours(state), own))
    opens = next_open(MAINLAND, local(2026, 11, 23, 3), own)
    assert all(first <= opens.astimezone(ZoneInfo(place.zone)).hour < last for place in MAINLAND)


def test_yields_where_the_places_of_somebody_share_no_such_hour():
    """Between Maine and Hawaii lie five hours in winter: 12 to 17 has nothing in common, 9 to 20 has."""
    places = [Place(EAST, "ME"), Place("Pacific/Honolulu", "HI")]

    assert next_open(places, local(2026, 11, 23, 3), daily(12, 17)) == next_open(places, local(2026, 11, 23, 3))


@given(st.sampled_from(EARLIEST), st.sampled_from(LATEST), st.integers(0, 2 * 365 * 24 * 60))
def test_is_never_open_when_the_law_is_not(first, last, minutes):
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    place = [Place("America/New_York", "RI")]

    opens = next_open(place, moment, daily(first, last))

    assert next_open(place, opens) == opens
    assert first <= opens.astimezone(ZoneInfo(EAST)).hour < last


@pytest.mark.django_db
@pytest.mark.parametrize("values", [{"texts_from": 8}, {"texts_until": 21}, {"texts_from": 18}])
def test_the_database_keeps_hours_out_that_could_shut_people_out(values):
    Business.load()

    with pytest.raises(IntegrityError):
        Business.objects.update(**values)


@pytest.mark.django_db(transaction=True)
def test_a_text_waits_for_the_hours_of_the_shop(settings, tmp_path):
    settings.OUTBOX_DIR = tmp_path
    Business.load()
    Business.objects.update(texts_from=12, postal_address="1 Real Street", timezone=EAST)
    add_contact(phone="+12125550123", region="NY")
    campaign = save_draft(Draft(name="Lunch", channel=Channel.SMS, body="Come by."))
    at = local(2026, 11, 23, 10)
    launch(campaign, at=at)

    run_all(at=at)

    message = Message.objects.get()
    assert (message.status, message.not_before) == ("queued", local(2026, 11, 23, 12))
