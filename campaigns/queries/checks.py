"""Whether a campaign may be sent, as far as its words, its people and the shop say: what blocks it, what warns.

`messaging.queries.full_checklist` adds what only the ledger and the set-up know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from html import escape

from django.conf import settings
from django.urls import reverse
from django.utils.formats import time_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from campaigns import sms
from campaigns.merge import PERSON_FIELDS, example_of, fields_without_default
from campaigns.models import Campaign
from campaigns.queries.audience import audience_size, people_of
from campaigns.queries.placeholders import NOBODYS_HOST, placeholder_links
from campaigns.queries.words import preview, sample_way_out
from campaigns.rendering import (
    MAX_HTML_BYTES,
    WARN_HTML_BYTES,
    Compiled,
    Content,
    ContentError,
    Rendered,
    clean_html,
)
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

BUSINESS_PAGE, SETUP_PAGE = "contacts_business_changelist", "messaging_setup"
PROVIDER_PAGE = "messaging_providersettings_changelist"
PAGES = {
    BUSINESS_PAGE: gettext_lazy("Open Business"),
    SETUP_PAGE: gettext_lazy("Open Sending set-up"),
    PROVIDER_PAGE: gettext_lazy("Open Providers and rates"),
}

ANSWERS = re.compile(r"\s*(re|fwd?|aw|wg|rv)\s*(\[\d+\]|\(\d+\))?\s*:", re.IGNORECASE)
IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
ALT = re.compile(r"\balt\s*=", re.IGNORECASE)
MERGE_MARK = re.compile(r"\{\{|\}\}|\{%|%\}|\*\|")
HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*(0|0?\.0+)(?![.\d])|mso-hide\s*:\s*all"
    r"|position\s*:\s*(absolute|fixed)",
    re.IGNORECASE,
)
TAKEN_OUT = re.compile(
    r"<(script|form|input|button|select|textarea|iframe|object|embed|video|audio|svg)\b", re.IGNORECASE
)
LINKED_SHEET = re.compile(r"<link\b[^>]*stylesheet|@import\b", re.IGNORECASE)
MEDIA_RULE = re.compile(r"@media\b", re.IGNORECASE)
PULLED_UP = re.compile(r"\bmargin(-top|-bottom)?\s*:[^;\"]*-\s*\.?\d", re.IGNORECASE)
LONG_SUBJECT = 70
SHOUTING_FROM = 4  # capital letters; a shorter subject may be a name


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist. `level` is `ok`, `warn` or `block`.

    What mends it: `field`, the form field, or `page`, the name of an admin page.
    """

    level: str
    title: str
    detail: str = ""
    field: str = ""
    page: str = ""

    @property
    def url(self) -> str:
        """The address of the page that mends it."""
        return reverse(f"admin:{self.page}") if self.page else ""

    @property
    def label(self) -> str:
        """What the link to that page says."""
        return str(PAGES.get(self.page, ""))


def checklist(
    campaign: Campaign, content: Content, business: Business, *, at: datetime, size: int | None = None
) -> list[Check]:
    """Return what blocks a campaign, what deserves a look, and what is fine. Counts gaps in the audience.

    `size` is how many would get it; None: they are counted.
    """
    size = audience_size(campaign, at=at) if size is None else size
    checks = [_audience_check(size), *_content_checks(campaign, content, business)]
    checks += [_shop_check(campaign, business), *_gap_checks(campaign, content, at)]
    if campaign.channel == Channel.EMAIL:
        checks += [_subject_check(content), *sender_checks(business), *_html_checks(content)]
    else:
        first, last = (time_format(time(hour), "TIME_FORMAT") for hour in (business.texts_from, business.texts_until))
        detail = _(
            "From %(first)s to %(last)s where each person is, and where some states say so, shorter. Others wait."
        )
        checks.append(Check("ok", _("Texts keep quiet hours"), detail % {"first": first, "last": last}))
    if campaign.offer:
        checks.append(_offer_check(campaign.offer, business, at))
    checks.append(_link_check())
    return checks


