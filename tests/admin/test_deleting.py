"""What cannot be deleted is named by kind and number, with what to do instead."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import Segment
from redemptions.models import Device, Location, Offer
from tests.admin.conftest import staff_client

FOR_GOOD = "It stays, because this belongs to it and is kept for good:"
ASK = "This would go with it, and you may not delete that. Ask the owner."


def url(row, page="delete"):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def test_a_location_of_the_ledger_stays(shop, admin_client):
    place = Location.objects.get()

    html = admin_client.get(url(place)).content.decode()

    assert FOR_GOOD in html
    assert ASK not in html
    assert "<li>Redemptions: 1</li>" in html
    assert "<li>Scans: 1</li>" in html
    assert "A location can be renamed." in html
    assert admin_client.post(url(place), {"post": "yes"}).status_code == 403
    assert Location.objects.filter(pk=place.pk).exists()


def test_codes_of_a_deal_are_counted_and_not_read(shop, admin_client):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        html = admin_client.get(url(shop.offer)).content.decode()

    assert "<li>Codes: 1</li>" in html
    assert "Set the status of the deal to “Ended” instead" in html
    assert not any("token_index" in query["sql"] for query in queries)


def test_a_segment_stays_for_the_campaigns_that_were_sent(shop, admin_client):
    segment = Segment.objects.get(name="Lunch people")
    shop.draft.segment = segment
    shop.draft.save(update_fields=["segment"])
    assert FOR_GOOD not in admin_client.get(url(segment)).content.decode()  # a draft can go

    shop.sending.segment = shop.sending.exclude_segment = segment
    shop.sending.save(update_fields=["segment", "exclude_segment"])
    html = admin_client.get(url(segment)).content.decode()

    assert FOR_GOOD in html
    assert "<li>Campaigns: 1</li>" in html


def test_several_stay(shop, admin_client):
    chosen = {"action": "delete_selected", "_selected_action": list(Location.objects.values_list("pk", flat=True))}

    html = admin_client.post(reverse("admin:redemptions_location_changelist"), chosen).content.decode()

    assert "They stay, because this belongs to them and is kept for good:" in html
    assert "<li>Redemptions: 1</li>" in html
    assert "A location can be renamed." in html
    admin_client.post(reverse("admin:redemptions_location_changelist"), chosen | {"post": "yes"})
    assert Location.objects.count() == 1


@pytest.fixture
def new_place(db):
    place = Location.objects.create(name="Food truck")
    Device.objects.bulk_create(Device(name=f"Phone {number}", location=place) for number in range(2))
    return place


def test_what_the_owner_may_delete_is_the_owners_word(new_place):
    html = staff_client("redemptions.delete_location").get(url(new_place)).content.decode()

    assert ASK in html
    assert FOR_GOOD not in html
    assert "<li>Devices: 2</li>" in html
    assert "A location can be renamed." not in html


def test_what_can_go_is_taken_out_first(new_place, admin_client):
    html = admin_client.get(url(new_place)).content.decode()

    assert "It is still used here. Take it out there first." in html
    assert url(new_place.devices.first(), "change") in html


def test_a_deal_that_promised_nothing_can_go(admin_client, db):
    offer = Offer.objects.create(name="Free coffee", type=Offer.Type.ITEM)

    assert "It is gone for good" in admin_client.get(url(offer)).content.decode()
    admin_client.post(url(offer), {"post": "yes"})
    assert not Offer.objects.exists()
