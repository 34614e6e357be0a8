"""The addresses printed on coupons and images."""

from django.conf import settings


def coupon_url(token: str) -> str:
    """Return the coupon page's address for people to read and texts to carry."""
    return f"{settings.PUBLIC_BASE_URL}/r/{token.lower()}"


def qr_payload(token: str) -> str:
    """Return the same address for the QR image: `https://DEALS.EXAMPLE.COM/R/…`.

    Capitals take the dense alphanumeric mode. The scheme stays in small letters: some cameras do not take `HTTPS://`
    for a link.
    """
    scheme, rest = settings.PUBLIC_BASE_URL.split("://", 1)
    return f"{scheme}://{rest.upper()}/R/{token.upper()}"


def qr_image_url(reference: str) -> str:
    """Return the address of a code's image, which does not name the code."""
    return f"{settings.PUBLIC_BASE_URL}/q/{reference}.png"


def enrol_url(enrol_token: str) -> str:
    """Return the link that turns a phone into a scanner. A fragment never reaches a server or its logs."""
    return f"{settings.PUBLIC_BASE_URL}/scan/#enrol={enrol_token}"
