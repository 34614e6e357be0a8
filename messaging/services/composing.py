"""From a message row to what a transport takes: words, deal, links, headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.header import Header
from email.utils import formataddr, quote
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.utils.text import slugify

from campaigns.models import Campaign, Variant
from campaigns.queries import content_of, deal_of, language_of, shop_of
from campaigns.rendering import CONTROL, Compiled, Deal, Person, Reader, Redirects, Rendered, batches_of
from contacts.channels import AddressError, Channel, deliverable
from contacts.links import Unsubscribe, unsubscribe_url
from contacts.models import Business, Contact
from messaging.links import redirects_of
from messaging.models import Message
from messaging.transports.base import MergedEmail, MergedRecipient, Outbound, OutboundEmail, OutboundText
from messaging.transports.email import QR_CID
from redemptions import links, qr
from redemptions.codes import display
from redemptions.models import Code


@dataclass(slots=True)
class Guest:
    """What is read of a contact to write to them on one channel."""

    first_name: str | None
    last_name: str | None
    fewer_messages: bool
    to: str | None
    index: bytes | None
    postal_code: str | None = None
    region: str | None = None
    time_zone: str | None = None

    def address(self, _: Channel) -> str | None:
        return self.to

    def address_index(self, _: Channel) -> bytes | None:
        return self.index


@dataclass(slots=True)
class Coupon:
    """What is read of a code to write it into a message."""

    token: str
    typed: str
    image_reference: str

    @property
    def typed_display(self) -> str:
        return display(self.typed)


@dataclass(slots=True)
class Claimed:
    """What is read of a message to send it, in the shape of the models, whose objects take several times as long."""

    pk: int
    reference: UUID
    campaign_id: int
    variant_id: int
    attempts: int
    contact_id: int | None
    contact: Guest | None
    code: Coupon | None


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person of a batch; `link` is their way out."""

    reference: str
    to: str
    person: Person
    code: Code | Coupon | None
    link: str
    headers: dict[str, str]
    redirects: Redirects | None

    def merged(self, values: dict[str, str]) -> MergedRecipient:
        return MergedRecipient(reference=self.reference, to=self.to, values=values, headers=self.headers)


