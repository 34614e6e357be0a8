"""The mailbox that bounces come back to: read over IMAP, each report recorded before its mail is put away.

Nothing is ever deleted. A mail that reported something is moved to a folder of its own, or marked where the server
cannot move; every other mail stays as it is. What was looked at is not looked at again: the Fact `mailbox` keeps how
far.
"""

from __future__ import annotations

import hashlib
import imaplib
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.utils.translation import gettext_noop

from contacts.stopping import asked_to_stop
from messaging.bounces import Returned, read_returned
from messaging.incoming import Incoming
from messaging.models import Fact, ProviderEvent
from messaging.services import facts
from messaging.services.events import take_in

logger = logging.getLogger(__name__)

NAME = "mailbox"  # the provider of its events, and the fact
EVERY = timedelta(minutes=5)
BUDGET_S = 20.0  # of a reading; the rest comes with the next
TIMEOUT_S = 15
MAIL_LIMIT = 1_000_000  # bytes that are read of a mail: what it reports stands at its beginning
FIRST_DAYS = 14  # a reading of a mailbox never read before goes so far back
FOLDER = ("Regulars", "Recorded")
KEYWORD = "$RegularsRecorded"
LOCAL = {"localhost", "127.0.0.1", "::1"}

UNREACHABLE = gettext_noop("The server of the bounce mailbox cannot be reached.")
REFUSED = gettext_noop("The server refuses the user name or the password in BOUNCE_MAILBOX_URL.")
NO_FOLDER = gettext_noop("The folder named in BOUNCE_MAILBOX_URL is not there.")
INSECURE = gettext_noop("The server of the bounce mailbox offers no encryption.")
UNTRUSTED = gettext_noop("The certificate of the bounce mailbox's server is not trusted, expired, or another server's.")
BROKEN = gettext_noop("The server of the bounce mailbox broke off.")
ERROR = gettext_noop("Something went wrong here while the bounce mailbox was read; the log says what.")


