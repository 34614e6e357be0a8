"""Links that cannot be forged: the way out, which never ends, and the way in, which its row lets expire."""

import base64
import binascii
import hmac
from dataclasses import dataclass

from django.conf import settings

from contacts.channels import Channel
from contacts.fields import key_id, keyed_hash

CHANNEL_BYTES = {Channel.EMAIL: b"e", Channel.SMS: b"s"}
MAC_BYTES = 16
UNSUBSCRIBE, CONFIRM = "unsubscribe-link", "confirm-link"


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """What an unsubscribe link says: which address, on which channel, from which message (0: none)."""

    channel: Channel
    address_index: bytes
    message: int = 0


class BadLink(ValueError):
    """The token was not made here."""


def unsubscribe_token(link: Unsubscribe) -> str:
    """Return 84 URL-safe characters: key id, channel, address index, message, and a 128-bit MAC over them."""
    payload = (
        bytes.fromhex(key_id()) + CHANNEL_BYTES[link.channel] + link.address_index + link.message.to_bytes(8, "big")
    )
    return sealed(UNSUBSCRIBE, payload)


def read_unsubscribe_token(token: str) -> Unsubscribe:
    """Return what the token says. Raises BadLink."""
    payload = opened(UNSUBSCRIBE, token, size=4 + 1 + 32 + 8)
    channel = next(channel for channel, byte in CHANNEL_BYTES.items() if byte == payload[4:5])
    return Unsubscribe(channel=channel, address_index=payload[5:37], message=int.from_bytes(payload[37:], "big"))


def unsubscribe_url(link: Unsubscribe) -> str:
    """Return the absolute address of the preferences page, which is also the one-click address."""
    return f"{settings.PUBLIC_BASE_URL}/u/{unsubscribe_token(link)}"


def confirmation_token(confirmation_id: int) -> str:
    """Return 38 URL-safe characters: key id, confirmation, and a 128-bit MAC over them."""
    return sealed(CONFIRM, bytes.fromhex(key_id()) + confirmation_id.to_bytes(8, "big"))


def read_confirmation_token(token: str) -> int:
    """Return the id of the confirmation. Raises BadLink."""
    return int.from_bytes(opened(CONFIRM, token, size=4 + 8)[4:], "big")


def confirmation_url(confirmation_id: int) -> str:
    """Return the absolute address of the page with the one button that confirms."""
    return f"{settings.PUBLIC_BASE_URL}/join/confirm/{confirmation_token(confirmation_id)}"


def join_url(slug: str) -> str:
    """Return the absolute address of a sign-up form."""
    return f"{settings.PUBLIC_BASE_URL}/join/{slug}"


def sealed(purpose: str, payload: bytes, *, mac_size: int = MAC_BYTES) -> str:
    """Return a URL-safe token of the payload and a MAC over it; what one purpose sealed, no other opens."""
    return base64.urlsafe_b64encode(payload + _mac(purpose, payload, mac_size)).rstrip(b"=").decode()


def opened(purpose: str, token: str, *, size: int, mac_size: int = MAC_BYTES) -> bytes:
    """Return the payload, which has `size` bytes. Raises BadLink."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise BadLink from error
    payload, mac = raw[:-mac_size], raw[-mac_size:]
    if len(payload) != size or not hmac.compare_digest(mac, _mac(purpose, payload, mac_size)):
        raise BadLink
    return payload


def _mac(purpose: str, payload: bytes, size: int) -> bytes:
    return keyed_hash(purpose, payload.hex())[:size]
