"""What the DNS says of the domain mails come from: SPF, DKIM, DMARC.

Each is judged by what Gmail, Yahoo and Microsoft ask of senders: SPF (RFC 7208) and DKIM (RFC 6376) for the provider in
use, and a DMARC policy (RFC 7489), with the From address on the domain that one of the first two speaks for.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.conf import settings
from django.utils.translation import gettext_noop
from dns.exception import DNSException
from dns.name import from_text
from dns.resolver import NXDOMAIN, NoAnswer, Resolver

from contacts.sentences import kept
from messaging.transports.finding import Finding

TOTAL_S = 5.0  # for all questions together: somebody waits for the page
ONE_TRY_S = 2.0
SHORT = 120  # letters of a record that are shown
SHORTEST_KEY = 1024  # bits, as Gmail asks

UNKNOWN = gettext_noop("This could not be found out now: the DNS did not answer. Try again in a while.")
NOT_NAMED = gettext_noop("It does not name your provider.")
NOT_NEEDED = gettext_noop(
    "It need not name your provider: bounces go to a domain of its own, and DKIM speaks for yours."
)
ALIGNED = gettext_noop(
    "Mail programs trust a mail where DKIM or SPF speaks for the very domain in its From address; the provider signs "
    "for yours once its records stand there."
)
NO_SPF = kept("There is no SPF record. Add a TXT record for %(domain)s.")
MANY_SPF = kept("There are %(count)s SPF records, and more than one counts as none. Make one of them.")
OPEN_SPF = gettext_noop("It lets anybody send as you. Put ~all in place of its last word.")
ADD_INCLUDE = kept("It does not name your provider. Add include:%(include)s before its last word.")
SPF_NAMES = gettext_noop("It names your provider.")
SPF_IS_THERE = gettext_noop("There is one.")
OWN_SELECTORS = kept("Your provider gives each domain names of its own. Copy one from %(place)s, and look again.")
NO_PROVIDER = gettext_noop("The key is the provider's, and none is set up yet.")
KEY_IS_THERE = kept("The key “%(selector)s” stands there.")
KEY_IS_EMPTY = kept("The key “%(selector)s” was withdrawn: it is empty.")
KEY_IS_BROKEN = kept("The key “%(selector)s” cannot be read. Copy it once more, whole.")
KEY_IS_SHORT = kept("The key “%(selector)s” has %(bits)s bits, and %(least)s are asked for.")
NO_KEY = kept("No key was found (asked for %(tried)s). Copy the records from %(place)s.")
NO_DMARC = kept("There is no DMARC record. Add a TXT record for _dmarc.%(domain)s.")
MANY_DMARC = kept("There are %(count)s DMARC records, and more than one counts as none.")
NO_POLICY = gettext_noop("It names no policy. Put p=none into it.")
POLICY_IS_THERE = kept("There is a policy at %(place)s.")


@dataclass(frozen=True, slots=True)
class Signer:
    """A provider: what SPF should include; the usual DKIM selectors, none where each domain has others; their place."""

    include: str = ""
    selectors: tuple[str, ...] = ()
    place: str = gettext_noop("where your provider shows the records of your domain")
    returns_to_itself: bool = True  # bounces go to a domain of its own, and SPF is asked there


NOBODY = Signer()
SIGNERS = {
    "ses": Signer("amazonses.com", (), gettext_noop("Amazon SES, Identities, your domain, DKIM")),
    "mailgun": Signer(
        "mailgun.org",
        ("smtp", "pdk1", "pdk2", "k1", "mx", "pic", "mailo", "krs", "s1", "email"),
        gettext_noop("Mailgun, Sending, Domain settings, DNS records"),
        returns_to_itself=False,
    ),
    "postmark": Signer("spf.mtasv.net", (), gettext_noop("Postmark, Sender Signatures, your domain, DNS settings")),
    "brevo": Signer("spf.brevo.com", ("brevo1", "brevo2", "mail", "brevo"), gettext_noop("Brevo, Senders and domains")),
    "resend": Signer("amazonses.com", ("resend",), gettext_noop("Resend, Domains")),
    "sendgrid": Signer("sendgrid.net", ("s1", "s2", "m1"), gettext_noop("SendGrid, Settings, Sender authentication")),
    "smtp": Signer(
        "", ("default", "mail", "dkim", "google", "selector1", "selector2", "k1", "s1"), returns_to_itself=False
    ),
}


class _NotAnswered(Exception):
    """Nobody knows whether there is such a record."""


class _Asker:
    """Asks for TXT records, all questions together within a time."""

    def __init__(self) -> None:
        self._until = time.monotonic() + TOTAL_S
        try:
            self._resolver = _resolver()
        except (DNSException, OSError, ValueError) as error:
            raise _NotAnswered from error

    def texts(self, name: str) -> list[str]:
        """Return the TXT records of a name, aliases followed; none: there is no such record. Raises _NotAnswered."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise _NotAnswered
        try:
            answer = self._resolver.resolve(from_text(name), "TXT", lifetime=left_s, search=False)
        except (NXDOMAIN, NoAnswer):
            return []
        except (DNSException, OSError) as error:
            raise _NotAnswered from error
        return [b"".join(record.strings).decode("utf-8", "replace").strip() for record in answer]


def _resolver() -> Resolver:
    """Return what asks the machine's own servers, or the one that DNS_SERVER names."""
    if not settings.DNS_SERVER:
        resolver = Resolver()
    else:
        host, _, port = settings.DNS_SERVER.rpartition(":")
        resolver = Resolver(configure=False)
        resolver.nameservers, resolver.port = [host], int(port)
    resolver.timeout = ONE_TRY_S
    return resolver


