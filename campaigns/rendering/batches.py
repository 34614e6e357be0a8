"""One mail for many people: marks like `-3-` where they differ, and what each of them reads there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

from campaigns.rendering.compiled import Compiled
from campaigns.rendering.content import Deal, Person, Shop
from campaigns.rendering.linking import Redirects
from campaigns.rendering.outline import (
    Doubtful,
    Field,
    Outline,
    Piece,
    Sheet,
    Spot,
    Values,
    checked,
)

SUBJECT = Field("subject", is_html=False)
NUMBER = re.compile(r"(?:^|(?<=-))[0-9]+(?=-|\Z)")
HIGHEST_MARK = 9_999


@dataclass(frozen=True, slots=True)
class Reader:
    """One person of a batch. The image of `deal` has to be hosted: a batch carries none."""

    person: Person
    deal: Deal | None
    unsubscribe_url: str
    redirects: Redirects | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A mail with marks. `values` gives, by a reader's position in the call, what fills the marks for them.

    No mark comes into being while they are filled, in whatever order that is done.
    """

    subject: str
    text: str
    html: str
    values: dict[int, dict[str, str]]


def batches_of(compiled: Compiled, *, shop: Shop, readers: Sequence[Reader]) -> list[Batch]:
    """Return the mails for these readers: more than one where, say, some have no deal.

    Who is in none has to be rendered alone: their values, or the words, are beyond what marks can do.
    """
    groups: dict[tuple[int, bool], tuple[Outline, Sheet, dict[int, Values]]] = {}
    for position, reader in enumerate(readers):
        try:
            outline = compiled.outline_of(shop, reader.deal)
            filling = checked(
                compiled.filling_of(shop, reader.person, reader.deal, reader.unsubscribe_url, reader.redirects)
            )
            filling["subject"] = outline.subject_of(filling)
            sheet = outline.html_for(filling)
        except Doubtful:
            continue
        groups.setdefault((id(outline), sheet is outline.html[True]), (outline, sheet, {}))[2][position] = filling
    found = [_batch_of(outline, sheet, fillings) for outline, sheet, fillings in groups.values()]
    return [batch for batch in found if batch and batch.values]


def _batch_of(outline: Outline, html: Sheet, fillings: dict[int, Values]) -> Batch | None:
    """Return the mail of readers who share an outline; None: there is no mark that nobody's values hold."""
    subject = [SUBJECT] if outline.subject.spots else [outline.tidy("".join(map(str, outline.subject.pieces)))]
    pieces: list[Piece] = [*subject, *outline.text.pieces, *html.pieces]
    spots = list(dict.fromkeys(piece for piece in pieces if not isinstance(piece, str)))
    rows = {}
    for position, filling in fillings.items():
        try:
            row = {spot: str(spot(filling)) for spot in spots}
            for sheet in (outline.text, html):
                sheet.check(sum(len(row[spot]) for spot in sheet.spots))
            rows[position] = row
        except Doubtful:
            continue
    texts = [piece for piece in pieces if isinstance(piece, str)]
    numbers = list(islice(_numbers(texts, rows.values()), len(spots)))
    if len(numbers) < len(spots):
        return None
    marks = {spot: f"-{number}-" for spot, number in zip(spots, numbers, strict=True)}

    def marked(pieces: Sequence[Piece]) -> str:
        return "".join([piece if isinstance(piece, str) else marks[piece] for piece in pieces])

    values = {position: {marks[spot]: text for spot, text in row.items()} for position, row in rows.items()}
    return Batch(marked(subject), marked(outline.text.pieces), marked(html.pieces), values)


def _numbers(texts: Iterable[str], rows: Iterable[dict[Spot, str]]) -> Iterator[int]:
    """Yield the numbers whose marks are safe: they stand in no text or value, nor can they arise where two meet.

    A text that ends with `-4` before a `-` would make a `-4-` of its own, so do `-` before `4-`, and 4 between two.
    """
    inside: set[str] = set()
    heads: set[str] = set()
    tails: set[str] = set()
    whole: set[str] = set()
    for text in (*texts, *(value for row in rows for value in row.values())):
        for match in NUMBER.finditer(text):
            digits, opens, closes = match.group(), match.start() == 0, match.end() == len(text)
            (whole if opens and closes else tails if opens else heads if closes else inside).add(digits)
    for number in islice(count(1), HIGHEST_MARK):
        digits = str(number)
        if not (
            digits in inside
            or digits.startswith(tuple(heads))
            or digits.endswith(tuple(tails))
            or any(part in digits for part in whole)
        ):
            yield number
