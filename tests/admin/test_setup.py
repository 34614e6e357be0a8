"""The page "Sending set-up": lines from facts, buttons that find out, the warm-up."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from contacts.models import Business
from messaging.models import Fact, WarmUp
from messaging.queries import outbox
from messaging.services.facts import note, note_call, note_refusal
from tests.admin.conftest import add_contact, staff_client, write_draft
from tests.wire.account import account
from tests.wire.dns import dns_server

PAGE = reverse("admin:messaging_setup")
DNS, NUMBER, TEST, WARM_UP = (reverse(f"admin:messaging_setup_{name}") for name in ("dns", "number", "test", "warm-up"))
DOMAIN = "corner-bar.us"


@pytest.fixture
def shop(db: None) -> Business:
    business = Business.load()
    Business.objects.update(from_email=f"hello@{DOMAIN}", postal_address="1 Real Street, Springfield, IL 62701")
    business.refresh_from_db()
    return business


@pytest.fixture
def owner(shop: Business) -> Client:
    return staff_client("messaging.change_providersettings", "contacts.change_business", "contacts.view_business")


def html_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def messages_of(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


# --- Who may ---


def test_is_in_the_menu_of_who_may(owner):
    assert f'href="{PAGE}"' in owner.get(reverse("admin:index")).content.decode()
    assert f'href="{PAGE}"' not in staff_client("contacts.view_business").get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("url", [PAGE, DNS, NUMBER, TEST, WARM_UP])
def test_is_closed_to_others(url, shop):
    client = staff_client("contacts.change_business", "messaging.view_providersettings")

    assert client.get(url).status_code == 403
    assert client.post(url).status_code == 403
    assert Client().get(url).status_code == 302


@pytest.mark.parametrize("url", [DNS, NUMBER, TEST, WARM_UP])
def test_the_buttons_only_post_and_carry_a_token(url, owner):
    strict = Client(enforce_csrf_checks=True, cookies=owner.cookies)
    strict.cookies = owner.cookies

    assert owner.get(url).status_code == 405
    assert strict.post(url, {"to": "boss@example.com"}).status_code == 403


def test_asks_nobody_while_it_is_drawn(owner, settings):
    """There is no network here, and nobody listens on this port: asking would say that it is not known."""
    settings.EMAIL_PROVIDER, settings.SMS_PROVIDER = "sendgrid", "twilio"
    settings.DNS_SERVER, settings.TWILIO_API_URL = "127.0.0.1:1", "http://127.0.0.1:1"

    assert owner.get(PAGE).status_code == 200
    assert not Fact.objects.exists()


# --- E-mail and DNS ---


def test_says_that_nothing_leaves_the_machine(owner):
    html = html_of(owner.get(PAGE))

    assert "No provider: mails reach nobody" in html
    assert "No provider: texts reach nobody" in html


@pytest.mark.parametrize("sender", ["", "hello@gmail.com"])
def test_says_what_is_wrong_with_the_sender(sender, owner):
    Business.objects.update(from_email=sender)

    html = html_of(owner.get(PAGE))

    assert ("The sender address is missing" if not sender else "Mail from gmail.com would be refused") in html
    assert reverse("admin:contacts_business_changelist") in html


def test_looks_at_the_records(owner, settings):
    settings.EMAIL_PROVIDER = "resend"
    with dns_server({DOMAIN: ["v=spf1 mx ~all"]}) as server:
        settings.DNS_SERVER = server.address
        response = owner.post(DNS, {"selectors": "s1, s2"}, follow=True)

    html = html_of(response)
    assert response.redirect_chain[0][0] == f"{PAGE}#dns"
    assert messages_of(response) == "Looked at 3 records: 3 to mend."
    assert 'value="v=spf1 mx include:amazonses.com ~all"' in html
    assert 'value="v=DMARC1; p=none"' in html
    assert 'value="s1 s2"' in html
    assert "include:amazonses.com" in html
    assert "the very domain in its From address" in html


def test_says_what_is_no_name_of_a_key(owner):
    assert "is made of letters" in messages_of(owner.post(DNS, {"selectors": "!"}, follow=True))
    assert not Fact.objects.exists()


def test_says_that_there_is_no_domain(owner):
    Business.objects.update(from_email="")

    assert "no sender address yet" in messages_of(owner.post(DNS, follow=True))


def test_escapes_what_the_dns_says(owner, settings):
    settings.EMAIL_PROVIDER = "resend"
    with dns_server({DOMAIN: ["v=spf1 <script>alert(1)</script> ~all"]}) as server:
        settings.DNS_SERVER = server.address
        html = html_of(owner.post(DNS, follow=True))

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


# --- A test ---


@pytest.mark.django_db(transaction=True)
def test_sends_a_test(owner, settings):
    response = owner.post(TEST, {"channel": "email", "to": "boss@example.com"}, follow=True)

    assert messages_of(response) == "1 test is on its way to b…@example.com."
    assert [(item.to, item.subject) for item in outbox()] == [
        ("boss@example.com", "[Test] This is how your messages arrive")
    ]
    assert Fact.objects.get(pk="test.email").is_good
    assert "A test was sent" in html_of(response)
    assert "boss" not in str(list(Fact.objects.values_list("detail", flat=True)))


@pytest.mark.django_db(transaction=True)
def test_a_second_press_sends_no_second_test(owner):
    owner.post(TEST, {"channel": "email", "to": "boss@example.com"})
    response = owner.post(TEST, {"channel": "email", "to": "boss@example.com"}, follow=True)

    assert "sent a moment ago" in messages_of(response)
    assert len(outbox()) == 1

    Fact.objects.update(at=timezone.now() - timedelta(seconds=11))
    owner.post(TEST, {"channel": "email", "to": "boss@example.com"})
    assert len(outbox()) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("channel", ["email", "sms"])
def test_says_why_no_test_was_sent(channel, owner):
    response = owner.post(TEST, {"channel": channel, "to": "nobody"}, follow=True)

    assert "No test was sent. This is not" in messages_of(response)
    assert "No test was sent yet" in html_of(response)
    again = {"channel": channel, "to": "boss@example.com" if channel == "email" else "(217) 555-0123"}
    assert "on its way" in messages_of(owner.post(TEST, again, follow=True))  # that was no test


def test_sends_no_test_without_a_sender(owner):
    Business.objects.update(from_email="")

    response = owner.post(TEST, {"channel": "email", "to": "boss@example.com"}, follow=True)

    assert messages_of(response) == "No test was sent. There is no sender address yet. Set it under Business."


@pytest.mark.django_db(transaction=True)
def test_says_that_the_provider_did_not_take_it(owner, settings):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC1", "secret"
    settings.TWILIO_PHONE_NUMBER, settings.TWILIO_API_URL = "+12175550100", "http://127.0.0.1:1"

    response = owner.post(TEST, {"channel": "sms", "to": "(217) 555-0123"}, follow=True)

    assert "the provider answered" in messages_of(response)
    assert "The last test was not taken" in html_of(response)
    assert Fact.objects.get(pk="test.sms").is_good is False


# --- SMS ---


def test_looks_at_the_number(owner, settings):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_MESSAGING_SERVICE_SID = "AC1", "x", "MG1"
    with account({"*": 401}) as server:
        settings.TWILIO_API_URL = server.url
        response = owner.post(NUMBER, follow=True)

    assert messages_of(response) == "Looked at 3 answers: 1 to mend, 2 not known."
    assert "Twilio refuses the account" in html_of(response)


def test_has_nobody_to_ask_about_a_number(owner):
    assert "no provider for texts" in messages_of(owner.post(NUMBER, follow=True))


# --- What comes back ---


def test_shows_the_addresses_to_paste(owner, settings):
    settings.EMAIL_PROVIDER, settings.SMS_PROVIDER = "postmark", "twilio"
    settings.PUBLIC_BASE_URL = "https://deals.corner-bar.us"

    html = html_of(owner.get(PAGE))

    assert 'value="https://deals.corner-bar.us/webhooks/postmark/tracking/"' in html
    assert 'value="https://deals.corner-bar.us/webhooks/twilio/inbound/"' in html
    assert "WEBHOOK_SECRET" in html
    assert "nothing came from Postmark yet" in html
    assert "cannot arrive" not in html


def test_says_who_called_and_who_was_refused(owner, settings):
    settings.EMAIL_PROVIDER = "sendgrid"
    at = timezone.now()
    note_call("sendgrid", at=at)
    assert "SendGrid reports" in html_of(owner.get(PAGE))

    note_refusal("sendgrid", at=at)
    cache.clear()  # those of ten seconds count once
    note_refusal("sendgrid", at=at)
    html = html_of(owner.get(PAGE))
    assert "SendGrid reports" in html
    assert "2 calls were refused" in html


def test_says_that_all_calls_are_refused(owner, settings):
    settings.EMAIL_PROVIDER = "sendgrid"
    note_refusal("sendgrid", at=timezone.now())

    assert "calls of SendGrid are refused" in html_of(owner.get(PAGE))


def test_says_that_nobody_can_reach_this_computer(owner, settings):
    settings.PUBLIC_BASE_URL = "http://localhost:8000"

    assert "Reports and answers cannot arrive" in html_of(owner.get(PAGE))


def test_smtp_has_a_mailbox_instead(owner, settings):
    settings.EMAIL_PROVIDER = "smtp"
    assert "Nobody reads the bounces" in html_of(owner.get(PAGE))

    note("mailbox", True, {}, at=timezone.now())
    assert "The bounce mailbox is read" in html_of(owner.get(PAGE))


# --- Warm-up ---


def test_starts_changes_and_ends_a_warm_up(owner):
    html = html_of(owner.get(PAGE))
    assert "Start a warm-up" in html
    assert 'value="50, 100, 200, 400, 800, 1500, 3000"' in html

    response = owner.post(WARM_UP, {"do": "start", "ramp": "20, 40"}, follow=True)
    assert messages_of(response) == f"{DOMAIN} warms up from its next mail on."
    assert "Warming up: 20 a day, today 0." in html_of(response)

    response = owner.post(WARM_UP, {"do": "change", "ramp": "30, 60"}, follow=True)
    assert "Warming up: 30 a day, today 0." in html_of(response)

    response = owner.post(WARM_UP, {"do": "end", "reason": ""}, follow=True)
    assert "Say why" in messages_of(response)
    response = owner.post(WARM_UP, {"do": "end", "reason": "An old domain"}, follow=True)
    assert "because: An old domain" in html_of(response)
    assert WarmUp.objects.get().ended_at is not None

    written = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert written == [
        f"{DOMAIN} warms up from its next mail on.",
        "The numbers of the warm-up are 30, 60.",
        "The warm-up has ended: An old domain",
    ]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"do": "start", "ramp": "50, 20"}, "never goes down"),
        ({"do": "start"}, "a number for each day"),
        ({"do": "change", "ramp": "50"}, "never started"),
        ({"do": "end", "reason": "Old"}, "never started"),
        ({}, "a number for each day"),
    ],
)
def test_says_what_is_wrong_with_a_warm_up(typed, says, owner):
    assert says in messages_of(owner.post(WARM_UP, typed, follow=True))
    assert not LogEntry.objects.exists()


def test_a_second_press_starts_no_second_one(owner):
    owner.post(WARM_UP, {"do": "start", "ramp": "20"})

    assert "warming up already" in messages_of(owner.post(WARM_UP, {"do": "start", "ramp": "99"}, follow=True))
    assert WarmUp.objects.get().ramp == "20"


# --- The way there, and the command ---


@pytest.fixture
def draft(shop) -> Campaign:
    add_contact("maria@example.com")
    return write_draft()


def test_the_review_page_leads_to_what_mends_it(draft, admin_client, settings):
    settings.EMAIL_PROVIDER = "smtp"
    Business.objects.update(postal_address="")
    review = html_of(admin_client.get(reverse("admin:campaigns_campaign_review", args=[draft.pk])))
    form = reverse("admin:campaigns_campaign_change", args=[draft.pk])

    assert f'<a href="{PAGE}">Open Sending set-up</a>' in review
    assert f'<a href="{reverse("admin:contacts_business_changelist")}">Open Business</a>' in review

    draft.variants.update(subject="RE: lunch")
    review = html_of(admin_client.get(reverse("admin:campaigns_campaign_review", args=[draft.pk])))
    assert f'<a href="{form}#id_subject"' in review


def test_the_form_knows_the_way_too(draft, admin_client, settings):
    settings.EMAIL_PROVIDER = "smtp"
    typed = {"name": "x", "channel": "email", "subject": "s", "body": "b"}

    checks = admin_client.post(reverse("admin:campaigns_campaign_facts"), typed).json()["checks"]

    by_title = {check["title"]: check for check in checks}
    records = by_title["The records of your domain were not checked"]
    assert (records["url"], records["label"]) == (PAGE, "Open Sending set-up")


def test_the_command_says_the_same(shop, capsys, settings):
    settings.PUBLIC_BASE_URL = "https://deals.corner-bar.us"
    with dns_server({DOMAIN: ["v=spf1 mx ~all"]}) as server:
        settings.DNS_SERVER = server.address
        call_command("setup")

    assert "SPF is fine" in capsys.readouterr().out

    settings.PUBLIC_BASE_URL = "http://localhost:8000"
    with pytest.raises(CommandError, match="to be mended"):
        call_command("setup", "--known", "--json")
    assert '"good": false' in capsys.readouterr().out
    assert timezone.get_current_timezone_name() == "UTC"  # others of this process say times in their own zone
