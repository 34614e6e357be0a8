"""From blocks to a mail: MJML, compiled to HTML once, and the plain text beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from django.utils.translation import gettext as _
from mjml import mjml2html

from campaigns.blocks.schema import Block
from campaigns.blocks.words import is_empty, styled, text_of_words
from campaigns.merge import DEAL_FIELDS, FIELDS, MergeError, compile_source
from campaigns.rendering import BODY_WIDTH_PX, Gap, Look
from campaigns.rendering.cleaning import put_aside, put_back

GUTTER_PX = 12  # on the inner side of each of two columns
FONT = "Helvetica,Arial,sans-serif"
TEXT, LINE = "#222222", "#c7cdd3"
BODY = re.compile(r"<body\b[^>]*><div\b[^>]*>(.*)</div></body>", re.DOTALL)
WEB_LINK = re.compile(r"https?://[^\s/?#\"<>.]+(\.[^\s/?#\"<>.]+)*\.?([/?#:][^\s\"<>]*)?", re.IGNORECASE)
OTHER_LINK = re.compile(r"(mailto:[^\s\"<>@]+@[^\s\"<>@]+|tel:\+?[0-9 ().-]+)", re.IGNORECASE)
FIELD_LINK = re.compile(r"\{\{-?\s*coupon_url\s*-?\}\}")
BARE_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}([/?#:][^\s\"<>]*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hosted:
    """An uploaded picture: where it is, and its size in pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Built:
    """A mail without its layout, merge fields unfilled. `gaps` is what was left out, and what deserves a look."""

    html: str = ""
    text: str = ""
    gaps: tuple[Gap, ...] = ()


def build(
    blocks: Sequence[Block], *, pictures: Mapping[str, Hosted], has_deal: bool, look: Look | None = None
) -> Built:
    """Make the mail of these blocks. A block that is not finished is left out and named in `gaps`: nothing raises."""
    builder = _Builder(pictures, has_deal, look or Look())
    sections = builder.sections(blocks)
    gaps = tuple(builder.gaps)
    if not sections:
        return Built(gaps=gaps)
    text = "\n\n".join(builder.texts)
    return Built(put_back(_compiled("".join(sections)), builder.fields), text, gaps)


def _compiled(sections: str) -> str:
    source = (
        f'<mjml><mj-head><mj-attributes><mj-all font-family="{FONT}" padding="0" /></mj-attributes></mj-head>'
        f'<mj-body width="{BODY_WIDTH_PX}px">{sections}</mj-body></mjml>'
    )
    body = BODY.search(mjml2html(source))
    assert body is not None, "every compiled document has a body"
    return body.group(1)


