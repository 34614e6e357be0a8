"""Texts: the outbox, or Twilio."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.util import make_headers

from messaging.incoming import Incoming
from messaging.texts import Fault, fault_of
from messaging.transports.base import OneByOne, Outbound, OutboundText, Outcome, Transport, TransportError
from messaging.transports.http import TOO_MANY, KeptOpen, refusal
from messaging.transports.outbox import OutboxTextTransport
from messaging.transports.twilio_reports import report

TWILIO_BASE = "https://api.twilio.com"

# What a refused hand-over means: the outcome, and why the number is not tried again.
REFUSALS = {
    Fault.OPTED_OUT: (Outcome.REFUSED, "stopped"),
    Fault.INVALID: (Outcome.REFUSED, "invalid"),
    Fault.UNREACHABLE: (Outcome.REFUSED, ""),
    Fault.BLOCKED: (Outcome.REFUSED, ""),
    Fault.ELSEWHERE: (Outcome.REFUSED, ""),
    Fault.CONTENT: (Outcome.STOP, ""),
    Fault.ACCOUNT: (Outcome.STOP, ""),
    Fault.SENDER: (Outcome.STOP, ""),
    Fault.BUSY: (Outcome.BUSY, ""),
    Fault.EXPIRED: (Outcome.RETRY, ""),
}

LONGEST_VALIDITY_S = 36_000  # Twilio's own limit, and how long it lets a text wait at most
ARRIVES_WITHIN_S = 60  # after Twilio lets go of it
NOT_FOUND = "twilio 404"
LOOK_UP_LIMIT = 20  # texts to one number, the newest first
CLOCKS_DIFFER = timedelta(minutes=1)
CREATED_WITHIN = timedelta(minutes=5)  # of the hand-over; longer than any request may take


def text_transport() -> Transport:
    """Return a new transport for the configured SMS provider."""
    return TwilioTransport() if settings.SMS_PROVIDER == "twilio" else OutboxTextTransport()


class _HttpClient(HttpClient):  # type: ignore[misc]  # the library carries no types
    """Carries the library's requests over a connection that is kept open; to another address, where one is set."""

    def __init__(self) -> None:
        super().__init__(None, False, None)
        self._base = settings.TWILIO_API_URL or TWILIO_BASE
        self._connection = KeptOpen(self._base)

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        assert auth is not None, "the client was given an account"
        url = url.replace(TWILIO_BASE, self._base, 1) + (f"?{urlencode(params)}" if params else "")
        answer = self._connection.request(
            method.upper(),
            url,
            body=urlencode(data).encode() if data else None,
            headers={**(headers or {}), **make_headers(basic_auth=":".join(auth))},
        )
        # The library's exceptions know nothing of Retry-After, and those of a list not even the status.
        if answer.status == TOO_MANY or (method == "GET" and not answer.is_good):
            raise refusal(answer, f"twilio {answer.status}")
        return Response(answer.status, answer.body.decode(errors="replace"), answer.headers)

    def close(self) -> None:
        self._connection.close()


