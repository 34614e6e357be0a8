"""Channels, and the normal form of the addresses people are reached at. Pure: no ORM, no settings."""

import re
import unicodedata
from email.utils import parseaddr

import idna
import phonenumbers
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from contacts.sentences import said


class Channel(models.TextChoices):
    EMAIL = "email", _("E-mail")
    SMS = "sms", _("SMS")


class AddressError(ValueError):
    """The text is not an address of that kind; the message says why in the user's words, without the address.

    As a part of a sentence in English ("is not a phone number"), and as a sentence: to be kept, and to be shown.
    """

    def __init__(self, english: str) -> None:
        super().__init__(english.removeprefix("This ").removesuffix("."))
        self.english = english

    @property
    def sentence(self) -> str:
        """The reason in the language of whoever reads it."""
        return said(self.english)


EMAIL_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
ASCII_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,63}|xn--[a-z0-9-]{1,59})")
# Line ends, and what has no width: joiners, soft hyphens, and the direction marks that phones put around a number.
WRAPPING = (
    " \r\n\ufeff\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069"
)
INVISIBLE = {"Cf", "Cc", "Zl", "Zp"}
SPACES = dict.fromkeys([ord("\t"), 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")

# A number of the United States as it is mostly written: what is read is the same, without the cost of reading it.
PLAIN_PHONE = re.compile(r"(?:\+?1[ .-]?)?\(?([2-9][0-9]{2})\)?[ .-]?([2-9][0-9]{2})[ .-]?([0-9]{4})")
NANP_REGIONS = ("US", "PR", "GU", "VI", "AS", "MP")
NOT_TEXTABLE = {
    phonenumbers.PhoneNumberType.TOLL_FREE,
    phonenumbers.PhoneNumberType.PREMIUM_RATE,
    phonenumbers.PhoneNumberType.SHARED_COST,
    phonenumbers.PhoneNumberType.UAN,
}


def clean_cell(text: str) -> str:
    """Strip what spreadsheets wrap around a value: spaces of every kind, leading apostrophes, a byte-order mark."""
    return text.translate(SPACES).strip(WRAPPING).lstrip(WRAPPING + "'")


def clean_email(text: str) -> str:
    """Take the address out of a cell: `mailto:`, `Name <a@b>` and full-width characters are undone.

    Until nothing changes: what was cleaned once is stored, and must be found again by what is cleaned twice.
    """
    cleaned = _clean_email_once(text)
    while cleaned != text:
        text, cleaned = cleaned, _clean_email_once(cleaned)
    return cleaned


def _clean_email_once(text: str) -> str:
    text = clean_cell(unicodedata.normalize("NFKC", text))
    if text.lower().startswith("mailto:"):
        text = text[7:].partition("?")[0]
    if text.endswith(">") and "<" in text:
        text = parseaddr(text)[1] or text
    return text


def normalise_email(text: str) -> str:
    """Return the form two spellings of one mailbox share: lower case, domain as A-label (UTS 46).

    Dots and +tags are kept: only one provider ignores dots, elsewhere they are two people.

    Raises AddressError.
    """
    address = clean_email(text)
    if not address.isprintable() and any(unicodedata.category(char) in INVISIBLE for char in address):
        raise AddressError(gettext_noop("This has an invisible character in the e-mail address."))
    if " " in address:
        raise AddressError(gettext_noop("This has a space in the e-mail address."))
    local, at, domain = address.rpartition("@")
    if not at or "@" in local:
        raise AddressError(gettext_noop("This is not an e-mail address: it needs exactly one @."))
    local = local.lower()
    if not local.isascii():
        raise AddressError(gettext_noop("This has letters before the @ that mail providers cannot send to."))
    if not EMAIL_LOCAL.fullmatch(local) or len(local) > 64:
        raise AddressError(gettext_noop("This is not an e-mail address: the part before the @ is not valid."))
    return f"{local}@{_normalise_domain(domain)}"


def deliverable(address: str) -> str:
    """Return an e-mail address as mail servers take it: as entered, but for the domain, which becomes ASCII.

    UTS 46 like the blind index: the older standard of Python's codec leads to another domain for some letters.

    Raises AddressError.
    """
    local, _, domain = clean_email(address).rpartition("@")
    return f"{local}@{_normalise_domain(domain)}"


def _normalise_domain(domain: str) -> str:
    domain = domain.rstrip(".").lower()
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode().lower()
        except idna.IDNAError as error:
            raise AddressError(
                gettext_noop("This is not an e-mail address: the part after the @ is not valid.")
            ) from error
    if not ASCII_DOMAIN.fullmatch(domain):
        raise AddressError(gettext_noop("This is not an e-mail address: the part after the @ is not valid."))
    return domain


def normalise_phone(text: str, region: str = "US") -> str:
    """Return the number in E.164.

    `region` is the country meant by a number without one. Only numbers of the United States and its territories
    that can receive texts are accepted.

    Raises AddressError.
    """
    number_text = clean_cell(unicodedata.normalize("NFKC", text))
    number_text = number_text.removeprefix("tel:").removesuffix(".0")
    if region == "US" and (match := PLAIN_PHONE.fullmatch(number_text)):
        number = phonenumbers.PhoneNumber(country_code=1, national_number=int("".join(match.groups())))
    else:
        number = _parse_phone(number_text, region)
    kind = phonenumbers.number_type(number)
    country = phonenumbers.region_code_for_number(number)
    if country is None or kind == phonenumbers.PhoneNumberType.UNKNOWN:
        raise AddressError(gettext_noop("This is not a valid phone number."))
    if country not in NANP_REGIONS:
        raise AddressError(gettext_noop("This is not a number of the United States."))
    if kind in NOT_TEXTABLE:
        raise AddressError(gettext_noop("This is a toll-free or premium number, and texts cannot reach it."))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _parse_phone(text: str, region: str) -> phonenumbers.PhoneNumber:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise AddressError(gettext_noop("This is not a phone number.")) from error
    if number.extension:
        raise AddressError(gettext_noop("This has an extension, and texts cannot reach one."))
    return number


def normalise(channel: Channel, text: str) -> str:
    """Return the normal form of an address of `channel`. Raises AddressError."""
    return normalise_email(text) if channel == Channel.EMAIL else normalise_phone(text)


def mask_email(address: str) -> str:
    """`maria@example.com` -> `m…@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def mask_phone(number: str) -> str:
    """`+12175550123` -> `…0123`."""
    return f"…{number[-4:]}"


URL_LIKE = re.compile(r"(?i)https?:|www\.|://|\b[a-z0-9-]+\.(com|net|org|info|biz|ru|cn|xyz|top)\b")


def clean_name(text: str, max_length: int = 40) -> str:
    """Return a name that is safe to print in a mail: no markup, links or control characters, at most 40 characters.

    A name comes from strangers (forms, files); one that looks like a link becomes empty.
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if unicodedata.category(char) in INVISIBLE - {"Cf"} else char for char in text)
    text = "".join(char for char in text if unicodedata.category(char) != "Cf" and char not in "<>{}|")
    text = clean_cell(" ".join(text.split())).lstrip("' ")
    if URL_LIKE.search(text):
        return ""
    return text[:max_length].strip()
