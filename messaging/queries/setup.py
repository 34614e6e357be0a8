"""How the set-up stands, line by line, from what was found out: nobody is asked here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from campaigns.queries import SETUP_PAGE, Check, sender_checks
from contacts.channels import Channel
from contacts.models import Business
from contacts.queries import links_stay_here, sender_domain
from contacts.sentences import said
from messaging.models import Fact
from messaging.queries.facts import facts_of
from messaging.transports.dns import ALIGNED, SIGNERS

SETUP_PERMISSION = "messaging.change_providersettings"

TEST_FACTS = {Channel.EMAIL: "test.email", Channel.SMS: "test.sms"}
DNS_FACTS = {"dns.spf": "SPF", "dns.dkim": "DKIM", "dns.dmarc": "DMARC"}
NUMBER_FACTS = {
    "twilio.number": gettext_lazy("The number"),
    "twilio.registration": gettext_lazy("Registration with the carriers"),
    "twilio.inbound": gettext_lazy("Where answers go"),
}
OLD = timedelta(days=90)  # then what was found out is looked at anew

PROVIDER_NAMES = {
    "smtp": "SMTP",
    "ses": "Amazon SES",
    "mailgun": "Mailgun",
    "postmark": "Postmark",
    "brevo": "Brevo",
    "sendgrid": "SendGrid",
    "resend": "Resend",
    "twilio": "Twilio",
}
NO_EVENTS = {"outbox", "smtp"}  # nothing is reported back
WITH_PASSWORD = {"postmark", "brevo"}  # they carry the user name and password of WEBHOOK_SECRET


@dataclass(frozen=True, slots=True)
class Line(Check):
    """A line of the set-up page; `found` is a record in short, `paste` is text to copy somewhere else."""

    found: str = ""
    paste: str = ""


@dataclass(frozen=True, slots=True)
class SetUp:
    """The set-up page's lines. A part that does not apply is empty."""

    email: list[Line]
    dns: list[Line]
    sms: list[Line]
    webhooks: list[Line]
    domain: str
    aligned: str = ALIGNED
    expected: str = ""
    selectors: tuple[str, ...] = field(default=())
    has_mail_provider: bool = False
    has_text_provider: bool = False
    text_sender: str = ""

    @property
    def lines(self) -> list[Line]:
        return [*self.email, *self.dns, *self.sms, *self.webhooks]


def set_up(*, at: datetime) -> SetUp:
    """Return how the set-up stands. Three queries."""
    business = Business.load()
    tests = list(TEST_FACTS.values())
    facts = facts_of(*DNS_FACTS, *NUMBER_FACTS, *tests, *_webhook_names(), "mailbox")
    domain = sender_domain(business)
    mails, texts = settings.EMAIL_PROVIDER != "outbox", settings.SMS_PROVIDER != "outbox"
    return SetUp(
        email=[*_provider_lines(Channel.EMAIL), *_sender_lines(business), *_test_lines(facts, Channel.EMAIL)],
        dns=[_dns_line(facts, name, domain, at) for name in DNS_FACTS] if domain else [],
        sms=[*_provider_lines(Channel.SMS), *(_number_lines(facts) if texts else []), *_test_lines(facts, Channel.SMS)],
        webhooks=_webhook_lines(facts),
        domain=domain,
        expected=_expected(),
        selectors=_selectors(facts.get("dns.dkim"), domain),
        has_mail_provider=mails,
        has_text_provider=texts,
        text_sender=text_sender() if texts else "",
    )


# --- Addresses to paste -----------------------------------------------------------------------------------------------


def inbound_url() -> str:
    """Return where Twilio brings answers."""
    return f"{settings.PUBLIC_BASE_URL}/webhooks/twilio/inbound/"


def tracking_url() -> str:
    """Return where the e-mail provider reports bounces and the like; empty: it does not."""
    provider = settings.EMAIL_PROVIDER
    return "" if provider in NO_EVENTS else f"{settings.PUBLIC_BASE_URL}/webhooks/{provider}/tracking/"


# --- E-mail -----------------------------------------------------------------------------------------------------------


def _provider_lines(channel: Channel) -> list[Line]:
    is_mail = channel == Channel.EMAIL
    provider = settings.EMAIL_PROVIDER if is_mail else settings.SMS_PROVIDER
    if provider == "outbox":
        title = _("No provider: mails reach nobody") if is_mail else _("No provider: texts reach nobody")
        detail = _("They are written to files on this machine. The person who looks after the server sets %(name)s.")
        return [Line("warn", title, detail % {"name": "EMAIL_PROVIDER" if is_mail else "SMS_PROVIDER"})]
    return [Line("ok", _("Sent by %(provider)s") % {"provider": PROVIDER_NAMES.get(provider, provider)})]


