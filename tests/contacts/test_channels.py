"""The normal form of addresses and names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.channels import (
    AddressError,
    clean_cell,
    clean_email,
    clean_name,
    mask_email,
    mask_phone,
    normalise_email,
    normalise_phone,
)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Maria@Example.ORG", "maria@example.org"),
        ("  maria@example.org\u00a0", "maria@example.org"),
        ("mailto:maria@example.org?subject=hi", "maria@example.org"),
        ("Maria Kim <maria@example.org>", "maria@example.org"),
        ("'maria@example.org", "maria@example.org"),
        ("maria.kim+bar@example.org", "maria.kim+bar@example.org"),
        ("maria@bücher.example", "maria@xn--bcher-kva.example"),
        ("maria＠example.org", "maria@example.org"),
        ("\u202amaria@example.org\u202c", "maria@example.org"),
        ("\u2003maria@example.org\u200d", "maria@example.org"),
        ("maria@example.org.", "maria@example.org"),
    ],
)
def test_two_spellings_of_a_mailbox_are_one(written, normal):
    assert normalise_email(written) == normal


@pytest.mark.parametrize(
    "written",
    [
        "",
        "maria",
        "maria@",
        "@example.org",
        "maria@localhost",
        "maria@[127.0.0.1]",
        "a@b@example.org",
        "a@example.org, b@example.org",
        "a@example.org\nBcc: b@example.org",
        "ma\u200bria@example.org",
        "márla@example.org",
        "ma ria@example.org",
        ".maria@example.org",
        "maria@-example.org",
    ],
)
def test_refuses_what_mail_cannot_reach(written):
    with pytest.raises(AddressError):
        normalise_email(written)


@pytest.mark.parametrize(
    "written",
    [
        "(217) 555-0142",
        "217.555.0142",
        "+1 217 555 0142",
        "12175550142",
        "２１７５５５０１４２",
        "tel:217-555-0142",
        "2175550142.0",
    ],
)
def test_two_spellings_of_a_number_are_one(written):
    assert normalise_phone(written) == "+12175550142"


@pytest.mark.parametrize(
    "written", ["", "12345", "abc", "+44 20 7946 0958", "800-555-0199", "217-555-0142 x5", "+1 876 555 0123"]
)
def test_refuses_what_a_text_cannot_reach(written):
    with pytest.raises(AddressError):
        normalise_phone(written)


@given(st.text(max_size=60))
def test_email_normaliser_never_raises_but_address_error_and_is_idempotent(text):
    try:
        normal = normalise_email(text)
    except AddressError:
        return
    assert normalise_email(normal) == normal


@given(st.text(alphabet="'\" <>@.:?abmailto\u00a0\ufeff\uff20", max_size=40) | st.text(max_size=40))
def test_cleaning_twice_is_cleaning_once(text):
    assert clean_email(clean_email(text)) == clean_email(text)
    assert clean_cell(clean_cell(text)) == clean_cell(text)


@given(st.text(max_size=40) | st.from_regex(r"[0-9 ()+.-]{5,20}", fullmatch=True))
def test_phone_normaliser_never_raises_but_address_error_and_is_idempotent(text):
    try:
        normal = normalise_phone(text)
    except AddressError:
        return
    assert normalise_phone(normal) == normal


@given(st.text(max_size=100))
def test_names_are_short_and_harmless_and_stay_so(text):
    name = clean_name(text)

    assert len(name) <= 40
    assert not set(name) & set("<>{}\r\n\t")
    assert clean_name(name) == name


@pytest.mark.parametrize("hostile", ["win at https://evil.example", "www.evil.example", "cheap pills evil.com now"])
def test_a_name_that_is_a_link_is_left_out(hostile):
    assert clean_name(hostile) == ""


def test_masks_keep_little():
    assert mask_email("maria@example.org") == "m…@example.org"
    assert mask_phone("+12175550142") == "…0142"
