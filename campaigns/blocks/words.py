"""The words of a text block: HTML from the editor, made plain, and turned into the mail's HTML and text."""

from __future__ import annotations

import re
from html import escape, unescape
from html.parser import HTMLParser

import nh3

from campaigns.merge import LIQUID
from campaigns.rendering.cleaning import put_aside, put_back

TAGS = {"a", "b", "br", "em", "i", "li", "ol", "p", "strong", "u", "ul"}
SCHEMES = {"http", "https", "mailto", "tel"}
# What browsers put where a line is bold in part; those of French punctuation stay.
HARD_SPACE = re.compile(r"(?<!«)&nbsp;(?![!?:;»%€])")
MARKUP = re.compile(r"<[^>]*>")
STYLES = {
    "p": {"style": "margin:0 0 12px;"},
    "ul": {"style": "margin:0 0 12px;padding-left:24px;"},
    "ol": {"style": "margin:0 0 12px;padding-left:24px;"},
    "li": {"style": "margin:0 0 4px;"},
}


def clean_words(source: str) -> str:
    """Return HTML with paragraphs, lists, links, bold and italics, and nothing else; merge fields as they were typed.

    Editors put tags and hard spaces into a field that is half bold: inside the braces they are taken out.
    """
    marked, fields = put_aside(LIQUID.sub(lambda match: _plain_field(match.group()), source))
    cleaned = nh3.clean(
        marked,
        tags=TAGS,
        attributes={"a": {"href"}},
        clean_content_tags={"script", "style", "title", "template", "iframe", "object", "svg", "math", "noscript"},
        url_schemes=SCHEMES,
        link_rel=None,
    )
    return put_back(HARD_SPACE.sub(" ", cleaned), fields).strip()


def _plain_field(field: str) -> str:
    text = unescape(MARKUP.sub("", field)).replace("\N{NO-BREAK SPACE}", " ")
    return text.replace("<", "").replace(">", "")


def is_empty(html: str) -> bool:
    return not unescape(MARKUP.sub("", html)).strip()


def styled(marked: str, link_style: str) -> str:
    """Return clean words with the styles mail programs need. Merge fields stand aside."""
    return nh3.clean(
        marked,
        tags=TAGS,
        attributes={"a": {"href"}},
        set_tag_attribute_values={**STYLES, "a": {"style": link_style}},
        url_schemes=SCHEMES,
        link_rel=None,
    )


def text_of_words(html: str) -> str:
    """Return the plain text of clean words: lists with dashes, a link as `book (https://...)`."""
    marked, fields = put_aside(html)
    writer = _Writer()
    writer.feed(marked)
    writer.close()
    return put_back(writer.text, fields)


def words_of_text(text: str) -> str:
    """Return simple text as words: paragraphs and line breaks."""
    marked, fields = put_aside(text.strip())
    paragraphs = [part for part in re.split(r"\n\s*\n", marked) if part.strip()]
    return put_back("".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in paragraphs), fields)


class _Writer(HTMLParser):
    """Writes down clean words as lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._lists: list[int | None] = []  # the number of the last item; None: dashes
        self._link = ""
        self._linked: list[str] = []

    @property
    def text(self) -> str:
        lines = [" ".join(line.split()) for line in "".join(self._parts).replace("\N{NO-BREAK SPACE}", " ").split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._parts.append("\n")
        elif tag in {"ul", "ol"}:
            self._parts.append("\n")
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._parts.append(f"\n{self._bullet()}")
        elif tag == "a":
            self._link, self._linked = dict(attrs).get("href") or "", []

    def _bullet(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._parts.append("\n\n" if not self._lists else "")
        elif tag in {"ul", "ol"}:
            self._lists = self._lists[:-1]
            self._parts.append("\n\n")
        elif tag == "a":
            shown = "".join(self._linked).strip()
            address = self._link.removeprefix("mailto:").removeprefix("tel:")
            if address and address != shown:
                self._parts.append(f" ({address})")
            self._link = ""

    def handle_data(self, data: str) -> None:
        data = data.replace("\n", " ")
        if self._link:
            self._linked.append(data)
        self._parts.append(data)