def _sender_lines(business: Business) -> list[Line]:
    sender = {"name": business.from_name or business.name, "address": business.from_email}
    fine = _("From %(name)s, %(address)s.") % sender
    return [
        Line(check.level, check.title, fine if check.level == "ok" else check.detail, page=check.page)
        for check in sender_checks(business)
    ]


def _test_lines(facts: dict[str, Fact], channel: Channel) -> list[Line]:
    provider = settings.EMAIL_PROVIDER if channel == Channel.EMAIL else settings.SMS_PROVIDER
    fact = facts.get(TEST_FACTS[channel])
    if fact is None or fact.is_good is None or fact.detail.get("provider") != provider:
        return [Line("warn", _("No test was sent yet"), _("Send one to yourself, and see how it arrives."))]
    says = said(str(fact.detail.get("says", "")))
    title = _("A test was sent") if fact.is_good else _("The last test was not taken")
    return [Line("ok" if fact.is_good else "block", title, f"{when(fact.at)}. {says}")]


# --- DNS --------------------------------------------------------------------------------------------------------------


def _dns_line(facts: dict[str, Fact], name: str, domain: str, at: datetime) -> Line:
    title, fact = DNS_FACTS[name], facts.get(name)
    if fact is None or fact.detail.get("domain") != domain or fact.at < at - OLD:
        unseen = _("%(record)s was not looked at yet") % {"record": title}
        return Line("warn", unseen, _("Press “Check now”."), page=SETUP_PAGE)
    return _found_line(fact, title)


def _found_line(fact: Fact, title: str, *, bad: str = "warn") -> Line:
    verdict = {True: _("%(what)s is fine"), False: _("%(what)s is not right"), None: _("%(what)s is not known")}
    looked = _("Looked at %(when)s.") % {"when": when(fact.at)}
    return Line(
        "ok" if fact.is_good else "warn" if fact.is_good is None else bad,
        verdict[fact.is_good] % {"what": title},
        f"{said(str(fact.detail.get('says', '')))} {looked}".strip(),
        page="" if fact.is_good else SETUP_PAGE,
        found=str(fact.detail.get("found", "")),
        paste=str(fact.detail.get("fix", "")),
    )


def dns_checks(business: Business, *, at: datetime) -> list[Check]:
    """Return the checklist's lines about the records of the From domain; none where nothing leaves the machine.

    Records that nobody looked at are one line.
    """
    domain = sender_domain(business)
    if settings.EMAIL_PROVIDER == "outbox" or not domain:
        return []
    facts = facts_of(*DNS_FACTS)
    known = [fact for name in DNS_FACTS if (fact := facts.get(name)) and fact.detail.get("domain") == domain]
    if not known:
        detail = _(
            "Mail providers want SPF, DKIM and DMARC for %(domain)s. Nobody has looked yet whether they are there."
        )
        title = _("The records of your domain were not checked")
        return [Check("warn", title, detail % {"domain": domain}, page=SETUP_PAGE)]
    lines = [_dns_line(facts, name, domain, at) for name in DNS_FACTS]
    bad = [Check(line.level, line.title, line.detail, page=line.page) for line in lines if line.level != "ok"]
    return bad or [Check("ok", "SPF, DKIM and DMARC", _("They are there for %(domain)s.") % {"domain": domain})]


def selectors_of(domain: str) -> tuple[str, ...]:
    """Return the names of DKIM keys the owner gave for this domain."""
    return _selectors(Fact.objects.filter(pk="dns.dkim").first(), domain)


def _selectors(fact: Fact | None, domain: str) -> tuple[str, ...]:
    return tuple(fact.detail.get("selectors", ())) if fact and fact.detail.get("domain") == domain else ()


def _expected() -> str:
    """Say what is expected for the provider in use."""
    signer = SIGNERS.get(settings.EMAIL_PROVIDER)
    if signer is None:
        return ""
    name = PROVIDER_NAMES[settings.EMAIL_PROVIDER]
    spf = f"SPF include:{signer.include}" if signer.include else _("SPF that names your mail server")
    keys = f"DKIM ({', '.join(signer.selectors[:3])})" if signer.selectors else "DKIM"
    words = _("For %(provider)s: %(spf)s, %(keys)s, and a DMARC policy. The records are shown under %(place)s.")
    return words % {"provider": name, "spf": spf, "keys": keys, "place": signer.place}


# --- SMS --------------------------------------------------------------------------------------------------------------


def _number_lines(facts: dict[str, Fact]) -> list[Line]:
    if "twilio.number" not in facts:
        title = _("%(record)s was not looked at yet") % {"record": NUMBER_FACTS["twilio.number"]}
        return [Line("warn", title, _("Press “Check now”."), page=SETUP_PAGE)]
    bad = {"twilio.inbound": "warn"}
    return [
        _found_line(facts[name], str(title), bad=bad.get(name, "block"))
        for name, title in NUMBER_FACTS.items()
        if name in facts
    ]


