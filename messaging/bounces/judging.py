"""The verdict on codes and diagnostics: enhanced status (RFC 3463), reply code (RFC 5321), and what servers say.

Codes alone mislead: many servers answer `550 5.7.1 no such user`, or `5.1.1 blocked`. So a text that is clear goes
before the code; the code decides where the text says nothing; its class is the last resort.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from messaging.bounces.patterns import TEXTS
from messaging.incoming import Verdict

HARD, SOFT, SENDER, NONE = Verdict.HARD, Verdict.SOFT, Verdict.SENDER, Verdict.NONE


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whose fault it is, and the code behind it: `5.1.1`, `550` or the provider's word, never anything personal."""

    verdict: Verdict
    code: str = ""


# https://www.iana.org/assignments/smtp-enhanced-status-codes; a subject alone (`5.7`) stands for all its details.
BY_STATUS = {
    "5.1.0": HARD,  # other address status: what several gateways say of unknown users
    "5.1.1": HARD,
    "5.1.2": HARD,
    "5.1.3": HARD,
    "5.1.6": HARD,  # moved, no forwarding address
    "5.1.7": SENDER,  # bad sender's address
    "5.1.8": SENDER,
    "5.1.9": SENDER,
    "5.1.10": HARD,  # null MX, RFC 7505; Exchange: recipient not found
    "5.1.20": HARD,
    "5.2.0": SOFT,
    "5.2.1": HARD,  # mailbox disabled
    "5.2.2": SOFT,  # mailbox full
    "5.2.3": SENDER,  # message too long
    "5.3.4": SENDER,  # message too big
    "5.4.4": HARD,  # no route: the domain does not exist
    "5.4.310": HARD,  # Exchange Online: the domain does not exist in DNS
    "5.6": SENDER,  # content
    "5.7": SENDER,  # security and policy
    # What Gmail and Microsoft say of an unauthenticated or notorious domain while it may still improve.
    "4.7.23": SENDER,
    "4.7.25": SENDER,
    "4.7.26": SENDER,
    "4.7.27": SENDER,
    "4.7.28": SENDER,
    "4.7.29": SENDER,
    "4.7.30": SENDER,
    "4.7.31": SENDER,
    "4.7.32": SENDER,
    "4.7.650": SENDER,
}
ABOUT_SENDER = {"5.1.7", "5.1.8", "5.1.9"}  # whatever is unknown then, is not the recipient
BY_REPLY = {"552": SOFT, "556": HARD}  # RFC 5321: storage exceeded; RFC 7504: the domain takes no mail

_STATUS = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")  # not an IP address, nor a part of one
_REPLY = re.compile(r"(?<![\w.,:/#-])[45]\d\d(?=[ -]|$)(?! *(?:ms|bytes|kb|mb|sec))", re.IGNORECASE)
_NOISE = re.compile(r"<?[^\s<>:;,()\"']{0,200}@[^\s<>:;,()\"']+>?|https?://\S+")  # a name or a link may hold any word
_SPACE = re.compile(r"\s+")
TEXT_LIMIT = 10_000  # characters of a diagnostic that are read


def judge(status: str = "", reply: int | str = "", diagnostic: str = "") -> Judgement:
    """Return the verdict on a failure; where nothing is clear, one that harms nobody at once."""
    found = weigh(status, reply, diagnostic)
    return Judgement(SOFT, found.code) if found.verdict == NONE else found


def weigh(status: str = "", reply: int | str = "", diagnostic: str = "") -> Judgement:
    """Return the same as `judge`, but no verdict where neither text nor code speaks clearly."""
    diagnostic = diagnostic[:TEXT_LIMIT]
    statuses = [*_statuses(status), *_statuses(diagnostic)]
    replies = [*_REPLY.findall(f"{reply}"), *_REPLY.findall(diagnostic)]
    code = _telling(statuses) or next(iter(replies), "") or next(iter(statuses), "")
    is_for_now = bool(statuses or replies) and all(found.startswith("4") for found in [*statuses, *replies])
    by_code = _by_code(statuses, replies)
    if by_code == SENDER and (is_for_now or code in ABOUT_SENDER):
        return Judgement(SENDER, code)
    return Judgement(_by_text(diagnostic, is_for_now) or by_code or (SOFT if is_for_now else NONE), code)


def _statuses(text: str) -> list[str]:
    found = _STATUS.findall(text)
    return [".".join(str(int(part)) for part in status.split(".")) for status in found if not status.startswith("2")]


def _telling(statuses: list[str]) -> str:
    """Return the first status that says more than "something went wrong"."""
    return next((status for status in statuses if not status.endswith(".0.0")), "")


def _by_text(diagnostic: str, is_for_now: bool) -> Verdict:
    text = readable(diagnostic)
    found = ((for_now if is_for_now else verdict) for pattern, verdict, for_now in TEXTS if pattern.search(text))
    return next(found, NONE)


def readable(diagnostic: str) -> str:
    """Return the words of a diagnostic: lower case, one line, without addresses and links."""
    return _SPACE.sub(" ", _NOISE.sub("<>", diagnostic)).lower()


def _by_code(statuses: list[str], replies: list[str]) -> Verdict:
    for status in statuses:
        subject = status.rpartition(".")[0]
        if verdict := BY_STATUS.get(status) or BY_STATUS.get(subject):
            return verdict
    return next((BY_REPLY[reply] for reply in replies if reply in BY_REPLY), NONE)
