"""A campaign goes out through a provider, and what became of each mail comes back: a real worker, HTTP, and keys."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from campaigns.models import Campaign
from contacts.models import Business, ConsentEvent
from contacts.services import save_business
from messaging.models import ProviderEvent
from messaging.services.events import apply_waiting
from tests.journeys.conftest import Shop, wait_for
from tests.messaging.events import calls
from tests.wire.provider import Provider, provider

PEOPLE = """\
E-Mail;Vorname
maria@example.org;Maria
gone@example.org;Gone
full@example.org;Full
angry@example.org;Angry
left@example.org;Left
carol@example.org;Carol
"""


@pytest.fixture
def sendgrid() -> Iterator[Provider]:
    with provider("ok") as server:
        yield server


@pytest.fixture
def shop(shop: Shop, sendgrid: Provider, settings: Any) -> Shop:
    """An installation that sends by SendGrid, and believes its key."""
    settings.EMAIL_PROVIDER = "sendgrid"
    settings.SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY = [calls.public_key()]
    sends = {"DJANGO_SETTINGS_MODULE": "tests.journeys.sendgrid_settings", "JOURNEY_API_URL": f"{sendgrid.url}/v3/"}
    return replace(shop, environment=shop.environment | sends)


def post(shop: Shop, call: calls.Sent) -> int:
    url = f"{shop.url}/webhooks/{call.provider}/tracking/"
    headers = call.headers | {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=call.body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def fates(arrived: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """Return what SendGrid reports of the mails that arrived, as it words it."""
    told: dict[str, list[dict[str, Any]]] = {
        "maria": [{"event": "processed"}, {"event": "delivered", "response": "250 2.0.0 OK"}],
        "gone": [{"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 User unknown"}],
        "full": [{"event": "bounce", "type": "blocked", "status": "4.2.2", "reason": "452 4.2.2 Mailbox full"}],
        "angry": [{"event": "delivered", "response": "250 OK"}, {"event": "spamreport"}],
        "left": [{"event": "delivered", "response": "250 OK"}, {"event": "unsubscribe"}],
        "carol": [{"event": "deferred", "response": "450 4.2.0 Greylisted", "attempt": "1"}],
    }
    now = int(calls.now().timestamp())
    return [
        {
            **event,
            "email": f"{name}@example.org",
            "timestamp": now,
            "sg_event_id": f"{name}-{number}",
            "sg_message_id": f"{name}.filter",
            **arrived[f"{name}@example.org"],
        }
        for name, events in told.items()
        for number, event in enumerate(events)
    ]


@pytest.mark.django_db(transaction=True)
def test_what_became_of_each_mail(
    shop: Shop, sendgrid: Provider, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    people, body = tmp_path / "people.csv", tmp_path / "body.txt"
    people.write_text(PEOPLE)
    body.write_text("Hi {{ first_name }},\n\nlunch is on us.\n")
    business = Business.load()
    business.postal_address, business.from_email = "1 Elm Street, Springfield, IL 62704", "hello@cornerbar.shop"
    save_business(business)
    shop.manage("import_contacts", people, "--consent-email", "Signed at the till", "--tag", "till")
    campaign = shop.manage(
        *("campaign", "create", "--name", "Lunch", "--channel", "email", "--subject", "Lunch"),
        *("--body-file", body, "--tag", "till"),
    )["id"]
    shop.manage("campaign", "launch", campaign, "--yes")
    request.getfixturevalue("worker")
    wait_for(Campaign.objects.filter(pk=campaign, status=Campaign.Status.SENT).exists)

    # Everything SendGrid has got, with the two ids that travel with each mail.
    sent = [json.loads(received.body) for received in sendgrid.taken()]
    arrived = {
        person["to"][0]["email"]: {**mail.get("custom_args", {}), **person.get("custom_args", {})}
        for mail in sent
        for person in mail["personalizations"]
    }
    assert len(arrived) == 6
    events = fates(arrived)

    # A stranger reports first; then SendGrid, twice, the second time backwards.
    assert post(shop, replace(calls.sendgrid(*events, at=calls.now()), headers={})) == 403
    assert ProviderEvent.objects.count() == 0
    assert post(shop, calls.sendgrid(*events, at=calls.now())) == 200
    assert post(shop, calls.sendgrid(*events[::-1], at=calls.now())) == 200
    apply_waiting(at=calls.now())

    assert ProviderEvent.objects.count() == len(events)
    final = shop.manage("campaign", "status", campaign)
    counts = {name: final[name] for name in ("audience", "accepted", "delivered", "bounced", "complained")}
    assert counts == {"audience": 6, "accepted": 1, "delivered": 2, "bounced": 2, "complained": 1}
    states = {
        name: (shown["email"]["state"], shown["email"]["reason"])
        for name in ("maria", "gone", "full", "angry", "left", "carol")
        if (shown := shop.manage("contact", "show", f"{name}@example.org"))
    }
    assert states == {
        "maria": ("subscribed", None),
        "gone": ("suppressed", "bounced"),
        "full": ("subscribed", None),
        "angry": ("suppressed", "complained"),
        "left": ("unsubscribed", "unsubscribed"),
        "carol": ("subscribed", None),
    }
    assert ConsentEvent.objects.filter(action="revoked", source="provider").count() == 2

    # The next campaign reaches who is left.
    again = shop.manage(
        *("campaign", "create", "--name", "Dinner", "--channel", "email", "--subject", "Dinner"),
        *("--body-file", body, "--tag", "till"),
    )["id"]
    shop.manage("campaign", "launch", again, "--yes")
    wait_for(Campaign.objects.filter(pk=again, status=Campaign.Status.SENT).exists)
    assert shop.manage("campaign", "status", again)["audience"] == 3