def text_sender() -> str:
    """Return what texts come from: what was found out of another number says nothing of this one."""
    return str(settings.TWILIO_MESSAGING_SERVICE_SID or settings.TWILIO_PHONE_NUMBER)


def registration_check(*, at: datetime) -> Check | None:
    """Return the checklist's line about the registration with the carriers; None: nothing leaves the machine."""
    if settings.SMS_PROVIDER != "twilio":
        return None
    known = facts_of("twilio.number", "twilio.registration")
    here = {
        name: fact for name, fact in known.items() if fact.detail.get("sender") == text_sender() and fact.at >= at - OLD
    }
    if (number := here.get("twilio.number")) and number.is_good is False:
        return Check(
            "block", _("Texts have no number to come from"), said(str(number.detail.get("says", ""))), page=SETUP_PAGE
        )
    fact = here.get("twilio.registration")
    if fact is None:
        detail = _("Carriers block texts of numbers that are not registered. Nobody has looked yet whether yours is.")
        return Check("warn", _("The number's registration was not checked"), detail, page=SETUP_PAGE)
    if fact.is_good:
        return Check("ok", _("The number is registered"), said(str(fact.detail.get("says", ""))))
    level = "warn" if fact.is_good is None else "block"
    title = _("The number's registration is not known") if fact.is_good is None else _("The number is not registered")
    return Check(level, title, said(str(fact.detail.get("says", ""))), page=SETUP_PAGE)


# --- Webhooks ---------------------------------------------------------------------------------------------------------


def _webhook_names() -> list[str]:
    return [f"webhook.{name}" for name in (settings.EMAIL_PROVIDER, settings.SMS_PROVIDER)]


def _webhook_lines(facts: dict[str, Fact]) -> list[Line]:
    lines = []
    if links_stay_here():
        detail = _("PUBLIC_BASE_URL is %(url)s: no provider can reach it, and no guest.")
        title = _("Reports and answers cannot arrive")
        lines.append(Line("block", title, detail % {"url": settings.PUBLIC_BASE_URL}))
    if url := tracking_url():
        lines += _address_lines(facts, settings.EMAIL_PROVIDER, _("Bounces and complaints"), url)
    if settings.EMAIL_PROVIDER == "smtp":
        lines.append(_mailbox_line(facts.get("mailbox")))
    if settings.SMS_PROVIDER == "twilio":
        lines += _address_lines(facts, "twilio", _("Answers by text"), inbound_url())
    return lines


def _address_lines(facts: dict[str, Fact], provider: str, what: str, url: str) -> Iterable[Line]:
    name = PROVIDER_NAMES.get(provider, provider)
    how = _("Paste this address at %(provider)s.") % {"provider": name}
    if provider in WITH_PASSWORD:
        put = _("Put the user name and password of WEBHOOK_SECRET before the host: https://user:password@…")
        how = f"{how} {put}"
    values = {"what": what, "provider": name}
    fact = facts.get(f"webhook.{provider}")
    refused = int(fact.detail.get("refused") or 0) if fact else 0
    if fact is None or fact.is_good is None:
        title, level = _("%(what)s: nothing came from %(provider)s yet") % values, "warn"
    elif fact.is_good:
        title, level = _("%(what)s: %(provider)s reports") % values, "ok"
        heard = _("Last heard %(when)s.") % {"when": when(fact.at)}
        how = f"{heard} {how}"
    else:
        title, level = _("%(what)s: calls of %(provider)s are refused") % values, "block"
    yield Line(level, title, how, paste=url)
    if refused:
        title = ngettext("%(count)s call was refused", "%(count)s calls were refused", refused)
        detail = _(
            "They had no valid signature or secret. Compare the signing key, or WEBHOOK_SECRET, with the server's."
        )
        refused_at = parse_datetime(str(fact.detail.get("refused_at") or "")) if fact else None
        last = _("The last one %(when)s.") % {"when": when(refused_at)} if refused_at else ""
        yield Line("warn", title % {"count": f"{refused:,}"}, f"{last} {detail}".strip())


def _mailbox_line(fact: Fact | None) -> Line:
    if fact is None:
        detail = _(
            "SMTP reports nothing. A mailbox that bounces come back to can be read: see BOUNCE_… in .env.example."
        )
        return Line("warn", _("Nobody reads the bounces"), detail)
    title = _("The bounce mailbox is read") if fact.is_good else _("The bounce mailbox cannot be read")
    return Line("ok" if fact.is_good else "block", title, _("Last %(when)s.") % {"when": when(fact.at)})


def when(moment: datetime) -> str:
    """`Nov 21, 2026, 6:05 p.m.` without the last dot, in the shop's time zone."""
    return formats.date_format(timezone.localtime(moment), "DATETIME_FORMAT").rstrip(".")
