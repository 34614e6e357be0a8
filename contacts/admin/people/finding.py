"""What may be typed to find a person: a whole address, or a name."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin.searching import SearchRefused
from contacts.channels import AddressError, Channel
from contacts.models import Contact
from contacts.queries import address_index_of, find_by_name

HELP = gettext_lazy("A name or its first letters (three or more), a whole e-mail address, or a whole phone number.")
NOT_AN_ADDRESS = gettext_lazy(
    "Addresses are stored encrypted, so people are found by the whole address or by their name. "
    "What you typed is no whole {}."
)
NO_NAME = gettext_lazy("Type a name, a whole e-mail address or a whole phone number.")
PHONE_DIGITS = 7


def find_contacts(text: str, *, numbers: bool = False) -> list[int]:
    """Return the contacts this text finds, at most 500; with `numbers` also by the number of the contact.

    Raises SearchRefused.
    """
    text = text.strip()
    if numbers and text.isdecimal() and len(text) < PHONE_DIGITS:
        return list(Contact.objects.filter(pk=int(text)).values_list("pk", flat=True))
    if is_address(text):
        return find_address(text)
    if not any(map(str.isalnum, text)):
        raise SearchRefused(NO_NAME)
    return find_by_name(text)


def find_address(text: str) -> list[int]:
    """Return the contact with this address: none or one. Raises SearchRefused."""
    channel, index = address_of(text)
    return list(Contact.objects.with_address(channel, index).values_list("pk", flat=True))


def address_of(text: str) -> tuple[Channel, bytes]:
    """Return channel and blind index of a whole address. Raises SearchRefused."""
    try:
        return address_index_of(text)
    except AddressError as error:
        kind = _("e-mail address") if "@" in text else _("phone number")
        raise SearchRefused(NOT_AN_ADDRESS.format(kind)) from error


def is_address(text: str) -> bool:
    """Say whether the text means to be an address: it has an @, or digits enough for a number and no letters."""
    digits = sum(map(str.isdecimal, text))
    return "@" in text or (digits > 0 and not any(map(str.isalpha, text)))
