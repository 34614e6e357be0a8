"""Links that somebody meant to fill in later."""

from __future__ import annotations

import re
from html import unescape

from campaigns.rendering.cleaning import WORDS, put_aside, put_back
from campaigns.rendering.content import Content

COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
ANCHOR = re.compile(
    r"""<a\b[^>]*?\bhref\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s>"']*))""", re.IGNORECASE
)
NO_HOST = re.compile(r"https?:/{0,2}", re.IGNORECASE)
NO_HOST_IN_TEXT = re.compile(r"(?<!\S)https?://(?!\S)", re.IGNORECASE)
NOBODYS_HOST = re.compile(
    r"(?:https?:)?//(?:[^/?#]*[.@])?(?:example\.(?:com|org|net)|localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?=[:/?#]|\Z)",
    re.IGNORECASE,
)
YOURS = re.compile(r"(?<![\w-])your[-_]?(?:website|site|domain|company|link|url)(?:[-_]?here)?(?![\w-])", re.IGNORECASE)
# A mail has no page that a link without one of these could start from.
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|#|\{\{-?\s*coupon_url\b|\{%", re.IGNORECASE)
TO_DO = re.compile(r"\bTODO\b")  # in capitals: in Spanish it is a word


def placeholder_links(content: Content) -> list[str]:
    """Return the links that lead nowhere, each once, as they are written; an empty one as `href=""`."""
    found = [
        link or 'href=""' for link in _links_in_html(content.html) if _is_placeholder(link) or not SCHEME.match(link)
    ]
    found += [match["url"] for match in WORDS.finditer(content.body) if match["url"] and _is_placeholder(match["url"])]
    return list(dict.fromkeys([*found, *NO_HOST_IN_TEXT.findall(content.body)]))


def _links_in_html(html: str) -> list[str]:
    """Return what own HTML gives as `href`, also what is taken out before it is sent."""
    marked, fields = put_aside(html)
    found = ANCHOR.finditer(COMMENT.sub("", marked))
    return [put_back(unescape(match[match.lastgroup or "bare"]).strip(), fields) for match in found]


def _is_placeholder(link: str) -> bool:
    if link in {"", "#"} or NO_HOST.fullmatch(link) or NOBODYS_HOST.match(link):
        return True
    return bool(YOURS.search(link) or TO_DO.search(link))
