"""What a text costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.sms import GSM_BASIC, GSM_EXTENSION, fold, measure


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        ("", "GSM-7", 0, 1),
        ("x" * 160, "GSM-7", 160, 1),
        ("x" * 161, "GSM-7", 161, 2),
        ("x" * 306, "GSM-7", 306, 2),
        ("x" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("x" * 159 + "€", "GSM-7", 161, 2),
        ("x" * 152 + "€" + "x" * 152, "GSM-7", 306, 3),  # the euro sign is not split: 152 + 153 + 1
        ("é", "GSM-7", 1, 1),
        ("ë" * 70, "UCS-2", 70, 1),
        ("ë" * 71, "UCS-2", 71, 2),
        ("😀" * 35, "UCS-2", 70, 1),
        ("😀" * 36, "UCS-2", 72, 2),
        ("ë" * 66 + "😀" + "ë" * 66, "UCS-2", 134, 3),  # the pair is not split: 66 + 67 + 1
    ],
)
def test_counts_alphabet_units_and_parts(text, encoding, units, parts):
    size = measure(text)

    assert (size.encoding, size.units, size.parts) == (encoding, units, parts)


def test_names_what_forces_the_long_alphabet():
    assert measure("José ate a crêpe in Łódź").special == "êŁóź"


@given(st.text(alphabet=sorted(GSM_BASIC | GSM_EXTENSION), max_size=700))
def test_parts_hold_what_they_are_given(text):
    size = measure(text)

    assert size.encoding == "GSM-7"
    assert size.parts == 1 or size.units > 160
    assert size.units <= size.parts * 153 or size.parts == 1


@given(st.text(max_size=300))
def test_folding_is_done_once_and_never_costs_more(text):
    folded = fold(text)

    assert fold(folded) == folded
    assert measure(folded).parts <= max(measure(text).parts, measure(folded.replace("...", ".")).parts + 1)
