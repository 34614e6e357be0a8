"""What every way out has in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self


class Outcome(StrEnum):
    """What a failed hand-over means for the message."""

    BUSY = "busy"  # not sent; the provider is busy or away, for everybody
    RETRY = "retry"  # not sent; this person may be tried again later
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


class NotForBatch(TransportError):
    """This does not fit into a batch call and was not sent; alone, it may go."""

    def __init__(self) -> None:
        super().__init__(Outcome.RETRY, "does not fit into a request for many")


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
    """One text to one person; `to` in E.164.

    `open_until_s`, of `time.monotonic`, is when the hours end in which this person may be texted: the provider is asked
    to give up before. None: there are no such hours, since the person asked for it. `is_tracked`: there is a row in
    which to note what becomes of it, so the provider is asked to report that.
    """

    reference: str
    to: str
    text: str
    open_until_s: float | None = None
    is_tracked: bool = False


Outbound = OutboundEmail | OutboundText


@dataclass(frozen=True, slots=True)
class MergedRecipient:
    """One person of a batch call. `values` fill the marks of the batch, e.g. `-3-`, in every part alike."""

    reference: str
    to: str
    values: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MergedEmail:
    """One mail to many people in one request. `subject`, `text` and `html` hold marks; an image must be hosted."""

    from_email: str
    subject: str
    text: str
    html: str
    recipients: tuple[MergedRecipient, ...]
    reply_to: str = ""


class Transport(Protocol):
    """A connection to a provider, made at the first message and kept open. One thread at a time may use it.

    It never touches the database and never repeats by itself what may have been sent. `batch_limit` is the number of
    people one batch call takes; 0 where the provider has none that would do.
    """

    name: str
    batch_limit: int

    def __enter__(self) -> Self:
        """Get ready; costs next to nothing, and reaches for nobody."""
        ...

    def __exit__(self, *args: object) -> None: ...

    def send(self, outbound: Outbound) -> str:
        """Hand one message over; return the provider's id for it. Raises TransportError."""
        ...

    def send_batch(self, merged: MergedEmail) -> list[str | TransportError]:
        """Hand one mail over for many people; return for each, in their order, the provider's id or what went wrong.

        Whoever does not fit into the request is left out of it, with NotForBatch in the place of an id. Raises
        TransportError where the provider took it for nobody, or where that is not known; it names no one's address as
        the cause. Raises NotImplementedError where `batch_limit` is 0.
        """
        ...

    def look_up(self, outbound: Outbound, *, since: datetime) -> str | None:
        """Ask the provider whether it took this message since then; return its id, or None: it did not, or can't say.

        Raises TransportError.
        """
        ...


class OneByOne:
    """The rest of a transport whose provider takes no batches, and cannot say what became of a message."""

    batch_limit = 0

    def send_batch(self, merged: MergedEmail) -> list[str | TransportError]:
        raise NotImplementedError

    def look_up(self, outbound: Outbound, *, since: datetime) -> str | None:
        return None
