"""What every way out has in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self

from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError


class Outcome(StrEnum):
    """What a failed hand-over means for the message."""

    RETRY = "retry"  # not sent; the provider was busy or away
    REFUSED = "refused"  # not sent; the provider will not send to this person
    STOP = "stop"  # not sent; the account or the sender is at fault, nobody else will get through either
    UNKNOWN = "unknown"  # perhaps sent: no answer after the request was written; never repeat by itself


class TransportError(Exception):
    """The message was not accepted. Carries codes, never an address.

    `suppress` is the reason (a Suppression.Reason) for which this address must not be tried again, or empty.
    """

    def __init__(self, outcome: Outcome, code: str, *, retry_after_s: int = 0, suppress: str = "") -> None:
        super().__init__(f"{outcome}: {code}")
        self.outcome = outcome
        self.code = code
        self.retry_after_s = retry_after_s
        self.suppress = suppress


@dataclass(frozen=True, slots=True)
class OutboundEmail:
    """One mail to one person. `reference` is the message's opaque id, the only thing a provider learns about it.

    `qr_png` is shown inline where the HTML says `cid:` + QR_CID.
    """

    reference: str
    to: str
    from_email: str
    subject: str
    text: str
    html: str
    headers: dict[str, str] = field(default_factory=dict)
    reply_to: str = ""
    qr_png: bytes | None = None


@dataclass(frozen=True, slots=True)
class OutboundText:
    """One text to one person; `to` in E.164."""

    reference: str
    to: str
    text: str


Outbound = OutboundEmail | OutboundText


class Transport(Protocol):
    """A connection to a provider, kept open for a batch."""

    name: str

    def __enter__(self) -> Self:
        """Connect. Raises TransportError with RETRY or STOP."""
        ...

    def __exit__(self, *args: object) -> None: ...

    def send(self, outbound: Outbound) -> str:
        """Hand one message over; return the provider's id for it. Raises TransportError."""
        ...


def never_connected(error: BaseException) -> bool:
    """Tell a connection that was never made (nothing sent) from one that broke (who knows)."""
    if isinstance(error, ConnectTimeout):
        return True
    cause: BaseException | None = error
    while cause is not None:
        reason = cause.args[0] if isinstance(cause, RequestsConnectionError) and cause.args else None
        if isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError | ConnectTimeoutError):
            return True
        if isinstance(cause, NewConnectionError | ConnectTimeoutError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
