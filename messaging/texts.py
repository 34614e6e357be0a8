"""What Twilio's error codes say of a text that did not arrive. Pure.

The same codes come as the answer to a hand-over and, where a messaging service takes everything at first, in a report
afterwards. https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """Whose fault it is, and so what follows."""

    OPTED_OUT = "opted_out"  # the person texted STOP to Twilio, which keeps a list of its own
    INVALID = "invalid"  # no number, or one that takes no texts
    UNREACHABLE = "unreachable"  # not this time
    BLOCKED = "blocked"  # by the carrier, where people can say STOP too
    ELSEWHERE = "elsewhere"  # the account may not text to that country
    CONTENT = "content"  # the words: nobody else will get them either
    ACCOUNT = "account"  # the account, its number, or its registration
    SENDER = "sender"  # filtered, or more than carriers allow this sender
    BUSY = "busy"  # not taken: too many requests, or too many texts that wait
    EXPIRED = "expired"  # it waited too long: not sent, for sure


FAULTS = {
    Fault.OPTED_OUT: (21610,),
    Fault.INVALID: (21211, 21214, 21217, 21401, 21604, 21614, 21635, 30005, 30006),
    Fault.UNREACHABLE: (21612, 30003, 30008, 30017, 30410),
    Fault.BLOCKED: (30004,),
    Fault.ELSEWHERE: (21408,),
    Fault.CONTENT: (21602, 21617, 21618, 21620),
    Fault.ACCOUNT: (
        *(20003, 20404, 21212, 21603, 21606, 21609, 21659, 21660, 21661, 21703, 21704, 21705),
        *(30002, 30032, 30033, 30034, 30035),
    ),
    Fault.SENDER: (30001, 30007, 30022, 30023, 30026, 30027, 30450),
    Fault.BUSY: (20429, 21611),
    Fault.EXPIRED: (30036,),
}
BY_CODE = {code: fault for fault, codes in FAULTS.items() for code in codes}


def fault_of(code: int) -> Fault | None:
    """Return what a code says; None: it is not known here."""
    return BY_CODE.get(code)
