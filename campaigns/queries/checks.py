"""Whether a campaign may be sent: what blocks it, what deserves a look, what is fine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from campaigns import sms
from campaigns.merge import PERSON_FIELDS, fields_without_default
from campaigns.models import Campaign
from campaigns.queries.audience import audience_size, people_of
from campaigns.queries.words import preview
from campaigns.rendering import MAX_HTML_BYTES, WARN_HTML_BYTES, Content, ContentError
from contacts.channels import Channel
from contacts.models import Business
from contacts.queries import (
    FREE_MAIL,
    count_people,
    has_example_address,
    has_example_sender,
    links_stay_here,
    sender_domain,
)
from redemptions.models import Offer


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist. `level` is `ok`, `warn` or `block`; `field` is the form field that mends it."""

    level: str
    title: str
    detail: str = ""
    field: str = ""


def checklist(campaign: Campaign, content: Content, business: Business, *, at: datetime) -> list[Check]:
    """Return what blocks a campaign, what deserves a look, and what is fine. Counts the audience, and gaps in it."""
    checks = [_audience_check(campaign, at), _content_check(campaign, content, business)]
    checks += [_shop_check(campaign, business), *_gap_checks(campaign, content, at)]
    if campaign.channel == Channel.EMAIL:
        checks += [_subject_check(content), _sender_check(business)]
    else:
        detail = "Between 9 a.m. and 8 p.m. where each person is, and where some states say so, shorter. Others wait."
        checks.append(Check("ok", "Texts keep quiet hours", detail))
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
