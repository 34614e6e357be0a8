"""From what a marketer writes to HTML and text that may be sent: links made, tags cleaned, merge fields untouched."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote

import inscriptis
import nh3
from inscriptis.model.config import ParserConfig

from campaigns.merge import LIQUID

LINK_STYLE = "color:#1b5e7b;"  # said outright: a dark theme would pick a pale one for the white card

URL = re.compile(r"https?://[^\s<>\"{}]+[^\s<>\"{}.,;:!?)\]]")
DEAL_ALONE = re.compile(r"\s*\{\{-?\s*deal\s*-?\}\}\s*")  # a table of its own, which no paragraph may hold

EMAIL_TAGS = {
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "center",
    "code",
    "col",
    "colgroup",
    "dd",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
}
EMAIL_ATTRIBUTES = {
    "*": {"align", "bgcolor", "class", "dir", "height", "lang", "role", "style", "title", "valign", "width"},
    "a": {"href"},
    "img": {"src", "alt", "border"},
    "table": {"border", "cellpadding", "cellspacing"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "font": {"color", "face", "size"},
}
# No position, display, opacity or overflow: nothing that could hide or cover the footer.
EMAIL_STYLES = {
    "background",
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-color",
    "border-left",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "color",
    "direction",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-width",
    "min-width",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "text-align",
    "text-decoration",
    "text-transform",
    "vertical-align",
    "width",
    "word-break",
}


def html_of_text(source: str) -> str:
    """Turn simple text into HTML: paragraphs, line breaks and links. Merge fields come through untouched."""
    paragraphs = re.split(r"\n\s*\n", source.strip())
    return "\n".join(text if DEAL_ALONE.fullmatch(text) else f"<p>{_line_breaks(text)}</p>" for text in paragraphs)


def _line_breaks(paragraph: str) -> str:
    pieces = LIQUID.split(paragraph.replace("\r\n", "\n"))
    for position, piece in enumerate(pieces):
        if position % 2 == 0:
            pieces[position] = _link_urls(piece).replace("\n", "<br>\n")
        elif re.fullmatch(r"\{\{-?\s*coupon_url\s*-?\}\}", piece):
            pieces[position] = f'<a href="{piece}" style="{LINK_STYLE}">{piece}</a>'
    return "".join(pieces)


def _link_urls(text: str) -> str:
    result, position = "", 0
    for match in URL.finditer(text):
        url = match.group()
        href = quote(url, safe=":/?#[]@!$&'()*+,;=%~-._")
        result += (
            escape(text[position : match.start()]) + f'<a href="{escape(href)}" style="{LINK_STYLE}">{escape(url)}</a>'
        )
        position = match.end()
    return result + escape(text[position:])


def clean_html(source: str) -> str:
    """Return own HTML without scripts, forms, comments and whatever could hide the footer, its tags balanced.

    Merge fields stand aside meanwhile, so that cleaning cannot bend their quotes.
    """
    fields: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        fields.append(match.group())
        return f"LQ{len(fields) - 1}QL"

    cleaned = nh3.clean(
        LIQUID.sub(put_aside, source),
        tags=EMAIL_TAGS,
        attributes=EMAIL_ATTRIBUTES,
        clean_content_tags={"script", "style", "title", "noscript", "iframe", "object", "svg", "math", "template"},
        url_schemes={"http", "https", "mailto", "tel"},
        filter_style_properties=EMAIL_STYLES,
        link_rel=None,
    )
    return re.sub(r"LQ(\d+)QL", lambda match: fields[int(match.group(1))], cleaned)


def text_of_html(html: str) -> str:
    if not html.strip():
        return ""
    text: str = inscriptis.get_text(clean_html(html), ParserConfig(display_links=True))
    return text.strip()
