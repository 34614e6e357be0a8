"""Mail through any Django e-mail backend: the outbox, SMTP, or a provider's API by Anymail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.mime.image import MIMEImage
from typing import Any, Self

from anymail.exceptions import AnymailConfigurationError, AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from messaging.transports import brevo, mailgun, postmark, resend, sendgrid
from messaging.transports.base import (
    MergedEmail,
    NotForBatch,
    OneByOne,
    Outbound,
    OutboundEmail,
    Outcome,
    TransportError,
)
from messaging.transports.merging import mails_of

QR_CID = "coupon-qr@inline"
# They keep our reference as metadata, and name the mail themselves.
API_PROVIDERS = frozenset({"brevo", "mailgun", "postmark", "resend", "sendgrid", "ses"})
# With the others, links and opens are tracked by the settings of the account or the domain.
SWITCHES_TRACKING = frozenset({"mailgun", "postmark", "sendgrid"})
BATCH_LIMITS = {  # Amazon's call for many wants a template that is stored there
    "brevo": brevo.BATCH_LIMIT,
    "mailgun": mailgun.BATCH_LIMIT,
    "postmark": postmark.BATCH_LIMIT,
    "resend": resend.BATCH_LIMIT,
    "sendgrid": sendgrid.BATCH_LIMIT,
}


class EmailTransport(OneByOne):
    """One backend, its connection kept open until exit. The backends sort what their providers answer."""

    def __init__(self) -> None:
        self.name = settings.EMAIL_PROVIDER
        self.batch_limit = BATCH_LIMITS.get(self.name, 0)
        self._backend: Any = get_connection(settings.EMAIL_BACKENDS[self.name])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._backend.close()

    def send(self, outbound: Outbound) -> str:
        """Hand one mail over; return the provider's id, or the mail's own Message-ID."""
        assert isinstance(outbound, OutboundEmail)
        message = build(outbound, provider=self.name)
        with errors_sorted():
            self._backend.open()  # what is open when a message comes stays open after it
            self._backend.send_messages([message])
        status = getattr(message, "anymail_status", None)
        return str(status.message_id) if status and status.message_id else message.extra_headers.get("Message-ID", "")

    def send_batch(self, merged: MergedEmail) -> list[str | TransportError]:
        """Hand one mail over for many people; return the provider's ids, or what went wrong, in their order."""
        if not self.batch_limit:
            raise NotImplementedError
        if len(merged.recipients) > self.batch_limit:
            raise ValueError(f"A batch takes {self.batch_limit} people.")
        fit = [self._backend.fits(person) for person in merged.recipients]
        people = tuple(person for person, fits in zip(merged.recipients, fit, strict=True) if fits)
        results = iter(self._send_fitting(replace(merged, recipients=people)) if people else ())
        return [next(results) if fits else NotForBatch() for fits in fit]

    def _send_fitting(self, merged: MergedEmail) -> list[str | TransportError]:
        first = mails_of(replace(merged, recipients=merged.recipients[:1]))[0]
        with errors_sorted():
            self._backend.open()
            results: list[str | TransportError] = self._backend.send_batch(merged, build(first, provider=self.name))
        return results


@contextmanager
def errors_sorted() -> Iterator[None]:
    """Turn what Anymail raises into TransportError."""
    try:
        yield
    except AnymailConfigurationError as error:
        raise TransportError(Outcome.STOP, "configuration") from error
    except AnymailRecipientsRefused:
        raise TransportError(Outcome.REFUSED, "recipient refused") from None
    except (AnymailError, ValueError) as error:  # found before anything was sent; the texts hold addresses
        raise TransportError(Outcome.REFUSED, type(error).__name__) from None


def build(outbound: OutboundEmail, *, provider: str) -> EmailMultiAlternatives:
    """Return the mail, text and HTML in step, the QR image inside it."""
    headers = dict(outbound.headers)
    if provider not in API_PROVIDERS:
        domain = outbound.from_email.rpartition("@")[2].strip("> ")
        headers["Message-ID"] = f"<{outbound.reference}@{domain}>"
    message: Any = EmailMultiAlternatives(  # Any: what is set below is missing in the stubs
        subject=outbound.subject,
        body=outbound.text,
        from_email=outbound.from_email,
        to=[outbound.to],
        reply_to=[outbound.reply_to] if outbound.reply_to else None,
        headers=headers,
    )
    message.attach_alternative(outbound.html, "text/html")
    if outbound.qr_png is not None:
        message.mixed_subtype = "related"
        message.attach(_inline(outbound.qr_png))
    if provider in API_PROVIDERS:
        # Anymail reads these; they travel to the provider and come back with its events.
        message.metadata = {"message": outbound.reference}
    if provider in SWITCHES_TRACKING:
        message.track_opens = message.track_clicks = False
    return message  # type: ignore[no-any-return]


def _inline(png: bytes) -> MIMEImage:
    image = MIMEImage(png, "png")
    image.add_header("Content-ID", f"<{QR_CID}>")
    image.add_header("Content-Disposition", "inline", filename="coupon.png")
    return image
