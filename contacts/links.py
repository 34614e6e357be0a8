"""Links that identify an address by a keyed hash and cannot be forged. They never expire."""

import base64
import binascii
import hmac
from dataclasses import dataclass

from django.conf import settings

from contacts.channels import Channel
from contacts.fields import key_id, keyed_hash

CHANNEL_BYTES = {Channel.EMAIL: b"e", Channel.SMS: b"s"}
MAC_BYTES = 16


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
    return base64.urlsafe_b64encode(payload + _mac(payload)).rstrip(b"=").decode()


def read_unsubscribe_token(token: str) -> Unsubscribe:
    """Return what the token says. Raises BadLink."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise BadLink from error
    payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if len(payload) != 4 + 1 + 32 + 8 or not hmac.compare_digest(mac, _mac(payload)):
        raise BadLink
    channel = next(channel for channel, byte in CHANNEL_BYTES.items() if byte == payload[4:5])
    return Unsubscribe(channel=channel, address_index=payload[5:37], message=int.from_bytes(payload[37:], "big"))


def unsubscribe_url(link: Unsubscribe) -> str:
    """Return the absolute address of the preferences page, which is also the one-click address."""
    return f"{settings.PUBLIC_BASE_URL}/u/{unsubscribe_token(link)}"


def _mac(payload: bytes) -> bytes:
    return keyed_hash("unsubscribe-link", payload.hex())[:MAC_BYTES]
