"""Quiet hours: when a person may be texted, wherever they may be. Pure: values in, values out."""

from messaging.windows.hours import (
    DEFAULT,
    STATES,
    Hours,
    NeverOpen,
    closes_at,
    daily,
    next_open,
    strict_hours,
    within,
)
from messaging.windows.places import Place, places_of

__all__ = [
    "DEFAULT",
    "STATES",
    "Hours",
    "NeverOpen",
    "Place",
    "closes_at",
    "daily",
    "next_open",
    "places_of",
    "strict_hours",
    "within",
]
