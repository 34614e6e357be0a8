"""The addresses of a mail, for Anymail's payloads: to take them apart is most of the work of building one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from anymail.utils import EmailAddress, parse_address_list

PLAIN = re.compile(r"([\w+-]+(?:\.[\w+-]+)*)@([\w-]+(?:\.[\w-]+)+)", re.ASCII)


def with_quick_addresses(payload: type[Any]) -> type[Any]:
    """Return this class of Anymail's, with addresses read the quick way. What it makes of a mail is the same."""
    converters = {"to": recipients, **dict.fromkeys(("from_email", "reply_to", "cc", "bcc"), of_the_shop)}
    attributes = tuple(
        (name, combine, converters.get(name, convert)) for name, combine, convert in payload.base_message_attrs
    )
    return type(payload.__name__, (payload,), {"base_message_attrs": attributes})


def is_plain(address: str) -> bool:
    """Whether an address is one beyond doubt, which every parser reads and spells alike."""
    return PLAIN.fullmatch(address) is not None


def recipients(addresses: list[str]) -> list[EmailAddress]:
    """Return addresses taken apart; what a plain one consists of needs no parser. Raises AnymailInvalidAddress."""
    if len(addresses) == 1 and (plain := PLAIN.fullmatch(addresses[0])):
        return [EmailAddress(username=plain[1], domain=plain[2])]
    return parse_address_list(addresses)  # type: ignore[no-any-return]  # Anymail carries no types


def of_the_shop(addresses: str | list[str] | None) -> list[EmailAddress]:
    """Return addresses taken apart, the same for mail after mail. Raises AnymailInvalidAddress."""
    return list(_parsed((addresses,) if isinstance(addresses, str) else tuple(addresses or ())))


@lru_cache(maxsize=64)
def _parsed(addresses: tuple[str, ...]) -> tuple[EmailAddress, ...]:
    return tuple(parse_address_list(list(addresses)))
