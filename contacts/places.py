"""States and time zones, as people and programs write them, brought into one form. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from zoneinfo import available_timezones

from django.utils.translation import gettext_noop

NO_STATE = gettext_noop("This is no state or territory of the United States, such as TX or Texas.")
NO_ZONE = gettext_noop("This is no time zone that is known. Write it as America/Chicago, or Central Time.")

STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia", "FL": "Florida", "GA": "Georgia",
    "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky",
    "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont",
    "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
    "AS": "American Samoa", "GU": "Guam", "MP": "Northern Mariana Islands", "PR": "Puerto Rico",
    "VI": "Virgin Islands",
}  # fmt: skip
_STATE_OF = {code.lower(): code for code in STATES} | {name.lower(): code for code, name in STATES.items()}
_STATE_OF |= {"washington dc": "DC", "us virgin islands": "VI", "cnmi": "MP"}
_COUNTRY_BEFORE = re.compile(r"^(us|usa) (?=[a-z]{2}$)")  # US-TX, as in ISO 3166-2

# What Rails, Windows and people call the clocks of the United States.
_ZONE_OF = {
    word: zone
    for zone, words in {
        "America/New_York": "eastern, et, est, edt, est5edt",
        "America/Chicago": "central, ct, cst, cdt, cst6cdt",
        "America/Denver": "mountain, mt, mst, mdt, mst7mdt",
        "America/Los_Angeles": "pacific, pt, pst, pdt, pst8pdt",
        "America/Phoenix": "arizona, us mountain standard time",
        "America/Indiana/Indianapolis": "indiana east, us eastern standard time",
        "America/Anchorage": "alaska, alaskan, akst, akdt",
        "Pacific/Honolulu": "hawaii, hawaiian, hst",
        "America/Puerto_Rico": "puerto rico, atlantic, ast",
        "Pacific/Guam": "guam, chamorro, chst",
    }.items()
    for word in words.split(", ")
}
_OFFSET_BEFORE = re.compile(r"^\(?(utc|gmt)[ +\-\u2212:.\d]*\)? ?")  # (GMT-08:00) Pacific Time (US & Canada)
_SAID_BESIDE = re.compile(r"\bus (and )?canada\b|\b(us|time|standard|daylight|savings?)\b")
# The clock of a server, not of a person.
NO_PLACE = frozenset(["utc", "gmt", "uct", "zulu", "universal", "greenwich", "coordinated universal time"])


@lru_cache(maxsize=4096)
def clean_region(text: str) -> str:
    """Return the two letters of a state or territory: `texas`, `tx`, `US-TX` -> `TX`. Raises ValueError."""
    words = _words(text)
    state = _STATE_OF.get(words) or _STATE_OF.get(_COUNTRY_BEFORE.sub("", words))
    if state is None:
        raise ValueError(NO_STATE)
    return state


@lru_cache(maxsize=4096)
def clean_time_zone(text: str) -> str:
    """Return the IANA name of a time zone: `america/chicago`, `Central Time (US & Canada)` -> `America/Chicago`.

    Raises ValueError, for UTC too.
    """
    plain = _plain(text)
    words = _words(_OFFSET_BEFORE.sub("", plain))
    zone = _ZONE_OF.get(words) or _ZONE_OF.get(_words(_SAID_BESIDE.sub("", words)))
    zone = zone or _zones().get(plain.replace(" ", "_"))
    if zone is None or is_no_place(text):
        raise ValueError(NO_ZONE)
    return zone


def is_no_place(text: str) -> bool:
    """Tell UTC by any of its names: what programs write where they know of no time zone."""
    return _plain(text).removeprefix("etc/") in NO_PLACE


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _words(text: str) -> str:
    """`D.C.` -> `dc`, `Eastern Time (US & Canada)` -> `eastern time us canada`."""
    return " ".join(re.findall(r"\w+", _plain(text).replace(".", "").replace("_", " ")))


@cache
def _zones() -> dict[str, str]:
    """Return every time zone of this machine by its name in lower case. Reads some hundred files."""
    return {name.casefold(): name for name in available_timezones() - {"Factory", "localtime"}}
