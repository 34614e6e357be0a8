from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from redemptions.hours import read
from redemptions.models import Code, Device, Offer, Redemption, Scan
from redemptions.services import create_offer, enrol_device_start, issue_codes, issue_sheet, redeem, remove_demo_offers


def test_makes_an_offer(elsewhere):
    offer = create_offer(name="Free coffee", type=Offer.Type.ITEM, locations=[elsewhere])

    offer.refresh_from_db()
    assert (offer.value, offer.status, list(offer.locations.all())) == (None, "active", [elsewhere])


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("percent", None, "A percentage is between 0 and 100."),
        ("percent", Decimal(150), "A percentage is between 0 and 100."),
        ("amount", None, "Say how much money is taken off."),
        ("item", Decimal(5), "Leave the value empty"),
    ],
)
def test_refuses_a_value_that_makes_no_sense(kind, value, words, db):
    with pytest.raises(ValidationError, match=words):
        create_offer(name="Deal", type=Offer.Type(kind), value=value)


def test_refuses_to_end_before_it_starts(db, at):
    with pytest.raises(ValidationError, match=r"The deal ends before it starts\."):
        create_offer(name="Deal", type=Offer.Type.ITEM, starts_at=at, ends_at=at)


@pytest.mark.parametrize("kind", ["percent", "amount"])
def test_the_database_refuses_a_deal_without_its_value(kind, db):
    with pytest.raises(IntegrityError):
        Offer.objects.create(name="Deal", type=kind, value=None)


def test_removes_the_demo_and_nothing_else(code, device, contact, at):
    demo_offer = create_offer(name="Demo", type=Offer.Type.ITEM, is_demo=True)
    demo_device, _ = enrol_device_start(
        name="Demo phone", location_name="Main St", profile=Device.Profile.SCANNER, at=at, is_demo=True
    )
    demo_code = Code.objects.get(pk=issue_codes(offer=demo_offer, contact_ids=[contact.pk])[contact.pk])
    redeem(code_text=code.token, device=device, key="real", at=at)
    redeem(code_text=demo_code.token, device=device, key="demo", at=at)
    redeem(code_text=demo_code.token, device=demo_device, key="demo", at=at)

    assert remove_demo_offers() == 1

    assert list(Offer.objects.all()) == [code.offer]
    assert list(Device.objects.all()) == [device]
    assert Scan.objects.get().key == "real"
    assert Redemption.objects.get().entry_no == 1
    assert remove_demo_offers() == 0


def test_goes_on_numbering_after_the_demo_was_removed(code, device, contact, at):
    demo_offer = create_offer(name="Demo", type=Offer.Type.ITEM, is_demo=True)
    demo_code = Code.objects.get(pk=issue_codes(offer=demo_offer, contact_ids=[contact.pk])[contact.pk])
    redeem(code_text=demo_code.token, device=device, key="demo", at=at)
    remove_demo_offers()

    outcome = redeem(code_text=code.token, device=device, key="real", at=at)

    assert outcome.redemption
    assert outcome.redemption.entry_no == 1


def test_keeps_every_rule_of_an_offer(db):
    offer = create_offer(
        name="Lunch",
        type=Offer.Type.PERCENT,
        value=Decimal(20),
        hours=read("Mon-Fri 11:00-15:00"),
        max_discount=Decimal(15),
        min_spend=Decimal(30),
        max_per_person=2,
        max_total=100,
        budget=Decimal(500),
        offline=Offer.Offline.KNOWN,
    )

    offer.refresh_from_db()
    assert offer.hours == [{"days": [0, 1, 2, 3, 4], "from": "11:00", "to": "15:00"}]
    assert (offer.max_discount, offer.min_spend, offer.max_per_person, offer.max_total) == (
        Decimal(15),
        Decimal(30),
        2,
        100,
    )
    assert (offer.budget, offer.offline, offer.tally.used) == (Decimal(500), "honour_known", 0)


def test_removes_the_sheets_of_the_demo(db):
    demo_offer = create_offer(name="Demo", type=Offer.Type.ITEM, is_demo=True)
    issue_sheet(offer=demo_offer, count=2, name="Flyers")

    remove_demo_offers()

    assert not Code.objects.exists()
