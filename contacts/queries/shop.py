"""Whether the shop is set up: what still stands as a new installation starts with it."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings

from contacts.models import Business, Look

EXAMPLE_ADDRESS = "12 Main Street, Springfield, IL 62701"  # what a new installation starts with
EXAMPLE_ENDINGS = (".example", ".invalid", ".test", ".localhost", ".example.com", ".example.org", ".example.net")
# Their owners' DMARC lets nobody else send from them, or soon will not.
FREE_MAIL = {
    *("gmail.com", "googlemail.com", "yahoo.com", "ymail.com", "rocketmail.com", "aol.com"),
    *("outlook.com", "hotmail.com", "live.com", "msn.com", "icloud.com", "me.com", "mac.com"),
    *("proton.me", "protonmail.com", "gmx.com", "gmx.net", "mail.com", "zoho.com", "yandex.com"),
    *("comcast.net", "att.net", "sbcglobal.net", "bellsouth.net", "verizon.net", "cox.net", "charter.net"),
}


def has_example_address(business: Business) -> bool:
    """Whether the postal address is still that of a new installation."""
    return business.postal_address == EXAMPLE_ADDRESS


def sender_domain(business: Business) -> str:
    """Return the domain mails come from, in lower case; empty where no address is set."""
    return business.from_email.rpartition("@")[2].lower()


def has_example_sender(business: Business) -> bool:
    """Whether the sender is on a domain that is nobody's, such as that of a new installation."""
    return f".{sender_domain(business)}".endswith(EXAMPLE_ENDINGS)


def links_stay_here() -> bool:
    """Whether links and QR codes lead to this computer only."""
    host = urlsplit(settings.PUBLIC_BASE_URL).hostname or ""
    return host in {"localhost", "127.0.0.1", "::1", "0.0.0.0"} or host.endswith(".localhost")  # noqa: S104


def look_at(at: datetime | None) -> Look | None:
    """Return how mails looked at a time; `None`: now. None where nothing was chosen by then. One query."""
    looks = Look.objects.all() if at is None else Look.objects.filter(since__lte=at)
    return looks.first()
