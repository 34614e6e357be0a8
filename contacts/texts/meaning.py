"""From a text to what it means. It errs towards a stop: what may be one is at least a doubt."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from contacts.texts.phrases import (
    BESIDE_STOP,
    DOUBTS,
    HELP,
    JOINED,
    LOOK_ALIKES,
    PHRASES,
    POLITE,
    SIGNS,
    SPELLINGS,
    START,
    STOP,
    UNLESS,
    UNMISTAKABLE,
)


class Meaning(StrEnum):
    """The values of `InboundText.Meaning`."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    JOIN = "join"
    DOUBT = "doubt"  # perhaps a stop
    REVIEW = "review"


APOSTROPHES = re.compile("['\u2018\u2019\u02bc`\u00b4]")
WORD = re.compile(r"[^\W_]+")
LETTERS_APART = re.compile(r"\b(?:[^\W\d_] ){2,}[^\W\d_]\b")
DRAWN_OUT = re.compile(r"(.)\1{2,}")
SENTENCE_ENDS = re.compile(r"[.!?,;:\n\u2026]+")
# Phones answer with a thumb by quoting the whole text, the way to stop included.
REACTION = re.compile(
    r"\s*(?:(?P<dislike>disliked|no le gust[oó]|no me gust[oó])"
    r"|liked|loved|laughed at|emphasi[sz]ed|questioned|reacted\b.{0,40}|removed an?\b.{0,40}"
    r"|(?:le|me) (?:gust[oó]|encant[oó])|\W{1,8}to)\s*[“\"«][^”\"»]*[”\"»]?\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
QUOTED = re.compile(
    r"[“\"«][^”\"»]*\b(?:reply stop|responda stop|stop para terminar)\b[^”\"»]*(?:[”\"»]|$)", re.IGNORECASE
)

STOPS = re.compile(f"(?:{'|'.join(PHRASES)})")
GUARDED = re.compile(f"(?:{'|'.join(UNLESS)})")
DOUBTFUL = re.compile(f"(?:{'|'.join(DOUBTS)})")


def meaning_of(body: str, *, keywords: frozenset[str] = frozenset()) -> Meaning:
    """Return what a text says; `keywords` are those that join, in small letters."""
    if reaction := REACTION.fullmatch(body):
        if not WORD.search(reaction["rest"]):
            return Meaning.DOUBT if reaction["dislike"] else Meaning.REVIEW
        body = reaction["rest"]  # they wrote something of their own behind the quoted text
    body = QUOTED.sub(" ", body)
    words = meaningful_words(body)
    if _is_stop(words):
        return Meaning.STOP
    for known, meaning in ((START, Meaning.START), (HELP, Meaning.HELP)):
        if words and words <= known:
            return meaning
    if len(words) == 1 and words <= keywords:
        return Meaning.JOIN
    return _meaning_of_sentences(body)


def meaningful_words(body: str) -> set[str]:
    """Return the words of a text without case, punctuation and politeness: ` STOP, please!` -> `stop`."""
    return set(plain(body).split()) - POLITE


def plain(body: str) -> str:
    """Return the words in small letters without accents and marks, one space between: `¡NO MÁS!` -> `no mas`."""
    for sign, word in SIGNS.items():
        body = body.replace(sign, f" {word} ")
    bare = APOSTROPHES.sub("", unicodedata.normalize("NFKC", body))
    letters = (char for char in unicodedata.normalize("NFKD", bare.casefold()) if not unicodedata.combining(char))
    text = " ".join(WORD.findall("".join(letters)))
    text = LETTERS_APART.sub(lambda match: match[0].replace(" ", ""), text)
    text = " ".join(_spelled(word) for word in text.split())
    for apart, joined in JOINED:
        text = re.sub(rf"\b{apart}\b", joined, text)
    return text


def _spelled(word: str) -> str:
    """Return the word for a stop where this is a way to misspell one."""
    latin = word.translate(LOOK_ALIKES)
    for shorter in (word, DRAWN_OUT.sub(r"\1", word), latin):
        if shorter in STOP or shorter in SPELLINGS:
            return SPELLINGS.get(shorter, shorter)
    return word


def _is_stop(words: set[str]) -> bool:
    return bool(words & STOP) and words <= STOP | BESIDE_STOP


def _meaning_of_sentences(body: str) -> Meaning:
    """Read a text of several words: as a whole, and each sentence by itself."""
    text, *sentences = map(plain, (body, *SENTENCE_ENDS.split(body)))
    if GUARDED.search(text):
        return Meaning.DOUBT
    if any(STOPS.search(words) or _is_unmistakable(words) for words in (text, *sentences)):
        return Meaning.STOP
    return Meaning.DOUBT if DOUBTFUL.search(text) else Meaning.REVIEW


def _is_unmistakable(sentence: str) -> bool:
    words = set(sentence.split()) - POLITE
    return bool(words) and words <= UNMISTAKABLE