def look_at_domain(domain: str, provider: str, selectors: Sequence[str] = ()) -> list[Finding]:
    """Return what is found of SPF, DKIM and DMARC, each judged for this provider. Takes five seconds at most.

    `selectors` are the owner's, where the provider's are not known by themselves.
    """
    signer = SIGNERS.get(provider, NOBODY)
    try:
        asker = _Asker()
    except _NotAnswered:
        return [_unknown(name) for name in ("dns.spf", "dns.dkim", "dns.dmarc")]
    spf, dkim = _spf(asker, domain, signer), _dkim(asker, domain, signer, tuple(selectors) or signer.selectors)
    if spf.is_good is False and spf.says.startswith(NOT_NAMED) and dkim.is_good and signer.returns_to_itself:
        spf = replace(spf, is_good=True, says=NOT_NEEDED, fix="")
    return [spf, dkim, _dmarc(asker, domain)]


def _unknown(name: str) -> Finding:
    return Finding(name, None, UNKNOWN, answered=False)


def _shown(record: str) -> str:
    return record if len(record) <= SHORT else f"{record[:SHORT]}…"


# --- SPF --------------------------------------------------------------------------------------------------------------


def _spf(asker: _Asker, domain: str, signer: Signer) -> Finding:
    name = "dns.spf"
    try:
        records = [text for text in asker.texts(domain) if text.lower().split(" ")[0] == "v=spf1"]
    except _NotAnswered:
        return _unknown(name)
    wanted = f"v=spf1 {f'include:{signer.include} ' if signer.include else 'a mx '}~all"
    if not records:
        return Finding(name, False, NO_SPF % {"domain": domain}, fix=wanted)
    shown = _shown(records[0])
    if len(records) > 1:
        says = MANY_SPF % {"count": len(records)}
        return Finding(name, False, says, shown)
    terms = records[0].lower().split()
    if {"all", "+all"} & set(terms):
        return Finding(name, False, OPEN_SPF, shown)
    if signer.include and f"include:{signer.include}" not in [term.lstrip("+?~") for term in terms]:
        says = ADD_INCLUDE % {"include": signer.include}
        return Finding(name, False, says, shown, _with_include(records[0], signer.include))
    return Finding(name, True, SPF_NAMES if signer.include else SPF_IS_THERE, shown)


def _with_include(record: str, include: str) -> str:
    *terms, last = record.split()
    more = f"include:{include}"
    return " ".join([*terms, more, last] if last.lower().endswith("all") else [*terms, last, more])


# --- DKIM -------------------------------------------------------------------------------------------------------------


def _dkim(asker: _Asker, domain: str, signer: Signer, selectors: Sequence[str]) -> Finding:
    name = "dns.dkim"
    if not selectors:
        says = OWN_SELECTORS % {"place": signer.place}
        if signer == NOBODY:
            says = NO_PROVIDER
        return Finding(name, None, says)
    faults: list[Finding] = []
    is_open = False
    for selector in selectors:
        try:
            records = [text for text in asker.texts(f"{selector}._domainkey.{domain}") if "p=" in text]
        except _NotAnswered:
            is_open = True
            continue
        if records and not (fault := _fault_of_key(selector, records[0])):
            return Finding(name, True, KEY_IS_THERE % {"selector": selector}, _shown(records[0]))
        if records:
            faults.append(Finding(name, False, fault, _shown(records[0])))
    if faults:
        return faults[0]
    if is_open:
        return _unknown(name)
    tried = ", ".join(selectors)
    says = NO_KEY % {"tried": tried, "place": signer.place}
    return Finding(name, False, says)


def _fault_of_key(selector: str, record: str) -> str:
    tags = _tags(record)
    if not tags.get("p"):
        return KEY_IS_EMPTY % {"selector": selector}
    if tags.get("k", "rsa") != "rsa":
        return ""
    try:
        key = load_der_public_key(b64decode("".join(tags["p"].split())))
    except (ValueError, TypeError):
        return KEY_IS_BROKEN % {"selector": selector}
    if isinstance(key, RSAPublicKey) and key.key_size < SHORTEST_KEY:
        return KEY_IS_SHORT % {"selector": selector, "bits": key.key_size, "least": SHORTEST_KEY}
    return ""


def _tags(record: str) -> dict[str, str]:
    parts = (part.partition("=") for part in record.split(";"))
    return {key.strip().lower(): value.strip() for key, _, value in parts if key.strip()}


# --- DMARC ------------------------------------------------------------------------------------------------------------


def _dmarc(asker: _Asker, domain: str) -> Finding:
    """Look at the domain, then at those it belongs to: a policy holds for what is below it."""
    name = "dns.dmarc"
    labels = domain.split(".")
    try:
        for first in range(max(1, len(labels) - 1)):
            place = ".".join(labels[first:])
            records = [text for text in asker.texts(f"_dmarc.{place}") if text.lower().startswith("v=dmarc1")]
            if records:
                return _judged_policy(name, place, records)
    except _NotAnswered:
        return _unknown(name)
    says = NO_DMARC % {"domain": domain}
    return Finding(name, False, says, fix="v=DMARC1; p=none")


def _judged_policy(name: str, place: str, records: list[str]) -> Finding:
    shown = _shown(records[0])
    if len(records) > 1:
        return Finding(name, False, MANY_DMARC % {"count": len(records)}, shown)
    if _tags(records[0]).get("p", "").lower() not in {"none", "quarantine", "reject"}:
        says = NO_POLICY
        return Finding(name, False, says, shown, "v=DMARC1; p=none")
    return Finding(name, True, POLICY_IS_THERE % {"place": place}, shown)
