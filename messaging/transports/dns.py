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
from dns.exception import DNSException
from dns.name import from_text
from dns.resolver import NXDOMAIN, NoAnswer, Resolver

from messaging.transports.finding import Finding

TOTAL_S = 5.0  # for all questions together: somebody waits for the page
ONE_TRY_S = 2.0
SHORT = 120  # letters of a record that are shown
SHORTEST_KEY = 1024  # bits, as Gmail asks

UNKNOWN = "This could not be found out now: the DNS did not answer. Try again in a while."
NOT_NAMED = "It does not name your provider."
NOT_NEEDED = "It need not name your provider: bounces go to a domain of its own, and DKIM speaks for yours."
ALIGNED = (
    "Mail programs trust a mail where DKIM or SPF speaks for the very domain in its From address; the provider signs "
    "for yours once its records stand there."
)


@dataclass(frozen=True, slots=True)
class Signer:
    """A provider: what SPF should include; the usual DKIM selectors, none where each domain has others; their place."""

    include: str = ""
    selectors: tuple[str, ...] = ()
    place: str = "where your provider shows the records of your domain"
    returns_to_itself: bool = True  # bounces go to a domain of its own, and SPF is asked there


NOBODY = Signer()
SIGNERS = {
    "ses": Signer("amazonses.com", (), "Amazon SES, Identities, your domain, DKIM"),
    "mailgun": Signer(
        "mailgun.org",
        ("smtp", "pdk1", "pdk2", "k1", "mx", "pic", "mailo", "krs", "s1", "email"),
        "Mailgun, Sending, Domain settings, DNS records",
        returns_to_itself=False,
    ),
    "postmark": Signer("spf.mtasv.net", (), "Postmark, Sender Signatures, your domain, DNS settings"),
    "brevo": Signer("spf.brevo.com", ("brevo1", "brevo2", "mail", "brevo"), "Brevo, Senders and domains"),
    "resend": Signer("amazonses.com", ("resend",), "Resend, Domains"),
    "sendgrid": Signer("sendgrid.net", ("s1", "s2", "m1"), "SendGrid, Settings, Sender authentication"),
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
        return Finding(name, False, f"There is no SPF record. Add a TXT record for {domain}.", fix=wanted)
    shown = _shown(records[0])
    if len(records) > 1:
        says = f"There are {len(records)} SPF records, and more than one counts as none. Make one of them."
        return Finding(name, False, says, shown)
    terms = records[0].lower().split()
    if {"all", "+all"} & set(terms):
        return Finding(name, False, "It lets anybody send as you. Put ~all in place of its last word.", shown)
    if signer.include and f"include:{signer.include}" not in [term.lstrip("+?~") for term in terms]:
        says = f"{NOT_NAMED} Add include:{signer.include} before its last word."
        return Finding(name, False, says, shown, _with_include(records[0], signer.include))
    return Finding(name, True, "It names your provider." if signer.include else "There is one.", shown)


def _with_include(record: str, include: str) -> str:
    *terms, last = record.split()
    more = f"include:{include}"
    return " ".join([*terms, more, last] if last.lower().endswith("all") else [*terms, last, more])


# --- DKIM -------------------------------------------------------------------------------------------------------------


def _dkim(asker: _Asker, domain: str, signer: Signer, selectors: Sequence[str]) -> Finding:
    name = "dns.dkim"
    if not selectors:
        says = f"Your provider gives each domain names of its own. Copy one from {signer.place}, and look again."
        if signer == NOBODY:
            says = "The key is the provider's, and none is set up yet."
        return Finding(name, None, says)
    faults: list[Finding] = []
    is_open = False
    for selector in selectors:
        try:
            records = [text for text in asker.texts(f"{selector}._domainkey.{domain}") if "p=" in text]
        except _NotAnswered:
            is_open = True
            continue
        if records and not (fault := _fault_of_key(records[0])):
            return Finding(name, True, f"The key “{selector}” stands there.", _shown(records[0]))
        if records:
            faults.append(Finding(name, False, f"The key “{selector}” {fault}", _shown(records[0])))
    if faults:
        return faults[0]
    if is_open:
        return _unknown(name)
    tried = ", ".join(selectors)
    says = f"No key was found (asked for {tried}). Copy the records from {signer.place}."
    return Finding(name, False, says)


def _fault_of_key(record: str) -> str:
    tags = _tags(record)
    if not tags.get("p"):
        return "was withdrawn: it is empty."
    if tags.get("k", "rsa") != "rsa":
        return ""
    try:
        key = load_der_public_key(b64decode("".join(tags["p"].split())))
    except (ValueError, TypeError):
        return "cannot be read. Copy it once more, whole."
    if isinstance(key, RSAPublicKey) and key.key_size < SHORTEST_KEY:
        return f"has {key.key_size} bits, and {SHORTEST_KEY} are asked for."
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
    says = f"There is no DMARC record. Add a TXT record for _dmarc.{domain}."
    return Finding(name, False, says, fix="v=DMARC1; p=none")


def _judged_policy(name: str, place: str, records: list[str]) -> Finding:
    shown = _shown(records[0])
    if len(records) > 1:
        return Finding(name, False, f"There are {len(records)} DMARC records, and more than one counts as none.", shown)
    if _tags(records[0]).get("p", "").lower() not in {"none", "quarantine", "reject"}:
        says = "It names no policy. Put p=none into it."
        return Finding(name, False, says, shown, "v=DMARC1; p=none")
    return Finding(name, True, f"There is a policy at {place}.", shown)
