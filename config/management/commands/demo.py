"""Invented people, a deal and two draft campaigns to try everything with; `--remove` takes all of it away."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import Business, ContactTag, Tag
from contacts.queries import links_stay_here
from contacts.services import add_demo_contacts, find_or_make_tag, remove_demo_contacts
from messaging.services.control import remove_demo
from redemptions.models import Device, Offer
from redemptions.services import adopt_demo_offer, create_offer, enrol_device_start, remove_demo_offers

USER = "demo"
TAG = "Demo guests"
WORDING = "Demo: agreed at the till to offers by e-mail and text."
FIRST_NAMES = (
    "Maria James Zoë Ahmed Li Olivia Noah Sofía Emma Liam Ava Mateo Mia Lucas Chloé Ethan Anna Björn Grace Omar"
)
LAST_NAMES = "Kim Garcia Smith O'Brien Nguyen Rossi Müller Brown"

EMAIL_BODY = """\
Hi {{ first_name | default: "there" }},

lunch is on us, or at least a good part of it: this week you get {{ deal_name }} with the code below.
Show it at the till, on your phone or on paper.

{{ deal }}

See you soon!
"""
SMS_BODY = 'Hi {{ first_name | default: "there" }}, {{ deal_name }} with this code:'


class Command(BaseCommand):
    help = "Load demo data and the login demo, or take it away with --remove. Your own data is never touched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--remove", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            if options["remove"]:
                self._remove()
            else:
                self._load(timezone.now())

    def _load(self, at: datetime) -> None:
        Business.load()
        if not Offer.objects.filter(is_demo=True).exists():
            people = add_demo_contacts(_people(), tag_name=TAG, wording=WORDING, at=at - timedelta(days=30))
            _campaigns(at, tag=find_or_make_tag(TAG))
            self.stdout.write(f"{len(people)} demo contacts, a deal and two draft campaigns are there.")
        device = Device.objects.filter(is_demo=True).first()
        if device is None:
            device, token = enrol_device_start(
                name="Demo till", location_name="Main Street", profile=Device.Profile.SCANNER, at=at, is_demo=True
            )
            self.stdout.write(f"Connect a scanner within 15 minutes: {settings.PUBLIC_BASE_URL}/scan/#enrol={token}")
        self._make_user()

    def _make_user(self) -> None:
        users = get_user_model()._default_manager
        if users.filter(username=USER).exists():
            return
        password = USER if links_stay_here() else secrets.token_urlsafe(9)
        get_user_model().objects.create_superuser(USER, password=password)
        self.stdout.write(f"Log in at {settings.PUBLIC_BASE_URL}/admin/ as {USER} with the password {password}")

    def _remove(self) -> None:
        for offer in Offer.objects.filter(is_demo=True, campaigns__is_demo=False).distinct():
            adopt_demo_offer(offer)
            self.stdout.write(f"The deal '{offer.name}' stays: a campaign of your own uses it.")
        for tag in _tags_in_use():
            ContactTag.objects.filter(tag=tag, contact__is_demo=True).delete()
            self.stdout.write(f"The tag '{tag}' stays, on nobody of the demo: a campaign of your own uses it.")
        remove_demo()
        remove_demo_offers()
        count = remove_demo_contacts()
        get_user_model()._default_manager.filter(username=USER).delete()
        self.stdout.write(f"Took away {count} demo contacts, their campaigns and deal, and the login {USER}.")


def _tags_in_use() -> list[Tag]:
    """Return the tags of demo people that campaigns of the shop's own go to or leave out: such a tag cannot go."""
    own = Q(campaigns__is_demo=False) | Q(left_out_by_campaigns__is_demo=False)
    return list(Tag.objects.filter(own, contacttag__contact__is_demo=True).distinct())


def _people() -> list[dict[str, str]]:
    """Thirty people: most with both addresses, some with one. The domain and the numbers belong to nobody."""
    first, last = FIRST_NAMES.split(), LAST_NAMES.split()
    people = []
    for number in range(30):
        person = {"first_name": first[number % len(first)], "last_name": last[number % len(last)]}
        if number % 6 != 5:
            person["email"] = f"guest{number + 1}@example.com"
        if number % 3 != 0:
            person["phone"] = f"+1217555{100 + number:04d}"
        people.append(person)
    return people


def _campaigns(at: datetime, *, tag: Tag) -> None:
    """Write the drafts for the demo guests alone, never for the shop's own people."""
    offer = create_offer(
        name="20 % off lunch",
        type=Offer.Type.PERCENT,
        value=Decimal(20),
        starts_at=None,
        ends_at=at + timedelta(days=30),
        max_uses=1,
        is_demo=True,
    )
    save_draft(
        Draft(
            name="Demo: lunch deal",
            channel=Channel.EMAIL,
            subject="{{ first_name | default: 'Hello' }}, lunch is 20 % off this week",
            preheader="Your personal code is inside.",
            body=EMAIL_BODY,
            offer=offer,
            tag=tag,
            is_demo=True,
        )
    )
    save_draft(
        Draft(name="Demo: lunch deal by text", channel=Channel.SMS, body=SMS_BODY, offer=offer, tag=tag, is_demo=True)
    )
