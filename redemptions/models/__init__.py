"""What was promised, and kept. Knows contacts; knows no campaign."""

from redemptions.models.codes import Code, CodeQuerySet, CodeSheet, image_reference
from redemptions.models.devices import Device, SignIn, Staff
from redemptions.models.ledger import Amendment, EntryCounter, Redemption, Scan, public_id
from redemptions.models.offers import Location, Offer, OfferTally, WelcomeDeal

__all__ = [
    "Amendment",
    "Code",
    "CodeQuerySet",
    "CodeSheet",
    "Device",
    "EntryCounter",
    "Location",
    "Offer",
    "OfferTally",
    "Redemption",
    "Scan",
    "SignIn",
    "Staff",
    "WelcomeDeal",
    "image_reference",
    "public_id",
]
