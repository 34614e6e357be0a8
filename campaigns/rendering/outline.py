"""A mail cut into what everybody reads alike and the spots that differ: filling in joins the two, ten times as fast.

Only what is sure to give Liquid's own bytes is cut; Doubtful sends everything else to Liquid.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate
from markupsafe import Markup, escape

from campaigns.merge import MAX_OUTPUT_BYTES
from campaigns.rendering.content import Deal, Person, Shop
from campaigns.rendering.layouts import deal_values, layout, look_values, shop_values, values
from campaigns.rendering.looks import Look

Values = Mapping[str, object]
Spot = Callable[[Values], str]  # equal spots give equal texts
Piece = str | Spot

TAG = secrets.token_hex(16)  # no shop and no deal says this
PLACE = re.compile(f"{TAG}([a-z_]+){TAG}")
PERSONAL = ("code", "coupon_url", "qr_src")


class Doubtful(Exception):
    """Only Liquid itself can tell what this comes to."""


@dataclass(frozen=True, slots=True)
class Field:
    """The value of one field."""

    name: str
    is_html: bool

    def __call__(self, values: Values) -> str:
        value = values.get(self.name, self)
        if value is self:
            raise Doubtful
        if value is None:
            return ""
        return escape(value) if self.is_html else str(value)


@dataclass(frozen=True, slots=True)
class Part:
    """A condition, or a field with filters: one node of a template, which Liquid renders."""

    template: BoundTemplate

    def __call__(self, values: Values) -> str:
        try:
            return self.template.render(values)
        except LiquidError as error:
            raise Doubtful from error


@dataclass(frozen=True, slots=True)
class End:
    """The beginning or the end of a text, white space and spots, stripped once they are filled."""

    pieces: tuple[Piece, ...]
    strip: Callable[[str], str]

    def __call__(self, values: Values) -> str:
        return self.strip(fill(self.pieces, values))


class Sheet:
    """Pieces in a row."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = joined(pieces)
        fixed = [piece for piece in self.pieces if isinstance(piece, str)]
        self.spots = [piece for piece in self.pieces if not isinstance(piece, str)]
        self.fixed_length = sum(map(len, fixed))
        # Liquid counts the bytes of a template's output before it makes one line break of two characters.
        self.room = (MAX_OUTPUT_BYTES - 2 * len("".join(fixed).encode())) // 8

    def fill(self, values: Values) -> str:
        """Return the text for one person. Raises Doubtful where Liquid might find it too long."""
        text = fill(self.pieces, values)
        self.check(len(text) - self.fixed_length)
        return text

    def check(self, length: int) -> None:
        """Raise Doubtful where so many characters in the spots might be too many for Liquid."""
        if length > self.room:
            raise Doubtful


def filling_of(shop: Shop, person: Person, deal: Deal | None, unsubscribe_url: str) -> dict[str, object]:
    """Return what one person's spots are filled with, but for the subject."""
    filling = {**values(shop, person, deal), "unsubscribe_url": unsubscribe_url}
    if deal:
        filling["qr_src"] = deal.qr_src
    return filling


def checked(filling: dict[str, object]) -> dict[str, object]:
    """Return values as they are. Raises Doubtful where Liquid would turn the line breaks in them."""
    if any(value is not None and "\r" in str(value) for value in filling.values()):
        raise Doubtful
    return filling


def fill(pieces: Sequence[Piece], values: Values) -> str:
    return "".join([piece if isinstance(piece, str) else piece(values) for piece in pieces])


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces without two texts in a row."""
    result: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and result and isinstance(result[-1], str):
            result[-1] += piece
        elif piece != "":
            result.append(piece)
    return result


def cut(template: BoundTemplate, fixed: Values, deal: Sequence[Piece] | None = None) -> list[Piece]:
    """Cut a merge template. `fixed` are the values everybody shares; `deal` is what `{{ deal }}` stands for.

    Raises Doubtful.
    """
    pieces: list[Piece] = []
    for node in template.nodes:
        part = BoundTemplate(template.env, [node])
        names = set() if isinstance(node, ContentNode) else set(part.analyze().variables)
        if deal is not None and "deal" in names:
            if field_of(node) != "deal":
                raise Doubtful
            pieces += [one_break(piece) if isinstance(piece, str) else piece for piece in deal]
        elif names <= fixed.keys():
            pieces.append(Part(part)(fixed))
        elif name := field_of(node):
            pieces.append(Field(name, template.env.autoescape))
        else:
            pieces.append(Part(part))
    return pieces


def field_of(node: Node) -> str:
    """Return the name in `{{ name }}`; empty for any other node."""
    if isinstance(node, OutputNode) and isinstance(node.expression, FilteredExpression) and not node.expression.filters:
        path = node.expression.left
        if isinstance(path, Path) and len(path.path) == 1 and isinstance(path.path[0], str):
            return path.path[0]
    return ""


def one_break(text: str) -> str:
    """Return text as it comes out of a merge template."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def stripped(pieces: Sequence[Piece]) -> list[Piece]:
    """Return pieces that come to the same text, but for the white space at its two ends, whatever fills the spots."""
    result = joined(pieces)
    solid = [place for place, piece in enumerate(result) if isinstance(piece, str) and piece.strip()]
    if not solid:
        return end(result, str.strip)
    first, last = solid[0], solid[-1]
    body = result[first : last + 1]
    opening, closing = str(body[0]), str(body[-1])
    head = [*result[:first], opening[: len(opening) - len(opening.lstrip())]]
    tail = [closing[len(closing.rstrip()) :], *result[last + 1 :]]
    body[0] = str(body[0]).lstrip()
    body[-1] = str(body[-1]).rstrip()
    return [*end(head, str.lstrip), *body, *end(tail, str.rstrip)]


