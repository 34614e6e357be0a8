"""How it travelled: the ledger, what came back, and the machinery."""

from messaging.models.events import Click, InboundText, ProviderEvent
from messaging.models.ledger import Message, Tally
from messaging.models.machine import Fact, Heartbeat, Pace, ProviderSettings, Pump, WarmUp

__all__ = [
    "Click",
    "Fact",
    "Heartbeat",
    "InboundText",
    "Message",
    "Pace",
    "ProviderEvent",
    "ProviderSettings",
    "Pump",
    "Tally",
    "WarmUp",
]