def _audience_check(size: int) -> Check:
    if not size:
        return Check(
            "block", _("Nobody would get this"), _("No one in this audience is subscribed on this channel."), "tag"
        )
    title = ngettext("%(count)s person will get this", "%(count)s people will get this", size)
    return Check(
        "ok", title % {"count": f"{size:,}"}, _("Subscribed, and not blocked. Checked again before each message.")
    )


# --- Words ------------------------------------------------------------------------------------------------------------


def _content_checks(campaign: Campaign, content: Content, business: Business) -> list[Check]:
    gaps = [Check(gap.level, gap.title, gap.detail, gap.field) for gap in content.gaps]
    if not (content.body.strip() or content.html.strip()):
        return [*gaps, Check("block", _("The message is empty"), _("Write what you want to say."), content.field)]
    try:
        rendered = preview(campaign, content, business, qr_src="cid:preview")
    except ContentError as error:
        return [*gaps, _cannot_be_sent(content, error)]
    if content.channel == Channel.SMS:
        return [_parts_check(rendered), *_placeholder_checks(content)]
    way_out = [] if shows_way_out(rendered, business) else [_no_way_out()]
    return [*gaps, *way_out, _size_check(rendered, content.field), *_placeholder_checks(content)]


def _cannot_be_sent(content: Content, error: ContentError) -> Check:
    if _wants_a_deal(content):
        return Check("block", _("The deal is missing"), str(error), "offer")
    return Check("block", _("The message cannot be sent as it is"), str(error), error.field)


def _wants_a_deal(content: Content) -> bool:
    """Whether the words would do with a deal, and do not without one."""
    try:
        Compiled(content, has_deal=True)
    except ContentError:
        return False
    try:
        Compiled(content, has_deal=False)
    except ContentError:
        return True
    return False


def _parts_check(rendered: Rendered) -> Check:
    size = sms.measure(rendered.text)
    words = ngettext(
        "%(length)s characters (%(alphabet)s), %(parts)s part each.",
        "%(length)s characters (%(alphabet)s), %(parts)s parts each.",
        size.parts,
    )
    detail = words % {"length": size.units, "alphabet": size.encoding, "parts": size.parts}
    if size.special:
        return Check("warn", _("Special characters make the text dearer"), f"{size.special[:10]} — {detail}", "body")
    return Check(
        "warn" if size.parts > 1 else "ok",
        _("The text has %(parts)s of 2 parts") % {"parts": size.parts},
        detail,
        "body",
    )


