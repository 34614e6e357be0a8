"""One guest, one deal, one code, one phone at the bar, and a clock that stands still."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import time_machine
from django.core.cache import cache
from django.db.models import Model
from rest_framework.test import APIClient

from contacts.models import Contact
from redemptions.models import Code, Device, Location, Offer
from redemptions.services import complete_enrolment, create_offer, enrol_device_start, issue_codes

NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)  # in Chicago


@pytest.fixture
def at() -> datetime:
    return NOON


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Stop the clock that interfaces read at noon; `shift()` moves it."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def offer(db: None) -> Offer:
    return create_offer(name="20 % off lunch", type=Offer.Type.PERCENT, value=Decimal(20), instructions="One per table")


@pytest.fixture
def contact(db: None) -> Contact:
    return Contact.objects.create(email="maria.kovacs@example.com", first_name="Maria", last_name="Kovacs")


@pytest.fixture
def code(offer: Offer, contact: Contact) -> Code:
    return Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk])


@pytest.fixture
def enrolled(db: None) -> Callable[..., tuple[Device, str]]:
    """Return a maker of devices in use, with their tokens."""

    def make(
        name: str = "Bar phone", location_name: str = "Main St", profile: Device.Profile = Device.Profile.SCANNER
    ) -> tuple[Device, str]:
        _, enrol_token = enrol_device_start(name=name, location_name=location_name, profile=profile, at=NOON)
        return complete_enrolment(enrol_token=enrol_token, key="k" * 16, at=NOON)

    return make


@pytest.fixture
def device(enrolled: Callable[..., tuple[Device, str]]) -> Device:
    return enrolled()[0]


@pytest.fixture
def elsewhere(db: None) -> Location:
    return Location.objects.create(name="Airport")


@pytest.fixture
def client_of() -> Callable[[str], APIClient]:
    """Return a maker of API clients that carry a device's token."""

    def make(token: str) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        return client

    return make


@pytest.fixture
def api(
    clock: time_machine.Traveller,
    enrolled: Callable[..., tuple[Device, str]],
    client_of: Callable[[str], APIClient],
) -> APIClient:
    """Return the API client of the phone at the bar, none of whose calls are counted yet."""
    cache.clear()
    return client_of(enrolled()[1])


@pytest.fixture
def change() -> Callable[..., None]:
    """Return a function that sets fields of a row and saves them."""

    def save(row: Model, **values: object) -> None:
        for name, value in values.items():
            setattr(row, name, value)
        row.save(update_fields=list(values))

    return save
