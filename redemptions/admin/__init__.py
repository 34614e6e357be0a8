"""Deals, codes, the ledger, places and devices, for the people of the shop."""

from redemptions.admin.codes import CodeAdmin
from redemptions.admin.deals import LocationAdmin, OfferAdmin, OfferState
from redemptions.admin.devices import DeviceAdmin
from redemptions.admin.ledger import RedemptionAdmin, ScanAdmin
from redemptions.admin.sheets import CodeSheetAdmin
from redemptions.admin.staff import StaffAdmin
from redemptions.admin.welcome import WelcomeDealInline

__all__ = [
    "CodeAdmin",
    "CodeSheetAdmin",
    "DeviceAdmin",
    "LocationAdmin",
    "OfferAdmin",
    "OfferState",
    "RedemptionAdmin",
    "ScanAdmin",
    "StaffAdmin",
    "WelcomeDealInline",
]