def _size_check(rendered: Rendered, field: str) -> Check:
    size_bytes = len(rendered.html.encode())
    values, detail = {"size": size_bytes // 1000}, _("Gmail cuts mails at 102 kB.")
    if size_bytes > MAX_HTML_BYTES:
        return Check("block", _("The mail is too large: %(size)s kB") % values, detail, field)
    if size_bytes > WARN_HTML_BYTES:
        return Check("warn", _("The mail is large: %(size)s kB") % values, detail, field)
    return Check(
        "ok", _("Merge fields, unsubscribe link and footer"), _("The footer is added to every mail by itself.")
    )


def shows_way_out(rendered: Rendered, business: Business) -> bool:
    """Whether a mail carries the way out and the postal address in both of its parts."""
    way_out = sample_way_out()
    in_html = escape(way_out) in rendered.html and escape(business.postal_address) in rendered.html
    return in_html and way_out in rendered.text and business.postal_address in rendered.text


def _no_way_out() -> Check:
    detail = _(
        "The law wants both in every mail, and something in your HTML keeps them out. Take your HTML out, or ask."
    )
    return Check("block", _("The unsubscribe link or your address would be missing"), detail, "html")


def _placeholder_checks(content: Content) -> list[Check]:
    """Name the links that lead nowhere. Those to example.com and the like may be tried out, and are never sent."""
    links = placeholder_links(content)
    if not links:
        return []
    is_example = all(NOBODYS_HOST.match(link) for link in links)
    detail = _("%(links)s. Put the right address there.") % {"links": ", ".join(link[:60] for link in links[:3])}
    level = _example_level(content.channel) if is_example else "block"
    return [Check(level, _("A link leads nowhere"), detail, content.field)]


def _html_checks(content: Content) -> list[Check]:
    """Look at own HTML as it was written, and as it is sent."""
    if content.field != "html":
        return []
    try:
        cleaned = clean_html(content.html)
    except ContentError:
        return []  # said by the check of the words
    checks = []
    if PULLED_UP.search(cleaned):
        detail = _("A negative margin could lay something over the unsubscribe link. Take it out of your HTML.")
        checks.append(Check("block", _("Your HTML could cover the footer"), detail, "html"))
    if HIDING.search(content.html):
        detail = _(
            "“display:none” and the like are taken out, so that nothing hides the footer: what it hid will show."
        )
        checks.append(Check("warn", _("Your HTML hides something"), detail, "html"))
    if found := sorted({name.lower() for name in TAKEN_OUT.findall(content.html)}):
        title = _("Your HTML holds what no mail may: %(names)s") % {"names": ", ".join(found)}
        checks.append(Check("warn", title, _("Mail programs block it, and it is taken out."), "html"))
    if LINKED_SHEET.search(content.html):
        detail = _("Put its rules into a <style> of the HTML itself: they are written into the tags.")
        checks.append(Check("warn", _("A style sheet from elsewhere is left out"), detail, "html"))
    if MEDIA_RULE.search(content.html):
        detail = _("@media cannot be written into tags. Make it fit small screens by widths in percent.")
        checks.append(Check("warn", _("Rules for small screens are left out"), detail, "html"))
    if count := sum(not ALT.search(image) for image in IMAGE.findall(cleaned)):
        title = ngettext("%(count)s image has no alt text", "%(count)s images have no alt text", count)
        detail = _('Many mail programs show no images at first. Write alt="Lunch menu"; alt="" where it says nothing.')
        checks.append(Check("warn", title % {"count": count}, detail, "html"))
    return checks


def _gap_checks(campaign: Campaign, content: Content, at: datetime) -> list[Check]:
    """Name the people for whom a field stays empty where no default stands in. One query for each such field."""
    source = " ".join((content.subject, content.preheader, content.body, content.html))
    checks = []
    for name in sorted(fields_without_default(source) & {"first_name", "last_name"}):
        if count := count_people(people_of(campaign, at=at).filter(**{f"{name}__isnull": True})):
            title = ngettext("%(count)s person has no %(field)s", "%(count)s people have no %(field)s", count)
            values = {"count": f"{count:,}", "field": str(PERSON_FIELDS[name]).lower()}
            detail = _("They read a gap. Write %(example)s instead.") % {"example": example_of(name)}
            checks.append(Check("warn", title % values, detail, content.field))
    return checks


def _subject_check(content: Content) -> Check:
    subject = content.subject.strip()
    if not subject:
        return Check("block", _("The subject is empty"), _("Say in a few words what is in it for them."), "subject")
    if ANSWERS.match(subject):
        return Check("block", _("The subject pretends to be an answer"), _("Take out 'Re:' or 'Fwd:'."), "subject")
    if not any(char.isalnum() for char in subject):
        return Check("warn", _("The subject has no words"), _("Many filters take that for spam."), "subject")
    if len(subject) > LONG_SUBJECT:
        return Check(
            "warn",
            _("The subject is long"),
            _("%(length)s characters; phones show about 40.") % {"length": len(subject)},
            "subject",
        )
    if subject.isupper() and sum(map(str.isalpha, subject)) >= SHOUTING_FROM:
        return Check("warn", _("The subject shouts"), _("All capitals look like spam."), "subject")
    if "!!" in subject:
        return Check("warn", _("The subject shouts"), _("More than one exclamation mark looks like spam."), "subject")
    return Check("ok", _("Subject line"))


# --- The shop ---------------------------------------------------------------------------------------------------------


def _example_level(channel: str) -> str:
    """Return how grave an example is: on the outbox one may play with it, a provider would send it to people."""
    provider = settings.EMAIL_PROVIDER if channel == Channel.EMAIL else settings.SMS_PROVIDER
    return "warn" if provider == "outbox" else "block"


def _shop_check(campaign: Campaign, business: Business) -> Check:
    if not business.name.strip():
        detail = _("Every message names its sender. Set it under Business.")
        return Check("block", _("Your business has no name"), detail, page=BUSINESS_PAGE)
    if not business.postal_address.strip():
        detail = _("The law wants it in every mail. Set it under Business.")
        return Check("block", _("Your postal address is missing"), detail, page=BUSINESS_PAGE)
    if has_example_address(business):
        detail = _("It is printed in every mail, as the law asks. Put yours under Business.")
        level = _example_level(campaign.channel)
        return Check(level, _("Your postal address is still the example"), detail, page=BUSINESS_PAGE)
    return Check("ok", _("Business name and postal address"))


def sender_checks(business: Business) -> list[Check]:
    """Return what there is to say of the From line."""
    name = business.from_name or business.name
    checks = [_address_check(business)]
    if MERGE_MARK.search(name):
        detail = _("It would be printed as it is. The sender's name says who you are, and nobody else's name.")
        checks.append(Check("block", _("The sender name holds a merge field"), detail, page=BUSINESS_PAGE))
    elif name.strip() and not any(char.isalpha() for char in name):
        detail = _("Mail providers refuse names of signs and pictures alone. Set it under Business.")
        checks.append(Check("block", _("The sender name has no letters"), detail, page=BUSINESS_PAGE))
    return checks


def _address_check(business: Business) -> Check:
    domain = sender_domain(business)
    if not domain:
        return Check("block", _("The sender address is missing"), _("Set it under Business."), page=BUSINESS_PAGE)
    if domain in FREE_MAIL:
        detail = _("Use an address on a domain of your own, under Business.")
        title = _("Mail from %(domain)s would be refused") % {"domain": domain}
        return Check("block", title, detail, page=BUSINESS_PAGE)
    if has_example_sender(business):
        detail = _("Use an address on a domain of your own, under Business.")
        level = _example_level(Channel.EMAIL)
        return Check(level, _("The sender address is still the example"), detail, page=BUSINESS_PAGE)
    return Check("ok", _("Sender address"))


# --- The deal, and links ----------------------------------------------------------------------------------------------


def _offer_check(offer: Offer, business: Business, at: datetime) -> Check:
    if offer.status == Offer.Status.ENDED or (offer.ends_at and offer.ends_at <= at):
        return Check("block", _("The deal is over"), _("Choose another deal, or move its end."), "offer")
    if offer.status == Offer.Status.PAUSED:
        return Check("block", _("The deal is paused"), _("Resume it, or choose another."), "offer")
    ends = {"day": offer.valid_until(business.zone)}
    if offer.ends_at and offer.ends_at - at < timedelta(hours=24):
        return Check("warn", _("The deal ends within a day"), _("On %(day)s.") % ends, "offer")
    until = _("Until %(day)s.") % ends if offer.ends_at else _("No end.")
    return Check("ok", _("Deal: %(deal)s") % {"deal": offer.name}, until)


def _link_check() -> Check:
    if links_stay_here():
        detail = _("PUBLIC_BASE_URL is %(url)s.") % {"url": settings.PUBLIC_BASE_URL}
        return Check("warn", _("Links lead to this computer only"), detail, page=SETUP_PAGE)
    return Check("ok", _("Links"), _("They lead to %(url)s.") % {"url": settings.PUBLIC_BASE_URL})
