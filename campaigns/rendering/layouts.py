"""The layouts around the words, in `templates/email/`, and the values of both."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from django.utils.translation import gettext, override
from liquid import Environment, StrictUndefined
from liquid.template import BoundTemplate

from campaigns.rendering.content import Deal, Person, Shop
from campaigns.rendering.looks import PLAIN, Look

QR_SIZE_PX = 240
BODY_WIDTH_PX = 552  # of the words, inside the card of the layout
LAYOUT_DIR = Path(__file__).resolve().parents[2] / "templates" / "email"

# As in templates of Django, so that translators get them from here as from there.
PHRASE = re.compile(r'\{% translate "([^"]+)" %\}')
SENTENCE = re.compile(r"\{% blocktranslate with shop=shop\.name %\}(.+?)\{% endblocktranslate %\}")


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


@lru_cache(maxsize=32)
def styles(look: Look = PLAIN) -> str:
    """Return the style sheet of mails whose HTML is ours: columns side by side where there is room, and dark mode.

    Own HTML goes without: who writes it chose colours of their own, for a white card.
    """
    return f"<style>\n{layout('layout.css').render(look=look_values(look)).strip()}\n</style>"


def look_values(look: Look) -> dict[str, object]:
    return {**look.colors, "logo": look.logo, "logo_width": look.logo_width, "logo_height": look.logo_height}


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


@lru_cache(maxsize=32)
def layout(name: str, language: str = "en") -> BoundTemplate:
    """Return one of the layouts in `templates/email/`, its words in a language."""
    environment = Environment(autoescape=name.endswith(".html"), undefined=StrictUndefined)
    return environment.from_string(_in_language((LAYOUT_DIR / name).read_text(), language))


def _in_language(source: str, language: str) -> str:
    """Return a layout without the tags of translators: what is merged for each person has the words in it."""

    def sentence(found: re.Match[str]) -> str:
        return gettext(found[1].replace("{{ shop }}", "%(shop)s")) % {"shop": "{{ shop.name }}"}

    with override(language):
        source = PHRASE.sub(lambda found: gettext(found[1]), source)
        return SENTENCE.sub(sentence, source).replace("{{ LANGUAGE_CODE }}", language)
