"""What became of messages, as providers report it: stored once, and worked out from all that is stored.

What a message ends as depends on what was reported, and neither on the order nor on how often it came.
"""

from messaging.services.events.applying import apply_waiting, take_in
from messaging.services.events.forgetting import forget_payloads

__all__ = ["apply_waiting", "forget_payloads", "take_in"]
