"""The ways out of this machine: one transport per channel, chosen by EMAIL_PROVIDER and SMS_PROVIDER."""

from django.conf import settings

from contacts.channels import Channel
from messaging.transports.base import (
    MergedEmail,
    MergedRecipient,
    NotForBatch,
    Outbound,
    OutboundEmail,
    OutboundText,
    Outcome,
    Transport,
    TransportError,
)
from messaging.transports.email import BATCH_LIMITS, EmailTransport
from messaging.transports.text import text_transport

__all__ = [
    "MergedEmail",
    "MergedRecipient",
    "NotForBatch",
    "Outbound",
    "OutboundEmail",
    "OutboundText",
    "Outcome",
    "Transport",
    "TransportError",
    "batch_limit",
    "transport_for",
]


def transport_for(channel: Channel) -> Transport:
    """Return a new transport, not yet open; use it as a context manager for a batch."""
    return EmailTransport() if channel == Channel.EMAIL else text_transport()


def batch_limit(channel: Channel) -> int:
    """Return how many people one request to the provider in use takes; 0 where each needs a request of their own."""
    return BATCH_LIMITS.get(settings.EMAIL_PROVIDER, 0) if channel == Channel.EMAIL else 0
