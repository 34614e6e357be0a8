"""Quiet hours: when a person may be texted, wherever they may be. Pure: values in, values out."""

from messaging.windows.hours import NeverOpen, closes_at, next_open
from messaging.windows.places import Place, places_of

__all__ = ["NeverOpen", "Place", "closes_at", "next_open", "places_of"]
