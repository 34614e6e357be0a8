"""Everything that writes the redemptions app's tables."""

from redemptions.services.devices import (
    EnrolmentRefused,
    complete_enrolment,
    enrol_device_start,
    find_or_make_location,
    renew_enrolment,
    revoke_device,
    touch_device,
)
from redemptions.services.issuing import issue_codes, issue_test_code, revoke_code
from redemptions.services.offers import (
    adopt_demo_offer,
    create_offer,
    end_offer,
    pause_offer,
    remove_demo_offers,
    resume_offer,
)
from redemptions.services.redeeming import CurrencyMismatch, KeyReused, Outcome, recall, redeem, validate

__all__ = [
    "CurrencyMismatch",
    "EnrolmentRefused",
    "KeyReused",
    "Outcome",
    "adopt_demo_offer",
    "complete_enrolment",
    "create_offer",
    "end_offer",
    "enrol_device_start",
    "find_or_make_location",
    "issue_codes",
    "issue_test_code",
    "pause_offer",
    "recall",
    "redeem",
    "remove_demo_offers",
    "renew_enrolment",
    "resume_offer",
    "revoke_code",
    "revoke_device",
    "touch_device",
    "validate",
]
