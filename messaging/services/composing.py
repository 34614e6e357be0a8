"""From a message row to what a transport takes: words, deal, links, headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import formataddr
from uuid import UUID

from django.conf import settings

from campaigns.models import Campaign, Variant
from campaigns.queries import content_of, deal_of, person_of, shop_of
from campaigns.rendering import Compiled, Deal, Person, Reader, Rendered, batches_of
from contacts.channels import AddressError, Channel, deliverable
from contacts.links import Unsubscribe, unsubscribe_url
from contacts.models import Business
from messaging.models import Message
from messaging.transports.base import MergedEmail, MergedRecipient, Outbound, OutboundEmail, OutboundText
from messaging.transports.email import QR_CID
from redemptions import links, qr
from redemptions.models import Code


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person of a batch; `link` is their way out."""

    reference: str
    to: str
    person: Person
    code: Code | None
    link: str

    def merged(self, values: dict[str, str]) -> MergedRecipient:
        return MergedRecipient(reference=self.reference, to=self.to, values=values, headers=headers_of(self.link))


@dataclass(slots=True)
class Composer:
    """Composes what one worker sends: words are parsed once per variant, the shop is read once."""

    business: Business
    compiled: dict[int, Compiled] = field(default_factory=dict)
    deals: dict[tuple[str, str, datetime | None], Deal] = field(default_factory=dict)
    sender: str = ""

    def compose(
        self,
        *,
        campaign: Campaign,
        variant: Variant,
        person: Person,
        to: str,
        address_index: bytes,
        code: Code | None,
        reference: UUID,
        message_id: int = 0,
        subject_prefix: str = "",
    ) -> Outbound:
        """Return one person's message. Raises campaigns.rendering.ContentError."""
        link = unsubscribe_url(Unsubscribe(Channel(campaign.channel), address_index, message_id))
        rendered = self._compiled(campaign, variant).render(
            shop=shop_of(self.business), person=person, deal=self._deal(campaign, code), unsubscribe_url=link
        )
        if campaign.channel == Channel.SMS:
            return OutboundText(reference=str(reference), to=to, text=subject_prefix + rendered.text)
        return self._email(rendered, reference, to, link, code, subject_prefix)

    def compose_batch(self, campaign: Campaign, variant: Variant, rows: Sequence[Message]) -> list[MergedEmail]:
        """Return the mails that take one request each for many people, their images hosted. Contact and code are read.

        Whose reference is in none has to be composed alone: something about them is beyond what marks can do.
        """
        recipients = [recipient for row in rows if (recipient := self._recipient(row))]
        readers = [
            Reader(recipient.person, self._deal(campaign, recipient.code, is_hosted=True), recipient.link)
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
            for batch in batches_of(self._compiled(campaign, variant), shop=shop_of(self.business), readers=readers)
        ]

    def _recipient(self, row: Message) -> Recipient | None:
        """Return one person of a batch; None: they have no address, or none that mail servers take."""
        contact = row.contact
        index = contact.address_index(Channel.EMAIL) if contact else None
        if contact is None or index is None or not contact.email:
            return None
        try:
            to = deliverable(contact.email)
        except AddressError:
            return None
        link = unsubscribe_url(Unsubscribe(Channel.EMAIL, index, row.pk))
        return Recipient(str(row.reference), to, person_of(contact), row.code, link)

    def _compiled(self, campaign: Campaign, variant: Variant) -> Compiled:
        if variant.pk not in self.compiled:
            self.compiled[variant.pk] = Compiled(content_of(campaign, variant), has_deal=campaign.offer is not None)
        return self.compiled[variant.pk]

    def _deal(self, campaign: Campaign, code: Code | None, *, is_hosted: bool = False) -> Deal | None:
        if campaign.offer is None or code is None:
            return None
        offer, is_hosted = campaign.offer, is_hosted or settings.QR_IMAGES == "hosted"
        says = (offer.name, offer.terms, offer.ends_at)
        if says not in self.deals:
            self.deals[says] = deal_of(offer, self.business, code="", coupon_url="", qr_src="")
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

    def _email(
        self, rendered: Rendered, reference: UUID, to: str, link: str, code: Code | None, subject_prefix: str
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
            headers=headers_of(link),
            qr_png=qr.png(links.qr_payload(code.token)) if inline and code else None,
        )


def headers_of(link: str) -> dict[str, str]:
    """Return the way out for mail programs.

    RFC 8058: exactly one of each; the same address answers GET with a page and POST with the act.
    """
    return {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def sender_of(business: Business) -> str:
    """Return the From line: `"The Corner Bar" <hello@…>`; an international domain in its ASCII form."""
    return formataddr((business.from_name or business.name, deliverable(business.from_email)))
