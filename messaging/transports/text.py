"""Texts: the outbox, or Twilio."""

from __future__ import annotations

import json
from typing import Any, Self

import requests
from django.conf import settings
from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from messaging.transports.base import Outbound, OutboundText, Outcome, Transport, TransportError, never_connected
from messaging.transports.outbox import OutboxTextTransport

TIMEOUT_S = 15
TWILIO_BASE = "https://api.twilio.com"

# https://www.twilio.com/docs/api/errors
OPTED_OUT_CODE = 21610  # the person texted STOP to Twilio, which keeps a list of its own
INVALID_CODES = frozenset({21211, 21214, 21217, 21401, 21604, 21614, 21635})
REFUSED_CODES = frozenset({21408, 21612})
STOP_CODES = frozenset({20003, 20404, 21603, 21606, 21602, 21617, 21618, 21620, 21703, 21704, 21705})


def text_transport() -> Transport:
    """Return a new transport for the configured SMS provider."""
    return TwilioTransport() if settings.SMS_PROVIDER == "twilio" else OutboxTextTransport()


class _HttpClient(TwilioHttpClient):  # type: ignore[misc]  # the library carries no types
    """Twilio's client with another base address, where TWILIO_API_URL asks for one."""

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if settings.TWILIO_API_URL:
            url = url.replace(TWILIO_BASE, settings.TWILIO_API_URL, 1)
        return super().request(method, url, *args, **kwargs)


class TwilioTransport:
    """One session, kept open; its POSTs are never repeated by themselves."""

    name = "twilio"

    def __enter__(self) -> Self:
        # Without a timeout Twilio's client waits for ever.
        http_client = _HttpClient(timeout=TIMEOUT_S)
        self._client = Client(settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, http_client=http_client)
        return self

    def __exit__(self, *args: object) -> None:
        session = getattr(self._client.http_client, "session", None)
        if session is not None:
            session.close()

    def send(self, outbound: Outbound) -> str:
        """Hand one text over; return its SID."""
        assert isinstance(outbound, OutboundText)
        sender = (
            {"messaging_service_sid": settings.TWILIO_MESSAGING_SERVICE_SID}
            if settings.TWILIO_MESSAGING_SERVICE_SID
            else {"from_": settings.TWILIO_PHONE_NUMBER}
        )
        try:
            message = self._client.messages.create(to=outbound.to, body=outbound.text, smart_encoded=True, **sender)
        except TwilioException as error:
            raise from_twilio_error(error) from None  # its text may hold the number
        except (requests.exceptions.RequestException, json.JSONDecodeError) as error:
            outcome = Outcome.RETRY if never_connected(error) else Outcome.UNKNOWN
            raise TransportError(outcome, type(error).__name__) from None
        return str(message.sid)


def from_twilio_error(error: TwilioException) -> TransportError:
    """Sort a refusal by its code; `TwilioServiceException` is no `TwilioRestException`, but both carry these two."""
    code, status = getattr(error, "code", None) or 0, getattr(error, "status", None) or 0
    if code == OPTED_OUT_CODE:
        return TransportError(Outcome.REFUSED, f"twilio {code}", suppress="stopped")
    if code in INVALID_CODES:
        return TransportError(Outcome.REFUSED, f"twilio {code}", suppress="invalid")
    if code in REFUSED_CODES:
        return TransportError(Outcome.REFUSED, f"twilio {code}")
    if code in STOP_CODES or status in {401, 403, 404}:
        return TransportError(Outcome.STOP, f"twilio {code or status}")
    if status == 429:
        return TransportError(Outcome.RETRY, f"twilio {code or 429}")
    if 400 <= status < 500:
        return TransportError(Outcome.REFUSED, f"twilio {code or status}")
    return TransportError(Outcome.UNKNOWN, f"twilio {code or status}")
