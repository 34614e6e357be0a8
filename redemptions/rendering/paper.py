"""Sheets of codes to print and cut: PDF, eight cards to a page."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

PAPERS = {"a4": A4, "letter": LETTER}
COLUMNS, ROWS = 2, 4
EDGE = 8 * mm  # what printers leave white
PADDING = 4 * mm
QR_SIDE = 46 * mm
QUIET_ZONE = 4  # modules
DARK = re.compile("1+")
BODY, BOLD, CODE = "Helvetica", "Helvetica-Bold", "Courier-Bold"


@dataclass(frozen=True, slots=True)
class Card:
    """One code: the rows of its QR code, `1` dark, and the form to be typed."""

    modules: Sequence[str]
    typed: str


@dataclass(frozen=True, slots=True)
class Words:
    """What stands on every card of a sheet."""

    business: str
    deal: str
    facts: Sequence[str] = ()
    terms: str = ""


def sheet_pdf(cards: Iterable[Card], words: Words, *, paper: str) -> bytes:
    """Return the cards on as many pages as they need. `paper` is one of PAPERS.

    The fonts are those every PDF reader has, so a letter outside of Western Europe's loses its accents, or is a "?".
    """
    width, height = PAPERS[paper]
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(width, height), pageCompression=1)
    canvas.setTitle(_plain(words.deal))
    canvas.setAuthor(_plain(words.business))
    card_width, card_height = (width - 2 * EDGE) / COLUMNS, (height - 2 * EDGE) / ROWS
    left = iter(cards)
    while page := list(islice(left, COLUMNS * ROWS)):
        _cut_lines(canvas, card_width, card_height)
        for place, card in enumerate(page):
            row, column = divmod(place, COLUMNS)
            canvas.saveState()
            canvas.translate(EDGE + column * card_width, height - EDGE - (row + 1) * card_height)
            _card(canvas, card, words, card_width, card_height)
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


def _card(canvas: Canvas, card: Card, words: Words, width: float, height: float) -> None:
    """Draw a card whose lower left corner is the origin: the code on the left, the words on the right."""
    top = height - PADDING
    _qr(canvas, card.modules, PADDING, top - QR_SIDE)
    canvas.setFont(CODE, 12)
    canvas.drawCentredString(PADDING + QR_SIDE / 2, top - QR_SIDE - 12, card.typed)
    x = QR_SIDE + 2 * PADDING
    text = canvas.beginText(x, top - 6)
    room = width - x - PADDING
    paragraphs = (
        (words.business, BODY, 8, 1),
        (words.deal, BOLD, 14, 3),
        *((fact, BODY, 8, 2) for fact in words.facts),
        (words.terms, BODY, 6.5, 7),
    )
    for paragraph, font, size, most in paragraphs:
        text.setFont(font, size, size * 1.25)
        text.moveCursor(0, size / 2)
        for line in _lines(paragraph, font, size, room, most):
            text.textLine(line)
    canvas.drawText(text)


def _qr(canvas: Canvas, rows: Sequence[str], x: float, y: float) -> None:
    """Draw a code as one shape: the runs of dark modules of each row."""
    module = QR_SIDE / (len(rows) + 2 * QUIET_ZONE)
    shape = canvas.beginPath()
    for number, row in enumerate(rows):
        level = y + QR_SIDE - (QUIET_ZONE + number + 1) * module
        for run in DARK.finditer(row):
            shape.rect(x + (QUIET_ZONE + run.start()) * module, level, len(run[0]) * module, module)
    canvas.drawPath(shape, stroke=0, fill=1)


def _lines(text: str, font: str, size: float, room: float, most: int) -> list[str]:
    """Return a text in lines that fit, three dots in place of what is too much."""
    lines: list[str] = simpleSplit(_plain(text), font, size, room)
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1].rstrip('. ')}..."]


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
