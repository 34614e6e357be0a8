"""States and time zones as people and programs write them."""

from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError

from contacts.models import Contact
from contacts.places import STATES, clean_region, clean_time_zone, is_no_place


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("TX", "TX"),
        ("tx", "TX"),
        ("Texas", "TX"),
        ("texas", "TX"),
        ("TX.", "TX"),
        ("US-TX", "TX"),
        ("usa tx", "TX"),
        ("New  York", "NY"),
        ("north_carolina", "NC"),
        ("D.C.", "DC"),
        ("Washington, D.C.", "DC"),
        ("Washington", "WA"),
        ("U.S. Virgin Islands", "VI"),
        ("Puerto Rico", "PR"),
    ],
)
def test_reads_states_and_territories(text, state):
    assert clean_region(text) == state


@pytest.mark.parametrize("text", ["", "Bavaria", "ON", "XX", "USA", "Texass", "TX CA", "subscribed"])
def test_refuses_what_is_no_state(text):
    with pytest.raises(ValueError, match="no state") as caught:
        clean_region(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("code", STATES)
def test_each_code_and_each_name_is_itself(code):
    assert clean_region(code) == clean_region(STATES[code].upper()) == code


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("America/Chicago", "America/Chicago"),
        ("america/new york", "America/New_York"),
        (" America/Indiana/Knox ", "America/Indiana/Knox"),
        ("Europe/Berlin", "Europe/Berlin"),
        ("US/Pacific", "America/Los_Angeles"),
        ("Eastern Time (US & Canada)", "America/New_York"),
        ("(GMT-08:00) Pacific Time (US & Canada)", "America/Los_Angeles"),
        ("(UTC\u221206:00) Central Time (US and Canada)", "America/Chicago"),
        ("Mountain Standard Time", "America/Denver"),
        ("US Mountain Standard Time", "America/Phoenix"),
        ("(UTC-05:00) Indiana (East)", "America/Indiana/Indianapolis"),
        ("Alaskan Standard Time", "America/Anchorage"),
        ("Hawaii", "Pacific/Honolulu"),
        ("EST", "America/New_York"),  # tzdata has clocks of these names that never change
        ("MST", "America/Denver"),
        ("EST5EDT", "America/New_York"),
        ("Pacific", "America/Los_Angeles"),
    ],
)
def test_reads_time_zones(text, zone):
    assert clean_time_zone(text) == zone
    assert ZoneInfo(zone).key == zone


@pytest.mark.parametrize(
    "text",
    ["", "Springfield", "Atlantic Time (Canada)", "-08:00", "GMT-5", "UTC", "Etc/UTC", "../../etc/passwd", "localtime"],
)
def test_refuses_what_is_no_time_zone(text):
    with pytest.raises(ValueError, match="no time zone") as caught:
        clean_time_zone(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(("text", "is_none"), [("utc", True), (" Etc/GMT ", True), ("America/Chicago", False)])
def test_utc_is_no_place(text, is_none):
    assert is_no_place(text) is is_none


@pytest.mark.parametrize("wrong", [{"region": "Texas"}, {"region": "XX"}, {"time_zone": "Central"}])
def test_a_contact_takes_the_one_form_only(wrong):
    contact = Contact(email="ann@example.org", **wrong)

    with pytest.raises(ValidationError) as caught:
        contact.full_clean(validate_unique=False, validate_constraints=False)

    assert set(caught.value.error_dict) == set(wrong)
