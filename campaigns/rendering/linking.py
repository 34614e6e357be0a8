"""The links in a campaign's words. Each that can be counted becomes a field: the link itself fills it in a preview or a
test, and in a message that is sent, an address of ours that leads there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape

from django.utils.translation import gettext as _

from campaigns.rendering.cleaning import ASIDE, TAG, WORDS, put_aside, put_back
from campaigns.rendering.content import ContentError
from campaigns.rendering.hrefs import UTM_NAME, WEB, plain_url, with_utm

MAX_LINKS = 30  # the rest stay as they are
TRAP = "trap_url"
PREVIEW_TRAP = "#"

HREF = re.compile(r'(<a(?:\s+[\w-]+="[^"]*")*?\s+href=")([^"]*)(?=")')  # in HTML that is clean
# After it a word ends, also once the merge fields that follow are filled.
ALONE = re.compile(r"(?:(?:\{%\s*end\w+\s*%\})+(?=\s|\Z)|(?!\{))(?!\s*\{[{%]-)")


@dataclass(frozen=True, slots=True)
class Redirects:
    """What stands in one message in the place of its links: the address of each that is counted, by the link.

    `trap` is the address of a link nobody sees: whoever follows it is a machine.
    """

    links: Mapping[str, str]
    trap: str


class Links:
    """Replaces the links of one variant by fields. `fields` are they, in the order the links are met.

    In texts links stay links: an address of ours would be no shorter. Raises ContentError for a name of statistics that
    does not fit into an address.
    """

    def __init__(self, *, medium: str, utm: str = "", are_counted: bool) -> None:
        if utm and not UTM_NAME.fullmatch(utm):
            words = _(
                "The name for your web statistics may have letters without accents, digits, '-', '_' and '.' inside."
            )
            raise ContentError(words, "utm_campaign")
        self.fields: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._medium = medium
        self._utm = utm
        self._are_counted = are_counted

    def in_html(self, html: str) -> str:
        """Return clean HTML with fields in its links."""
        marked, fields = put_aside(html)
        return put_back(HREF.sub(self._href, marked), fields)

    def _href(self, match: re.Match[str]) -> str:
        start, href = match.groups()
        url = plain_url(unescape(href))
        if not _is_web(url):
            return start + href
        return start + (self._field_of(url) or escape(self._tagged(url)))

    def in_text(self, text: str) -> str:
        """Return simple text with fields in the place of its links."""
        return WORDS.sub(self._word, text)

    def _word(self, match: re.Match[str]) -> str:
        if not match["url"]:
            return match.group()
        url, fields = put_aside(match["url"])
        if not _is_web(url) or not ALONE.match(match.string, match.end()):
            return match.group()
        return self._field_of(plain_url(url)) or put_back(self._tagged(url), fields)

    def _field_of(self, url: str) -> str:
        """Return the field of a link; empty where it is not counted."""
        if not self._are_counted or ASIDE.search(url):
            return ""
        url = self._tagged(url)
        if url not in self._names:
            if len(self.fields) == MAX_LINKS:
                return ""
            name = f"link_{TAG}_{len(self.fields) + 1}"
            self._names[url] = name
            self.fields[name] = url
        return f"{{{{ {self._names[url]} }}}}"

    def _tagged(self, url: str) -> str:
        return with_utm(url, medium=self._medium, campaign=self._utm) if self._utm else url

    def targets(self, redirects: Redirects | None) -> dict[str, object]:
        """Return what fills the fields: the links themselves where there are no `redirects`."""
        if not self.fields:
            return {}
        if redirects is None:
            return {**self.fields, TRAP: PREVIEW_TRAP}
        counted = {name: redirects.links.get(url, url) for name, url in self.fields.items()}
        return {**counted, TRAP: redirects.trap}


def _is_web(url: str) -> bool:
    """Whether this is the address of a web page whose host is known: no merge field is in it."""
    web = WEB.match(url)
    return web is not None and not ASIDE.search(web["host"])
