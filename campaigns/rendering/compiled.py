"""A variant's words, parsed once and rendered for each person."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate
from markupsafe import Markup

from campaigns import sms
from campaigns.merge import DEAL_FIELDS, FIELDS, MergeError, compile_source, render
from campaigns.rendering.cleaning import clean_html, html_of_text, text_of_html
from campaigns.rendering.content import Content, ContentError, Deal, Person, Rendered, Shop
from campaigns.rendering.layouts import deal_values, layout, look_values, shop_values, styles, values
from campaigns.rendering.linking import TRAP, Links, Redirects
from campaigns.rendering.outline import Doubtful, Outline, checked, filling_of
from contacts.channels import Channel

MAX_SMS_PARTS = 2
MAX_OUTLINES = 8  # one with the deal and one without, and as many again for each change of shop or deal meanwhile
SMS_OPT_OUT = gettext_noop("Reply STOP to opt out")

CONTROL = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")


def one_line(text: str) -> str:
    """Return text without line breaks, invisible characters and double spaces."""
    return " ".join(CONTROL.sub(" ", text).split())


def _html_of(content: Content) -> str:
    if content.is_built:
        return content.html
    return clean_html(content.html) if content.html.strip() else html_of_text(content.body, content.look.link_style)


class Compiled:
    """A variant's words, parsed once and rendered for each person. `utm` is added to their links.

    Raises ContentError.
    """

    def __init__(self, content: Content, *, has_deal: bool, utm: str = "") -> None:
        self.content = content
        allowed = FIELDS if has_deal else {name: label for name, label in FIELDS.items() if name not in DEAL_FIELDS}

        def template(source: str, field: str, *, html: bool = False) -> BoundTemplate:
            try:
                return compile_source(source, html=html, allowed=allowed, own=self._links.fields)
            except MergeError as error:
                raise ContentError(str(error), field) from error

        self._links = Links(medium=content.channel.value, utm=utm, are_counted=content.channel == Channel.EMAIL)
        html_source = self._links.in_html(_html_of(content))
        text_source = self._links.in_text(content.body) if content.body else text_of_html(html_source)
        self.subject = template(content.subject, "subject")
        self.preheader = template(content.preheader, "preheader", html=True)
        self.text = template(text_source, "body")
        self.html = template(html_source, content.field, html=True)
        self.styles = "" if content.field == "html" else styles(content.look)
        # A mail always carries the typed code; in a text the link alone will do.
        enough = {"deal", "coupon_url"} if content.channel == Channel.SMS else {"deal"}
        self.places_deal_in_text = bool(enough & set(self.text.analyze().variables))
        self.places_deal_in_html = "deal" in self.html.analyze().variables
        with override(content.language):
            self._opt_out = _(SMS_OPT_OUT)
        self._outlines: dict[object, Outline | None] = {}

    @property
    def links(self) -> list[str]:
        """The links that can be counted, each once, in their order."""
        return list(self._links.fields.values())

    def render(
        self,
        *,
        shop: Shop,
        person: Person,
        deal: Deal | None,
        unsubscribe_url: str = "",
        redirects: Redirects | None = None,
    ) -> Rendered:
        """Return what this person gets. Raises ContentError."""
        try:
            if self.content.channel == Channel.SMS:
                return self._render_sms(shop, person, deal)
            return self._render_email(shop, person, deal, unsubscribe_url, redirects)
        except MergeError as error:
            raise ContentError(str(error)) from error

    def filling_of(
        self, shop: Shop, person: Person, deal: Deal | None, unsubscribe_url: str, redirects: Redirects | None
    ) -> dict[str, object]:
        """Return what one person's spots are filled with, but for the subject."""
        return filling_of(shop, person, deal, unsubscribe_url) | self._links.targets(redirects)

    def _render_email(
        self, shop: Shop, person: Person, deal: Deal | None, unsubscribe_url: str, redirects: Redirects | None
    ) -> Rendered:
        filling = self.filling_of(shop, person, deal, unsubscribe_url, redirects)
        try:
            outline = self.outline_of(shop, deal)
            subject = filling["subject"] = outline.subject_of(checked(filling))
            return Rendered(
                subject=subject, html=outline.html_for(filling).fill(filling), text=outline.text.fill(filling)
            )
        except Doubtful:
            return self.render_by_liquid(shop, person, deal, unsubscribe_url, redirects)

    def outline_of(self, shop: Shop, deal: Deal | None) -> Outline:
        """Return the outline of this shop and deal; the last few are kept. Raises Doubtful."""
        key = (shop, deal and (deal.name, deal.terms, deal.ends))
        if key not in self._outlines:
            if len(self._outlines) >= MAX_OUTLINES:
                self._outlines.clear()
            self._outlines[key] = self._cut(shop, deal)
        outline = self._outlines[key]
        if outline is None:
            raise Doubtful
        return outline

    def _cut(self, shop: Shop, deal: Deal | None) -> Outline | None:
        try:
            return Outline(
                subject=self.subject,
                preheader=self.preheader,
                text=self.text,
                html=self.html,
                shop=shop,
                deal=deal,
                places_deal=(self.places_deal_in_text, self.places_deal_in_html),
                has_trap=bool(self._links.fields),
                styles=self.styles,
                look=self.content.look,
                language=self.content.language,
                tidy=one_line,
            )
        except (Doubtful, LiquidError):
            return None

    def render_by_liquid(
        self,
        shop: Shop,
        person: Person,
        deal: Deal | None,
        unsubscribe_url: str,
        redirects: Redirects | None = None,
    ) -> Rendered:
        """Return a mail as Liquid renders it, without the outline. Raises MergeError."""
        targets = self._links.targets(redirects)
        merged, language = values(shop, person, deal) | targets, self.content.language
        common = {
            "shop": shop_values(shop),
            "look": look_values(self.content.look),
            "deal": deal_values(deal),
            "unsubscribe_url": unsubscribe_url,
        }
        deal_html = Markup(layout("deal.html", language).render(**common)) if deal else ""  # noqa: S704 - escaped by the layout
        deal_text = layout("deal.txt", language).render(**common).strip() if deal else ""
        subject = one_line(render(self.subject, values(shop, person, deal)))
        body_html = render(self.html, {**merged, "deal": deal_html})
        body_text = render(self.text, {**merged, "deal": deal_text})
        html = layout("layout.html", language).render(
            **common,
            subject=subject,
            preheader=Markup(render(self.preheader, values(shop, person, deal))),  # noqa: S704 - escaped by merge.HTML
            body=Markup(body_html),  # noqa: S704 - cleaned when compiled, values escaped
            deal_block="" if self.places_deal_in_html else deal_html,
            trap_url=targets.get(TRAP, ""),
            styles=Markup(self.styles),  # noqa: S704 - ours
        )
        text = layout("layout.txt", language).render(
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
            raise ContentError(_too_long(size), is_too_long=True)
        return Rendered(text=text)

    def _sms_text(self, shop: Shop, person: Person, deal: Deal | None) -> str:
        body = render(self.text, {**values(shop, person, deal), "deal": deal.coupon_url if deal else ""})
        if deal and not self.places_deal_in_text:
            body = f"{body.strip()} {deal.coupon_url}"
        body = one_line(sms.fold(body))
        return f"{sms.fold(shop.name)}: {body} {self._opt_out}"


def _too_long(size: sms.Size) -> str:
    words = _(
        "The text is too long: with your name, the link and the opt-out it has %(length)s characters (%(alphabet)s), "
        "which is %(parts)s parts, and %(most)s are allowed."
    )
    shorten = _("Shorten it, or take out %(letters)s to use the longer alphabet.") if size.special else _("Shorten it.")
    values = {"length": size.units, "alphabet": size.encoding, "parts": size.parts, "most": MAX_SMS_PARTS}
    return f"{words % values} {shorten % {'letters': size.special[:5]}}"
