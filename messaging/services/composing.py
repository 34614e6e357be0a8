"""From a message row to what a transport takes: words, deal, links, headers."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formataddr
from uuid import UUID

from django.conf import settings

from campaigns.models import Campaign, Variant
from campaigns.queries import content_of, deal_of, shop_of
from campaigns.rendering import Compiled, Deal, Person, Rendered
from contacts.channels import Channel, deliverable
from contacts.links import Unsubscribe, unsubscribe_url
from contacts.models import Business
from messaging.transports.base import Outbound, OutboundEmail, OutboundText
from messaging.transports.email import QR_CID
from redemptions import links, qr
from redemptions.models import Code


@dataclass(slots=True)
class Composer:
    """Composes a batch: words are parsed once per variant, the shop is read once."""

    business: Business
    compiled: dict[int, Compiled] = field(default_factory=dict)

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

    def _compiled(self, campaign: Campaign, variant: Variant) -> Compiled:
        if variant.pk not in self.compiled:
            self.compiled[variant.pk] = Compiled(content_of(campaign, variant), has_deal=campaign.offer is not None)
        return self.compiled[variant.pk]

    def _deal(self, campaign: Campaign, code: Code | None) -> Deal | None:
        if campaign.offer is None or code is None:
            return None
        hosted = settings.QR_IMAGES == "hosted"
        return deal_of(
            campaign.offer,
            self.business,
            code=code.typed_display,
            coupon_url=links.coupon_url(code.token),
            qr_src=links.qr_image_url(code.image_reference) if hosted else f"cid:{QR_CID}",
        )

    def _email(
        self, rendered: Rendered, reference: UUID, to: str, link: str, code: Code | None, subject_prefix: str
    ) -> OutboundEmail:
        inline = code is not None and settings.QR_IMAGES == "inline"
        return OutboundEmail(
            reference=str(reference),
            to=to,
            from_email=sender_of(self.business),
            reply_to=self.business.reply_to,
            subject=subject_prefix + rendered.subject,
            text=rendered.text,
            html=rendered.html,
            # RFC 8058: exactly one of each; the same address answers GET with a page and POST with the act.
            headers={"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
            qr_png=qr.png(links.qr_payload(code.token)) if inline and code else None,
        )


def sender_of(business: Business) -> str:
    """Return the From line: `"The Corner Bar" <hello@…>`; an international domain in its ASCII form."""
    return formataddr((business.from_name or business.name, deliverable(business.from_email)))
