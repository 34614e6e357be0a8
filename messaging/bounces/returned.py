"""A returned mail, read: which of ours it was about, whose address failed, and why.

Delivery status notifications (RFC 3464) say it in fields; qmail, Exim, Sendmail, Exchange, Domino and many others say
it in words. A report of abuse (RFC 5965) is a complaint. An absence note is neither.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from html import unescape
from typing import NamedTuple
from uuid import UUID

from messaging.bounces import words
from messaging.bounces.judging import Judgement, judge, weigh
from messaging.incoming import EventType, Verdict

TEXT_LIMIT = 20_000  # characters of a notice that are read: what matters stands at its beginning
PARTS_LIMIT = 50  # of a mail
RECIPIENTS_LIMIT = 50  # of one mail
SAID_LIMIT = 2_000  # characters of a notice that are handed on


@dataclass(frozen=True, slots=True)
class Returned:
    """What a returned mail says of one recipient.

    `reference` is that of our message, None where the mail does not show it. `type` is BOUNCED, DEFERRED (the server
    goes on trying) or COMPLAINED. `recipient` is empty where it is not named. `said` is what the server wrote.
    """

    reference: UUID | None
    recipient: str
    type: EventType
    judgement: Judgement
    at: datetime | None
    said: str = ""

    @property
    def is_final(self) -> bool:
        return self.type != EventType.DEFERRED


class _Found(NamedTuple):
    recipient: str
    type: EventType
    judgement: Judgement
    said: str


def read_returned(mail: bytes) -> list[Returned]:
    """Return what this mail reports; nothing where it is no bounce and no complaint. Never raises."""
    try:
        message = email.message_from_bytes(mail)
        parts = list(_walk(message))[:PARTS_LIMIT]
    except RecursionError:  # parts in parts in parts: no server writes that
        return []
    found = _complaints(parts)
    if found is None:
        found = _from_fields(parts)
    if found is None:
        found = [] if _is_auto_reply(message, parts) else _from_words(message, parts)
    once = {(report.recipient.lower(), report.type): report for report in reversed(found)}
    reference, at = _reference(mail, parts), _date(message)
    return [
        Returned(reference, report.recipient, report.type, report.judgement, at, report.said[:SAID_LIMIT])
        for report in reversed(once.values())
    ][:RECIPIENTS_LIMIT]


# --- The parts of a mail ----------------------------------------------------------------------------------------------

STATUS_TYPES = {"message/delivery-status", "message/global-delivery-status"}


def _walk(message: Message) -> Iterator[Message]:
    """Yield the mail and its parts, not those of the mail that was returned."""
    yield message
    payload = message.get_payload()
    if not isinstance(payload, list) or message.get_content_type() in STATUS_TYPES:
        return
    inner = [part for part in payload if isinstance(part, Message)]
    if message.get_content_type() == "message/rfc822":
        # What was returned is no report; a report in a mail is one that a gateway has wrapped.
        inner = [part for part in inner if part.get_content_type() == "multipart/report"]
    for part in inner:
        yield from _walk(part)


def _text(part: Message) -> str:
    try:
        content = part.get_payload(decode=True)
    except (MessageError, ValueError, TypeError, AttributeError):
        return ""
    if not isinstance(content, bytes):
        return ""
    try:
        text = content.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):
        text = content.decode("latin-1")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _without_markup(text) if part.get_content_type() == "text/html" else text


_BREAK = re.compile(r"(?i)<(?:br|/p|/tr|/div|/li|/h\d)\b[^<>]{0,200}>")
_TAG = re.compile(r"</?[a-zA-Z!][^<>@]{0,2000}>")  # an address in angle brackets is none


def _without_markup(html: str) -> str:
    return unescape(_TAG.sub(" ", _BREAK.sub("\n", html[:TEXT_LIMIT])))


def _header(message: Message, name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    try:
        text = str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        text = str(value)
    return " ".join(text.split())


def _fields_of(block: Message) -> dict[str, str]:
    return {name.lower(): " ".join(str(value).split()) for name, value in block.items()}


def _date(message: Message) -> datetime | None:
    try:
        at = parsedate_to_datetime(_header(message, "Date"))
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


_REFERENCE = re.compile(rb"<([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})@", re.IGNORECASE)


def _reference(mail: bytes, parts: list[Message]) -> UUID | None:
    """Return the reference in the Message-ID we gave: the returned headers show it, or the bounce refers to it.

    Exchange gives its own reports such a Message-ID too: that of the report itself is left out.
    """
    own = {found[1].lower() for found in _REFERENCE.finditer(_header(parts[0], "Message-ID").encode(errors="replace"))}
    texts = (_text(part).encode(errors="replace") for part in parts if not part.is_multipart())  # may be encoded
    for text in (mail, *texts):
        for found in _REFERENCE.finditer(text):
            if found[1].lower() not in own:
                return UUID(found[1].decode())
    return None


def _address(field: str) -> str:
    """Return the address of a field like `rfc822; a@example.com`; empty where it names none."""
    found = words.ADDRESS.search(field.partition(";")[2] or field)
    return found[0].strip("'\".") if found else ""


# --- Complaints and absence notes -------------------------------------------------------------------------------------

COMPLAINTS = {"abuse", "fraud", "other", "virus"}  # RFC 5965; auth-failure is about our domain, not-spam takes it back


def _complaints(parts: list[Message]) -> list[_Found] | None:
    """Return the complaints; none where a report says something else, None where there is no report."""
    reports = [_report_fields(part) for part in parts if part.get_content_type() == "message/feedback-report"]
    if not reports:
        return None
    return [
        _Found(_address(fields.get("original-rcpt-to", "")), EventType.COMPLAINED, Judgement(Verdict.NONE), "")
        for fields in reports
        if fields.get("feedback-type", "abuse").lower() in COMPLAINTS
    ]


def _report_fields(part: Message) -> dict[str, str]:
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    return _fields_of(inner if isinstance(inner, Message) else email.message_from_string(_text(part)))


def _is_auto_reply(message: Message, parts: list[Message]) -> bool:
    if any(part.get_content_type() in STATUS_TYPES for part in parts):
        return False
    if _header(message, "Auto-Submitted").lower().startswith("auto-replied") and not _is_from_daemon(message):
        return True
    if any(message.get(name) is not None for name in ("X-Autoreply", "X-Autorespond", "X-Autogenerated-Reply")):
        return True
    return _header(message, "Precedence").lower() == "auto_reply" or bool(
        words.AWAY.search(_header(message, "Subject"))
    )


# --- Fields: RFC 3464 -------------------------------------------------------------------------------------------------

RECIPIENT_FIELDS = {"final-recipient", "original-recipient"}
NOT_FAILED = {"delivered", "relayed", "expanded"}
_STATUS_FIELD = re.compile(r"(?im)^(?:Final|Original)-Recipient:")


def _from_fields(parts: list[Message]) -> list[_Found] | None:
    """Return what the fields report, which may be that all is well; None where there are none."""
    blocks = [block for part in parts for block in _blocks(part) if RECIPIENT_FIELDS & block.keys()]
    if not blocks:
        return None
    notice = _notice(parts)
    return [found for block in blocks[:RECIPIENTS_LIMIT] if (found := _from_block(block, notice))]


def _blocks(part: Message) -> list[dict[str, str]]:
    payload = part.get_payload()
    if part.get_content_type() in STATUS_TYPES and isinstance(payload, list):
        return [_fields_of(block) for block in payload if isinstance(block, Message)]
    text = "" if part.is_multipart() else _text(part)[:TEXT_LIMIT]
    if not _STATUS_FIELD.search(text):
        return []
    # Some servers call the part text, or encode it.
    return [_fields_of(email.message_from_string(block.strip())) for block in re.split(r"\n[ \t]*\n", text)]


def _from_block(block: dict[str, str], notice: str) -> _Found | None:
    final, original = block.get("final-recipient", ""), block.get("original-recipient", "")
    action = block.get("action", "").lower().split(" ")[0].strip(";,.")
    if action in NOT_FAILED:
        return None
    recipient = _address(original) or _address(final)
    status, said = block.get("status", ""), block.get("diagnostic-code", "")
    found = weigh(status, "", said)
    if found.verdict == Verdict.NONE or (found.verdict != Verdict.HARD and not said):
        # The fields say little; perhaps the words to the reader say more.
        said = f"{said} {_about(notice, [_address(final), recipient])}".strip()
        found = judge(status, "", said)
    is_delayed = action == "delayed" or (not action and status.startswith("4"))
    return _Found(recipient, EventType.DEFERRED if is_delayed else EventType.BOUNCED, found, said)


# --- Words ------------------------------------------------------------------------------------------------------------


def _notice(parts: list[Message]) -> str:
    """Return what the server wrote for its reader, without the mail that it returns."""
    for part in parts:
        if not part.is_multipart() and (part.get_content_maintype() == "text" or len(parts) == 1):
            text = _text(part)[:TEXT_LIMIT]
            if text.strip():
                return _without_guesses(_before_copy(text))
    return ""


_REPLIES = re.compile(r"(?m)^<<< [45]\d\d[ -]")
_GUESS = re.compile(r"(?m)^[45]\d\d \d\.\d{1,3}\.\d{1,3} .{0,300}\.\.\. .*$")


def _without_guesses(notice: str) -> str:
    """Drop what Sendmail makes of a reply it has quoted: to any 553 it says "User unknown", whatever the reply was."""
    return _GUESS.sub("", notice) if _REPLIES.search(notice) else notice


def _before_copy(text: str) -> str:
    """Cut where the returned mail begins, but not before there was word of a failure."""
    failed = words.FAILURE.search(text)
    copy = words.COPY.search(text, failed.end()) if failed else None
    return text[: copy.start()] if copy else text


def _is_from_daemon(message: Message) -> bool:
    return bool(words.DAEMON.search(f"{_header(message, 'From')} {_header(message, 'Sender')}"))


def _from_words(message: Message, parts: list[Message]) -> list[_Found]:
    notice, named = _notice(parts), _header(message, "X-Failed-Recipients")
    signs = (
        _is_from_daemon(message) or words.NOBODY.search(_header(message, "Return-Path")),
        words.FAILED_SUBJECT.search(_header(message, "Subject")),
        words.FAILURE.search(notice),
    )
    # People write of failures too, and their answers come to the same mailbox: the words alone are no bounce.
    if not named and not (signs[0] and any(signs[1:])):
        return []
    is_delayed = words.WARNING.search(notice) and not words.GAVE_UP.search(notice)
    kind = EventType.DEFERRED if is_delayed else EventType.BOUNCED
    recipients = words.ADDRESS.findall(named) or _failed(notice, _own(message)) or [""]
    return [_Found(name, kind, _judge_words(notice, name), notice) for name in recipients[:RECIPIENTS_LIMIT]]


def _judge_words(notice: str, recipient: str) -> Judgement:
    about = weigh("", "", _about(notice, [recipient]))
    return about if about.verdict != Verdict.NONE else judge("", "", notice)


def _own(message: Message) -> set[str]:
    """Return the addresses that are certainly not the failed one: the daemon's, and ours."""
    headers = ("From", "To", "Sender", "Return-Path", "Reply-To", "Delivered-To")
    return {address.lower() for name in headers for address in words.ADDRESS.findall(_header(message, name))}


def _failed(notice: str, own: set[str]) -> list[str]:
    named = dict.fromkeys(address.strip("'\".") for address in words.ADDRESS.findall(notice))
    return [name for name in named if name.lower() not in own and not words.DAEMON_ADDRESS.match(name)]


def _about(notice: str, recipients: list[str]) -> str:
    """Return the lines from where a recipient is named up to the next one's; the whole notice where none is."""
    wanted = {recipient.lower() for recipient in recipients if recipient}
    chosen: list[str] = []
    is_about = False
    for line in notice.split("\n"):
        names = {address.strip("'\".").lower() for address in words.ADDRESS.findall(line)}
        is_about = bool(names & wanted) if names else is_about
        if is_about:
            chosen.append(line)
    return "\n".join(chosen) or notice
