"""Sheets of codes to print and cut: PDF, eight cards to a page."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

PAPERS = {"a4": A4, "letter": LETTER}
COLUMNS, ROWS = 2, 4
EDGE = 8 * mm  # what printers leave white
PADDING = 4 * mm
QR_SIDE = 46 * mm
WORDS_AT = QR_SIDE + 2 * PADDING
QUIET_ZONE = 4  # modules
DARK = re.compile("1+")
BODY, BOLD, CODE = "Helvetica", "Helvetica-Bold", "Courier-Bold"
SHRINK = 0.95  # from one try to the next
LEADING = 1.25
SCHEME = re.compile("^https?://")


@dataclass(frozen=True, slots=True)
class Card:
    """One code: the rows of its QR code, `1` dark, the form to be typed, and the address of its page."""

    modules: Sequence[str]
    typed: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Style:
    """A font, the size it has where there is room, and the one below which nobody reads it; in points."""

    font: str
    size: float
    floor: float

    def at(self, scale: float) -> float:
        return max(self.floor, self.size * scale)


BUSINESS, DEAL, FACT, TERMS = Style(BODY, 8, 6), Style(BOLD, 14, 9), Style(BODY, 8, 6), Style(BODY, 6.5, 5.5)
STYLES = BUSINESS, DEAL, FACT, TERMS
NOTE_SIZE = 6


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a card's words, and the room it takes; the first of a paragraph takes more."""

    text: str
    font: str
    size: float
    height: float


@dataclass(frozen=True, slots=True)
class Words:
    """What stands on every card of a sheet."""

    business: str
    deal: str
    facts: Sequence[str] = ()
    terms: str = ""


def sheet_pdf(cards: Iterable[Card], words: Words, *, paper: str) -> bytes:
    """Return the cards on as many pages as they need. `paper` is one of PAPERS.

    Words that are too many are set smaller; where even that does not do, the card says where all of them are.
    The fonts are those every PDF reader has, so a letter outside of Western Europe's loses its accents, or is a "?".
    """
    width, height = PAPERS[paper]
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(width, height), pageCompression=1)
    canvas.setTitle(_plain(words.deal))
    canvas.setAuthor(_plain(words.business))
    card_width, card_height = (width - 2 * EDGE) / COLUMNS, (height - 2 * EDGE) / ROWS
    lines = _shrunk(words, card_width - WORDS_AT - PADDING, card_height - 2 * PADDING)
    left = iter(cards)
    while page := list(islice(left, COLUMNS * ROWS)):
        _cut_lines(canvas, card_width, card_height)
        for place, card in enumerate(page):
            row, column = divmod(place, COLUMNS)
            canvas.saveState()
            canvas.translate(EDGE + column * card_width, height - EDGE - (row + 1) * card_height)
            _card(canvas, card, lines, card_width, card_height)
            canvas.restoreState()
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def _cut_lines(canvas: Canvas, card_width: float, card_height: float) -> None:
    canvas.saveState()
    canvas.setDash(2, 3)
    canvas.setLineWidth(0.4)
    canvas.setStrokeGray(0.55)
    xs = [EDGE + column * card_width for column in range(COLUMNS + 1)]
    ys = [EDGE + row * card_height for row in range(ROWS + 1)]
    canvas.grid(xs, ys)
    canvas.restoreState()


def _card(canvas: Canvas, card: Card, lines: Sequence[Line], width: float, height: float) -> None:
    """Draw a card whose lower left corner is the origin: the code on the left, the words on the right."""
    top, least = height - PADDING, PADDING
    _qr(canvas, card.modules, PADDING, top - QR_SIDE)
    canvas.setFont(CODE, 12)
    canvas.drawCentredString(PADDING + QR_SIDE / 2, top - QR_SIDE - 12, card.typed)
    if sum(line.height for line in lines) > top - least:
        note = _lines(_where_all_is(card), BODY, NOTE_SIZE, width - 2 * PADDING)
        least += len(note) * NOTE_SIZE * LEADING
        _draw(canvas, [Line(line, BODY, NOTE_SIZE, NOTE_SIZE * LEADING) for line in note], PADDING, least)
        lines = _cut(lines, top - least)
    _draw(canvas, lines, WORDS_AT, top)


def _draw(canvas: Canvas, lines: Iterable[Line], x: float, top: float) -> None:
    for line in lines:
        top -= line.height
        canvas.setFont(line.font, line.size)
        canvas.drawString(x, top + line.size * (LEADING - 1), line.text)


def _where_all_is(card: Card) -> str:
    address = SCHEME.sub("", card.url)
    if not address:
        return _("All conditions: scan the code")
    return _("All conditions: scan, or %(address)s") % {"address": address}


def _shrunk(words: Words, room: float, height: float) -> list[Line]:
    """Return all of the words, as large as they fit, or at their smallest where they do not."""
    scale, floor = 1.0, min(style.floor / style.size for style in STYLES)
    while sum(line.height for line in _laid_out(words, room, scale)) > height and scale > floor:
        scale *= SHRINK
    return _laid_out(words, room, scale)


def _laid_out(words: Words, room: float, scale: float) -> list[Line]:
    paragraphs = ((words.business, BUSINESS), (words.deal, DEAL), *((fact, FACT) for fact in words.facts))
    found = []
    for text, style in (*paragraphs, (words.terms, TERMS)):
        size = style.at(scale)
        for number, line in enumerate(_lines(text, style.font, size, room)):
            found.append(Line(line, style.font, size, size * (LEADING if number else LEADING + 0.5)))
    return found


def _cut(lines: Sequence[Line], height: float) -> list[Line]:
    """Return the lines that fit, three dots at the end."""
    fit: list[Line] = []
    for line in lines:
        if line.height > height:
            break
        height -= line.height
        fit.append(line)
    last = fit[-1]
    return [*fit[:-1], replace(last, text=f"{last.text.rstrip('. ')[: len(last.text) - 3]}...")]


def _qr(canvas: Canvas, rows: Sequence[str], x: float, y: float) -> None:
    """Draw a code as one shape: the runs of dark modules of each row."""
    module = QR_SIDE / (len(rows) + 2 * QUIET_ZONE)
    shape = canvas.beginPath()
    for number, row in enumerate(rows):
        level = y + QR_SIDE - (QUIET_ZONE + number + 1) * module
        for run in DARK.finditer(row):
            shape.rect(x + (QUIET_ZONE + run.start()) * module, level, len(run[0]) * module, module)
    canvas.drawPath(shape, stroke=0, fill=1)


def _lines(text: str, font: str, size: float, room: float) -> list[str]:
    """Return a text in lines that fit; a word that is too long for one is broken."""
    words = " ".join(_broken(word, font, size, room) for word in _plain(text).split())
    lines: list[str] = simpleSplit(words, font, size, room)
    return lines


def _broken(word: str, font: str, size: float, room: float) -> str:
    pieces = [""]
    for char in word:
        if stringWidth(pieces[-1] + char, font, size) > room:
            pieces.append("")
        pieces[-1] += char
    return " ".join(pieces)


def _plain(text: str) -> str:
    """Return a text in the letters that the fonts have."""
    return "".join(char if _is_drawn(char) else _bare(char) for char in text)


def _is_drawn(char: str) -> bool:
    try:
        char.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _bare(char: str) -> str:
    letters = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    return letters if letters and all(map(_is_drawn, letters)) else "?"