@dataclass(slots=True)
class _Builder:
    """Builds block by block. `fields` are the merge fields, in whose place marks of letters go through MJML."""

    pictures: Mapping[str, Hosted]
    has_deal: bool
    look: Look
    gaps: list[Gap] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)

    def sections(self, blocks: Iterable[Block]) -> list[str]:
        """Return sections of MJML: one for each run of simple blocks, one for each pair of columns."""
        sections, run = [], ""
        for block in blocks:
            if block.type != "columns":
                run += self._part(block, BODY_WIDTH_PX)
                continue
            if run:
                sections.append(_section(f"<mj-column>{run}</mj-column>"))
                run = ""
            sections += self._columns(block)
        return [*sections, _section(f"<mj-column>{run}</mj-column>")] if run else sections

    def _columns(self, block: Block) -> list[str]:
        width = BODY_WIDTH_PX // 2 - GUTTER_PX
        left, right = ("".join(self._part(inner, width) for inner in column) for column in block.columns)
        if not left and not right:
            self._gap("warn", block, "", _("The columns are empty"), _("They are left out. Put something into them."))
            return []
        return [
            _section(
                f'<mj-column padding="0 {GUTTER_PX}px 0 0">{left}</mj-column>'
                f'<mj-column padding="0 0 0 {GUTTER_PX}px">{right}</mj-column>'
            )
        ]

    def _part(self, block: Block, width: int) -> str:
        """Return a block as MJML, and write down its text; nothing where it is not finished."""
        if not self._fields_are_right(block):
            return ""
        part: str = getattr(self, f"_{block.type}")(block, width)
        return part

    # --- The kinds of blocks ---

    def _heading(self, block: Block, _width: int) -> str:
        text = block.values["text"]
        if not text:
            return self._gap(
                "warn", block, "text", _("A heading is empty"), _("It is left out. Write it, or remove it.")
            )
        self.texts.append(text)
        color = self.look.colors["heading"]
        level, size = (1, 26) if block.values["size"] == "large" else (2, 20)
        return (
            f'<mj-text padding="4px 0 12px"><h{level} style="margin:0;font-family:{FONT};font-size:{size}px;'
            f'line-height:1.25;font-weight:bold;color:{color};">{self._plain(text)}</h{level}></mj-text>'
        )

    def _text(self, block: Block, _width: int) -> str:
        words = block.values["html"]
        if is_empty(words):
            return self._gap("warn", block, "html", _("A text is empty"), _("It is left out. Write it, or remove it."))
        self.texts.append(text_of_words(words))
        return (
            f'<mj-text font-size="16px" line-height="1.55" color="{TEXT}">'
            f"{styled(self._aside(words), self.look.link_style)}</mj-text>"
        )

    def _image(self, block: Block, width: int) -> str:
        values = block.values
        picture = self.pictures.get(values["picture"])
        if picture is None:
            detail = _("Upload a picture, or remove the block.")
            return self._gap("block", block, "picture", _("A picture is missing"), detail)
        link = self._link(block) if values["link"] else ""
        if link is None:
            return ""
        if not values["alt"]:
            detail = _("Many mail programs show no pictures at first: say what is on it.")
            self._gap("warn", block, "alt", _("A picture has no description"), detail)
        shown = ": ".join(filter(None, [values["alt"], link]))
        if shown:
            self.texts.append(shown)
        room = width // 2 if values["width"] == "half" else width
        href = f' href="{self._plain(link)}"' if link else ""
        return (
            f'<mj-image padding="4px 0 12px" src="{escape(picture.url)}" width="{min(picture.width, room)}px"'
            f' alt="{self._plain(values["alt"])}"{href} />'
        )

    def _button(self, block: Block, _width: int) -> str:
        label = block.values["label"]
        if not label:
            return self._gap("block", block, "label", _("A button says nothing"), _("Write what happens at a click."))
        link = self._link(block)
        if not link:
            return ""
        self.texts.append(f"{label}: {link}")
        accent, on_accent = self.look.colors["accent"], self.look.colors["on_accent"]
        return (
            f'<mj-button css-class="rg-button" padding="4px 0 16px" href="{self._plain(link)}" '
            f'background-color="{accent}" color="{on_accent}" font-size="16px" font-weight="bold" '
            f'border-radius="6px" inner-padding="13px 26px">{self._plain(label)}</mj-button>'
        )

    def _deal(self, block: Block, _width: int) -> str:
        if not self.has_deal:
            detail = _("%(block)s shows it: choose a deal for this campaign, or remove the block.")
            self.gaps.append(Gap("block", _("The deal is missing"), detail % {"block": block.name}, "offer"))
            return ""
        self.texts.append("{{ deal }}")
        return f"<mj-text>{self._aside('{{ deal }}')}</mj-text>"

    def _divider(self, _block: Block, _width: int) -> str:
        self.texts.append("-" * 20)
        return f'<mj-divider padding="8px 0 20px" border-width="1px" border-color="{LINE}" />'

    # --- What they share ---

    def _link(self, block: Block) -> str | None:
        """Return where a block leads; None where that is no link, which is noted."""
        link = block.values["link"]
        if BARE_HOST.fullmatch(put_aside(link)[0]):
            link = f"https://{link}"
        marked, _fields = put_aside(link)
        if FIELD_LINK.fullmatch(link) or WEB_LINK.fullmatch(marked) or OTHER_LINK.fullmatch(marked):
            return link
        title = _("A link is missing") if link in {"", "https://", "http://"} else _("A link is not complete")
        self._gap("block", block, "link", title, _("Write where it leads, such as https://your-bar.com/menu."))
        return None

    def _fields_are_right(self, block: Block) -> bool:
        """Whether the merge fields of a block may stand there; what is wrong with them is noted."""
        allowed = {name: label for name, label in FIELDS.items() if self.has_deal or name not in DEAL_FIELDS}
        for name, value in block.values.items():
            try:
                template = compile_source(value, html=True, allowed=allowed)
            except MergeError as error:
                self._gap("block", block, name, _("A merge field is wrong"), str(error))
                return False
            if "deal" in template.analyze().variables:
                self._gap(
                    "block", block, name, _("A merge field is wrong"), _("The whole deal takes a block of its own.")
                )
                return False
        return True

    def _gap(self, level: str, block: Block, value: str, title: str, detail: str) -> str:
        self.gaps.append(Gap(level, title, f"{block.name}: {detail}", block.input(value) if value else "blocks"))
        return ""

    def _plain(self, text: str) -> str:
        """Return plain text for MJML."""
        return escape(self._aside(text))

    def _aside(self, text: str) -> str:
        marked, fields = put_aside(text, start=len(self.fields))
        self.fields += fields
        return marked


def _section(columns: str) -> str:
    return f"<mj-section>{columns}</mj-section>"
