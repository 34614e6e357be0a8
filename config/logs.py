"""Keep secrets that travel in addresses out of the log."""

import logging
import re

SECRET_PATHS = re.compile(r"(?i)(/(?:r|u|q|v|c|join/confirm|admin/invite)/)[^\s/?\"']+")
QUERY_STRING = re.compile(r"(?<=\S)\?[^\s\"']+")


def mask(text: str) -> str:
    """Replace the tokens of coupons, links and images in paths, and any query string (a search may hold an address)."""
    return QUERY_STRING.sub("?…", SECRET_PATHS.sub(r"\1…", text))


class MaskTokens(logging.Filter):
    """Rewrite a record's message; the arguments are folded in, since Django logs paths as arguments."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "/" in text:
            record.msg, record.args = mask(text), ()
        return True
