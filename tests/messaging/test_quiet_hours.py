"""Quiet hours over every area code of the United States, in the nights the clocks change and on any other day."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import messaging
from messaging.windows import closes_at, next_open, places_of

AREA_CODES = Path(messaging.__file__).parent / "data" / "nanp_us_area_codes.csv"
SHOP = "America/Chicago"
SUNDAY = 6
YEARS = (2026, 2027, 2028)


def area_codes() -> dict[str, tuple[str, frozenset[str]]]:
    """Return state and zones of each area code, as the file has them."""
    with AREA_CODES.open(newline="") as file:
        return {row["npa"]: (row["state"], frozenset(row["timezones"].split("|"))) for row in csv.DictReader(file)}


CODES = area_codes()
# Overlays of codes that span two zones: they cover the same places, though the file names one zone alone.
CODES |= {code: CODES[same] for code, same in {"448": "850", "364": "270", "930": "812", "458": "541"}.items()}


def allows(state: str, zone: str, at: datetime) -> bool:
    """Say by the clock on the wall whether a text may come: 9 to 20, and what three states want beyond that."""
    wall = at.astimezone(ZoneInfo(zone))
    is_weekend = wall.weekday() >= 5
    first, last = {"KY": (10, 20), "RI": (10, 17) if is_weekend else (9, 18)}.get(state, (9, 20))
    if state == "TX" and wall.weekday() == SUNDAY:
        first = 12
    return first <= wall.hour < last


def allowed(area_code: str, at: datetime) -> bool:
    """Whether a text may come wherever this number and the shop may be."""
    state, zones = CODES[area_code]
    return all(allows(state, zone, at) for zone in zones) and allows("", SHOP, at)


def opens(area_code: str, at: datetime) -> bool:
    return next_open(places_of(f"+1{area_code}5550142", None, SHOP), at) == at


def clock_changes() -> Iterator[date]:
    """The second Sunday of March and the first of November."""
    for year in YEARS:
        for month, earliest in ((3, 8), (11, 1)):
            day = date(year, month, earliest)
            yield day + timedelta(days=(SUNDAY - day.weekday()) % 7)


def hours_around(day: date) -> Iterator[datetime]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    for hour in range(3 * 24):
        yield start + timedelta(hours=hour)
        yield start + timedelta(hours=hour, minutes=59)


def alike() -> dict[tuple[str, frozenset[str]], str]:
    """Return one area code of each kind: those of one state and the same zones have the same hours."""
    kinds: dict[tuple[str, frozenset[str]], str] = {}
    for code, kind in CODES.items():
        kinds.setdefault(kind, code)
    return kinds


def test_the_file_has_every_area_code():
    assert len(CODES) >= 360
    assert {"TX", "RI", "KY", "AK", "HI"} <= {state for state, _ in CODES.values()}


@pytest.mark.parametrize("day", list(clock_changes()), ids=str)
def test_every_area_code_keeps_its_hours_around_a_change_of_the_clocks(day):
    kinds = alike()
    wrong = [
        (code, str(moment))
        for moment in hours_around(day)
        for code in kinds.values()
        if opens(code, moment) != allowed(code, moment)
    ]

    assert wrong == []


def test_area_codes_of_a_kind_are_alike():
    """What lets the tests above look at one of each kind."""
    places = defaultdict(set)
    for code, kind in CODES.items():
        places[kind].add(places_of(f"+1{code}5550142", None, SHOP))

    assert all(len(found) == 1 for found in places.values())


@given(
    st.sampled_from(sorted(CODES)),
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2028-12-31"), timezones=st.just(UTC)),
)
def test_is_never_open_outside_the_hours_of_any_place(area_code, at):
    places = places_of(f"+1{area_code}5550142", None, SHOP)

    opening, closing = next_open(places, at), closes_at(places, at)

    assert allowed(area_code, opening)
    assert opens(area_code, at) == allowed(area_code, at)
    assert allowed(area_code, closing - timedelta(microseconds=1))
    assert not allowed(area_code, closing)


@given(
    st.sampled_from(sorted(CODES)),
    st.sampled_from(["02903", "40202", "75201", "96813", "99501", "10001"]),
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2028-12-31"), timezones=st.just(UTC)),
)
def test_the_postal_code_counts_beside_the_number(area_code, postal_code, at):
    homes = {
        "02903": ("RI", "America/New_York"),
        "40202": ("KY", "America/New_York"),
        "75201": ("TX", "America/Chicago"),
        "96813": ("HI", "Pacific/Honolulu"),
        "99501": ("AK", "America/Anchorage"),
        "10001": ("NY", "America/New_York"),
    }
    opening = next_open(places_of(f"+1{area_code}5550142", postal_code, SHOP), at)

    if area_code in {"670", "671"} and postal_code == "02903":
        return  # their hours never meet: see the tests of windows
    assert allowed(area_code, opening)
    assert allows(*homes[postal_code], opening)


def local(zone: str, *when: int) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("area_code", "zone", "asked", "opens_at"),
    [
        ("512", "America/Chicago", (2026, 11, 22, 9), (2026, 11, 22, 12)),  # Texas on a Sunday: from noon
        ("512", "America/Chicago", (2026, 11, 23, 9), (2026, 11, 23, 9)),
        ("512", "America/Chicago", (2026, 3, 8, 9), (2026, 3, 8, 12)),  # the Sunday the clocks go forward
        ("401", "America/New_York", (2026, 11, 21, 9, 30), (2026, 11, 21, 10)),  # Rhode Island at the weekend
        ("401", "America/New_York", (2026, 11, 21, 17), (2026, 11, 22, 10)),
        ("401", "America/New_York", (2026, 11, 23, 18), (2026, 11, 24, 10)),  # the shop in Chicago opens at its nine
        ("401", "America/New_York", (2026, 11, 1, 9), (2026, 11, 1, 10)),
        ("502", "America/New_York", (2026, 11, 23, 9), (2026, 11, 23, 10)),  # Kentucky: from ten
        ("907", "America/Anchorage", (2026, 11, 23, 8), (2026, 11, 23, 10)),  # Adak is an hour behind
    ],
)
def test_keeps_the_hours_of_states(area_code, zone, asked, opens_at):
    assert next_open(places_of(f"+1{area_code}5550142", None, SHOP), local(zone, *asked)) == local(zone, *opens_at)


def test_is_open_at_some_time_of_every_day_wherever_the_number_is_from():
    for day in clock_changes():
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        for code in alike().values():
            assert next_open(places_of(f"+1{code}5550142", None, SHOP), at) < at + timedelta(days=2), code
