"""From what a marketer writes to HTML and text that may be sent: links made, tags cleaned, merge fields untouched."""

from __future__ import annotations

import re
import secrets
from html import escape

import css_inline
import inscriptis
import nh3
from django.utils.translation import gettext as _
from inscriptis.model.config import ParserConfig

from campaigns.merge import LIQUID
from campaigns.rendering.content import ContentError
from campaigns.rendering.hrefs import plain_url

FIELD = r"\{\{(?!-?\s*deal\b)[^{}]*\}\}"  # one that may stand in a link: the deal is a table
URL = rf"https?://(?:[^\s<>\"{{}}]|{FIELD})+(?:[^\s<>\"{{}}.,;:!?)\]]|{FIELD})"
WORDS = re.compile(rf"(?P<url>{URL})|{LIQUID.pattern}", re.DOTALL)
TAG = secrets.token_hex(8)  # nobody writes it
ASIDE = re.compile(rf"LQ{TAG}x(\d+)QL")
STYLE_SHEET = re.compile(r"<style\b", re.IGNORECASE)
LINKED = re.compile(r"<link\b[^>]*>", re.IGNORECASE)
INLINER = css_inline.CSSInliner(load_remote_stylesheets=False)
DEAL_ALONE = re.compile(r"\s*\{\{-?\s*deal\s*-?\}\}\s*")  # a table of its own, which no paragraph may hold

MOST_HTML = 400_000  # characters; four times what may be sent
# Cleaning takes the square of the depth: at 100,000 it takes minutes.
DEEPEST = 500
NESTING = re.compile(
    r"<(?P<end>/?)(?!(?:area|br|col|colgroup|dd|dt|hr|img|input|li|link|meta|p|tbody|td|tfoot|th|thead|tr|wbr)\b)[a-z]",
    re.IGNORECASE,
)

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


def html_of_text(source: str, link_style: str) -> str:
    """Turn simple text into HTML: paragraphs, line breaks and links. Merge fields come through untouched."""
    paragraphs = re.split(r"\n\s*\n", source.strip())
    return "\n".join(
        text if DEAL_ALONE.fullmatch(text) else f"<p>{_line_breaks(text, link_style)}</p>" for text in paragraphs
    )


def _line_breaks(paragraph: str, link_style: str) -> str:
    text, result, position = paragraph.replace("\r\n", "\n"), "", 0
    for match in WORDS.finditer(text):
        result += _broken(text[position : match.start()])
        position = match.end()
        piece = match.group()
        if match["url"]:
            result += _anchor(piece, link_style)
        elif re.fullmatch(r"\{\{-?\s*coupon_url\s*-?\}\}", piece):
            result += f'<a href="{piece}" style="{link_style}">{piece}</a>'
        else:
            result += piece
    return result + _broken(text[position:])


def _broken(text: str) -> str:
    return escape(text).replace("\n", "<br>\n")


def _anchor(url: str, link_style: str) -> str:
    shown, fields = put_aside(url)
    return put_back(f'<a href="{escape(plain_url(shown))}" style="{link_style}">{escape(shown)}</a>', fields)


def put_aside(source: str, *, start: int = 0) -> tuple[str, list[str]]:
    """Return text with a mark of letters and digits in the place of each merge field, and the fields.

    The marks are numbered from `start`.
    """
    fields: list[str] = []

    def mark(match: re.Match[str]) -> str:
        fields.append(match.group())
        return f"LQ{TAG}x{start + len(fields) - 1}QL"

    return LIQUID.sub(mark, source), fields


def put_back(text: str, fields: list[str]) -> str:
    return ASIDE.sub(lambda match: fields[int(match.group(1))], text)


def clean_html(source: str) -> str:
    """Return own HTML without scripts, forms, comments and whatever could hide the footer, its tags balanced.

    Merge fields stand aside meanwhile, so that cleaning cannot bend their quotes. Raises ContentError where it is too
    long, or too deep, to be a mail.
    """
    if len(source) > MOST_HTML:
        raise ContentError(
            _("Your HTML has %(length)s characters, and %(most)s fit.")
            % {"length": f"{len(source):,}", "most": f"{MOST_HTML:,}"},
            "html",
        )
    marked, fields = put_aside(source)
    if _depth(marked) > DEEPEST:
        raise ContentError(_("Your HTML has too many tags inside each other. Close those that are left open."), "html")
    cleaned = nh3.clean(
        inlined(marked),
        tags=EMAIL_TAGS,
        attributes=EMAIL_ATTRIBUTES,
        clean_content_tags={"script", "style", "title", "noscript", "iframe", "object", "svg", "math", "template"},
        url_schemes={"http", "https", "mailto", "tel"},
        filter_style_properties=EMAIL_STYLES,
        link_rel=None,
    )
    return put_back(cleaned, fields)


def _depth(html: str) -> int:
    """Return how many tags are open at once at most; those that close each other do not count."""
    depth = deepest = 0
    for match in NESTING.finditer(html):
        depth = max(0, depth - 1) if match["end"] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def inlined(html: str) -> str:
    """Return own HTML with the rules of its style sheets in `style` attributes; nothing is loaded for that."""
    if not STYLE_SHEET.search(html):
        return html
    return INLINER.inline(LINKED.sub("", html))


def text_of_html(html: str) -> str:
    """Return the plain text of HTML that is clean."""
    marked, fields = put_aside(html)
    text: str = inscriptis.get_text(marked, ParserConfig(display_links=True)) if html.strip() else ""
    return put_back(text.strip(), fields)
