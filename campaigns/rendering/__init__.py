"""One renderer for preview, test and sending: the same words in, the same bytes out.

What the law wants (name, postal address, way out) is added here, outside the text a marketer can edit.
"""

from campaigns.rendering.batches import Batch, Reader, batches_of
from campaigns.rendering.cleaning import clean_html, html_of_text
from campaigns.rendering.compiled import CONTROL, Compiled
from campaigns.rendering.content import Content, ContentError, Deal, Person, Rendered, Shop
from campaigns.rendering.layouts import layout, shop_values
from campaigns.rendering.linking import Redirects

MAX_HTML_BYTES = 100_000
WARN_HTML_BYTES = 80_000

__all__ = [
    "CONTROL",
    "MAX_HTML_BYTES",
    "WARN_HTML_BYTES",
    "Batch",
    "Compiled",
    "Content",
    "ContentError",
    "Deal",
    "Person",
    "Reader",
    "Redirects",
    "Rendered",
    "Shop",
    "batches_of",
    "clean_html",
    "html_of_text",
    "layout",
    "shop_values",
]
