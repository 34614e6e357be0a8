import pytest
from hypothesis import given
from hypothesis import strategies as st

from redemptions.codes import (
    CROCKFORD,
    RUDE,
    BadCheckCharacter,
    check_character,
    display,
    is_token,
    is_typed,
    new_token,
    new_typed_code,
    parse,
)

payloads = st.text(CROCKFORD, min_size=9, max_size=9)
tokens = st.text(CROCKFORD, min_size=26, max_size=26)


def typed_of(payload: str) -> str:
    return payload + check_character(payload)


@given(payloads)
def test_reads_back_what_is_displayed(payload):
    typed = typed_of(payload)

    assert parse(display(typed)) == typed
    assert parse(f" {display(typed).lower()} ") == typed


@given(payloads, st.integers(0, 9), st.sampled_from(CROCKFORD))
def test_catches_every_single_wrong_character(payload, position, wrong):
    typed = typed_of(payload)
    mistyped = typed[:position] + wrong + typed[position + 1 :]

    if mistyped == typed:
        assert parse(mistyped) == typed
    else:
        with pytest.raises(BadCheckCharacter):
            parse(mistyped)


@given(payloads)
def test_reads_lookalikes(payload):
    typed = typed_of(payload)

    assert parse(typed.replace("0", "O").replace("1", "l")) == typed
    assert parse(typed.replace("0", "o").replace("1", "I")) == typed


@given(tokens)
@pytest.mark.parametrize(
    "url",
    [
        "https://DEALS.EXAMPLE.COM/R/{upper}",
        "https://deals.example.com/r/{lower}",
        "https://deals.example.com/r/{lower}/?utm_source=sms#top",
        "{lower}",
        " {upper}\n",
    ],
)
def test_finds_the_token_in_whatever_was_read(url, token):
    assert parse(url.format(upper=token.upper(), lower=token.lower())) == token


@given(st.text(max_size=200))
def test_takes_any_text_without_breaking(text):
    try:
        code = parse(text)
    except BadCheckCharacter:
        return
    assert isinstance(code, str)


def test_makes_codes_of_the_right_shape():
    typed = [new_typed_code() for _ in range(300)]

    assert is_token(new_token())
    assert all(is_typed(code) and parse(code) == code and not RUDE.search(code) for code in typed)
    assert len(set(typed)) == 300
