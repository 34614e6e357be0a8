"""The ways out of this machine: one transport per channel, chosen by EMAIL_PROVIDER and SMS_PROVIDER."""

from contacts.channels import Channel
from messaging.transports.base import Outbound, OutboundEmail, OutboundText, Outcome, Transport, TransportError
from messaging.transports.email import EmailTransport
from messaging.transports.text import text_transport

__all__ = [
    "Outbound",
    "OutboundEmail",
    "OutboundText",
    "Outcome",
    "Transport",
    "TransportError",
    "transport_for",
]


def transport_for(channel: Channel) -> Transport:
    """Return a new transport, not yet open; use it as a context manager for a batch."""
    return EmailTransport() if channel == Channel.EMAIL else text_transport()
