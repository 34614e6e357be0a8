"""Coupon tokens and typed codes: making, checking, reading back. Pure: no ORM, no settings."""

import re
import secrets

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TOKEN_LENGTH = 26  # 130 bits
TYPED_LENGTH = 10  # 9 random characters (45 bits) and a check character
LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})
RANDOM_CHARACTERS = (CROCKFORD * 8).encode()  # what each of 256 bytes stands for: 32 divides 256, so all are as likely
SEPARATORS = re.compile(r"[\s\-\u2010-\u2015_.]+")
RUDE = re.compile(r"FVCK|FCK|SH1T|C0CK|D1CK|CVNT|P1SS|N1GG|SEX|NAZ1|KKK|WTF|TWAT|CRAP|DAMN|HATE|ASS|FAG|RAPE")


# What previews show: scanned by somebody curious, they are a test and no guess.
SAMPLE_TOKEN = "TEST" * 6 + "00"


class BadCheckCharacter(ValueError):
    """A typed code with a typing error."""


def new_token() -> str:
    """Return 26 random Crockford characters: 130 bits, nothing in them but chance."""
    return _random(TOKEN_LENGTH)


def new_typed_code() -> str:
    """Return 9 random Crockford characters and their check character, free of rude words."""
    while True:
        payload = _random(TYPED_LENGTH - 1)
        code = payload + check_character(payload)
        if not RUDE.search(code):
            return code


def _random(length: int) -> str:
    """Return random Crockford characters. One call for all: a choice for each takes a hundred times as long."""
    return secrets.token_bytes(length).translate(RANDOM_CHARACTERS).decode()


def check_character(payload: str) -> str:
    """Return the Luhn mod 32 check character: it catches every single wrong character and most swapped neighbours."""
    total = 0
    for position, char in enumerate(reversed(payload)):
        value = CROCKFORD.index(char) * (2 if position % 2 == 0 else 1)
        total += value // 32 + value % 32
    return CROCKFORD[-total % 32]


def display(typed: str) -> str:
    """`TESTTESTTB` -> `TESTT-ESTTB`."""
    return f"{typed[:5]}-{typed[5:]}"


def normalise(text: str) -> str:
    """Return the token (26 characters) or typed code (10) in whatever a scanner read or a person typed.

    Takes the whole URL, the bare token and the typed form, in any case, with or without dashes and spaces, with O, I
    and L for 0 and 1. Anything else comes back upper-cased as it is, and is found nowhere.
    """
    text = text.strip()
    if "/" in text:
        path = re.split(r"[?#]", text, maxsplit=1)[0].rstrip("/")
        text = path.rsplit("/", 1)[-1]
    return SEPARATORS.sub("", text).upper().translate(LOOKALIKES)


def parse(text: str) -> str:
    """Return `normalise(text)`. Raises BadCheckCharacter for ten characters that do not check: a typing error."""
    code = normalise(text)
    if is_typed(code) and check_character(code[:-1]) != code[-1]:
        raise BadCheckCharacter
    return code


def is_token(code: str) -> bool:
    return len(code) == TOKEN_LENGTH and set(code) <= set(CROCKFORD)


def is_typed(code: str) -> bool:
    return len(code) == TYPED_LENGTH and set(code) <= set(CROCKFORD)


SAMPLE_TYPED = "TESTTESTT" + check_character("TESTTESTT")
