"""Days and hours of a deal, in wall time, over midnight and over changes of the clock."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redemptions.hours import BadHours, Window, is_open, next_open, parse, read, stored, words

CHICAGO = ZoneInfo("America/Chicago")
LUNCH = read("Mon-Fri 11:00-15:00")
LATE = read("Fri 22:00-02:00")

windows = st.lists(
    st.builds(
        Window,
        days=st.frozensets(st.integers(0, 6), min_size=1),
        opens=st.times(timezones=st.none()).map(lambda t: t.replace(second=0, microsecond=0)),
        closes=st.times(timezones=st.none()).map(lambda t: t.replace(second=0, microsecond=0)),
    ),
    max_size=4,
).map(tuple)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(["America/Chicago", "America/New_York", "Pacific/Honolulu", "Asia/Kolkata"]).map(ZoneInfo)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO)


@pytest.mark.parametrize(
    ("hours", "at", "good"),
    [
        (LUNCH, "2026-11-20 10:59", False),  # a Friday
        (LUNCH, "2026-11-20 11:00", True),
        (LUNCH, "2026-11-20 14:59", True),
        (LUNCH, "2026-11-20 15:00", False),
        (LUNCH, "2026-11-21 12:00", False),
        (LATE, "2026-11-20 21:59", False),
        (LATE, "2026-11-20 23:00", True),
        (LATE, "2026-11-21 01:59", True),
        (LATE, "2026-11-21 02:00", False),
        (LATE, "2026-11-20 01:00", False),  # belongs to Thursday
        (read("Sun 00:00-24:00"), "2026-11-22 23:59", True),
        (read("Sun 00:00-24:00"), "2026-11-23 00:00", False),
        (read("Sun 12:00-12:00"), "2026-11-23 11:59", True),  # all round
        ((), "2026-11-23 11:59", True),
        (read("Sat-Mon 08:00-09:00"), "2026-11-22 08:30", True),
        # On March 8, 2026, two o'clock is three; on November 1, one o'clock is shown twice.
        (read("Sun 02:30-04:00"), "2026-03-08 03:30", True),
        (read("Sun 00:30-01:30"), "2026-11-01 01:29", True),
    ],
)
def test_is_open(hours, at, good):
    assert is_open(hours, local(at), CHICAGO) is good


def test_hours_the_clock_leaps_over_come_a_week_later():
    hours, day = read("Sun 02:10-02:50"), local("2026-03-08 00:00")

    assert next_open(hours, day, CHICAGO) == local("2026-03-15 02:10")


def test_an_hour_shown_twice_is_good_both_times():
    first = local("2026-11-01 01:15")

    assert is_open(read("Sun 01:00-01:30"), first, CHICAGO)
    assert is_open(read("Sun 01:00-01:30"), first.replace(fold=1), CHICAGO)


@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        (LUNCH, "2026-11-20 12:00", "2026-11-20 12:00"),
        (LUNCH, "2026-11-20 15:00", "2026-11-23 11:00"),
        (LUNCH, "2026-11-20 09:00", "2026-11-20 11:00"),
        (LATE, "2026-11-21 02:00", "2026-11-27 22:00"),
    ],
)
def test_next_open(hours, at, opens):
    assert next_open(hours, local(at), CHICAGO) == local(opens)


@given(windows, moments, zones)
def test_is_open_when_it_says_it_opens_next_and_never_before(hours, at, zone):
    opens = next_open(hours, at, zone)

    assert opens >= at
    assert is_open(hours, opens, zone)
    if opens > at:
        assert not is_open(hours, at, zone)
        assert not is_open(hours, opens - timedelta(seconds=1), zone)


@given(windows)
def test_what_is_stored_reads_back(hours):
    assert parse(stored(hours)) == hours


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Mon-Fri 11:00-15:00, Sat 12:00-14:00", "Mon to Fri 11:00 to 15:00, Sat 12:00 to 14:00"),
        ("monday, 9:00-10:00", None),
        ("Tue 9:00 to 10:00", "Tue 09:00 to 10:00"),
        ("11:00-15:00", "Every day 11:00 to 15:00"),
        ("Mon Wed Fri 10:00\u201312:00", "Mon, Wed, Fri 10:00 to 12:00"),
        ("Fri-Mon 20:00-02:00", "Mon, Fri to Sun 20:00 to 02:00"),
        ("Sun 0:00-24:00", "Sun all day"),
        ("", ""),
        ("Funday 10:00-11:00", None),
        ("Mon 25:00-26:00", None),
        ("Mon", None),
    ],
)
def test_reads_what_a_person_writes_and_says_it_back(written, said):
    if said is None:
        with pytest.raises(BadHours, match="Mon-Fri 11:00-15:00"):
            read(written)
    else:
        assert words(read(written)) == said


@pytest.mark.parametrize(
    "kept",
    [
        None,
        {},
        [None],
        [{}],
        [{"days": [], "from": "10:00", "to": "11:00"}],
        [{"days": [7], "from": "10:00", "to": "11:00"}],
        [{"days": [True], "from": "10:00", "to": "11:00"}],
        [{"days": [0], "from": "ten", "to": "11:00"}],
        [{"days": [0], "from": "10:00+00:00", "to": "11:00"}],
        [{"days": [0], "from": "10:00", "to": "11:00"}] * 15,
    ],
)
def test_refuses_to_keep_what_are_no_hours(kept):
    with pytest.raises(BadHours):
        parse(kept)


def test_the_whole_day_round_ends_a_day_later():
    assert Window(frozenset({0}), time(12), time(12)).ends_next_day()
