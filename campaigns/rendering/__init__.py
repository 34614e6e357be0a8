"""One renderer for preview, test and sending: the same words in, the same bytes out.

What the law wants (name, postal address, way out) is added here, outside the text a marketer can edit.
"""

from campaigns.rendering.batches import Batch, Reader, batches_of
from campaigns.rendering.cleaning import clean_html, html_of_text
from campaigns.rendering.compiled import CONTROL, Compiled
from campaigns.rendering.content import Content, ContentError, Deal, Gap, Person, Rendered, Shop
from campaigns.rendering.layouts import BODY_WIDTH_PX, layout, look_values, shop_values, styles
from campaigns.rendering.linking import Redirects
from campaigns.rendering.looks import ColorRefused, Look, color_of, logo_size, readable_on

MAX_HTML_BYTES = 100_000
WARN_HTML_BYTES = 80_000

__all__ = [
    "BODY_WIDTH_PX",
    "CONTROL",
    "MAX_HTML_BYTES",
    "WARN_HTML_BYTES",
    "Batch",
    "ColorRefused",
    "Compiled",
    "Content",
    "ContentError",
    "Deal",
    "Gap",
    "Look",
    "Person",
    "Reader",
    "Redirects",
    "Rendered",
    "Shop",
    "batches_of",
    "clean_html",
    "color_of",
    "html_of_text",
    "layout",
    "logo_size",
    "look_values",
    "readable_on",
    "shop_values",
    "styles",
]