class Unreadable(Exception):
    """The mailbox cannot be read; `sentence` says why, without addresses."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def read_due(*, clock: Callable[[], datetime]) -> int:
    """Read the bounce mailbox if there is one and it is time; return how many reports were new. Never raises."""
    at = clock()
    if not settings.BOUNCE_MAILBOX_URL or not _is_due(at):
        return 0
    state = facts.read(NAME)
    state.pop("sentence", None)
    try:
        return _read(state, at)
    except Unreadable as error:
        facts.note(NAME, False, {**state, "sentence": error.sentence}, at=at)
    except Exception as error:  # the worker goes on; named by its kind: the text may quote a mail
        logger.error("the bounce mailbox could not be read: %s", type(error).__name__)
        facts.note(NAME, False, {**state, "sentence": ERROR}, at=at)
    return 0


def _is_due(at: datetime) -> bool:
    """Take the turn: of several workers, one reads."""
    Fact.objects.bulk_create([Fact(name=NAME, at=at - EVERY)], ignore_conflicts=True)
    return bool(Fact.objects.filter(name=NAME, at__lte=at - EVERY).update(at=at))


def _read(state: dict[str, Any], at: datetime) -> int:
    """Read what is new while there is time. `state` keeps how far, mail by mail, also where this breaks off."""
    until, new = time.monotonic() + BUDGET_S, 0
    with _Mailbox(settings.BOUNCE_MAILBOX_URL) as mailbox:
        if state.get("validity") != mailbox.validity:  # another mailbox, or one made anew: its numbers begin again
            state.update(validity=mailbox.validity, looked_to=0)
        for number in mailbox.after(state.get("looked_to", 0), since=at - timedelta(days=FIRST_DAYS)):
            if time.monotonic() > until or asked_to_stop():
                break
            if reports := _reports(mailbox.fetch(number), number, at):
                new += take_in(NAME, reports, at=at)
                if _is_recorded(reports):
                    mailbox.put_away(number)
            state["looked_to"] = number
    facts.note(NAME, True, state, at=at)
    return new


def _reports(mail: bytes, number: int, at: datetime) -> list[Incoming]:
    try:
        return incoming(mail, at=at)
    except Exception as error:  # a mail nobody foresaw must not stand in the way of those behind it
        logger.error("mail %s of the bounce mailbox could not be read: %s", number, type(error).__name__)
        return []


def _is_recorded(reports: Sequence[Incoming]) -> bool:
    keys = {report.key for report in reports}
    return ProviderEvent.objects.filter(provider=NAME, event_key__in=keys).count() == len(keys)


def incoming(mail: bytes, *, at: datetime) -> list[Incoming]:
    """Return what a mail reports. The same mail gives the same keys."""
    digest = hashlib.sha256(mail)
    return [_incoming(returned, digest.copy(), at) for returned in read_returned(mail)]


def _incoming(returned: Returned, digest: Any, at: datetime) -> Incoming:
    digest.update(f"\0{returned.type}\0{returned.recipient.lower()}".encode(errors="replace"))
    return Incoming(
        key=digest.hexdigest(),
        type=returned.type,
        at=min(returned.at or at, at),
        reference=returned.reference,
        recipient=returned.recipient,
        verdict=returned.judgement.verdict,
        code=returned.judgement.code,
        payload={"recipient": returned.recipient, "said": returned.said},
    )


# --- IMAP -------------------------------------------------------------------------------------------------------------

_NUMBER = re.compile(rb"\d+")
_DELIMITER = re.compile(rb'\) "(\\?.)" ')


class _Mailbox:
    """One connection, with the folder open. Raises Unreadable."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._folder = ""
        self._can_move = False
        self.validity = 0

    def __enter__(self) -> _Mailbox:
        self._imap = self._connect()
        try:
            self._open()
        except Unreadable:
            self._leave()
            raise
        return self

    def __exit__(self, *args: object) -> None:
        self._leave()

    def _leave(self) -> None:
        try:
            self._imap.logout()
        except (imaplib.IMAP4.error, OSError):
            with suppress(OSError):
                self._imap.shutdown()

    def _connect(self) -> imaplib.IMAP4:
        host, port = self._url.hostname or "", self._url.port
        context = ssl.create_default_context()
        try:
            if self._url.scheme == "imaps":
                return imaplib.IMAP4_SSL(host, port or 993, ssl_context=context, timeout=TIMEOUT_S)
            imap = imaplib.IMAP4(host, port or 143, timeout=TIMEOUT_S)
        except ssl.SSLCertVerificationError as error:
            raise Unreadable(UNTRUSTED) from error
        except (imaplib.IMAP4.error, OSError) as error:
            raise Unreadable(UNREACHABLE) from error
        if host not in LOCAL:
            try:
                imap.starttls(context)
            except (imaplib.IMAP4.error, OSError) as error:
                with suppress(OSError):
                    imap.shutdown()
                raise Unreadable(UNTRUSTED if isinstance(error, ssl.SSLCertVerificationError) else INSECURE) from error
        return imap

    def _open(self) -> None:
        user, password = unquote(self._url.username or ""), unquote(self._url.password or "")
        folder = unquote(self._url.path).strip("/") or "INBOX"
        try:
            self._imap.login(_quoted(user), password)
        except imaplib.IMAP4.abort as error:
            raise Unreadable(BROKEN) from error
        except imaplib.IMAP4.error as error:
            raise Unreadable(REFUSED) from error
        except OSError as error:
            raise Unreadable(BROKEN) from error
        with _speaking():
            if self._imap.select(_quoted(folder))[0] != "OK":
                raise Unreadable(NO_FOLDER)
            found = _NUMBER.search(_joined(self._imap.response("UIDVALIDITY")[1]))
            self.validity = int(found[0]) if found else 0
            # Many servers say only now what they can do.
            self._can_move = b"MOVE" in _joined(self._imap.capability()[1]).upper().split()

    def after(self, number: int, *, since: datetime) -> list[int]:
        """Return the numbers of the mails after this one, in their order; of the last days alone where it is 0."""
        asked = f"UID {number + 1}:*" if number else f"SINCE {since:%d-%b-%Y}"
        with _speaking():
            kind, found = self._imap.uid("SEARCH", asked)
            if kind != "OK":
                raise Unreadable(BROKEN)
        # `n:*` names the last mail even where its number is below n.
        numbers = sorted(map(int, _NUMBER.findall(_joined(found))))
        return [each for each in numbers if each > number]

    def fetch(self, number: int) -> bytes:
        """Return the beginning of a mail, and leave it unread."""
        with _speaking():
            kind, parts = self._imap.uid("FETCH", str(number), f"(BODY.PEEK[]<0.{MAIL_LIMIT}>)")
            if kind != "OK":
                raise Unreadable(BROKEN)
        return next((part[1] for part in parts or [] if isinstance(part, tuple)), b"")

    def put_away(self, number: int) -> None:
        """Move a mail out of the way, or mark it where the server cannot move."""
        with _speaking():
            if self._can_move and self._imap.uid("MOVE", str(number), _quoted(self._own_folder()))[0] == "OK":
                return
            if self._imap.uid("STORE", str(number), "+FLAGS.SILENT", f"(\\Seen {KEYWORD})")[0] != "OK":
                self._imap.uid("STORE", str(number), "+FLAGS.SILENT", "(\\Seen)")  # some servers keep no keywords

    def _own_folder(self) -> str:
        """Return the folder for what is recorded; made where it is not there, below INBOX where it must be."""
        if not self._folder:
            delimiter = self._delimiter()
            names = [delimiter.join(FOLDER), delimiter.join(("INBOX", *FOLDER))]
            made = (name for name in names if self._imap.create(_quoted(name))[0] == "OK")
            there = (name for name in names if self._imap.status(_quoted(name), "(MESSAGES)")[0] == "OK")
            self._folder = next(there, "") or next(made, "") or names[0]
        return self._folder

    def _delimiter(self) -> str:
        found = _DELIMITER.search(_joined(self._imap.list('""', '""')[1]))
        return found[1].decode("latin-1")[-1] if found else "/"


@contextmanager
def _speaking() -> Iterator[None]:
    try:
        yield
    except (imaplib.IMAP4.error, OSError) as error:
        raise Unreadable(BROKEN) from error


def _joined(answer: Iterable[Any]) -> bytes:
    """Return the lines of an answer; imaplib has None where there is none."""
    return b" ".join(line for line in answer or [] if isinstance(line, bytes))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
