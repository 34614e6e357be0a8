"""Nothing leaves the machine: each message becomes a file that can be read."""

from __future__ import annotations

import email
import email.policy
import os
import re
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage as ParsedMessage
from pathlib import Path
from typing import Self

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from contacts.channels import Channel
from messaging.transports.base import OneByOne, Outbound, OutboundText

HEAD_BYTES = 16 * 1024
RECIPIENT = re.compile(rb"(?im)^To:\s*(.*)$")
ADDRESS_END = re.compile(rb"[\s<>,]+")
SAFE_NAME = re.compile(r"[0-9a-f-]{8,64}\.(eml|txt)")


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One file in the outbox."""

    name: str
    channel: Channel
    to: str
    subject: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OutboxMail:
    """A file's content; images that travel inside the mail are put into the HTML as data."""

    headers: list[tuple[str, str]]
    html: str
    text: str


def folder(channel: Channel) -> Path:
    return Path(settings.OUTBOX_DIR) / channel.value


def write(channel: Channel, name: str, content: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    target = folder(channel) / name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    partial.replace(target)


class OutboxBackend(BaseEmailBackend):
    """A Django e-mail backend that writes `var/outbox/email/<message id>.eml`."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            built = message.message()
            identifier = str(built["Message-ID"]).strip("<>").partition("@")[0]
            write(Channel.EMAIL, f"{re.sub(r'[^0-9a-f-]', '', identifier)}.eml", built.as_bytes())
        return len(email_messages)


class OutboxTextTransport(OneByOne):
    """Writes `var/outbox/sms/<message id>.txt`: the number, a blank line, the text."""

    name = "outbox"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        return None

    def send(self, outbound: Outbound) -> str:
        assert isinstance(outbound, OutboundText)
        write(Channel.SMS, f"{outbound.reference}.txt", f"To: {outbound.to}\n\n{outbound.text}\n".encode())
        return outbound.reference


def items(limit: int = 50) -> list[OutboxItem]:
    """Return the newest files of both channels, newest first."""
    paths = [
        (path, channel) for channel in Channel for path in folder(channel).glob("*.*") if SAFE_NAME.fullmatch(path.name)
    ]
    paths.sort(key=lambda pair: pair[0].stat().st_mtime, reverse=True)
    return [_item(path, channel) for path, channel in paths[:limit]]


def read(name: str) -> OutboxMail:
    """Return one file's content. Raises FileNotFoundError for a name that is not there, or is no file name of ours."""
    if not SAFE_NAME.fullmatch(name):
        raise FileNotFoundError(name)
    if name.endswith(".txt"):
        head, _, text = (folder(Channel.SMS) / name).read_text().partition("\n\n")
        return OutboxMail([("To", head.removeprefix("To: "))], "", text.strip())
    message = _parse(folder(Channel.EMAIL) / name)
    html_part, text_part = message.get_body(("html",)), message.get_body(("plain",))
    html = html_part.get_content() if html_part else ""
    for part in message.walk():
        if identifier := part.get("Content-ID"):
            data = b64encode(part.get_payload(decode=True) or b"").decode()  # type: ignore[arg-type]
            html = html.replace(f"cid:{identifier.strip('<>')}", f"data:{part.get_content_type()};base64,{data}")
    shown = ("From", "To", "Subject", "Date", "List-Unsubscribe", "List-Unsubscribe-Post")
    headers = [(name, str(message[name])) for name in shown if message[name]]
    return OutboxMail(headers, html, text_part.get_content() if text_part else "")


def remove(*, references: Collection[str], addresses: Collection[str]) -> int:
    """Delete the files written under these references or to these addresses; return how many.

    Reads the head of every file there is: the outbox is where messages lie while no provider is set up.
    """
    wanted, needles = set(references), [address.casefold().encode() for address in addresses]
    paths = [path for channel in Channel for path in folder(channel).glob("*.*") if SAFE_NAME.fullmatch(path.name)]
    gone = [path for path in paths if path.stem in wanted or _is_to(path, needles)]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _is_to(path: Path, needles: Collection[bytes]) -> bool:
    try:
        with path.open("rb") as file:
            recipient = RECIPIENT.search(file.read(HEAD_BYTES))
    except FileNotFoundError:  # removed by somebody else meanwhile
        return False
    addresses = ADDRESS_END.split(recipient[1].lower()) if recipient else []
    return any(needle in addresses for needle in needles)


def _item(path: Path, channel: Channel) -> OutboxItem:
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if channel == Channel.SMS:
        head, _, text = path.read_text().partition("\n\n")
        return OutboxItem(path.name, channel, head.removeprefix("To: "), text.strip()[:60], at)
    message = _parse(path)
    return OutboxItem(path.name, channel, str(message["To"]), str(message["Subject"]), at)


def _parse(path: Path) -> ParsedMessage:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, ParsedMessage)
    return message
