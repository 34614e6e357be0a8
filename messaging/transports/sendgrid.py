"""SendGrid: Anymail's request, over a connection of our own; to one person, or to many at once."""

from __future__ import annotations

import warnings
from typing import Any

from anymail.backends import sendgrid
from anymail.exceptions import AnymailNotSupportedWarning
from django.core.mail import EmailMessage, EmailMultiAlternatives

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.api import KeepsOpen
from messaging.transports.base import MergedEmail, MergedRecipient, NotForBatch, TransportError
from messaging.transports.http import Answer, refusal

# Anymail's authors no longer test SendGrid and say so at every use. Its tests here are our own.
warnings.filterwarnings("ignore", category=AnymailNotSupportedWarning)

BATCH_LIMIT = 500  # SendGrid takes 1,000 people; the half loses half as much when no answer comes
PERSON_BYTES = 10_000  # of marks and values together
REQUEST_BYTES = 30_000_000

Payload = with_quick_addresses(sendgrid.SendGridPayload)


class Backend(KeepsOpen, sendgrid.EmailBackend):  # type: ignore[misc]  # Anymail carries no types
    """Anymail's backend; what is sent is Anymail's to the byte, over a connection that costs a fraction of requests."""

    def build_message_payload(self, message: EmailMessage, defaults: Any) -> Any:
        payload = Payload(message, defaults, self)
        if people := getattr(message, "personalizations", None):
            payload.data["personalizations"] = people
        return payload

    def post_to_esp(self, payload: Any, message: EmailMessage) -> Answer:
        """Raises TransportError."""
        request = payload.get_request_params(self.api_url)
        body = request["data"].encode()
        if len(body) > REQUEST_BYTES and hasattr(message, "personalizations"):
            raise NotForBatch
        assert self.session is not None
        answer = self.session.request(request["method"], request["url"], body=body, headers=request["headers"])
        if not answer.is_good:
            raise refusal(answer)
        return answer

    def fits(self, person: MergedRecipient) -> bool:
        """Whether there is not too much to fill in for this person."""
        return len("".join([*person.values, *person.values.values()]).encode()) <= PERSON_BYTES

    def send_batch(self, merged: MergedEmail, like: EmailMessage) -> list[str | TransportError]:
        """Ask once for people who all fit; return the ids by which its events name each one's mail.

        Raises TransportError. `like` is left aside.
        """
        message = build_batch(merged)
        self.send_messages([message])
        people: list[Any] = message.personalizations  # type: ignore[attr-defined]
        return [person["custom_args"]["anymail_id"] for person in people]


def build_batch(merged: MergedEmail) -> EmailMultiAlternatives:
    """Return one mail for many people.

    Each person is a personalization in the order given. Anymail's merge attributes are left aside: they find people by
    the spelling of their address, and one it spells otherwise itself would be sent the bare marks.
    """
    message: Any = EmailMultiAlternatives(  # Any: what is set below is missing in the stubs
        subject=merged.subject,
        body=merged.text,
        from_email=merged.from_email,
        to=[merged.recipients[0].to],  # Anymail wants one; the personalizations take its place
        reply_to=[merged.reply_to] if merged.reply_to else None,
    )
    message.attach_alternative(merged.html, "text/html")
    message.track_opens = message.track_clicks = False
    message.personalizations = [
        {
            "to": [{"email": person.to}],
            "headers": person.headers,
            "substitutions": person.values,
            "custom_args": {"message": person.reference},
        }
        for person in merged.recipients
    ]
    return message  # type: ignore[no-any-return]
