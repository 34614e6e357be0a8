"""The way from an empty installation to the first campaign. A step is green by a fact, never by a click."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Business, Contact, Import
from contacts.queries import FREE_MAIL, has_example_address, has_example_sender, sender_domain
from messaging.models import Fact
from messaging.queries import facts_of
from messaging.queries.setup import TEST_FACTS
from redemptions.models import Device


class Step(NamedTuple):
    """A step of setting up; `done` is a fact, never a click."""

    title: str
    detail: str
    url: str
    done: bool


def steps() -> list[Step]:
    """Return the steps. Six queries at most."""
    business = Business.load()
    url = reverse("admin:contacts_business_change", args=[business.pk])
    return [
        _address(business, url),
        _sender(business, url),
        Step(
            _("Import your contacts"),
            _("From Mailchimp, Klaviyo, Square or a spreadsheet."),
            reverse("admin:contacts_import_add"),
            has_own_contacts(),
        ),
        Step(
            _("Enrol a phone as scanner"),
            _("It reads the QR codes at the till."),
            optional_url("admin:redemptions_device_changelist"),
            Device.objects.filter(enrolled_at__isnull=False, revoked_at=None).exists(),
        ),
        Step(
            _("Send your first campaign"),
            _("To yourself first: every campaign has a test."),
            reverse("admin:campaigns_campaign_add"),
            Campaign.objects.filter(status=Campaign.Status.SENT).exists(),
        ),
        *_providers(),
    ]


def _address(business: Business, url: str) -> Step:
    is_example = has_example_address(business)
    return Step(
        _("Business name and postal address"),
        _("Still the example: put yours.") if is_example else _("Printed in every mail, as the law asks."),
        url,
        bool(business.name and business.postal_address) and not is_example,
    )


def _sender(business: Business, url: str) -> Step:
    domain, is_example = sender_domain(business), has_example_sender(business)
    return Step(
        _("Sender address"),
        _("Still the example: put one on a domain of your own.") if is_example else _("On a domain of your own."),
        url,
        bool(domain) and domain not in FREE_MAIL and not is_example,
    )


def _providers() -> list[Step]:
    """Return a step for each channel: it is connected when a test went out through the provider in use."""
    facts, url = facts_of(*TEST_FACTS.values()), optional_url("admin:messaging_setup")
    mail = _("Connect an e-mail provider"), settings.EMAIL_PROVIDER, facts.get(TEST_FACTS[Channel.EMAIL])
    text = _("Connect Twilio for texts"), settings.SMS_PROVIDER, facts.get(TEST_FACTS[Channel.SMS])
    return [_provider(title, provider, fact, url) for title, provider, fact in (mail, text)]


def _provider(title: str, provider: str, fact: Fact | None, url: str) -> Step:
    if provider == "outbox":
        words = _("Until then messages stay on this machine.")
        return Step(title, words, url, done=False)
    done = fact is not None and bool(fact.is_good) and fact.detail.get("provider") == provider
    return Step(
        title, _("A test went out through it.") if done else _("Send a test, and see how it arrives."), url, done
    )


def has_own_contacts() -> bool:
    """Whether the shop brought people of its own; those of the demo do not count. Up to two queries."""
    if Import.objects.filter(status=Import.Status.DONE).exists():
        return True
    return Contact.objects.filter(is_demo=False).exists()


def optional_url(name: str) -> str:
    """Return the address of a page, or nothing where that page is not installed."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
