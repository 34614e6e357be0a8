"""Limits of politeness. Guessing is stopped by the record of scans, not here."""

from rest_framework.throttling import UserRateThrottle


class ValidationThrottle(UserRateThrottle):
    """A dry run leaves no scan behind that could count as a guess, so its rate is limited instead."""

    scope = "validations"
    rate = "240/min"
