"""The words of a campaign, and what one person would get."""

from __future__ import annotations

from contextlib import suppress

from django.conf import settings
from django.utils.translation import override

from campaigns.blocks import BlockError, Built, Hosted, build, pictures_in, read
from campaigns.models import Campaign, Picture, Variant
from campaigns.rendering import Compiled, Content, Deal, Gap, Look, Person, Rendered, Shop
from contacts.channels import Channel
from contacts.models import Business, Contact
from contacts.queries import look_at
from redemptions.codes import SAMPLE_TOKEN, SAMPLE_TYPED, display
from redemptions.links import coupon_url
from redemptions.models import Offer

Mode = Variant.Mode
SAMPLE = Person(first_name="Maria", last_name="Kim")


def variant_of(campaign: Campaign) -> Variant:
    """Return the campaign's words; an unsaved, empty variant where none were written yet."""
    return campaign.variants.first() or Variant(campaign=campaign)


def content_of(campaign: Campaign, variant: Variant) -> Content:
    """Return what is sent. A mail of blocks is made anew while it is a draft, with the look of the moment; from the
    launch on it is what was made then.
    """
    channel = Channel(campaign.channel)
    is_email = channel == Channel.EMAIL
    is_built, is_own = (is_email and variant.written_as == mode for mode in (Mode.BLOCKS, Mode.HTML))
    look = look_of(campaign) if is_email else Look()
    built = built_of(campaign, variant, look) if is_built else Built()
    return Content(
        channel=channel,
        subject=variant.subject if is_email else "",
        preheader=variant.preheader if is_email else "",
        body=built.text if is_built else variant.body,
        html=built.html if is_built else variant.html if is_own else "",
        is_built=is_built,
        gaps=built.gaps,
        look=look,
        language=language_of(campaign),
    )


def language_of(campaign: Campaign) -> str:
    """Return the language of what the product says to guests: of the launch, and before that the shop's of the moment.

    What was launched before there was a choice says it in English.
    """
    return campaign.language or ("en" if campaign.launched_at else settings.LANGUAGE_CODE)


def look_of(campaign: Campaign | None = None) -> Look:
    """Return how the mails of a campaign look: as the shop looked at its launch, and before that as it does now."""
    found = look_at(campaign.launched_at if campaign else None)
    if found is None:
        return Look()
    return Look(found.accent, picture_url(found.logo) if found.logo else "", found.logo_width, found.logo_height)


def built_of(campaign: Campaign, variant: Variant, look: Look) -> Built:
    """Return the mail made of a variant's blocks: anew for a saved draft."""
    if campaign.pk and campaign.is_editable and variant.blocks:
        with suppress(BlockError):  # of an older version: what was made of them then
            return built_from(variant.blocks, has_deal=campaign.offer_id is not None, look=look)
    return Built(variant.built_html, variant.built_text, tuple(Gap(**gap) for gap in variant.gaps))


def built_from(blocks: object, *, has_deal: bool, look: Look | None = None) -> Built:
    """Make a mail of blocks, with the pictures that are there. Without a look it is the shop's of the moment.

    Raises campaigns.blocks.BlockError.
    """
    parts = read(blocks)
    rows = Picture.objects.filter(reference__in=[name.partition(".")[0] for name in pictures_in(parts)])
    pictures = {row.name: Hosted(picture_url(row.name), row.width, row.height) for row in rows.defer("data")}
    return build(parts, pictures=pictures, has_deal=has_deal, look=look or look_of())


def picture_url(name: str) -> str:
    """Return where a picture is served from."""
    return f"{settings.PUBLIC_BASE_URL}/i/{name}"


def shop_of(business: Business) -> Shop:
    return Shop(name=business.name, postal_address=business.postal_address)


def person_of(contact: Contact) -> Person:
    return Person(first_name=contact.first_name or "", last_name=contact.last_name or "")


def deal_of(offer: Offer, business: Business, *, code: str, coupon_url: str, qr_src: str, language: str) -> Deal:
    """Return an offer as one person gets it, in the language of the mail around it."""
    with override(language):
        ends = offer.valid_until(business.zone)
    return Deal(
        name=offer.name,
        terms=offer.terms,
        ends=ends,
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
            language=content.language,
        )
    return Compiled(content, has_deal=deal is not None, utm=campaign.utm_campaign).render(
        shop=shop_of(business),
        person=person,
        deal=deal,
        unsubscribe_url=sample_way_out(),
    )
