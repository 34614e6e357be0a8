"""Texts: the outbox, or Twilio."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from django.conf import settings
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.util import make_headers

from messaging.transports.base import OneByOne, Outbound, OutboundText, Outcome, Transport, TransportError
from messaging.transports.http import TOO_MANY, KeptOpen, refusal
from messaging.transports.outbox import OutboxTextTransport

TWILIO_BASE = "https://api.twilio.com"

# https://www.twilio.com/docs/api/errors
OPTED_OUT_CODE = 21610  # the person texted STOP to Twilio, which keeps a list of its own
INVALID_CODES = frozenset({21211, 21214, 21217, 21401, 21604, 21614, 21635})
REFUSED_CODES = frozenset({21408, 21612})
STOP_CODES = frozenset({20003, 20404, 21603, 21606, 21602, 21617, 21618, 21620, 21703, 21704, 21705})
BUSY_CODES = frozenset({20429, 21611})  # too many requests; too many texts that wait for this sender

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
        try:
            message = self._client.messages.create(
                to=outbound.to, body=outbound.text, smart_encoded=True, **self._sender
            )
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


def from_twilio_error(error: TwilioException) -> TransportError:
    """Sort a refusal by its code; `TwilioServiceException` is no `TwilioRestException`, but both carry these two."""
    code, status = getattr(error, "code", None) or 0, getattr(error, "status", None) or 0
    if code == OPTED_OUT_CODE:
        return TransportError(Outcome.REFUSED, f"twilio {code}", suppress="stopped")
    if code in INVALID_CODES:
        return TransportError(Outcome.REFUSED, f"twilio {code}", suppress="invalid")
    if code in REFUSED_CODES:
        return TransportError(Outcome.REFUSED, f"twilio {code}")
    return TransportError(_outcome_of(code, status), f"twilio {code or status}")


def _outcome_of(code: int, status: int) -> Outcome:
    if code in STOP_CODES or status in {401, 403, 404}:
        return Outcome.STOP
    if code in BUSY_CODES or status == TOO_MANY:
        return Outcome.BUSY
    return Outcome.REFUSED if 400 <= status < 500 else Outcome.UNKNOWN