class TwilioTransport(OneByOne):
    """One connection, kept open; its POSTs are never repeated by themselves."""

    name = "twilio"

    def __init__(self) -> None:
        self._http = _HttpClient()
        self._client = Client(settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, http_client=self._http)
        self._sender = (
            {"messaging_service_sid": settings.TWILIO_MESSAGING_SERVICE_SID}
            if settings.TWILIO_MESSAGING_SERVICE_SID
            else {"from_": settings.TWILIO_PHONE_NUMBER}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._http.close()

    def send(self, outbound: Outbound) -> str:
        """Hand one text over; return its SID."""
        assert isinstance(outbound, OutboundText)
        asked = {**self._sender, **_validity(outbound), **_report(outbound)}
        try:
            message = self._client.messages.create(to=outbound.to, body=outbound.text, smart_encoded=True, **asked)
        except TwilioException as error:
            raise from_twilio_error(error) from None  # its text may hold the number
        except json.JSONDecodeError as error:
            raise TransportError(Outcome.UNKNOWN, type(error).__name__) from None
        if not message.sid:
            raise TransportError(Outcome.UNKNOWN, "unreadable answer")
        return str(message.sid)

    def look_up(self, outbound: Outbound, *, since: datetime) -> str | None:
        """Find the text among those the account sent to this number around `since`, the time of the hand-over.

        Twilio takes no reference of ours, so the words must be the same; a deal's code makes them one person's. Asked
        twice: a text that still waits may have no date of sending to be found by.
        """
        assert isinstance(outbound, OutboundText)
        for narrowed in ({"date_sent_after": since - CLOCKS_DIFFER}, {}):
            for message in self._listed(outbound.to, narrowed):
                if _is_it(message, outbound, since):
                    return str(message.sid)
        return None

    def ask(self, provider_id: str, *, reference: UUID, at: datetime) -> Incoming | None:
        """Ask what became of a text by its SID; None: Twilio does not know it any more. Raises TransportError."""
        try:
            message = self._client.messages(provider_id).fetch()
        except TransportError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        except (TwilioException, json.JSONDecodeError) as error:
            raise TransportError(Outcome.UNKNOWN, type(error).__name__) from None
        known = {"status": str(message.status or ""), "code": str(message.error_code or "")}
        return report(sid=provider_id, to=message.to or "", reference=reference, at=at, payload=known, **known)

    def _listed(self, to: str, narrowed: dict[str, datetime]) -> list[Any]:
        try:
            return list(self._client.messages.list(to=to, limit=LOOK_UP_LIMIT, page_size=LOOK_UP_LIMIT, **narrowed))
        except (TwilioException, json.JSONDecodeError) as error:
            raise TransportError(Outcome.UNKNOWN, type(error).__name__) from None


def _is_it(message: Any, outbound: OutboundText, since: datetime) -> bool:
    return (
        message.direction == "outbound-api"
        and message.date_created is not None
        and since - CLOCKS_DIFFER <= message.date_created <= since + CREATED_WITHIN
        and message.body.strip() == outbound.text.strip()
    )


def _validity(outbound: OutboundText) -> dict[str, int]:
    """Let the text die in Twilio's queue before quiet hours begin. Raises TransportError where they are upon us.

    How long is measured here, right before the call: the way from composing may have been long.
    """
    if outbound.open_until_s is None:
        return {}
    left_s = int(outbound.open_until_s - time.monotonic()) - ARRIVES_WITHIN_S
    if left_s < 1:
        raise TransportError(Outcome.RETRY, "quiet hours begin")
    return {"validity_period": min(LONGEST_VALIDITY_S, left_s)}


def _report(outbound: OutboundText) -> dict[str, str]:
    """Say where to report to; the address names the message, which the report finds though no answer came.

    Twilio refuses the whole text for an address it cannot reach, and over plain http others could read the number in
    the report: without https there are no reports. A server that plays Twilio reaches this machine.
    """
    if not outbound.is_tracked or not (settings.IS_HTTPS or settings.TWILIO_API_URL):
        return {}
    path = reverse("twilio-status", args=[outbound.reference])
    return {"status_callback": f"{settings.PUBLIC_BASE_URL}{path}"}


def from_twilio_error(error: TwilioException) -> TransportError:
    """Sort a refusal by its code; `TwilioServiceException` is no `TwilioRestException`, but both carry these two."""
    code, status = getattr(error, "code", None) or 0, getattr(error, "status", None) or 0
    fault = fault_of(code)
    outcome, suppress = REFUSALS[fault] if fault else (_outcome_of(status), "")
    return TransportError(outcome, f"twilio {code or status}", suppress=suppress)


def _outcome_of(status: int) -> Outcome:
    """Sort a refusal whose code says nothing."""
    if status in {401, 403, 404}:
        return Outcome.STOP
    if status == TOO_MANY:
        return Outcome.BUSY
    return Outcome.REFUSED if 400 <= status < 500 else Outcome.UNKNOWN
