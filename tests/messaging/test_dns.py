"""What is found of SPF, DKIM and DMARC, asked of a real DNS server on loopback."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contacts.models import Business
from messaging.models import Fact
from messaging.queries import full_checklist, set_up
from messaging.services import setup
from messaging.transports import dns as transport
from messaging.transports.dns import SIGNERS, UNKNOWN, look_at_domain
from messaging.transports.finding import Finding
from tests.messaging.conftest import NOON
from tests.wire.dns import DnsServer, dns_server

DOMAIN = "mail.corner-bar.example"


@cache
def key(bits: int = 2048) -> str:
    """Return a DKIM record with a real key of so many bits."""
    public = generate_private_key(public_exponent=65537, key_size=bits).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={b64encode(der).decode()}"


GOOD = {
    DOMAIN: ["v=spf1 include:sendgrid.net ~all", "some-site-verification=abc"],
    f"s1._domainkey.{DOMAIN}": "s1.domainkey.u1.wl.sendgrid.net",
    "s1.domainkey.u1.wl.sendgrid.net": [key()],
    f"_dmarc.{DOMAIN}": ["v=DMARC1; p=none; rua=mailto:postmaster@corner-bar.example"],
}


def look(settings, records, faults=None, *, provider="sendgrid", selectors=()) -> tuple[dict[str, Finding], DnsServer]:
    with dns_server(records, faults) as server:
        settings.DNS_SERVER = server.address
        return {finding.name: finding for finding in look_at_domain(DOMAIN, provider, selectors)}, server


def verdicts(found: dict[str, Finding]) -> list[bool | None]:
    return [found[name].is_good for name in ("dns.spf", "dns.dkim", "dns.dmarc")]


def test_finds_all_three(settings):
    found, server = look(settings, GOOD)

    assert verdicts(found) == [True, True, True]
    assert found["dns.spf"].found == "v=spf1 include:sendgrid.net ~all"
    assert "“s1”" in found["dns.dkim"].says
    assert f"policy at {DOMAIN}" in found["dns.dmarc"].says
    assert len(found["dns.dkim"].found) <= 121
    assert (f"s1._domainkey.{DOMAIN}", "tcp") in server.asked  # the key does not fit into a datagram


def test_says_what_to_paste_where_nothing_is(settings):
    found, _ = look(settings, {})

    assert verdicts(found) == [False, False, False]
    assert found["dns.spf"].fix == "v=spf1 include:sendgrid.net ~all"
    assert found["dns.dmarc"].fix == "v=DMARC1; p=none"
    assert "s1, s2" in found["dns.dkim"].says
    assert "SendGrid" in found["dns.dkim"].says


@pytest.mark.parametrize("name", ["ses", "mailgun", "postmark", "brevo", "resend", "sendgrid"])
def test_expects_what_the_provider_needs(name, settings):
    found, _ = look(settings, {DOMAIN: [f"v=spf1 include:{SIGNERS[name].include} ~all"]}, provider=name)

    assert found["dns.spf"].is_good


@pytest.mark.parametrize(
    ("records", "says", "fix"),
    [
        (["v=spf1 mx ~all"], "does not name", "v=spf1 mx include:sendgrid.net ~all"),
        (["v=spf1 mx -all"], "does not name", "v=spf1 mx include:sendgrid.net -all"),
        (["v=spf1 mx redirect=x.example"], "does not name", "v=spf1 mx redirect=x.example include:sendgrid.net"),
        (["v=spf1 include:sendgrid.net ~all", "v=spf1 mx ~all"], "2 SPF records", ""),
        (["v=spf1 include:sendgrid.net +all"], "anybody", ""),
        (["v=spf1 include:sendgrid.net all"], "anybody", ""),
        (["v=spf10 include:sendgrid.net ~all"], "no SPF record", "v=spf1 include:sendgrid.net ~all"),
        (["v=spf1 exp=include:sendgrid.net ~all"], "does not name", None),
    ],
)
def test_finds_fault_with_spf(records, says, fix, settings):
    found, _ = look(settings, {DOMAIN: records})

    assert found["dns.spf"].is_good is False
    assert says in found["dns.spf"].says
    assert fix is None or found["dns.spf"].fix == fix


@pytest.mark.parametrize(("provider", "is_good"), [("sendgrid", True), ("ses", True), ("mailgun", False)])
def test_a_provider_with_a_return_address_of_its_own_need_not_be_named(provider, is_good, settings):
    records = {DOMAIN: ["v=spf1 mx ~all"], f"abc._domainkey.{DOMAIN}": [key()]}

    found, _ = look(settings, records, provider=provider, selectors=["abc"])
    assert found["dns.spf"].is_good is is_good

    found, _ = look(settings, records, provider=provider, selectors=["other"])
    assert found["dns.spf"].is_good is False


@pytest.mark.parametrize("record", ["V=SPF1 INCLUDE:SendGrid.net ~ALL", "v=spf1 ?include:sendgrid.net ~all"])
def test_reads_spf_as_others_do(record, settings):
    assert look(settings, {DOMAIN: [record]})[0]["dns.spf"].is_good


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ("v=DKIM1; p=", "withdrawn"),
        ("v=DKIM1; k=rsa; p=bm90IGEga2V5", "cannot be read"),
        ("v=DKIM1; k=rsa; p=!", "cannot be read"),
        ("v=spf1 ~all", "No key was found"),
    ],
)
def test_finds_fault_with_a_key(record, says, settings):
    found, _ = look(settings, {f"s1._domainkey.{DOMAIN}": [record]})

    assert found["dns.dkim"].is_good is False
    assert says in found["dns.dkim"].says


@pytest.mark.parametrize(("bits", "is_good"), [(1024, True), (2048, True)])
def test_takes_keys_that_are_long_enough(bits, is_good, settings):
    assert look(settings, {f"s1._domainkey.{DOMAIN}": [key(bits)]})[0]["dns.dkim"].is_good is is_good


def test_refuses_a_short_key(settings, monkeypatch):
    monkeypatch.setattr(transport, "SHORTEST_KEY", 2048)

    found, _ = look(settings, {f"s1._domainkey.{DOMAIN}": [key(1024)]})

    assert "1024 bits" in found["dns.dkim"].says


def test_takes_an_elliptic_key(settings):
    record = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

    assert look(settings, {f"s1._domainkey.{DOMAIN}": [record]})[0]["dns.dkim"].is_good


def test_without_a_provider_nobody_knows_the_key(settings):
    found, _ = look(settings, GOOD, provider="outbox")

    assert verdicts(found) == [True, None, True]
    assert "none is set up yet" in found["dns.dkim"].says


def test_one_good_key_is_enough(settings):
    records = {f"s1._domainkey.{DOMAIN}": ["v=DKIM1; p="], f"s2._domainkey.{DOMAIN}": [key()]}

    assert look(settings, records)[0]["dns.dkim"].is_good


@pytest.mark.parametrize("provider", ["ses", "postmark"])
def test_asks_for_the_name_of_a_key_nobody_can_guess(provider, settings):
    found, _ = look(settings, {}, provider=provider)
    assert found["dns.dkim"].is_good is None
    assert "names of its own" in found["dns.dkim"].says

    found, _ = look(settings, {f"abc._domainkey.{DOMAIN}": [key()]}, provider=provider, selectors=["abc"])
    assert found["dns.dkim"].is_good


@pytest.mark.parametrize(
    ("records", "is_good", "says"),
    [
        ({"_dmarc.corner-bar.example": ["v=DMARC1; p=reject"]}, True, "policy at corner-bar.example"),
        ({f"_dmarc.{DOMAIN}": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, False, "2 DMARC records"),
        ({f"_dmarc.{DOMAIN}": ["v=DMARC1; rua=mailto:x@y.example"]}, False, "names no policy"),
        ({f"_dmarc.{DOMAIN}": ["v=DMARC1; p=never"]}, False, "names no policy"),
        ({f"_dmarc.{DOMAIN}": ["something else"]}, False, "no DMARC record"),
        ({"_dmarc.example": ["v=DMARC1; p=reject"]}, False, "no DMARC record"),
    ],
)
def test_judges_the_policy(records, is_good, says, settings):
    found, _ = look(settings, records)

    assert found["dns.dmarc"].is_good is is_good
    assert says in found["dns.dmarc"].says


def test_a_name_without_such_records_has_none(settings):
    assert verdicts(look(settings, GOOD, {"*": "empty"})[0]) == [False, False, False]


def test_does_not_guess_where_the_server_fails(settings):
    found, _ = look(settings, GOOD, {"*": "servfail"})

    assert verdicts(found) == [None, None, None]
    assert {finding.says for finding in found.values()} == {UNKNOWN}


def test_one_key_unanswered_and_none_found_is_not_known(settings):
    assert look(settings, {}, {f"s2._domainkey.{DOMAIN}": "servfail"})[0]["dns.dkim"].is_good is None


def test_gives_up_where_nobody_answers(settings, monkeypatch):
    monkeypatch.setattr(transport, "TOTAL_S", 0.2)

    found, server = look(settings, GOOD, {"*": "hang"})

    assert verdicts(found) == [None, None, None]
    assert {name for name, _ in server.asked} == {DOMAIN}  # the time was up


def test_where_nobody_listens_it_is_not_known(settings, monkeypatch):
    monkeypatch.setattr(transport, "TOTAL_S", 0.2)
    settings.DNS_SERVER = "127.0.0.1:1"

    assert {finding.is_good for finding in look_at_domain(DOMAIN, "sendgrid")} == {None}


@pytest.mark.parametrize("domain", ["", "a..b", "x" * 70 + ".example", "bücher.example", "localhost"])
def test_an_odd_domain_does_no_harm(domain, settings):
    with dns_server({}) as server:
        settings.DNS_SERVER = server.address
        assert len(look_at_domain(domain, "sendgrid")) == 3


# --- Facts ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(db, settings) -> Business:
    business = Business.load()
    Business.objects.update(from_email=f"hello@{DOMAIN}", postal_address="1 Real Street, Springfield, IL 62701")
    settings.EMAIL_PROVIDER = "sendgrid"
    business.refresh_from_db()
    return business


def check(settings, records, faults=None, **how) -> list[Finding]:
    with dns_server(records, faults) as server:
        settings.DNS_SERVER = server.address
        return setup.check_dns(at=NOON, **how)


def levels() -> list[str]:
    return [line.level for line in set_up(at=NOON).dns]


def test_the_page_turns_green_from_facts(shop, settings):
    assert levels() == ["warn"] * 3

    check(settings, GOOD)

    assert levels() == ["ok"] * 3
    assert set(Fact.objects.values_list("name", "at")) == {(f"dns.{name}", NOON) for name in ("spf", "dkim", "dmarc")}


def test_what_was_known_stays_so_where_nobody_answers(shop, settings):
    check(settings, GOOD)

    check(settings, GOOD, {"*": "servfail"})
    assert levels() == ["ok"] * 3

    Business.objects.update(from_email="hello@another-bar.us")
    check(settings, GOOD, {"*": "servfail"})
    assert set_up(at=NOON).dns[0].title == "SPF is not known"


def test_what_was_found_of_another_domain_says_nothing(shop, settings):
    check(settings, GOOD)

    Business.objects.update(from_email="hello@another-bar.us")

    assert levels() == ["warn"] * 3


def test_what_was_found_long_ago_says_nothing(shop, settings):
    check(settings, GOOD)

    assert {line.level for line in set_up(at=NOON + timedelta(days=91)).dns} == {"warn"}


def test_keeps_the_names_of_keys(shop, settings):
    settings.EMAIL_PROVIDER = "ses"
    records = {f"abc._domainkey.{DOMAIN}": [key()]}

    check(settings, records, selectors=[f"ABC._domainkey.{DOMAIN}."])
    assert Fact.objects.get(pk="dns.dkim").is_good
    check(settings, records)
    assert Fact.objects.get(pk="dns.dkim").is_good
    assert set_up(at=NOON).selectors == ("abc",)

    check(settings, records, selectors=[])
    assert Fact.objects.get(pk="dns.dkim").is_good is None


@pytest.mark.parametrize("selectors", [["a b"], ["ü"], ["-x"], ["x" * 70], list("abcdef")])
def test_refuses_what_is_no_name_of_a_key(selectors, shop, settings):
    with pytest.raises(ValueError, match="key"):
        check(settings, {}, selectors=selectors)


def test_without_a_sender_there_is_nothing_to_look_at(shop, settings):
    Business.objects.update(from_email="")

    assert check(settings, {}) == []
    assert set_up(at=NOON).dns == []


def test_the_checklist_warns_of_missing_records(shop, settings, email_campaign):
    from campaigns.queries import content_of, variant_of

    def titles() -> dict[str, str]:
        checks = full_checklist(email_campaign, content_of(email_campaign, variant_of(email_campaign)), at=NOON)
        return {check.title: check.level for check in checks}

    assert titles()["The records of your domain were not checked"] == "warn"
    check(settings, {key: value for key, value in GOOD.items() if not key.startswith("_dmarc")})
    found = titles()
    assert found["DMARC is not right"] == "warn"
    assert not [title for title in found if title.startswith(("SPF", "DKIM"))]

    check(settings, GOOD)
    assert titles()["SPF, DKIM and DMARC"] == "ok"
    settings.EMAIL_PROVIDER = "outbox"
    assert not [title for title in titles() if "DMARC" in title]
