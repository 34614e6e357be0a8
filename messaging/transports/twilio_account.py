"""What Twilio says of the shop's number: whether it is the account's, registered, and where answers go.

https://www.twilio.com/docs/messaging/api: services, their numbers and US campaigns, toll-free verifications.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.utils.translation import gettext_noop
from urllib3.util import make_headers

from contacts.sentences import kept
from messaging.transports.base import TransportError
from messaging.transports.finding import Finding
from messaging.transports.http import KeptOpen
from messaging.transports.text import TWILIO_BASE

MESSAGING_BASE = "https://messaging.twilio.com"
READ_S = 6  # somebody waits for the page
TOLL_FREE = ("+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888")
SHORT_CODE_DIGITS = 6
NUMBER, REGISTRATION, INBOUND = "twilio.number", "twilio.registration", "twilio.inbound"
FIRST_THE_NUMBER = gettext_noop("This is known once the number is right.")
SHORT_CODES_TELL_NOT = gettext_noop("Twilio does not say it of a short code: see that it names the address below.")
NOT_NOW = gettext_noop("This could not be found out now: Twilio did not answer. Try again in a while.")
NO_NUMBER = kept("The messaging service “%(service)s” has no number yet. Add one to its sender pool.")
ONE_NUMBER = kept("The messaging service “%(service)s” has 1 number.")
NUMBERS = kept("The messaging service “%(service)s” has %(count)s numbers.")


class _Refused(Exception):
    """Twilio does not know the account, or does not let it look."""


class _Account:
    """Asks Twilio about the account, over a connection to each of its two hosts."""

    def __init__(self) -> None:
        self._places: dict[str, KeptOpen] = {}
        self._login = make_headers(basic_auth=f"{settings.TWILIO_ACCOUNT_SID}:{settings.TWILIO_AUTH_TOKEN}")

    def get(self, base: str, path: str, **query: str) -> dict[str, Any] | None:
        """Return what stands there; None: nothing does. Raises _Refused and TransportError."""
        base = settings.TWILIO_API_URL or base
        if base not in self._places:
            self._places[base] = _Quick(base)
        url = f"{base}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = self._places[base].request("GET", url, body=None, headers=self._login)
        if answer.status in {401, 403}:
            raise _Refused
        if answer.status == 404:
            return None
        try:
            found = json.loads(answer.body) if answer.is_good else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise _Unreadable
        return found

    def of_account(self, path: str, **query: str) -> dict[str, Any] | None:
        return self.get(TWILIO_BASE, f"/2010-04-01/Accounts/{settings.TWILIO_ACCOUNT_SID}{path}", **query)

    def of_service(self, path: str = "") -> dict[str, Any] | None:
        return self.get(MESSAGING_BASE, f"/v1/Services/{settings.TWILIO_MESSAGING_SERVICE_SID}{path}")

    def close(self) -> None:
        for place in self._places.values():
            place.close()


class _Quick(KeptOpen):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._read_s = min(self._read_s, READ_S)


class _Unreadable(Exception):
    """An answer that makes no sense."""


def look_at_number(inbound_url: str) -> list[Finding]:
    """Return what Twilio says of the number or messaging service that texts come from; answers go to `inbound_url`."""
    account = _Account()
    try:
        if settings.TWILIO_MESSAGING_SERVICE_SID:
            return _service(account, inbound_url)
        return _number(account, inbound_url)
    except _Refused:
        says = gettext_noop("Twilio refuses the account. Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.")
        return [Finding(NUMBER, False, says), *_not_before(REGISTRATION, INBOUND)]
    except (TransportError, _Unreadable, AttributeError, TypeError, ValueError):  # JSON, but of another shape
        return _unknown(NUMBER, REGISTRATION, INBOUND)
    finally:
        account.close()


def _unknown(*names: str) -> list[Finding]:
    return [Finding(name, None, NOT_NOW, answered=False) for name in names]


def _not_before(*names: str) -> list[Finding]:
    return [Finding(name, None, FIRST_THE_NUMBER, answered=False) for name in names]


# --- A messaging service ----------------------------------------------------------------------------------------------


def _service(account: _Account, inbound_url: str) -> list[Finding]:
    service = account.of_service()
    if service is None:
        says = gettext_noop("The account has no messaging service with this SID. Check TWILIO_MESSAGING_SERVICE_SID.")
        return [Finding(NUMBER, False, says), *_not_before(REGISTRATION, INBOUND)]
    senders = (account.of_service("/PhoneNumbers") or {}).get("phone_numbers") or []
    codes = (account.of_service("/ShortCodes") or {}).get("short_codes") or []
    name = str(service.get("friendly_name") or "Messaging service")[:60]
    count = len(senders) + len(codes)
    if not count:
        says = NO_NUMBER % {"service": name}
        return [Finding(NUMBER, False, says), *_not_before(REGISTRATION), _inbound_of_service(service, inbound_url)]
    says = ONE_NUMBER % {"service": name} if count == 1 else NUMBERS % {"service": name, "count": count}
    registration = _registration_of_service(account, senders) if senders else _short_code()
    return [Finding(NUMBER, True, says), registration, _inbound_of_service(service, inbound_url)]


def _registration_of_service(account: _Account, senders: list[dict[str, Any]]) -> Finding:
    """A toll-free number is verified by itself; all others go under the service's campaign."""
    toll_free = [sender for sender in senders if _is_toll_free(sender)]
    if toll_free:
        finding = _verification(account, str(toll_free[0].get("sid")))
        if len(toll_free) == len(senders) or finding.is_good is not True:
            return finding
    campaigns = (account.of_service("/Compliance/Usa2p") or {}).get("compliance") or []
    states = {str(campaign.get("campaign_status", "")).upper() for campaign in campaigns}
    if "VERIFIED" in states:
        return Finding(REGISTRATION, True, gettext_noop("Your texts are registered with the carriers (10DLC)."))
    if not states:
        says = gettext_noop(
            "Your texts are not registered with the carriers (10DLC), who then block them. Register a brand and a "
            "campaign: Twilio console, Messaging, Regulatory compliance."
        )
        return Finding(REGISTRATION, False, says)
    if "FAILED" in states:
        says = gettext_noop(
            "The carriers refused the registration (10DLC). The Twilio console says why; mend it, and send it again."
        )
        return Finding(REGISTRATION, False, says)
    says = gettext_noop("The registration (10DLC) is under review. Until it is through, the carriers block your texts.")
    return Finding(REGISTRATION, False, says)


