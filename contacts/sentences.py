"""Sentences that are kept in English and read in the language of whoever looks at them. Pure.

What is wrong with a row of a file, or why a job stopped, is written by a worker that knows no reader, and is read for
months. A fixed sentence is marked with Django's `gettext_noop`, one with values in it with `kept`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext, override

_VALUE = re.compile(r"%\((\w+)\)s")


class Sentence:
    """A sentence with places for values: `sentence % {"count": 3}` is the English one, to be kept."""

    known: list[Sentence] = []

    def __init__(self, english: str) -> None:
        self.english = english
        pieces = _VALUE.split(english)  # text and names by turns
        self.pattern = re.compile(
            "".join(re.escape(piece) if number % 2 == 0 else f"(?P<{piece}>.*)" for number, piece in enumerate(pieces)),
            re.DOTALL,
        )
        Sentence.known.append(self)

    def __mod__(self, values: Mapping[str, object]) -> str:
        with override("en"):  # a value may be a word of ours, translated when it is written out
            return self.english % values


def kept(english: str) -> Sentence:
    """Note a sentence, so that `said` knows it again and translators see it."""
    return Sentence(english)


def said(english: str) -> str:
    """Return a kept sentence in the reader's language; what is not known stays as it is."""
    if not english or (own := gettext(english)) != english:
        return own if english else ""
    for sentence in Sentence.known:
        if found := sentence.pattern.fullmatch(english):
            values = {name: said(value) for name, value in found.groupdict().items()}
            return gettext(sentence.english) % values
    return english
