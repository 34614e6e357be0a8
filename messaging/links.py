"""The addresses that stand in mails in the place of links: they count a click and lead on, to what was stored only."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.conf import settings

from campaigns.rendering import Redirects
from contacts.links import BadLink, opened, sealed

PURPOSE = "click-link"
TRAP_POSITION = 0  # the link nobody sees; those of the words count from 1
MESSAGE_BYTES, POSITION_BYTES, MAC_BYTES = 5, 1, 12
PAYLOAD = 8  # characters of message and position
TOKEN = re.compile(r"[A-Za-z0-9_-]{24}")


def click_token(message_id: int, position: int) -> str:
    """Return 24 URL-safe characters: a 96-bit MAC, message, and position.

    The position comes last: a token that ends in a digit after a dash would use up the marks of a batch.
    """
    payload = message_id.to_bytes(MESSAGE_BYTES, "big") + position.to_bytes(POSITION_BYTES, "big")
    token = sealed(PURPOSE, payload, mac_size=MAC_BYTES)
    return token[PAYLOAD:] + token[:PAYLOAD]


def read_click_token(token: str) -> tuple[int, int]:
    """Return message id and position. Raises BadLink."""
    if not TOKEN.fullmatch(token):
        raise BadLink
    payload = opened(
        PURPOSE, token[-PAYLOAD:] + token[:-PAYLOAD], size=MESSAGE_BYTES + POSITION_BYTES, mac_size=MAC_BYTES
    )
    return int.from_bytes(payload[:MESSAGE_BYTES], "big"), payload[-1]


def click_url(message_id: int, position: int) -> str:
    return f"{settings.PUBLIC_BASE_URL}/c/{click_token(message_id, position)}"


def redirects_of(message_id: int, positions: Mapping[str, int]) -> Redirects:
    """Return what stands in a message in the place of the links that were stored, given with their positions."""
    return Redirects(
        links={url: click_url(message_id, position) for url, position in positions.items()},
        trap=click_url(message_id, TRAP_POSITION),
    )
