"""Questions about campaigns: their words, their audience, and whether they may be sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from campaigns import sms
from campaigns.merge import PERSON_FIELDS, fields_without_default
from campaigns.models import Campaign, Variant
from campaigns.rendering import (
    MAX_HTML_BYTES,
    WARN_HTML_BYTES,
    Compiled,
    Content,
    ContentError,
    Deal,
    Person,
    Rendered,
    Shop,
)
from contacts.channels import Channel
from contacts.models import Business, Contact, ContactQuerySet, Segment
from contacts.queries import (
    FREE_MAIL,
    count_people,
    has_example_address,
    has_example_sender,
    links_stay_here,
    names_for,
    parts_of,
    reachable,
    sender_domain,
)
from contacts.segments import Group, Rule, to_json, words
from redemptions.codes import SAMPLE_TOKEN, SAMPLE_TYPED, display
from redemptions.links import coupon_url
from redemptions.models import Offer

SAMPLE = Person(first_name="Maria", last_name="Kim")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist. `level` is `ok`, `warn` or `block`; `field` is the form field that mends it."""

    level: str
    title: str
    detail: str = ""
    field: str = ""


def variant_of(campaign: Campaign) -> Variant:
    """Return the campaign's words; an unsaved, empty variant where none were written yet."""
    return campaign.variants.first() or Variant(campaign=campaign)


def content_of(campaign: Campaign, variant: Variant) -> Content:
    return Content(
        channel=Channel(campaign.channel),
        subject=variant.subject,
        preheader=variant.preheader,
        body=variant.body,
        html=variant.html,
    )


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


def audience_of(campaign: Campaign) -> dict[str, Any]:
    """Return whom a campaign asks for and leaves out: frozen at launch, taken from its tags and segments before.

    `{"include": RULES, "exclude": [RULES, ...]}`; campaigns of old froze RULES alone. `contacts.queries` reads both.
    """
    if campaign.audience is not None:
        return dict(campaign.audience)
    exclude = [_rules_of(campaign.exclude_segment, None), _rules_of(None, campaign.exclude_tag_id)]
    return {
        "include": _rules_of(campaign.segment, campaign.tag_id) or {},
        "exclude": [rules for rules in exclude if rules is not None],
    }


def _rules_of(segment: Segment | None, tag_id: int | None) -> dict[str, Any] | None:
    """Return the question of a segment or a tag; None: neither is chosen."""
    if tag_id:
        return to_json(Group("all", (Rule("tag", "has", tag_id),)))
    return dict(segment.rules or {}) if segment else None


def people_of(campaign: Campaign, *, at: datetime) -> ContactQuerySet:
    """Return who would get the campaign. Rules that speak of days count them from its start, where that is known."""
    return reachable(audience_of(campaign), Channel(campaign.channel), at=campaign.starts_at or at)


def audience_size(campaign: Campaign, *, at: datetime) -> int:
    """Count who would get the campaign. One query, or two where rules speak of days."""
    return count_people(people_of(campaign, at=at))


def audience_words(campaign: Campaign) -> str:
    """Say in words whom the campaign asks for and leaves out; after the launch, what it asked then."""
    include, exclude = parts_of(audience_of(campaign))
    names = names_for(include, *exclude)
    everybody = "Everyone who was subscribed" if campaign.planned_at else "Everyone who is subscribed"
    if campaign.audience is None and campaign.tag:
        line = f"People tagged “{campaign.tag}”"
    elif campaign.audience is None and campaign.segment:
        line = f"Segment “{campaign.segment}”"
    elif include.rules:
        line = words(include, names)
    else:
        line = everybody
    if campaign.audience is None:
        left_out = [f"segment “{campaign.exclude_segment}”"] if campaign.exclude_segment else []
        left_out += [f"people tagged “{campaign.exclude_tag}”"] if campaign.exclude_tag else []
    else:
        left_out = [f"“{words(group, names)}”" for group in exclude]
    return f"{line}, without {' and '.join(left_out)}" if left_out else line


