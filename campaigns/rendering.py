"""One renderer for preview, test and sending: the same words in, the same bytes out.

What the law wants (name, postal address, way out) is added here, outside the text a marketer can edit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from urllib.parse import quote

import inscriptis
import nh3
from inscriptis.model.config import ParserConfig
from liquid import Environment, StrictUndefined
from liquid.template import BoundTemplate
from markupsafe import Markup

from campaigns import sms
from campaigns.merge import DEAL_FIELDS, FIELDS, LIQUID, MergeError, compile_source, render
from contacts.channels import Channel

MAX_SMS_PARTS = 2
MAX_HTML_BYTES = 100_000
WARN_HTML_BYTES = 80_000
SMS_OPT_OUT = "Reply STOP to opt out"
QR_SIZE_PX = 240
LINK_STYLE = "color:#1b5e7b;"  # said outright: a dark theme would pick a pale one for the white card

LAYOUT_DIR = Path(__file__).resolve().parent.parent / "templates" / "email"
URL = re.compile(r"https?://[^\s<>\"{}]+[^\s<>\"{}.,;:!?)\]]")
DEAL_ALONE = re.compile(r"\s*\{\{-?\s*deal\s*-?\}\}\s*")  # a table of its own, which no paragraph may hold
CONTROL = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")

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


class ContentError(ValueError):
    """The words of a campaign cannot be sent as they are; `field` names the input that has to change."""

    def __init__(self, message: str, field: str = "body", *, is_too_long: bool = False) -> None:
        super().__init__(message)
        self.field = field
        self.is_too_long = is_too_long


@dataclass(frozen=True, slots=True)
class Content:
    """The words of one variant. `body` is simple text; `html` is own HTML, and wins over it in the HTML part."""

    channel: Channel
    subject: str = ""
    preheader: str = ""
    body: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True)
class Shop:
    name: str
    postal_address: str


@dataclass(frozen=True, slots=True)
class Person:
    first_name: str = ""
    last_name: str = ""


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal as one person gets it. `qr_src` is what the image's `src` says: a `cid:` or an address."""

    name: str
    terms: str
    ends: str
    code: str
    coupon_url: str
    qr_src: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What leaves the machine, but for the envelope. For SMS only `text` is filled."""

    text: str
    subject: str = ""
    html: str = ""


class Compiled:
    """A variant's words, parsed once and rendered for each person."""

    def __init__(self, content: Content, *, has_deal: bool) -> None:
        self.content = content
        allowed = FIELDS if has_deal else {name: label for name, label in FIELDS.items() if name not in DEAL_FIELDS}

        def template(source: str, field: str, *, html: bool = False) -> BoundTemplate:
            try:
                return compile_source(source, html=html, allowed=allowed)
            except MergeError as error:
                raise ContentError(str(error), field) from error

        text_source = content.body or _text_of_html(content.html)
        html_source = clean_html(content.html) if content.html.strip() else html_of_text(content.body)
        self.subject = template(content.subject, "subject")
        self.preheader = template(content.preheader, "preheader", html=True)
        self.text = template(text_source, "body")
        self.html = template(html_source, "html" if content.html.strip() else "body", html=True)
        # A mail always carries the typed code; in a text the link alone will do.
        enough = {"deal", "coupon_url"} if content.channel == Channel.SMS else {"deal"}
        self.places_deal_in_text = bool(enough & set(self.text.analyze().variables))
        self.places_deal_in_html = "deal" in self.html.analyze().variables

    def render(self, *, shop: Shop, person: Person, deal: Deal | None, unsubscribe_url: str = "") -> Rendered:
        """Return what this person gets. Raises ContentError."""
        try:
            if self.content.channel == Channel.SMS:
                return self._render_sms(shop, person, deal)
            return self._render_email(shop, person, deal, unsubscribe_url)
        except MergeError as error:
            raise ContentError(str(error)) from error

    def _render_email(self, shop: Shop, person: Person, deal: Deal | None, unsubscribe_url: str) -> Rendered:
        common = {"shop": shop_values(shop), "deal": deal_values(deal), "unsubscribe_url": unsubscribe_url}
        deal_html = Markup(layout("deal.html").render(**common)) if deal else ""  # noqa: S704 - escaped by the layout
        deal_text = layout("deal.txt").render(**common).strip() if deal else ""
        subject = " ".join(CONTROL.sub(" ", render(self.subject, values(shop, person, deal))).split())
        body_html = render(self.html, {**values(shop, person, deal), "deal": deal_html})
        body_text = render(self.text, {**values(shop, person, deal), "deal": deal_text})
        html = layout("layout.html").render(
            **common,
            subject=subject,
            preheader=Markup(render(self.preheader, values(shop, person, deal))),  # noqa: S704 - escaped by merge.HTML
            body=Markup(body_html),  # noqa: S704 - cleaned when compiled, values escaped
            deal_block="" if self.places_deal_in_html else deal_html,
        )
        text = layout("layout.txt").render(
            **common, body=body_text.strip(), deal_block="" if self.places_deal_in_text else deal_text
        )
        return Rendered(subject=subject, html=html, text=text)

    def _render_sms(self, shop: Shop, person: Person, deal: Deal | None) -> Rendered:
        text = self._sms_text(shop, person, deal)
        if sms.measure(text).parts > MAX_SMS_PARTS:
            # One letter outside the short alphabet more than halves the room: rather Maria for María than no text.
            plain = Person(sms.plain(person.first_name), sms.plain(person.last_name))
            text = self._sms_text(shop, plain, deal)
        size = sms.measure(text)
        if size.parts > MAX_SMS_PARTS:
            raise ContentError(
                f"The text is too long: with your name, the link and the opt-out it has {size.units} characters "
                f"({size.encoding}), which is {size.parts} parts, and {MAX_SMS_PARTS} are allowed. Shorten it"
                + (f", or take out {size.special[:5]} to use the longer alphabet." if size.special else "."),
                is_too_long=True,
            )
        return Rendered(text=text)

    def _sms_text(self, shop: Shop, person: Person, deal: Deal | None) -> str:
        body = render(self.text, {**values(shop, person, deal), "deal": deal.coupon_url if deal else ""})
        if deal and not self.places_deal_in_text:
            body = f"{body.strip()} {deal.coupon_url}"
        body = " ".join(CONTROL.sub(" ", sms.fold(body)).split())
        return f"{sms.fold(shop.name)}: {body} {SMS_OPT_OUT}"


