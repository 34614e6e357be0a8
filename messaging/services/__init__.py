"""Everything that writes messages: planning, sending, control, tests."""

from messaging.services.confirming import confirm_due
from messaging.services.control import cancel, launch, pause, resume, wake
from messaging.services.inbound import receive_text
from messaging.services.planning import plan_due
from messaging.services.sending import finish_done, recover, send_due
from messaging.services.testing import TestRefused, send_test
from messaging.transports import TransportError

__all__ = [
    "TestRefused",
    "TransportError",
    "cancel",
    "confirm_due",
    "finish_done",
    "launch",
    "pause",
    "plan_due",
    "receive_text",
    "recover",
    "resume",
    "send_due",
    "send_test",
    "wake",
]
