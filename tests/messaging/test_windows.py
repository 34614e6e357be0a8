"""Quiet hours: where a person may be, and when nobody there is disturbed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.places import STATES
from messaging.windows import NeverOpen, Place, closes_at, next_open, places_of
from messaging.windows.places import MAINLAND, STATE_ZONES, ZIP_PREFIXES, state_of_zip

EAST, MIDDLE, MOUNTAIN, WEST = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
MINUTE = timedelta(minutes=1)
ALL_DAYS = ((9, 20),) * 3
OWN_HOURS = {  # weekdays, Saturday, Sunday; every other state has the default
    "KY": ((10, 20),) * 3,
    "RI": ((9, 18), (10, 17), (10, 17)),
    "TX": ((9, 20), (9, 20), (12, 20)),
}
EVERY_PLACE = [Place(zone, state) for state, zones in STATE_ZONES.items() for zone in zones]

# All that their hours let meet: but for Guam, whose morning is the night of Rhode Island, everybody meets everybody.
PLACES = st.sets(st.sampled_from(EVERY_PLACE), min_size=1, max_size=4).filter(
    lambda places: not ({"GU", "MP"} & (states := {place.state for place in places}) and "RI" in states)
)
# Around the days on which the clocks change, and any other time.
MOMENTS = st.one_of(
    *(
        st.datetimes(datetime.fromisoformat(first), datetime.fromisoformat(last), timezones=st.just(UTC))
        for first, last in [("2026-03-06", "2026-03-10"), ("2026-10-30", "2026-11-03"), ("2025-01-01", "2035-01-01")]
    )
)


def local(zone: str, *when: int) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type, misc]


def is_open(place: Place, at: datetime) -> bool:
    """Say by the clock on the wall whether a text would be welcome: the rules once more, the simple way."""
    wall = at.astimezone(ZoneInfo(place.zone))
    first, last = OWN_HOURS.get(place.state or "", ALL_DAYS)[max(0, wall.weekday() - 4)]
    return time(first) <= wall.time() < time(last)


class TestPlaces:
    def test_unites_number_postal_code_and_business(self):
        assert places_of("+13105550100", "78701", "America/New_York") == {
            Place(WEST, "CA"),
            Place(MIDDLE, "TX"),
            Place(MOUNTAIN, "TX"),
            Place(EAST, None),
        }

    def test_names_a_zone_of_the_business_once(self):
        assert places_of("+12125550100", None, EAST) == {Place(EAST, "NY")}

    def test_unites_the_own_state_and_time_zone_with_all_of_these(self):
        places = places_of("+13105550100", "78701", "America/New_York", region="RI", time_zone="Pacific/Honolulu")

        assert places == {
            Place(WEST, "CA"),
            Place(MIDDLE, "TX"),
            Place(MOUNTAIN, "TX"),
            Place(EAST, "RI"),
            Place("Pacific/Honolulu", None),
        }

    @pytest.mark.parametrize("area_code", ["999", "212", "800"])
    @pytest.mark.parametrize("state", STATE_ZONES)
    def test_an_own_state_counts_with_all_its_zones(self, area_code, state):
        alone = places_of(f"+1{area_code}5550100", None, "UTC")
        expected = {Place(zone, state) for zone in STATE_ZONES[state]}

        assert places_of(f"+1{area_code}5550100", None, "UTC", region=state) == expected | (
            set() if area_code == "999" else alone
        )

    def test_a_state_and_a_postal_code_that_disagree_both_count(self):
        states = {place.state for place in places_of("+19995550100", "02903", "UTC", region="KY")}

        assert states == {"RI", "KY"}

    def test_knows_the_states_contacts_may_have(self):
        assert set(STATE_ZONES) == set(STATES)

    def test_an_own_time_zone_alone_tells_enough(self):
        assert places_of("+19995550100", None, "UTC", time_zone=WEST) == {Place(WEST, None)}

    def test_a_time_zone_without_a_state_has_no_longer_hours_than_one_with(self):
        """The narrower ones of the default: a zone adds nothing to a place of a state that is in it."""
        for place in EVERY_PLACE:
            assert closes_at([Place(place.zone, None)], local(place.zone, 2026, 11, 23, 6)) == local(
                place.zone, 2026, 11, 23, 20
            )
            assert next_open([Place(place.zone, None)], local(place.zone, 2026, 11, 23, 6)) == local(
                place.zone, 2026, 11, 23, 9
            )

    def test_a_time_zone_never_lets_more_than_the_number_does(self):
        known = places_of("+14015550100", None, "UTC")

        assert places_of("+14015550100", None, "UTC", time_zone=EAST) >= known

    @pytest.mark.parametrize("zone", ["America/Kentucky/Louisville", "America/Kentucky/Monticello"])
    def test_a_time_zone_of_kentucky_alone_has_its_hours(self, zone):
        assert places_of("+19995550100", None, "UTC", time_zone=zone) == {Place(zone, "KY")}

    def test_a_number_from_abroad_has_the_own_time_zone_before_that_of_the_business(self):
        assert places_of("+4930123456", None, EAST, time_zone="Europe/Berlin") == {Place("Europe/Berlin", None)}

    @pytest.mark.parametrize("region", ["", "XX", "Texas"])
    def test_what_is_no_state_tells_nothing(self, region):
        assert places_of("+19995550100", None, "UTC", region=region) == MAINLAND

    @pytest.mark.parametrize("phone", ["+18005550100", "+18885550100", "+19995550100"])
    def test_a_number_that_tells_nothing_means_the_whole_mainland(self, phone):
        assert places_of(phone, None, MIDDLE) == MAINLAND
        assert {place.zone for place in MAINLAND} == {EAST, MIDDLE, MOUNTAIN, WEST}

    def test_a_toll_free_number_means_the_mainland_whatever_the_postal_code(self):
        assert places_of("+18775550100", "02903", MIDDLE) == MAINLAND | {Place(EAST, "RI")}

    def test_a_postal_code_alone_tells_enough(self):
        assert places_of("+19995550100", "02903", EAST) == {Place(EAST, "RI")}

    def test_a_number_from_abroad_has_the_hours_of_the_business(self):
        assert places_of("+4930123456", "78701", "Europe/Berlin") == {Place("Europe/Berlin", None)}

    def test_a_business_abroad_says_nothing_about_an_american_number(self):
        assert places_of("+12125550100", None, "Asia/Dubai") == {Place(EAST, "NY")}
        assert places_of("+12125550100", None, "UTC") == {Place(EAST, "NY")}

    @pytest.mark.parametrize("business", ["Pacific/Honolulu", "America/Anchorage", "Pacific/Guam", "America/Phoenix"])
    def test_a_business_anywhere_in_the_states_counts(self, business):
        assert Place(business, None) in places_of("+12125550100", None, business)

    @pytest.mark.parametrize(
        ("area_code", "zones"),
        [
            ("850", {EAST, MIDDLE}),
            ("448", {EAST, MIDDLE}),
            ("364", {EAST, MIDDLE}),
            ("930", {EAST, MIDDLE}),
            ("458", {MOUNTAIN, WEST}),
            ("208", {MOUNTAIN, WEST, "America/Boise"}),
            ("340", {"America/St_Thomas"}),
            ("684", {"Pacific/Pago_Pago"}),
            ("787", {"America/Puerto_Rico"}),
            ("671", {"Pacific/Guam"}),
        ],
    )
    def test_area_codes_that_span_zones_give_them_all(self, area_code, zones):
        assert {place.zone for place in places_of(f"+1{area_code}5550100", None, "UTC")} == zones

    @pytest.mark.parametrize(
        ("postal_code", "state"),
        [
            ("02903", "RI"),
            ("2903", "RI"),
            ("2903.0", "RI"),
            (" 02903-1234 ", "RI"),
            ("029031234", "RI"),
            ("02903 1234", "RI"),
            ("00501", "NY"),
            ("501", "NY"),
            ("00901", "PR"),
            ("00802", "VI"),
            ("40202", "KY"),
            ("73301", "TX"),
            ("73101", "OK"),
            ("88510", "TX"),
            ("88001", "NM"),
            ("20101", "VA"),
            ("20001", "DC"),
            ("96799", "AS"),
            ("96701", "HI"),
            ("99501", "AK"),
        ],
    )
    def test_reads_postal_codes_as_people_write_them(self, postal_code, state):
        assert {place.state for place in places_of("+19995550100", postal_code, "UTC")} == {state}

    @pytest.mark.parametrize("postal_code", ["", "09012", "96201", "34012", "SW1A 1AA", "12", "1234567", "00000"])
    def test_what_is_no_postal_code_of_a_place_tells_nothing(self, postal_code):
        assert places_of("+19995550100", postal_code, "UTC") == MAINLAND

    def test_every_state_has_a_postal_code_and_every_postal_code_a_zone(self):
        states = {state for _, _, state in ZIP_PREFIXES} | {state_of_zip("96799")}

        assert states == set(STATE_ZONES) - {"MP"}  # shares its prefix and its clock with Guam
        assert all(first <= last for first, last, _ in ZIP_PREFIXES)

    @given(st.integers(200, 999), st.text(max_size=10) | st.none(), st.sampled_from(["UTC", EAST, "Pacific/Guam"]))
    def test_anybody_is_somewhere(self, area_code, postal_code, business):
        assert places_of(f"+1{area_code}5550100", postal_code, business)


class TestHours:
    @pytest.mark.parametrize("place", EVERY_PLACE, ids=str)
    @pytest.mark.parametrize("monday", [(2026, 1, 12), (2026, 3, 2), (2026, 7, 13), (2026, 10, 26)], ids=str)
    def test_open_and_close_as_the_state_says_all_week(self, place, monday):
        hours = OWN_HOURS.get(place.state, ALL_DAYS)

        for weekday in range(7):  # two of the weeks end with the clocks being changed
            day = date(*monday) + timedelta(days=weekday)
            first, last = hours[max(0, weekday - 4)]
            opens, closes = (local(place.zone, day.year, day.month, day.day, hour) for hour in (first, last))
            assert next_open([place], opens - MINUTE) == opens
            assert next_open([place], opens) == opens
            assert next_open([place], closes - MINUTE) == closes - MINUTE
            assert next_open([place], closes) >= closes + timedelta(hours=12)
            assert closes_at([place], opens) == closes

    def test_unknown_states_have_the_default(self):
        assert next_open([Place(EAST, None)], local(EAST, 2026, 11, 22, 8, 59)) == local(EAST, 2026, 11, 22, 9)

    def test_the_whole_mainland_is_open_from_noon_to_eight_in_the_east(self):
        assert next_open(MAINLAND, local(EAST, 2026, 11, 23, 3)) == local(EAST, 2026, 11, 23, 12)
        assert closes_at(MAINLAND, local(EAST, 2026, 11, 23, 3)) == local(EAST, 2026, 11, 23, 20)

    def test_a_sunday_in_texas_holds_up_a_number_of_new_york(self):
        places = places_of("+12125550100", "75201", EAST)

        assert next_open(places, local(EAST, 2026, 11, 22, 10)) == local(MOUNTAIN, 2026, 11, 22, 12)
        assert next_open(places, local(EAST, 2026, 11, 23, 10)) == local(MOUNTAIN, 2026, 11, 23, 9)

    def test_the_earliest_closing_counts(self):
        places = {Place(WEST, "CA"), Place(EAST, "RI")}

        assert closes_at(places, local(EAST, 2026, 11, 23, 13)) == local(EAST, 2026, 11, 23, 18)

    def test_gives_the_moment_itself_back_to_the_microsecond(self):
        at = local(EAST, 2026, 11, 23, 19, 59, 59, 999_999)

        assert next_open([Place(EAST, "NY")], at) == at
        assert closes_at([Place(EAST, "NY")], at) - at == timedelta(microseconds=1)

    @pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe"])
    def test_takes_clocks_that_are_half_an_hour_off(self, zone):
        assert next_open([Place(zone, None)], local(zone, 2026, 11, 23, 8, 30)) == local(zone, 2026, 11, 23, 9)

    def test_says_so_where_the_hours_never_meet(self):
        with pytest.raises(NeverOpen):
            next_open(
                [Place(zone, None) for zone in ("Asia/Dubai", WEST, "Asia/Tokyo", "Europe/London")],
                local(EAST, 2026, 11, 23, 13),
            )

    @pytest.mark.parametrize(
        ("before", "opens"),
        [
            ((2026, 3, 7, 20), (2026, 3, 8, 9)),
            ((2026, 10, 31, 20), (2026, 11, 1, 9)),
        ],
    )
    def test_a_night_of_changed_clocks_is_an_hour_shorter_or_longer(self, before, opens):
        place, start = Place(EAST, "NY"), local(EAST, *before)

        assert next_open([place], start) == local(EAST, *opens)
        assert next_open([place], start) - start == timedelta(hours=12 if before[1] == 3 else 14)

    def test_the_hour_that_comes_twice_is_night_both_times(self):
        for fold in (0, 1):
            at = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo(EAST), fold=fold)
            assert next_open([Place(EAST, "NY")], at) == local(EAST, 2026, 11, 1, 9)

    @pytest.mark.parametrize(
        ("own", "before", "opens"),
        [
            ({"time_zone": WEST}, (2026, 3, 7, 20), (2026, 3, 8, 12)),
            ({"time_zone": "America/Phoenix"}, (2026, 3, 7, 20), (2026, 3, 8, 12)),  # by then an hour behind Denver
            ({"time_zone": "America/Phoenix"}, (2026, 3, 6, 20), (2026, 3, 7, 11)),
            ({"time_zone": "America/Phoenix"}, (2026, 10, 31, 20), (2026, 11, 1, 11)),
            ({"time_zone": "Pacific/Honolulu"}, (2026, 3, 7, 20), (2026, 3, 8, 15)),
            ({"region": "TX"}, (2026, 3, 7, 20), (2026, 3, 8, 14)),  # a Sunday
            ({"region": "TX"}, (2026, 3, 6, 20), (2026, 3, 7, 11)),
            ({"region": "RI"}, (2026, 10, 31, 20), (2026, 11, 1, 10)),
            ({"region": "KY"}, (2026, 11, 23, 20), (2026, 11, 24, 11)),  # ten where it is an hour behind
            ({"region": "TX", "time_zone": WEST}, (2026, 3, 7, 20), (2026, 3, 8, 14)),
        ],
    )
    def test_an_own_state_or_time_zone_holds_up_a_number_of_new_york(self, own, before, opens):
        places = places_of("+12125550100", None, EAST, **own)

        assert next_open(places, local(EAST, *before)) == local(EAST, *opens)

    @given(
        st.sampled_from(["212", "401", "502", "512", "808", "907", "800", "999"]),
        st.sampled_from([None, "02903", "75201"]),
        st.sampled_from([None, *sorted(set(STATE_ZONES) - {"GU", "MP"})]),
        st.sampled_from([None, WEST, "America/Phoenix", "Pacific/Honolulu", "America/Puerto_Rico", "America/Adak"]),
        MOMENTS,
    )
    def test_what_more_is_known_only_narrows_the_hours(self, area_code, postal_code, region, time_zone, at):
        phone = f"+1{area_code}5550100"
        places = places_of(phone, postal_code, EAST, region=region, time_zone=time_zone)

        opens = next_open(places, at)

        known = set(places_of(phone, postal_code, EAST)) if area_code != "999" or postal_code else set()
        known |= {Place(zone, region) for zone in STATE_ZONES.get(region or "", ())}
        known |= {Place(time_zone, None)} if time_zone else set()
        assert all(is_open(place, opens) for place in known)

    @given(PLACES, MOMENTS)
    def test_the_next_opening_is_open_everywhere_and_none_was_before(self, places, at):
        opens = next_open(places, at)

        assert opens >= at
        assert all(is_open(place, opens) for place in places)
        moment = at
        while moment < opens:  # hours begin on whole hours in all these zones
            assert not all(is_open(place, moment) for place in places)
            moment += timedelta(minutes=20)
        if opens > at:
            assert not all(is_open(place, opens - timedelta(microseconds=1)) for place in places)

    @given(PLACES, MOMENTS)
    def test_it_stays_open_everywhere_until_the_closing(self, places, at):
        opens, closes = next_open(places, at), closes_at(places, at)

        assert opens < closes
        assert not all(is_open(place, closes) for place in places)
        moment = opens
        while moment < closes:
            assert all(is_open(place, moment) for place in places)
            moment += timedelta(minutes=20)

    @given(st.sampled_from(EVERY_PLACE), MOMENTS)
    def test_the_zone_in_which_a_moment_is_told_does_not_matter(self, place, at):
        elsewhere = at.astimezone(ZoneInfo("Asia/Kathmandu"))

        assert next_open([place], at) == next_open([place], elsewhere)
        assert closes_at([place], at) == closes_at([place], elsewhere)

    @pytest.mark.parametrize(
        ("phone", "zone"), [("+14015550100", "Asia/Tokyo"), ("+15125550100", "Asia/Kolkata")], ids=["RI", "TX"]
    )
    def test_a_time_zone_abroad_lengthens_the_hours_of_no_state(self, phone, zone):
        """By the federal hours alone there would be some: late in Rhode Island, and early on Sundays in Texas."""
        with pytest.raises(NeverOpen):
            next_open(places_of(phone, None, EAST, time_zone=zone), local(EAST, 2026, 11, 22, 3))

    @pytest.mark.parametrize("island", ["GU", "MP"])
    def test_rhode_island_and_guam_have_the_federal_hours_as_their_own_never_meet(self, island):
        places = [Place(EAST, "RI"), Place(STATE_ZONES[island][0], island)]

        opens = next_open(places, local(EAST, 2026, 1, 12, 0))

        assert opens == local("Pacific/Guam", 2026, 1, 13, 8)
        assert all(8 <= opens.astimezone(ZoneInfo(place.zone)).hour < 21 for place in places)
