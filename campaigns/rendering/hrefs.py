"""Addresses of web pages as they are written into messages. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import idna

WEB = re.compile(r"https?://(?P<host>[^/?#\\]+)", re.IGNORECASE)
UTM_NAME = re.compile(
    r"(?=.{1,100}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
)  # no dot at an end, where it ends a sentence
AS_IT_IS = "".join(map(chr, range(0x21, 0x7F))).translate({ord(char): None for char in '"<>'})


def plain_url(url: str) -> str:
    """Return an address in ASCII that leads where browsers would go: to be compared, kept and put into a header.

    As browsers read it (https://url.spec.whatwg.org/): white space around it and line breaks in it do not count,
    letters beyond ASCII are UTF-8 in percent signs, those of the host Punycode. Everything else stays as it is.
    """
    url = re.sub(r"[\t\r\n]", "", url.strip("".join(map(chr, range(0x21)))))
    web = WEB.match(url)
    if web and not web["host"].isascii():
        url = url[: web.start("host")] + _ascii_host(web["host"]) + url[web.end() :]
    return quote(url, safe=AS_IT_IS, errors="replace")


def _ascii_host(host: str) -> str:
    user, at, name = host.rpartition("@")
    name, colon, port = name.partition(":")
    try:
        return f"{user}{at}{idna.encode(name, uts46=True).decode()}{colon}{port}"
    except idna.IDNAError:
        return host


def with_utm(url: str, *, medium: str, campaign: str) -> str:
    """Return an address with what web statistics ask for: https://support.google.com/analytics/answer/10917952.

    Query and fragment stay; what the address says itself is not said again.
    """
    path, hash_sign, fragment = url.partition("#")
    path, _, query = path.partition("?")
    said = {unquote(pair.partition("=")[0]).lower() for pair in query.split("&")}
    wanted = {"utm_source": "regulars", "utm_medium": medium, "utm_campaign": campaign}
    added = [f"{name}={value}" for name, value in wanted.items() if name not in said]
    if not added:
        return url
    if WEB.fullmatch(path):
        path += "/"
    return f"{path}?{'&'.join([query, *added] if query else added)}{hash_sign}{fragment}"
