"""Days and hours of a deal, in wall time, over midnight and over changes of the clock."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redemptions.hours import DAYS, BadHours, Window, is_open, next_open, parse, read, stored, words

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
ZONES = ["America/Chicago", "America/Santiago", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe"]
zones = st.sampled_from([*ZONES, "Pacific/Honolulu", "Asia/Kolkata"]).map(ZoneInfo)


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
        (read("Sun 02:30-04:00"), "2026-03-08 03:00", True),
        (read("Sun 00:30-01:30"), "2026-11-01 01:29", True),
    ],
)
def test_is_open(hours, at, good):
    assert is_open(hours, local(at), CHICAGO) is good


# --- Changes of the clock ---

# In Chicago two o'clock is three; elsewhere midnight is leapt over: the day begins at one.
LEAPS = [
    ("America/Chicago", "2026-03-08T08:00Z"),
    ("America/Santiago", "2026-09-06T04:00Z"),
    ("America/Havana", "2026-03-08T05:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00Z"),
    ("Asia/Beirut", "2026-03-28T22:00Z"),
]


@pytest.mark.parametrize(("zone", "leap"), LEAPS)
def test_these_are_leaps_by_an_hour(zone, leap):
    before, after = (datetime.fromisoformat(leap) + timedelta(seconds=step) for step in (-1, 0))

    offsets = [moment.astimezone(ZoneInfo(zone)).utcoffset() or timedelta() for moment in (before, after)]
    assert offsets[1] - offsets[0] == timedelta(hours=1)


@pytest.mark.parametrize("written", ["Sun 00:00-02:30", "Sun 02:30-06:00", "Sat 23:00-02:10"])
def test_a_time_the_clock_never_shows_is_the_moment_of_the_leap(written):
    leap = local("2026-03-08 03:00")
    second = timedelta(seconds=1)
    opens_then = written == "Sun 02:30-06:00"

    assert is_open(read(written), leap.astimezone(UTC) - second, CHICAGO) is not opens_then
    assert is_open(read(written), leap, CHICAGO) is opens_then
    if opens_then:
        assert next_open(read(written), local("2026-03-08 01:00"), CHICAGO) == leap


@pytest.mark.parametrize(("zone", "leap"), LEAPS[1:])
@pytest.mark.parametrize("hours", ["10:00-24:00", "0:00-24:00", "10:00-00:30"])
def test_a_midnight_that_is_leapt_over_ends_the_evening_and_not_an_hour_before(hours, zone, leap):
    there, moment = ZoneInfo(zone), datetime.fromisoformat(leap)
    evening = DAYS[(moment - timedelta(hours=1)).astimezone(there).weekday()]

    for minutes in (1, 30, 59, 61):
        assert is_open(read(f"{evening} {hours}"), moment - timedelta(minutes=minutes), there)
    assert not is_open(read(f"{evening} {hours}"), moment, there)


@pytest.mark.parametrize(("zone", "leap"), LEAPS[1:])
def test_a_day_that_begins_at_one_begins_with_the_leap(zone, leap):
    there, moment = ZoneInfo(zone), datetime.fromisoformat(leap)
    hours = read(f"{DAYS[moment.astimezone(there).weekday()]} 0:00-24:00")

    assert next_open(hours, moment - timedelta(hours=9), there) == moment
    assert is_open(hours, moment + timedelta(hours=23) - timedelta(seconds=1), there)
    assert not is_open(hours, moment + timedelta(hours=23), there)


def test_hours_the_clock_leaps_over_come_a_week_later():
    hours, day = read("Sun 02:10-02:50"), local("2026-03-08 00:00")

    assert next_open(hours, day, CHICAGO) == local("2026-03-15 02:10")


@pytest.mark.parametrize(
    ("time_shown", "fold", "good"),
    [("00:59", 0, True), ("01:15", 0, True), ("01:45", 0, False), ("01:15", 1, True), ("01:45", 1, False)],
)
def test_a_time_shown_twice_is_good_both_times_or_not_at_all(time_shown, fold, good):
    at = local(f"2026-11-01 {time_shown}").replace(fold=fold)

    assert is_open(read("Sun 00:30-01:30"), at.astimezone(UTC), CHICAGO) is good


def test_opens_again_when_the_clock_goes_back_into_the_hours():
    quarter_to_two = local("2026-11-01 01:45").astimezone(UTC)

    opens = next_open(read("Sun 00:30-01:30"), quarter_to_two, CHICAGO)

    assert opens == quarter_to_two + timedelta(minutes=15)
    assert opens.astimezone(CHICAGO).time() == time(1)


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """Return the days of a year on which a clock is changed."""
    days = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in range(365)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    return [day for day, before, after in zip(days, offsets, offsets[1:], strict=False) if before != after]


@settings(max_examples=60)
@given(windows, zones, st.integers(2024, 2030), st.integers(0, 5), st.integers(0, 2000))
def test_agrees_with_walking_minute_by_minute_past_the_clock_on_the_wall(hours, zone, year, pick, later):
    """Days are laid out as if no clock were ever changed; what the real clock shows is then looked up in them."""
    days = changes(zone, year) or [datetime(year, 6, 1, tzinfo=UTC)]
    start = days[pick % len(days)] - timedelta(days=1)
    first_day = start.astimezone(zone).date() - timedelta(days=2)
    spans = []
    for day in (first_day + timedelta(days=number) for number in range(8)):
        for window in (window for window in hours if day.weekday() in window.days):
            opens, closes = datetime.combine(day, window.opens), datetime.combine(day, window.closes)
            spans.append((opens, closes if closes > opens else closes + timedelta(days=1)))
    walk = [start + timedelta(minutes=minute) for minute in range(3 * 24 * 60)]
    shown = [at.astimezone(zone).replace(tzinfo=None) for at in walk]
    good = [not hours or any(opens <= wall < closes for opens, closes in spans) for wall in shown]

    assert [is_open(hours, at, zone) for at in walk] == good
    if hours and True in good[later:]:
        assert next_open(hours, walk[later], zone) == walk[good.index(True, later)]


# --- The next time ---


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
        ("Mon to Fri 11:00 to 15:00", "Mon to Fri 11:00 to 15:00"),
        ("Mon \u2013 Fri: 9:00 \u2013 10:00", "Mon to Fri 09:00 to 10:00"),
        ("Tues/Thurs. 9:00-10:00", "Tue, Thu 09:00 to 10:00"),
        ("daily 9:00-24:00", "Every day 09:00 to 00:00"),
        # Each of these was other hours than it says, where only a part of it was understood.
        ("Mon-Fri 5:00-7:00 pm", None),
        ("Mon-Fri 5:00 PM-7:00 PM", None),
        ("Mon 5 to 7 p.m.", None),
        ("Mon 11:00-14:00 17:00-22:00", None),
        ("Mon 11:00-14:00, 17:00-22:00", None),
        ("11:00-14:00 Mon-Fri", None),
        ("Mon-Sun 11:00-14:00 except Sunday", None),
        ("11:00-30:00", None),
        ("Mon 11:00-24:30", None),
        ("Mon 24:00-02:00", None),
        ("Mon-Wed-Fri 9:00-10:00", None),
        ("Monkey 9:00-10:00", None),
        (", ".join(["Mon 9:00-10:00"] * 15), None),
    ],
)
def test_reads_what_a_person_writes_and_says_it_back(written, said):
    if said is None:
        with pytest.raises(BadHours, match="Mon-Fri 11:00-15:00"):
            read(written)
    else:
        assert words(read(written)) == said


def test_says_how_to_write_an_afternoon():
    with pytest.raises(BadHours, match=r"without am or pm: 17:00-19:00"):
        read("Mon-Fri 5:00-7:00 pm")


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
