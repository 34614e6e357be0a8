"""The blocks a mail is made of, as they are stored: `{"version": 1, "blocks": [{"type": "heading", ...}, ...]}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.blocks.words import clean_words

VERSION = 1
MOST_BLOCKS = 60
MOST_TEXT = 20_000  # characters of one text block
MOST_LINE = 300
MOST_LINK = 2_000
PICTURE_NAME = re.compile(r"[A-Za-z0-9_-]{22}\.(jpg|png)")
SIDES = ("left", "right")
# What no text holds: most control characters, halves of characters, and those that are none.
NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class BlockError(ValueError):
    """The blocks are not what the editor makes; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block. `place` says where it stands: `2`, or `3-left-0` in a column; counted from 0, as in the page's ids."""

    type: str
    place: str
    values: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[tuple[Block, ...], ...] = ()

    @property
    def name(self) -> str:
        """How messages name it: `Block 3 (Button)`."""
        first, *rest = self.place.split("-")
        name = _("Block %(number)d") % {"number": int(first) + 1}
        if rest:
            side = _("left column") if rest[0] == "left" else _("right column")
            name = f"{name}, {side}, {int(rest[1]) + 1}"
        return f"{name} ({KINDS[self.type].label})"

    def input(self, value: str) -> str:
        """Return the name of one of its inputs in the form."""
        return f"blocks-{self.place}-{value}"


Reader = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of block: its label, and how each of its values is read. `fits_columns`: it may stand in a column."""

    label: Any
    values: Mapping[str, Reader] = field(default_factory=dict)
    fits_columns: bool = True


def _line(most: int) -> Reader:
    def read_line(text: str) -> str:
        if len(text) > most:
            raise BlockError(
                _("A text has %(length)d characters, and %(most)d fit.") % {"length": len(text), "most": most}
            )
        return " ".join(text.split())

    return read_line


def _words(text: str) -> str:
    if len(text) > MOST_TEXT:
        raise BlockError(
            _("A text has %(length)d characters, and %(most)d fit.") % {"length": len(text), "most": MOST_TEXT}
        )
    return clean_words(text)


def _picture(name: str) -> str:
    if name and not PICTURE_NAME.fullmatch(name):
        raise BlockError(_("A picture is named in a way that no picture here is."))
    return name


def _one_of(*choices: str) -> Reader:
    """Take one of these; the first where nothing was said."""

    def read_choice(text: str) -> str:
        if text and text not in choices:
            raise BlockError(
                _("“%(text)s” is not one of: %(choices)s.") % {"text": text[:40], "choices": ", ".join(choices)}
            )
        return text or choices[0]

    return read_choice


KINDS = {
    "heading": Kind(gettext_lazy("Heading"), {"text": _line(MOST_LINE), "size": _one_of("large", "small")}),
    "text": Kind(gettext_lazy("Text"), {"html": _words}),
    "image": Kind(
        gettext_lazy("Image"),
        {"picture": _picture, "alt": _line(MOST_LINE), "link": _line(MOST_LINK), "width": _one_of("full", "half")},
    ),
    "button": Kind(gettext_lazy("Button"), {"label": _line(100), "link": _line(MOST_LINK)}),
    "deal": Kind(gettext_lazy("Deal"), fits_columns=False),
    "divider": Kind(gettext_lazy("Divider")),
    "columns": Kind(gettext_lazy("Two columns"), fits_columns=False),
}


def read(data: object) -> tuple[Block, ...]:
    """Return the blocks of what is stored or was sent, cleaned. Raises BlockError."""
    if not isinstance(data, dict) or not isinstance(data.get("blocks"), list):
        raise BlockError(_("The blocks cannot be read. Load the page again."))
    if data.get("version") != VERSION:
        raise BlockError(_("The blocks were written by another version of this page. Load the page again."))
    blocks = tuple(_block(block, str(number)) for number, block in enumerate(data["blocks"]))
    count = len(list(every(blocks)))
    if count > MOST_BLOCKS:
        raise BlockError(_("There are %(count)d blocks, and %(most)d fit.") % {"count": count, "most": MOST_BLOCKS})
    return blocks


def _block(data: object, place: str, *, in_column: bool = False) -> Block:
    number = _("Block %(number)d") % {"number": int(place.partition("-")[0]) + 1}
    kind = KINDS.get(str(data.get("type"))) if isinstance(data, dict) else None
    if not isinstance(data, dict) or kind is None or (in_column and not kind.fits_columns):
        raise BlockError(_("%(block)s is of a kind that cannot stand there.") % {"block": number})
    values = {}
    for name, read_value in kind.values.items():
        value = data.get(name, "")
        if not isinstance(value, str):
            raise BlockError(_("%(block)s cannot be read. Load the page again.") % {"block": number})
        try:
            values[name] = read_value(NO_TEXT.sub("", value))
        except BlockError as error:
            raise BlockError(f"{number} ({kind.label}): {error}") from error
    columns = _columns(data, place, number) if data["type"] == "columns" else ()
    return Block(str(data["type"]), place, values, columns)


def _columns(data: dict[str, Any], place: str, number: str) -> tuple[tuple[Block, ...], ...]:
    sides = [data.get(side, []) for side in SIDES]
    if not all(isinstance(side, list) for side in sides):
        raise BlockError(_("%(block)s cannot be read. Load the page again.") % {"block": number})
    return tuple(
        tuple(_block(block, f"{place}-{name}-{position}", in_column=True) for position, block in enumerate(blocks))
        for name, blocks in zip(SIDES, sides, strict=True)
    )


def stored(blocks: Sequence[Block]) -> dict[str, Any]:
    """Return blocks as they are stored."""
    return {"version": VERSION, "blocks": [_stored(block) for block in blocks]}


def _stored(block: Block) -> dict[str, Any]:
    columns = {side: [_stored(inner) for inner in column] for side, column in zip(SIDES, block.columns, strict=False)}
    return {"type": block.type, **block.values, **columns}


def every(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield blocks and those in their columns."""
    for block in blocks:
        yield block
        for column in block.columns:
            yield from column


def pictures_in(blocks: Sequence[Block]) -> set[str]:
    """Return the names of the pictures that are used."""
    return {name for block in every(blocks) if (name := block.values.get("picture"))}
