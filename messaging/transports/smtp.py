"""A mail server, over one connection that is kept open."""

from __future__ import annotations

import smtplib
import socket
import ssl
from functools import cache
from typing import Any, cast

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from messaging.bounces import judge
from messaging.incoming import Verdict
from messaging.transports.base import Outcome, TransportError
from messaging.transports.http import not_connected

HANGING_UP = 421  # RFC 5321: the server closes the connection after this answer
FOR_EVERYBODY = (smtplib.SMTPSenderRefused, smtplib.SMTPAuthenticationError, smtplib.SMTPHeloError)


class _Watched:
    """What smtplib leaves to its subclasses; knows whether it had mails before, and how far the present one went."""

    is_used = False
    content_begun = False

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # A server may wait with its greeting, on purpose, for longer than a connection should take.
        connected = cast(socket.socket, super()._get_socket(host, port, settings.PROVIDER_TIMEOUT_S[0]))  # type: ignore[misc]
        connected.settimeout(timeout)
        return connected

    def send(self, s: Any) -> None:
        # smtplib sends commands as text and the content, once the server has said 354, as bytes.
        self.content_begun = self.content_begun or isinstance(s, bytes)
        super().send(s)  # type: ignore[misc]


class _Smtp(_Watched, smtplib.SMTP):
    pass


class _SmtpSsl(_Watched, smtplib.SMTP_SSL):
    pass


class Backend(EmailBackend):
    """Django's backend; raises TransportError, and gets over a server that ends a connection between two mails."""

    connection: Any

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SmtpSsl if self.use_ssl else _Smtp

    @property
    def ssl_context(self) -> ssl.SSLContext:
        return _tls_context()

    def open(self) -> bool | None:
        """Connect and log in, if there is no connection. Raises TransportError."""
        try:
            return super().open()
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise from_opening(error) from None

    def close(self) -> None:
        try:
            super().close()
        except (smtplib.SMTPException, OSError):
            # A failed goodbye changes nothing; the next mail connects anew.
            self.connection = self._partial_connection = None

    def _send(self, email_message: EmailMessage) -> bool:
        if settings.BOUNCE_ADDRESS:
            # The envelope's sender alone, to which bounces go; the reader sees the other.
            email_message.extra_headers.setdefault("From", email_message.from_email)
            email_message.from_email = settings.BOUNCE_ADDRESS
        was_used, self.connection.is_used, self.connection.content_begun = self.connection.is_used, True, False
        try:
            return bool(super()._send(email_message))  # type: ignore[misc]  # Django's only place for it
        except (smtplib.SMTPException, OSError) as error:
            is_over, content_begun = hung_up(error), self.connection.content_begun
            if is_over:
                self.close()
            if content_begun or not (is_over and was_used):
                raise from_smtp_error(error, content_begun=content_begun) from None
        # Many servers take so many mails over one connection, or wait so long, and no more. Nothing of this mail went
        # out; a new connection that ends in the same way says that the server is busy indeed.
        self.open()
        return self._send(email_message)


@cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def hung_up(error: Exception) -> bool:
    """Tell whether the connection is of no use after this."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code == HANGING_UP for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code == HANGING_UP
    return isinstance(error, smtplib.SMTPServerDisconnected) or not isinstance(error, smtplib.SMTPException)


def from_opening(error: Exception) -> TransportError:
    """Sort what went wrong before there was a mail: nothing was sent."""
    code = getattr(error, "smtp_code", 0)
    if code >= 500 or isinstance(error, smtplib.SMTPNotSupportedError):
        return TransportError(Outcome.STOP, _code(error))
    if isinstance(error, smtplib.SMTPException):
        return TransportError(Outcome.BUSY, _code(error))
    return not_connected(error)


def from_smtp_error(error: Exception, *, content_begun: bool = True) -> TransportError:
    """Sort what an SMTP server said, or that it hung up."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, said = min(error.recipients.values(), default=(550, b""))
        return _refused(code, said)
    if isinstance(error, FOR_EVERYBODY):
        return TransportError(_milder(error.smtp_code, Outcome.BUSY, Outcome.STOP), _code(error))
    if isinstance(error, smtplib.SMTPDataError) and 400 <= error.smtp_code < 600:
        return _refused(error.smtp_code, error.smtp_error)
    return TransportError(Outcome.UNKNOWN if content_begun else Outcome.BUSY, _code(error))


def _refused(code: int, said: bytes | str) -> TransportError:
    """Return what a server's word about this one person means; one who does not exist is not tried again, ever."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    is_hard = code >= 500 and judge(reply=code, diagnostic=text).verdict == Verdict.HARD
    return TransportError(
        _milder(code, Outcome.RETRY, Outcome.REFUSED), f"smtp {code}", suppress="bounced" if is_hard else ""
    )


def _milder(code: int, for_now: Outcome, for_good: Outcome) -> Outcome:
    if code == HANGING_UP:
        return Outcome.BUSY
    return for_now if code < 500 else for_good


def _code(error: Exception) -> str:
    code = getattr(error, "smtp_code", None)
    return f"smtp {code or type(error).__name__}"