def preview(
    campaign: Campaign,
    content: Content,
    business: Business,
    *,
    contact: Contact | None = None,
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
    return Compiled(content, has_deal=deal is not None).render(
        shop=shop_of(business),
        person=person_of(contact) if contact else SAMPLE,
        deal=deal,
        unsubscribe_url=f"{settings.PUBLIC_BASE_URL}/u/preview",
    )


def checklist(campaign: Campaign, content: Content, business: Business, *, at: datetime) -> list[Check]:
    """Return what blocks a campaign, what deserves a look, and what is fine. One query."""
    checks = [_audience_check(campaign, at), _content_check(campaign, content, business)]
    checks += [_shop_check(campaign, business), *_gap_checks(campaign, content, at)]
    if campaign.channel == Channel.EMAIL:
        checks += [_subject_check(content), _sender_check(business)]
    if campaign.offer:
        checks.append(_offer_check(campaign.offer, business, at))
    checks.append(_link_check())
    return checks


def _audience_check(campaign: Campaign, at: datetime) -> Check:
    size = audience_size(campaign, at=at)
    if not size:
        return Check("block", "Nobody would get this", "No one in this audience is subscribed on this channel.", "tag")
    people = "1 person" if size == 1 else f"{size:,} people"
    return Check("ok", f"{people} will get this", "Subscribed, and not blocked. Checked again before each message.")


def _content_check(campaign: Campaign, content: Content, business: Business) -> Check:
    if not (content.body.strip() or content.html.strip()):
        return Check("block", "The message is empty", "Write what you want to say.", "body")
    try:
        rendered = preview(campaign, content, business, qr_src="cid:preview")
    except ContentError as error:
        return Check("block", "The message cannot be sent as it is", str(error), error.field)
    if content.channel == Channel.SMS:
        size = sms.measure(rendered.text)
        detail = f"{size.units} characters ({size.encoding}), {size.parts} part{'s' * (size.parts > 1)} each."
        if size.special:
            return Check("warn", "Special characters make the text dearer", f"{size.special[:10]} — {detail}", "body")
        return Check("warn" if size.parts > 1 else "ok", f"The text has {size.parts} of 2 parts", detail, "body")
    size_bytes = len(rendered.html.encode())
    if size_bytes > MAX_HTML_BYTES:
        return Check("block", f"The mail is too large: {size_bytes // 1000} kB", "Gmail cuts mails at 102 kB.", "html")
    if size_bytes > WARN_HTML_BYTES:
        return Check("warn", f"The mail is large: {size_bytes // 1000} kB", "Gmail cuts mails at 102 kB.", "html")
    return Check("ok", "Merge fields, unsubscribe link and footer", "The footer is added to every mail by itself.")


def _gap_checks(campaign: Campaign, content: Content, at: datetime) -> list[Check]:
    """Name the people for whom a field stays empty where no default stands in. One query for each such field."""
    source = " ".join((content.subject, content.preheader, content.body, content.html))
    checks = []
    for name in fields_without_default(source) & {"first_name", "last_name"}:
        if count := count_people(people_of(campaign, at=at).filter(**{f"{name}__isnull": True})):
            people = "1 person has" if count == 1 else f"{count:,} people have"
            label = PERSON_FIELDS[name].lower()
            detail = f"They read a gap. Write {{{{ {name} | default: 'there' }}}} instead."
            checks.append(Check("warn", f"{people} no {label}", detail, "body"))
    return checks


def _example_level(channel: str) -> str:
    """Return how grave an example is: on the outbox one may play with it, a provider would send it to people."""
    provider = settings.EMAIL_PROVIDER if channel == Channel.EMAIL else settings.SMS_PROVIDER
    return "warn" if provider == "outbox" else "block"


def _shop_check(campaign: Campaign, business: Business) -> Check:
    if not business.name:
        return Check("block", "Your business has no name", "Every message names its sender. Set it under Business.")
    if not business.postal_address:
        return Check(
            "block", "Your postal address is missing", "The law wants it in every mail. Set it under Business."
        )
    if has_example_address(business):
        detail = "It is printed in every mail, as the law asks. Put yours under Business."
        return Check(_example_level(campaign.channel), "Your postal address is still the example", detail)
    return Check("ok", "Business name and postal address")


def _subject_check(content: Content) -> Check:
    subject = content.subject.strip()
    if not subject:
        return Check("block", "The subject is empty", "Say in a few words what is in it for them.", "subject")
    if subject.lower().startswith(("re:", "fwd:", "fw:")):
        return Check("block", "The subject pretends to be an answer", "Take out 'Re:' or 'Fwd:'.", "subject")
    if len(subject) > 70:
        return Check("warn", "The subject is long", f"{len(subject)} characters; phones show about 40.", "subject")
    if subject.isupper():
        return Check("warn", "The subject shouts", "All capitals look like spam.", "subject")
    return Check("ok", "Subject line")


def _sender_check(business: Business) -> Check:
    domain = sender_domain(business)
    if not domain:
        return Check("block", "The sender address is missing", "Set it under Business.")
    if domain in FREE_MAIL:
        return Check(
            "block", f"Mail from {domain} would be refused", "Use an address on a domain of your own, under Business."
        )
    if has_example_sender(business):
        detail = "Use an address on a domain of your own, under Business."
        return Check(_example_level(Channel.EMAIL), "The sender address is still the example", detail)
    return Check("ok", "Sender address")


def _offer_check(offer: Offer, business: Business, at: datetime) -> Check:
    if offer.status == Offer.Status.ENDED or (offer.ends_at and offer.ends_at <= at):
        return Check("block", "The deal is over", "Choose another deal, or move its end.", "offer")
    if offer.status == Offer.Status.PAUSED:
        return Check("block", "The deal is paused", "Resume it, or choose another.", "offer")
    if offer.ends_at and offer.ends_at - at < timedelta(hours=24):
        return Check("warn", "The deal ends within a day", f"On {offer.valid_until(business.zone)}.", "offer")
    until = f"Until {offer.valid_until(business.zone)}." if offer.ends_at else "No end."
    return Check("ok", f"Deal: {offer.name}", until)


def _link_check() -> Check:
    if links_stay_here():
        return Check("warn", "Links lead to this computer only", f"PUBLIC_BASE_URL is {settings.PUBLIC_BASE_URL}.")
    return Check("ok", "Links", f"They lead to {settings.PUBLIC_BASE_URL}.")
