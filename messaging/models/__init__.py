"""How it travelled: the ledger, what came back, and the machinery."""

from messaging.models.events import InboundText, ProviderEvent
from messaging.models.ledger import Message, Tally
from messaging.models.machine import Heartbeat, Pace, ProviderSettings, Pump

__all__ = [
    "Heartbeat",
    "InboundText",
    "Message",
    "Pace",
    "ProviderEvent",
    "ProviderSettings",
    "Pump",
    "Tally",
]
