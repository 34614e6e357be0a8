"""What people mean by a short text to the shop's number. Pure.

Only the clear cases: one meaningful word, whatever politeness surrounds it. The rest is for a person to read.
"""

from __future__ import annotations

import re
from enum import StrEnum

# 47 CFR 64.1200(a)(10) names stop, quit, end, revoke, opt out, cancel and unsubscribe; the others are Twilio's.
STOP = frozenset({"stop", "stopall", "quit", "end", "revoke", "optout", "cancel", "unsubscribe"})
START = frozenset({"start", "yes", "unstop"})
HELP = frozenset({"help", "info"})
RESERVED = STOP | START | HELP
POLITE = frozenset(
    {"all", "and", "hello", "hey", "hi", "it", "just", "me", "messages", "messaging", "msgs", "my", "now", "number"}
    | {"ok", "okay", "please", "pls", "plz", "sending", "sir", "texting", "texts", "thank", "thanks", "the", "these"}
    | {"this", "thx", "to", "ty", "u", "you", "your"}
)
JOINED = (("opt out", "optout"), ("stop all", "stopall"), ("un subscribe", "unsubscribe"))


class Meaning(StrEnum):
    STOP = "stop"
    START = "start"
    HELP = "help"
    JOIN = "join"
    REVIEW = "review"


def meaningful_words(body: str) -> set[str]:
    """Return the words of a text without case, punctuation and politeness: ` STOP, please!` -> `stop`."""
    words = " ".join(re.findall(r"[^\W_]+", body.casefold().replace("'", "").replace("\u2019", "")))
    for apart, joined in JOINED:
        words = re.sub(rf"\b{apart}\b", joined, words)
    return set(words.split()) - POLITE


def meaning_of(body: str, *, keywords: frozenset[str] = frozenset()) -> Meaning:
    """Return what a text says where it says one thing; `keywords` are those that join, in small letters."""
    words = meaningful_words(body)
    for known, meaning in ((STOP, Meaning.STOP), (START, Meaning.START), (HELP, Meaning.HELP)):
        if words and words <= known:
            return meaning
    return Meaning.JOIN if len(words) == 1 and words <= keywords else Meaning.REVIEW