def _inbound_of_service(service: dict[str, Any], inbound_url: str) -> Finding:
    if service.get("use_inbound_webhook_on_number"):
        says = gettext_noop(
            "The messaging service leaves it to each number where answers go: see that all name the address below."
        )
        return Finding(INBOUND, None, says)
    return _inbound(str(service.get("inbound_request_url") or ""), inbound_url)


def _short_code() -> Finding:
    return Finding(REGISTRATION, True, gettext_noop("Short codes are registered when they are rented."))


# --- A number by itself -----------------------------------------------------------------------------------------------


def _number(account: _Account, inbound_url: str) -> list[Finding]:
    wanted = settings.TWILIO_PHONE_NUMBER
    if len(wanted.lstrip("+")) <= SHORT_CODE_DIGITS:
        return [
            Finding(NUMBER, True, gettext_noop("Texts come from a short code.")),
            _short_code(),
            Finding(INBOUND, None, SHORT_CODES_TELL_NOT),
        ]
    listed = account.of_account("/IncomingPhoneNumbers.json", PhoneNumber=wanted)
    found = [number for number in (listed or {}).get("incoming_phone_numbers") or [] if _is(number, wanted)]
    if not found:
        says = gettext_noop("The account has no such number. Check TWILIO_PHONE_NUMBER, or rent it.")
        return [Finding(NUMBER, False, says), *_not_before(REGISTRATION, INBOUND)]
    number = found[0]
    if (number.get("capabilities") or {}).get("sms") is False:
        says = gettext_noop("The number cannot send texts. Rent one that can.")
        return [Finding(NUMBER, False, says), *_not_before(REGISTRATION, INBOUND)]
    says = gettext_noop(
        "Twilio does not say it of a number alone. Put the number into a messaging service, and set its SID."
    )
    registration = Finding(REGISTRATION, None, says)
    if _is_toll_free(number):
        registration = _verification(account, str(number.get("sid")))
    return [
        Finding(NUMBER, True, gettext_noop("The number is your account's.")),
        registration,
        _inbound(str(number.get("sms_url") or ""), inbound_url),
    ]


def _is(number: dict[str, Any], wanted: str) -> bool:
    return number.get("phone_number") == wanted


def _is_toll_free(number: dict[str, Any]) -> bool:
    return str(number.get("phone_number", "")).startswith(TOLL_FREE)


def _verification(account: _Account, sid: str) -> Finding:
    listed = account.get(MESSAGING_BASE, "/v1/Tollfree/Verifications", TollfreePhoneNumberSid=sid)
    states = {str(one.get("status", "")) for one in (listed or {}).get("verifications") or []}
    if "TWILIO_APPROVED" in states:
        return Finding(REGISTRATION, True, gettext_noop("The toll-free number is verified."))
    if "TWILIO_REJECTED" in states and not states & {"PENDING_REVIEW", "IN_REVIEW"}:
        says = gettext_noop("The carriers refused to verify the toll-free number. The Twilio console says why.")
    elif states:
        says = gettext_noop("The toll-free number is under review. Until it is verified, the carriers block its texts.")
    else:
        says = gettext_noop(
            "The toll-free number is not verified: the carriers block its texts. Verify it in the Twilio console."
        )
    return Finding(REGISTRATION, False, says)


def _inbound(set_url: str, inbound_url: str) -> Finding:
    if set_url == inbound_url:
        return Finding(INBOUND, True, gettext_noop("Twilio brings answers here."))
    if not set_url:
        return Finding(
            INBOUND, False, gettext_noop("Twilio does not know where to bring answers: paste the address below.")
        )
    host = urlsplit(set_url).hostname or ""
    return Finding(
        INBOUND, False, gettext_noop("Twilio brings answers somewhere else: paste the address below."), host[:100]
    )
