"""What a text costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.sms import GSM_BASIC, GSM_EXTENSION, fold, measure, plain


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


# --- Against a count of another kind ---

# 3GPP TS 23.038, table 6.2.1.1, row by row (0x1B, the escape, stands as U+001B); what is escaped is listed below it.
TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
ESCAPED = "\f^{}\\[~]|€"
LETTERS = st.one_of(
    st.sampled_from(TABLE.replace("\x1b", "")),
    st.sampled_from(ESCAPED),
    st.sampled_from("ëçáíóú’“”—…`½😀👩\u200d🍕\ufe0f字"),
    st.characters(exclude_categories=["Cs"]),
)


def billed(text: str) -> tuple[str, int, int]:
    """Count by trying every way to split a text into parts, and taking the shortest."""
    if all(char in TABLE.replace("\x1b", "") + ESCAPED for char in text):
        encoding, single, multi = "GSM-7", 160, 153
        widths = [1 + (char in ESCAPED) for char in text]
    else:
        encoding, single, multi = "UCS-2", 70, 67
        widths = [len(char.encode("utf-16-be")) // 2 for char in text]
    if sum(widths) <= single:
        return encoding, sum(widths), 1
    fewest = [0] + [len(text) + 1] * len(text)  # parts for the first so many characters
    for end in range(1, len(text) + 1):
        start, room = end, multi
        while start and widths[start - 1] <= room:
            start, room = start - 1, room - widths[start - 1]
            fewest[end] = min(fewest[end], fewest[start] + 1)
    return encoding, sum(widths), fewest[-1]


@given(st.text(LETTERS, max_size=500))
def test_counts_as_the_network_does(text):
    size = measure(text)

    assert (size.encoding, size.units, size.parts) == billed(text)


@given(st.text(st.sampled_from(TABLE.replace("\x1b", "") + ESCAPED), min_size=140, max_size=500))
def test_counts_the_short_alphabet_around_the_ends_of_parts(text):
    size = measure(text)

    assert (size.encoding, size.units, size.parts) == billed(text)


@given(st.text(st.sampled_from("aé字😀🍕"), min_size=60, max_size=300))
def test_counts_pairs_around_the_ends_of_parts(text):
    size = measure(text)

    assert (size.encoding, size.units, size.parts) == billed(text)


def test_knows_the_alphabet():
    assert len(TABLE) == 128
    assert frozenset(TABLE.replace("\x1b", "")) == GSM_BASIC
    assert frozenset(ESCAPED) == GSM_EXTENSION


# --- Folding ---

# What Twilio's own "smart encoding" replaces, as its documentation lists it: code points in hexadecimal.
TWILIO_REPLACES = """
00ab 00bb 201c 201d 02ba 02ee 201f 275d 275e 301d 301e ff02 2018 2019 02bb 02c8 02bc 02bd 02b9 201b ff07 00b4 02ca 0060
02cb 275b 275c 0313 0314 fe10 fe11 00f7 00bc 00bd 00be 29f8 0337 0338 2044 2215 ff0f 29f9 29f5 20e5 fe68 ff3c 0332 ff3f
20d2 20d3 2223 ff5c 23b8 23b9 23d0 239c 239f 23bc 23bd 2015 fe63 ff0d 2010 2043 fe6b ff20 fe69 ff04 01c3 fe15 fe57 ff01
fe5f ff03 fe6a ff05 fe60 ff06 201a 0326 fe50 fe51 ff0c ff64 2768 276a fe59 ff08 27ee 2985 2769 276b fe5a ff09 27ef 2986
204e 2217 229b 2722 2723 2724 2725 2731 2732 2733 273a 273b 273c 273d 2743 2749 274a 274b 29c6 fe61 ff0a 02d6 fe62 ff0b
3002 fe52 ff0e ff61 02d0 02f8 2982 a789 fe13 ff1a 204f fe14 fe54 ff1b fe64 ff1c 0347 a78a fe66 ff1d fe65 ff1e fe16 fe56
ff1f 1d00 0299 1d04 1d05 1d07 a730 0262 029c 026a 1d0a 1d0b 029f 1d0d 0274 1d0f 1d18 0280 a731 1d1b 1d1c 1d20 1d21 028f
1d22 02c6 0302 ff3e 1dcd 2774 fe5b ff5b 2775 fe5c ff5d ff3b ff3d 02dc 02f7 0303 0330 0334 223c ff5e 00a0 2000 2002 2003
2004 2005 2006 2007 2008 2009 200a 202f 205f 3000 008d 009f 0080 0090 009b 0010 0009 0000 0003 0004 0017 0019 0011 0012
0013 0014 2060 2017 2014 2013 2039 203a 203c 201e 2028 2029 2026 2001 200b 3001 feff 2022
"""
REPLACED = [chr(int(code, 16)) for code in TWILIO_REPLACES.split()]
REPLACED += [chr(code) for first, last in [(0xFF10, 0xFF19), (0xFF21, 0xFF3A)] for code in range(first, last + 1)]


@pytest.mark.parametrize("char", REPLACED, ids=lambda char: f"U+{ord(char):04X}")
def test_replaces_all_that_twilio_would(char):
    """So that the text that is counted is the one that is billed."""
    assert measure(fold(char)).encoding == "GSM-7"
    assert measure(fold(f"a{char}b")).special in {"", fold(f"a{char}")}


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("“Hi” – it’s ½ off… ‹now›", '"Hi" - it\'s 1/2 off... <now>'),
        ("ＳＡＬＥ！", "SALE!"),
        ("one\u00a0two\u200bthree\u2028four", "one twothree four"),
        ("Jose\u0301 nin\u0303o", "José niño"),
        ("e\u200b\u0301", "é"),
        ("Zoë & 😀", "Zoë & 😀"),
    ],
)
def test_folds_what_word_processors_put_in(text, folded):
    assert fold(text) == folded


@given(st.text(LETTERS, max_size=300))
def test_folding_is_done_once(text):
    assert fold(fold(text)) == fold(text)


@given(st.text(st.sampled_from(TABLE.replace("\x1b", "") + ESCAPED), max_size=200))
def test_folding_leaves_the_short_alphabet_as_it_is(text):
    assert fold(text) == text


@given(st.text(st.sampled_from("".join(REPLACED)), max_size=100), st.sampled_from("abc 123"))
def test_after_folding_nothing_of_the_kind_is_left(text, around):
    assert measure(fold(around.join(text))).encoding == "GSM-7" or "\u0302" in text or "\u0303" in text


@pytest.mark.parametrize(
    ("name", "written"), [("María", "Maria"), ("Łukasz", "Lukasz"), ("José", "José"), ("Þóra", "Thora"), ("字", "字")]
)
def test_writes_a_name_plainly(name, written):
    assert plain(name) == written
