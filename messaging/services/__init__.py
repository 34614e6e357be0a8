"""Everything that writes messages: planning, sending, control, tests."""

from messaging.services.confirming import confirm_due
from messaging.services.control import (
    approve,
    ask_approval,
    cancel,
    launch,
    pause,
    resume,
    send_back,
    take_back,
    wake,
)
from messaging.services.inbound import receive_text
from messaging.services.looking_up import look_up_unknown
from messaging.services.planning import plan_due
from messaging.services.sending import PumpRun, finish_done, pumps_alive, recover, send_due
from messaging.services.settling import leave, retry_failed, send_anyway, settle_unknown
from messaging.services.starting import next_start, start_due
from messaging.services.testing import TestRefused, send_test
from messaging.services.watching import watch
from messaging.transports import TransportError

__all__ = [
    "PumpRun",
    "TestRefused",
    "TransportError",
    "approve",
    "ask_approval",
    "cancel",
    "confirm_due",
    "finish_done",
    "launch",
    "leave",
    "look_up_unknown",
    "next_start",
    "pause",
    "plan_due",
    "pumps_alive",
    "receive_text",
    "recover",
    "resume",
    "retry_failed",
    "send_anyway",
    "send_back",
    "send_due",
    "send_test",
    "settle_unknown",
    "start_due",
    "take_back",
    "wake",
    "watch",
]