def end(pieces: Sequence[Piece], strip: Callable[[str], str]) -> list[Piece]:
    return [] if all(isinstance(piece, str) for piece in pieces) else [End(tuple(joined(pieces)), strip)]


class Outline:
    """The mail of one variant, shop and deal. Raises Doubtful."""

    def __init__(
        self,
        *,
        subject: BoundTemplate,
        preheader: BoundTemplate,
        text: BoundTemplate,
        html: BoundTemplate,
        shop: Shop,
        deal: Deal | None,
        places_deal: tuple[bool, bool],
        has_trap: bool,
        styles: str,
        look: Look,
        language: str,
        tidy: Callable[[str], str],
    ) -> None:
        fixed: dict[str, object] = {"business_name": shop.name}
        block_text: list[Piece] = []
        block_html: list[Piece] = []
        common: dict[str, object] = {"shop": shop_values(shop), "look": look_values(look), "deal": {}}
        if deal:
            fixed |= {"deal_name": deal.name, "deal_ends": deal.ends}
            common["deal"] = deal_values(deal) | {name: place(name) for name in PERSONAL}
            block_text, block_html = (
                stripped(places("deal.txt", language, common)),
                places("deal.html", language, common),
            )
        shared = {**fixed, "deal": deal.name} if deal else fixed  # what `deal` says where no block has room
        self.tidy = tidy
        self.subject = Sheet(cut(subject, shared))
        self.preheader = Sheet(cut(preheader, shared))
        common["subject"] = place("subject") if self.subject.spots else tidy(fill(self.subject.pieces, {}))
        common["unsubscribe_url"] = place("unsubscribe_url")
        common["styles"] = Markup(styles)  # noqa: S704 - ours
        common["trap_url"] = place("trap_url") if has_trap else ""
        in_text, in_html = places_deal
        self.text = Sheet(
            places(
                "layout.txt",
                language,
                common,
                body=stripped(cut(text, fixed, block_text)),
                deal_block=[] if in_text else block_text,
            )
        )
        blocks = {"body": cut(html, fixed, block_html), "deal_block": [] if in_html else block_html}
        self.html = {
            has_preheader: Sheet(
                places(
                    "layout.html", language, common, preheader=self.preheader.pieces if has_preheader else [], **blocks
                )
            )
            for has_preheader in (False, True)
        }

    def subject_of(self, values: Values) -> str:
        """Return the subject. Raises Doubtful."""
        return self.tidy(self.subject.fill(values))

    def html_for(self, values: Values) -> Sheet:
        """Return the sheet with the preheader's place, or the one without. Raises Doubtful."""
        return self.html[self.preheader.fill(values) != ""]


def place(name: str) -> str:
    return f"{TAG}{name}{TAG}"


def places(name: str, language: str, common: Mapping[str, object], **blocks: Sequence[Piece]) -> list[Piece]:
    """Cut a layout at the places of `common`, and put blocks into theirs; a block of no pieces is an empty text."""
    marked = {block: Markup(place(block) if pieces else "") for block, pieces in blocks.items()}  # noqa: S704 - letters
    texts = PLACE.split(layout(name, language).render(**common, **marked))
    result: list[Piece] = []
    for position, text in enumerate(texts):
        if position % 2 == 0:
            result.append(text)
        elif text in blocks:
            result += blocks[text]
        else:
            result.append(Field(text, name.endswith(".html")))
    return result
