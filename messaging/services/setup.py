"""Finding out about the set-up: the DNS, the number, a test. Each asks somebody outside and writes down what it learnt.

Not to be used inside a transaction. `messaging.queries` shows what is known; no page asks while it is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from contacts.channels import Channel
from contacts.models import Business
from contacts.queries import sender_domain
from contacts.sentences import kept
from messaging.models import Fact
from messaging.queries.setup import TEST_FACTS, inbound_url, selectors_of, text_sender
from messaging.services.facts import note
from messaging.services.testing import TestRefused, send_plain_test
from messaging.transports import TransportError
from messaging.transports.dns import look_at_domain
from messaging.transports.finding import Finding
from messaging.transports.twilio_account import look_at_number

ONCE_IN = timedelta(seconds=10)  # a second press of the button is no second test
MOST_SELECTORS = 5
SELECTOR = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?")

# Kept in English, and said in the reader's language.
ANSWERED = kept("The provider answered “%(code)s”.")
IN_THE_OUTBOX = gettext_noop("It lies in the outbox; nobody got it.")
TAKEN = gettext_noop("The provider took it.")


def check_dns(*, at: datetime, selectors: Sequence[str] | None = None) -> list[Finding]:
    """Look at the records of the domain mails come from; none where there is no domain yet.

    `selectors` are the owner's names of DKIM keys; None: those given last. Raises ValueError with a sentence.
    """
    domain = sender_domain(Business.load())
    if not domain:
        return []
    chosen = selectors_of(domain) if selectors is None else _checked(selectors, domain)
    findings = look_at_domain(domain, settings.EMAIL_PROVIDER, chosen)
    for finding in findings:
        more = {"selectors": list(chosen)} if finding.name == "dns.dkim" else {}
        _write(finding, {"domain": domain, **more}, at)
    return findings


def _write(finding: Finding, more: dict[str, Any], at: datetime) -> None:
    """Write down what was found; where nobody answered, what was known stays so."""
    known = Fact.objects.filter(pk=finding.name, is_good__isnull=False).first()
    if finding.answered or known is None or any(known.detail.get(key) != value for key, value in more.items()):
        note(finding.name, finding.is_good, {**more, **finding.detail}, at=at)


def _checked(selectors: Sequence[str], domain: str) -> tuple[str, ...]:
    """Return what was typed or pasted as selectors: `s1`, or the whole `s1._domainkey.example.com`."""
    given = [word.strip().lower().rstrip(".").removesuffix(f".{domain}") for word in selectors if word.strip()]
    names = tuple(dict.fromkeys(word.removesuffix("._domainkey") for word in given))
    if len(names) > MOST_SELECTORS:
        raise ValueError(_("Give %(count)s names of keys at most.") % {"count": MOST_SELECTORS})
    for name in names:
        if not SELECTOR.fullmatch(name):
            raise ValueError(_("The name of a DKIM key is made of letters, digits and hyphens: s1, or pm-bounces."))
    return names


def check_number(*, at: datetime) -> list[Finding]:
    """Look at the number texts come from; none where no provider is set up."""
    if settings.SMS_PROVIDER != "twilio":
        return []
    findings = look_at_number(inbound_url())
    for finding in findings:
        _write(finding, {"sender": text_sender()}, at)
    return findings


def send_test(channel: Channel, *, to: str, at: datetime) -> None:
    """Send a test to one address. Raises what `send_plain_test` raises."""
    name = TEST_FACTS[channel]
    fact, _is_new = Fact.objects.get_or_create(name=name, defaults={"at": at - ONCE_IN, "detail": {}})
    if not Fact.objects.filter(name=name, at__lte=at - ONCE_IN).update(at=at):
        raise TestRefused(_("A test was sent a moment ago."))
    provider = settings.EMAIL_PROVIDER if channel == Channel.EMAIL else settings.SMS_PROVIDER
    try:
        send_plain_test(channel, to=to)
    except TransportError as error:
        note(name, False, {"provider": provider, "says": ANSWERED % {"code": error.code}}, at=at)
        raise
    except BaseException:
        note(name, fact.is_good, fact.detail, at=fact.at)  # nothing was tried
        raise
    says = IN_THE_OUTBOX if provider == "outbox" else TAKEN
    note(name, True, {"provider": provider, "says": says}, at=at)