def values(shop: Shop, person: Person, deal: Deal | None) -> dict[str, object]:
    """Return the value of every merge field; `deal` itself differs by part and is set by the caller.

    What is not known is nil and not empty text, which Liquid holds for true: `{% if first_name %}` says what it means.
    """
    result: dict[str, object] = {
        "first_name": person.first_name or None,
        "last_name": person.last_name or None,
        "full_name": f"{person.first_name} {person.last_name}".strip() or None,
        "business_name": shop.name,
    }
    if deal:
        result |= {"deal_name": deal.name, "deal_ends": deal.ends, "code": deal.code, "coupon_url": deal.coupon_url}
        result["deal"] = deal.name
    return result


def shop_values(shop: Shop) -> dict[str, str]:
    return {"name": shop.name, "postal_address": shop.postal_address}


def deal_values(deal: Deal | None) -> dict[str, object]:
    if deal is None:
        return {}
    return {
        "name": deal.name,
        "terms": deal.terms,
        "ends": deal.ends,
        "code": deal.code,
        "coupon_url": deal.coupon_url,
        "qr_src": deal.qr_src,
        "qr_size": QR_SIZE_PX,
    }


@lru_cache(maxsize=8)
def layout(name: str) -> BoundTemplate:
    """Return one of the layouts in `templates/email/`."""
    environment = Environment(autoescape=name.endswith(".html"), undefined=StrictUndefined)
    return environment.from_string((LAYOUT_DIR / name).read_text())


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


def _text_of_html(html: str) -> str:
    if not html.strip():
        return ""
    text: str = inscriptis.get_text(clean_html(html), ParserConfig(display_links=True))
    return text.strip()
