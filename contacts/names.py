"""Words of a name, as they are searched for. Pure."""

from __future__ import annotations

import re
import unicodedata

SHORTEST_PREFIX = 3
LONGEST_PREFIX = 6
MAX_WORDS = 8


def words_of(text: str) -> list[str]:
    """Return the words of a name without case and accents: `José O'Neil-Díaz` -> `jose`, `oneil`, `diaz`."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    plain = plain.casefold().replace("'", "").replace("\u2019", "")
    return re.findall(r"\w+", plain)[:MAX_WORDS]


def terms_of(*names: str | None) -> set[str]:
    """Return what a contact of this name is found by: each whole word (`w:maria`), and its first three to six letters
    (`p:mar`, ...).
    """
    terms = set()
    for word in words_of(" ".join(filter(None, names))):
        terms.add(f"w:{word}")
        terms |= {f"p:{word[:size]}" for size in range(SHORTEST_PREFIX, min(len(word), LONGEST_PREFIX) + 1)}
    return terms


def search_terms(text: str) -> list[str]:
    """Return the terms a contact must all have to be found by `text`; a word of one or two letters must be whole."""
    return [f"w:{word}" if len(word) < SHORTEST_PREFIX else f"p:{word[:LONGEST_PREFIX]}" for word in words_of(text)]


def matches(text: str, *names: str | None) -> bool:
    """Whether each word of `text` begins a word of the name (whole, where it is shorter than three letters)."""
    words = words_of(" ".join(filter(None, names)))
    return all(
        any(word == asked or (len(asked) >= SHORTEST_PREFIX and word.startswith(asked)) for word in words)
        for asked in words_of(text)
    )