@dataclass(slots=True)
class Composer:
    """Composes what one worker sends: words are parsed once per variant, the shop is read once."""

    business: Business
    compiled: dict[int, Compiled] = field(default_factory=dict)
    deals: dict[tuple[str, str, str, datetime | None], Deal] = field(default_factory=dict)
    sender: str = ""
    list_id: str = ""
    positions: dict[int, dict[str, int]] = field(default_factory=dict)  # of each variant's links

    def compose(
        self,
        *,
        campaign: Campaign,
        variant: Variant,
        person: Person,
        to: str,
        address_index: bytes,
        code: Code | Coupon | None,
        reference: UUID,
        message_id: int = 0,
        subject_prefix: str = "",
    ) -> Outbound:
        """Return one person's message. Raises campaigns.rendering.ContentError."""
        link = unsubscribe_url(Unsubscribe(Channel(campaign.channel), address_index, message_id))
        compiled = self._compiled(campaign, variant)
        rendered = compiled.render(
            shop=shop_of(self.business),
            person=person,
            deal=self._deal(campaign, code),
            unsubscribe_url=link,
            redirects=self._redirects(compiled, variant, message_id),
        )
        if campaign.channel == Channel.SMS:
            return OutboundText(reference=str(reference), to=to, text=subject_prefix + rendered.text)
        return self._email(rendered, reference, to, link, code, subject_prefix)

    def compose_batch(
        self, campaign: Campaign, variant: Variant, rows: Sequence[Message | Claimed]
    ) -> list[MergedEmail]:
        """Return the mails that take one request each for many people, their images hosted. Contact and code are read.

        Whose reference is in none has to be composed alone: something about them is beyond what marks can do.
        """
        compiled = self._compiled(campaign, variant)
        recipients = [recipient for row in rows if (recipient := self._recipient(row, compiled, variant))]
        readers = [
            Reader(
                recipient.person,
                self._deal(campaign, recipient.code, is_hosted=True),
                recipient.link,
                recipient.redirects,
            )
            for recipient in recipients
        ]
        return [
            MergedEmail(
                from_email=self._sender(),
                reply_to=self.business.reply_to,
                subject=batch.subject,
                text=batch.text,
                html=batch.html,
                recipients=tuple(recipients[position].merged(values) for position, values in batch.values.items()),
            )
            for batch in batches_of(compiled, shop=shop_of(self.business), readers=readers)
        ]

    def _recipient(self, row: Message | Claimed, compiled: Compiled, variant: Variant) -> Recipient | None:
        """Return one person of a batch; None: they have no address, or none that mail servers take."""
        contact = row.contact
        address, index = (
            (contact.address(Channel.EMAIL), contact.address_index(Channel.EMAIL)) if contact else (None, None)
        )
        if contact is None or index is None or not address:
            return None
        try:
            to = deliverable(address)
        except AddressError:
            return None
        link = unsubscribe_url(Unsubscribe(Channel.EMAIL, index, row.pk))
        return Recipient(
            str(row.reference),
            to,
            addressed(contact),
            row.code,
            link,
            self._headers(link),
            self._redirects(compiled, variant, row.pk),
        )

    def _compiled(self, campaign: Campaign, variant: Variant) -> Compiled:
        if variant.pk not in self.compiled:
            self.compiled[variant.pk] = Compiled(
                content_of(campaign, variant), has_deal=campaign.offer is not None, utm=campaign.utm_campaign
            )
        return self.compiled[variant.pk]

    def _redirects(self, compiled: Compiled, variant: Variant, message_id: int) -> Redirects | None:
        """Return what counts the clicks in a message; None in a test, and where no links were stored at launch."""
        if not message_id or not compiled.links:
            return None
        if variant.pk not in self.positions:
            self.positions[variant.pk] = {link.url: link.position for link in variant.links.all()}
        positions = self.positions[variant.pk]
        return redirects_of(message_id, positions) if positions else None

    def _deal(self, campaign: Campaign, code: Code | Coupon | None, *, is_hosted: bool = False) -> Deal | None:
        if campaign.offer is None or code is None:
            return None
        offer, is_hosted = campaign.offer, is_hosted or settings.QR_IMAGES == "hosted"
        language = language_of(campaign)
        says = (language, offer.name, offer.terms, offer.ends_at)
        if says not in self.deals:
            self.deals[says] = deal_of(offer, self.business, code="", coupon_url="", qr_src="", language=language)
        return replace(
            self.deals[says],
            code=code.typed_display,
            coupon_url=links.coupon_url(code.token),
            qr_src=links.qr_image_url(code.image_reference) if is_hosted else f"cid:{QR_CID}",
        )

    def _sender(self) -> str:
        if not self.sender:
            self.sender = sender_of(self.business)
        return self.sender

    def _headers(self, link: str) -> dict[str, str]:
        if not self.list_id:
            self.list_id = list_id_of(self.business)
        return headers_of(link) | {"List-Id": self.list_id}

    def _email(
        self, rendered: Rendered, reference: UUID, to: str, link: str, code: Code | Coupon | None, subject_prefix: str
    ) -> OutboundEmail:
        inline = code is not None and settings.QR_IMAGES == "inline"
        return OutboundEmail(
            reference=str(reference),
            to=to,
            from_email=self._sender(),
            reply_to=self.business.reply_to,
            subject=subject_prefix + rendered.subject,
            text=rendered.text,
            html=rendered.html,
            headers=self._headers(link),
            qr_png=qr.png(links.qr_payload(code.token)) if inline and code else None,
        )


def addressed(contact: Contact | Guest) -> Person:
    """Return how this person is called."""
    return Person(first_name=contact.first_name or "", last_name=contact.last_name or "")


def headers_of(link: str) -> dict[str, str]:
    """Return the way out for mail programs.

    RFC 8058: exactly one of each; the same address answers GET with a page and POST with the act.
    """
    return {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def list_id_of(business: Business) -> str:
    """Return the List-Id of RFC 2919, in ASCII: `"The Corner Bar" <the-corner-bar.deals.example.com>`.

    On the host of this site, or the sender's domain where that is no name others know.
    """
    name = " ".join(CONTROL.sub(" ", business.name).split())
    phrase = f'"{quote(name)}"' if name.isascii() else Header(name, "utf-8", maxlinelen=75).encode(linesep="")
    host = urlsplit(settings.PUBLIC_BASE_URL).hostname or ""
    if "." not in host or _is_number(host):
        host = deliverable(business.from_email).rpartition("@")[2]
    return f"{phrase} <{slugify(name)[:63].strip('-_') or 'news'}.{host}>"


def _is_number(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def sender_of(business: Business) -> str:
    """Return the From line: `"The Corner Bar" <hello@…>`; an international domain in its ASCII form."""
    return formataddr((business.from_name or business.name, deliverable(business.from_email)))
