"""The words of a campaign, and what one person would get."""

from __future__ import annotations

from django.conf import settings

from campaigns.blocks import Built, Hosted, build, pictures_in, read
from campaigns.models import Campaign, Picture, Variant
from campaigns.rendering import Compiled, Content, Deal, Gap, Person, Rendered, Shop
from contacts.channels import Channel
from contacts.models import Business, Contact
from redemptions.codes import SAMPLE_TOKEN, SAMPLE_TYPED, display
from redemptions.links import coupon_url
from redemptions.models import Offer

Mode = Variant.Mode
SAMPLE = Person(first_name="Maria", last_name="Kim")


def variant_of(campaign: Campaign) -> Variant:
    """Return the campaign's words; an unsaved, empty variant where none were written yet."""
    return campaign.variants.first() or Variant(campaign=campaign)


def content_of(campaign: Campaign, variant: Variant) -> Content:
    """Return what is sent: of a mail made of blocks, what was made of them when they were saved."""
    channel = Channel(campaign.channel)
    is_built, is_own = (channel == Channel.EMAIL and variant.written_as == mode for mode in (Mode.BLOCKS, Mode.HTML))
    return Content(
        channel=channel,
        subject=variant.subject,
        preheader=variant.preheader,
        body=variant.built_text if is_built else variant.body,
        html=variant.built_html if is_built else variant.html if is_own else "",
        is_built=is_built,
        gaps=tuple(Gap(**gap) for gap in variant.gaps) if is_built else (),
    )


def built_from(blocks: object, *, has_deal: bool) -> Built:
    """Make a mail of blocks, with the pictures that are there. Raises campaigns.blocks.BlockError."""
    parts = read(blocks)
    rows = Picture.objects.filter(reference__in=[name.partition(".")[0] for name in pictures_in(parts)])
    pictures = {row.name: Hosted(picture_url(row.name), row.width, row.height) for row in rows.defer("data")}
    return build(parts, pictures=pictures, has_deal=has_deal)


def picture_url(name: str) -> str:
    """Return where a picture is served from."""
    return f"{settings.PUBLIC_BASE_URL}/i/{name}"


def shop_of(business: Business) -> Shop:
    return Shop(name=business.name, postal_address=business.postal_address)


def person_of(contact: Contact) -> Person:
    return Person(first_name=contact.first_name or "", last_name=contact.last_name or "")


def deal_of(offer: Offer, business: Business, *, code: str, coupon_url: str, qr_src: str) -> Deal:
    """Return an offer as one person gets it."""
    return Deal(
        name=offer.name,
        terms=offer.terms,
        ends=offer.valid_until(business.zone),
        code=code,
        coupon_url=coupon_url,
        qr_src=qr_src,
    )


def sample_way_out() -> str:
    """Return the unsubscribe link of a preview, which leads nowhere."""
    return f"{settings.PUBLIC_BASE_URL}/u/preview"


def preview(
    campaign: Campaign,
    content: Content,
    business: Business,
    *,
    person: Person = SAMPLE,
    qr_src: str,
) -> Rendered:
    """Return what a person would get, with a code that scans as a test. Raises ContentError."""
    deal = None
    if campaign.offer:
        deal = deal_of(
            campaign.offer,
            business,
            code=display(SAMPLE_TYPED),
            coupon_url=coupon_url(SAMPLE_TOKEN),
            qr_src=qr_src,
        )
    return Compiled(content, has_deal=deal is not None, utm=campaign.utm_campaign).render(
        shop=shop_of(business),
        person=person,
        deal=deal,
        unsubscribe_url=sample_way_out(),
    )
