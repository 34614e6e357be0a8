"""Where a person may be: every state and time zone that what is known of them, and the business, point to."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

AREA_CODES = Path(__file__).resolve().parent.parent / "data" / "nanp_us_area_codes.csv"
# What the file lacks: overlays of codes that span two zones, and two territories.
SAME_AREA = {"448": "850", "364": "270", "930": "812", "458": "541"}
MORE_AREAS = {"340": ("VI", "America/St_Thomas"), "684": ("AS", "Pacific/Pago_Pago")}
TOLL_FREE = {"800", "822", "833", "844", "855", "866", "877", "888"}  # 822 is set aside as the next

EASTERN, CENTRAL, MOUNTAIN, PACIFIC = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
# IANA zones by state; the first is where most people live. Compared with the file of area codes.
STATES_BY_ZONES = {
    (EASTERN,): "CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
    (CENTRAL,): "AL AR IA IL LA MN MO MS OK WI",
    (MOUNTAIN,): "CO MT NM UT WY",
    (PACIFIC,): "CA WA",
    (EASTERN, CENTRAL): "FL IN KY MI",
    (CENTRAL, EASTERN): "TN",
    (CENTRAL, MOUNTAIN): "KS ND NE SD TX",
    (PACIFIC, MOUNTAIN): "NV OR",
    ("America/Boise", PACIFIC): "ID",
    ("America/Phoenix", MOUNTAIN): "AZ",  # the Navajo Nation keeps summer time
    ("America/Anchorage", "America/Adak"): "AK",
    ("Pacific/Honolulu",): "HI",
    ("America/Puerto_Rico",): "PR",
    ("America/St_Thomas",): "VI",
    ("Pacific/Guam",): "GU",
    ("Pacific/Saipan",): "MP",
    ("Pacific/Pago_Pago",): "AS",
}
STATE_ZONES = {state: zones for zones, states in STATES_BY_ZONES.items() for state in states.split()}
# First three digits of ZIP codes, both ends included, as in USPS labelling list L002 (not compared line by line).
# Military prefixes (090-098, 340, 962-966) are left out: they name no place. Where ranges overlap, the narrower one
# comes first.
ZIP_PREFIXES = (
    *((733, 733, "TX"), (885, 885, "TX"), (201, 201, "VA"), (569, 569, "DC"), (5, 5, "NY"), (8, 8, "VI")),
    *((6, 9, "PR"), (10, 27, "MA"), (28, 29, "RI"), (30, 38, "NH"), (39, 49, "ME"), (50, 59, "VT"), (60, 69, "CT")),
    *((70, 89, "NJ"), (100, 149, "NY"), (150, 196, "PA"), (197, 199, "DE"), (200, 205, "DC"), (206, 219, "MD")),
    *((220, 246, "VA"), (247, 268, "WV"), (270, 289, "NC"), (290, 299, "SC"), (300, 319, "GA"), (398, 399, "GA")),
    *((320, 339, "FL"), (341, 349, "FL"), (350, 369, "AL"), (370, 385, "TN"), (386, 397, "MS"), (400, 427, "KY")),
    *((430, 459, "OH"), (460, 479, "IN"), (480, 499, "MI"), (500, 528, "IA"), (530, 549, "WI"), (550, 567, "MN")),
    *((570, 577, "SD"), (580, 588, "ND"), (590, 599, "MT"), (600, 629, "IL"), (630, 658, "MO"), (660, 679, "KS")),
    *((680, 693, "NE"), (700, 714, "LA"), (716, 729, "AR"), (730, 749, "OK"), (750, 799, "TX"), (800, 816, "CO")),
    *((820, 831, "WY"), (832, 838, "ID"), (840, 847, "UT"), (850, 865, "AZ"), (870, 884, "NM"), (889, 898, "NV")),
    *((900, 961, "CA"), (967, 968, "HI"), (969, 969, "GU"), (970, 979, "OR"), (980, 994, "WA"), (995, 999, "AK")),
)
# Of the zones that lie in one state alone, those whose state has hours of its own.
KENTUCKY = {"America/Kentucky/Louisville", "America/Kentucky/Monticello", "America/Louisville"}
AMERICAN_SAMOA = "96799"  # the one code that does not lie where its prefix says

ZIP = re.compile(r"\s*([0-9]{3,5})(?:\.0)?(?:[-\s]*[0-9]{4})?\s*")


class Place(NamedTuple):
    """An IANA time zone, and the state whose hours hold there; None: no state is known."""

    zone: str
    state: str | None


MAINLAND = frozenset(Place(zone, None) for zone in (EASTERN, CENTRAL, MOUNTAIN, PACIFIC))


def places_of(
    phone: str,
    postal_code: str | None,
    business_zone: str,
    *,
    region: str | None = None,
    time_zone: str | None = None,
) -> frozenset[Place]:
    """Return every place a person may be at, from their number (E.164), ZIP code, state, time zone, and the business.

    All together and not the first that is known: people keep their number when they move, and buy where they live.
    Where nothing is told of the person, a number that tells nothing means the whole mainland; one from abroad, the
    zone of the business.
    """
    if not phone.startswith("+1"):
        return frozenset({Place(time_zone or business_zone, None)})
    return _american_places(phone[2:5], _zip_key(postal_code), region or "", time_zone or "", business_zone)


@lru_cache(maxsize=16_384)
def _american_places(area_code: str, zip_key: str, region: str, time_zone: str, business_zone: str) -> frozenset[Place]:
    states = {state_of_zip(zip_key), region}
    places = {Place(zone, state) for state in states if state for zone in STATE_ZONES.get(state, ())}
    places |= MAINLAND if area_code in TOLL_FREE else _area_codes().get(area_code, frozenset())
    if time_zone:
        # Beside the places of a state that are in it, it adds nothing: their hours are never longer than the default.
        places |= {Place(time_zone, "KY" if time_zone in KENTUCKY else None)}
    places = places or set(MAINLAND)
    if is_american(business_zone) and business_zone not in {place.zone for place in places}:
        places.add(Place(business_zone, None))
    return frozenset(places)


@cache
def _area_codes() -> dict[str, frozenset[Place]]:
    with AREA_CODES.open(newline="") as file:
        rows = {
            row["npa"]: frozenset(Place(zone, row["state"]) for zone in row["timezones"].split("|"))
            for row in csv.DictReader(file)
        }
    rows |= {code: frozenset({Place(zone, state)}) for code, (state, zone) in MORE_AREAS.items()}
    return rows | {code: rows[parent] for code, parent in SAME_AREA.items()}


def _zip_key(postal_code: str | None) -> str:
    """Return the first three digits of a ZIP code, or what stands for them; empty: it is none."""
    match = ZIP.fullmatch(postal_code or "")
    if not match:
        return ""
    digits = match[1].zfill(5)  # spreadsheets take leading zeros for nothing
    return digits if digits == AMERICAN_SAMOA else digits[:3]


def state_of_zip(zip_key: str) -> str | None:
    """Return the state of the first three digits of a ZIP code; None: they name no place."""
    if zip_key == AMERICAN_SAMOA:
        return "AS"
    if not zip_key:
        return None
    prefix = int(zip_key)
    return next((state for first, last, state in ZIP_PREFIXES if first <= prefix <= last), None)


@cache
def is_american(zone: str) -> bool:
    """Tell a zone in which a person with an American number may well live: from Puerto Rico to Samoa, and Guam.

    A business elsewhere says nothing about them, and its hours and theirs need not meet at all.
    """
    january = datetime(2026, 1, 15, tzinfo=UTC).astimezone(ZoneInfo(zone))
    offset = january.utcoffset()
    assert offset is not None
    return -11 <= offset.total_seconds() / 3600 <= -4 or zone in {"Pacific/Guam", "Pacific/Saipan"}
