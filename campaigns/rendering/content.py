"""What goes into a message, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.rendering.looks import PLAIN, Look
from contacts.channels import Channel


class ContentError(ValueError):
    """The words of a campaign cannot be sent as they are; `field` names the input that has to change."""

    def __init__(self, message: str, field: str = "body", *, is_too_long: bool = False) -> None:
        super().__init__(message)
        self.field = field
        self.is_too_long = is_too_long


@dataclass(frozen=True, slots=True)
class Gap:
    """Something about the blocks of a mail. `level` is `warn`, or `block` where it cannot be sent so."""

    level: str
    title: str
    detail: str
    field: str


@dataclass(frozen=True, slots=True)
class Content:
    """The words of one variant. `body` is simple text; `html` is own HTML, and wins over it in the HTML part.

    `is_built`: both were made from blocks, `html` is clean as it is, and `gaps` is what the blocks lack. `language` is
    that of what the product says around the words.
    """

    channel: Channel
    subject: str = ""
    preheader: str = ""
    body: str = ""
    html: str = ""
    is_built: bool = False
    gaps: tuple[Gap, ...] = ()
    look: Look = PLAIN
    language: str = "en"

    @property
    def field(self) -> str:
        """The input where the words are written."""
        if self.is_built:
            return "blocks"
        return "html" if self.html.strip() else "body"


@dataclass(frozen=True, slots=True)
class Shop:
    name: str
    postal_address: str


@dataclass(frozen=True, slots=True)
class Person:
    first_name: str = ""
    last_name: str = ""


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal as one person gets it. `qr_src` is what the image's `src` says: a `cid:` or an address."""

    name: str
    terms: str
    ends: str
    code: str
    coupon_url: str
    qr_src: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What leaves the machine, but for the envelope. For SMS only `text` is filled."""

    text: str
    subject: str = ""
    html: str = ""
