"""Mail through any Django e-mail backend: the outbox, SMTP, or a provider's API by Anymail."""

from __future__ import annotations

import smtplib
import warnings
from email.mime.image import MIMEImage
from typing import Self

from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailError,
    AnymailNotSupportedWarning,
    AnymailRecipientsRefused,
    AnymailRequestsAPIError,
)
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.message import BadHeaderError

from messaging.transports.base import Outbound, OutboundEmail, Outcome, TransportError, never_connected

# Anymail's authors no longer test SendGrid and say so at every use. Its tests here are our own.
warnings.filterwarnings("ignore", category=AnymailNotSupportedWarning)

QR_CID = "coupon-qr@inline"
API_PROVIDERS = frozenset({"sendgrid"})
HANGING_UP = 421  # RFC 5321: the server closes the connection after this answer
NO_SUCH_ACCOUNT = frozenset({401, 402, 403, 404, 405})
MUST_NOT_REPEAT = frozenset({400, 413, 415, 422})


class EmailTransport:
    """One backend, its connection kept open from entry to exit."""

    def __init__(self) -> None:
        self.name = settings.EMAIL_PROVIDER
        self._connection = get_connection(settings.EMAIL_BACKENDS[self.name])

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *args: object) -> None:
        self._close()

    def _open(self) -> None:
        try:
            self._connection.open()
        except smtplib.SMTPAuthenticationError as error:
            raise TransportError(Outcome.STOP, f"smtp {error.smtp_code}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise TransportError(Outcome.RETRY, f"smtp {type(error).__name__}") from error

    def _close(self) -> None:
        try:
            self._connection.close()
        except (smtplib.SMTPException, OSError):
            # A failed goodbye changes nothing; the next mail connects anew.
            self._connection.connection = None  # type: ignore[attr-defined]  # SMTP alone comes here

    def send(self, outbound: Outbound) -> str:
        """Hand one mail over; return the provider's id, or the mail's own Message-ID."""
        assert isinstance(outbound, OutboundEmail)
        message = build(outbound, api=self.name in API_PROVIDERS)
        message.connection = self._connection
        if getattr(self._connection, "connection", self) is None:  # SMTP, after the server hung up
            self._open()
        try:
            message.send()
        except AnymailConfigurationError as error:
            raise TransportError(Outcome.STOP, "configuration") from error
        except AnymailRequestsAPIError as error:
            raise from_api_error(error) from None  # from here on the library's texts hold addresses
        except AnymailRecipientsRefused:
            raise TransportError(Outcome.REFUSED, "recipient refused") from None
        except (AnymailAPIError, smtplib.SMTPException, OSError) as error:
            if isinstance(error, smtplib.SMTPServerDisconnected) or getattr(error, "smtp_code", 0) == HANGING_UP:
                self._close()
            raise from_smtp_error(error) from None
        except (AnymailError, BadHeaderError, ValueError) as error:
            raise TransportError(Outcome.REFUSED, type(error).__name__) from None
        status = getattr(message, "anymail_status", None)
        return str(status.message_id) if status and status.message_id else message.extra_headers.get("Message-ID", "")


def build(outbound: OutboundEmail, *, api: bool) -> EmailMultiAlternatives:
    """Return the mail, text and HTML in step, the QR image inside it."""
    headers = dict(outbound.headers)
    if not api:
        domain = outbound.from_email.rpartition("@")[2].strip("> ")
        headers["Message-ID"] = f"<{outbound.reference}@{domain}>"
    message = EmailMultiAlternatives(
        subject=outbound.subject,
        body=outbound.text,
        from_email=outbound.from_email,
        to=[outbound.to],
        reply_to=[outbound.reply_to] if outbound.reply_to else None,
        headers=headers,
    )
    message.attach_alternative(outbound.html, "text/html")
    if outbound.qr_png is not None:
        message.mixed_subtype = "related"  # type: ignore[attr-defined]  # missing in the stubs
        message.attach(_inline(outbound.qr_png))
    if api:
        # Anymail reads these; they travel to the provider and come back with its events.
        message.metadata = {"message": outbound.reference}  # type: ignore[attr-defined]
        message.track_opens = message.track_clicks = False  # type: ignore[attr-defined]
    return message


def _inline(png: bytes) -> MIMEImage:
    image = MIMEImage(png, "png")
    image.add_header("Content-ID", f"<{QR_CID}>")
    image.add_header("Content-Disposition", "inline", filename="coupon.png")
    return image


def from_api_error(error: AnymailRequestsAPIError) -> TransportError:
    """Sort an answer of a provider's API, or its absence."""
    status = error.status_code
    if status is None:
        return TransportError(Outcome.RETRY if never_connected(error) else Outcome.UNKNOWN, "no answer")
    if status == 429:
        return TransportError(Outcome.RETRY, "429", retry_after_s=_retry_after_s(error))
    if status in NO_SUCH_ACCOUNT:
        return TransportError(Outcome.STOP, str(status))
    if status in MUST_NOT_REPEAT:
        return TransportError(Outcome.REFUSED, str(status))
    return TransportError(Outcome.UNKNOWN, str(status))


def _retry_after_s(error: AnymailRequestsAPIError) -> int:
    value = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    return int(value) if value.isdigit() else 0


def from_smtp_error(error: Exception) -> TransportError:
    """Sort what an SMTP server said, or that it hung up."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = min((code for code, _ in error.recipients.values()), default=550)
        return TransportError(Outcome.RETRY if code < 500 else Outcome.REFUSED, f"smtp {code}")
    if isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPAuthenticationError):
        return TransportError(Outcome.RETRY if error.smtp_code < 500 else Outcome.STOP, f"smtp {error.smtp_code}")
    if isinstance(error, smtplib.SMTPResponseException):
        return TransportError(Outcome.RETRY if error.smtp_code < 500 else Outcome.REFUSED, f"smtp {error.smtp_code}")
    return TransportError(Outcome.UNKNOWN, type(error).__name__)
