"""Campaigns whose mails have left, and the calls that tell what became of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest
import requests
from django.core.cache import cache
from requests.adapters import HTTPAdapter

from campaigns.models import Campaign
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.models import Contact
from messaging.incoming import EventType, Incoming, Verdict
from messaging.models import Message
from messaging.webhooks import sns
from tests.messaging.conftest import add_guest
from tests.messaging.events import calls
from tests.messaging.ledger import add, begun

AT = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
numbers = count()


@pytest.fixture(autouse=True)
def keys(settings) -> None:
    """All keys are set, and nothing was said or fetched before."""
    for name, value in calls.KEYS.items():
        setattr(settings, name, value)
    cache.clear()


@pytest.fixture
def use(settings) -> Callable[[str], None]:
    def choose(provider: str) -> None:
        settings.EMAIL_PROVIDER = provider

    return choose


@pytest.fixture
def campaign(offer, guest) -> Campaign:
    return new_campaign(offer)


def new_campaign(offer, channel: Channel = Channel.EMAIL) -> Campaign:
    subject = "Hi" if channel == Channel.EMAIL else ""
    return begun(save_draft(Draft(name="Lunch", channel=channel, subject=subject, body="Come", offer=offer)), at=AT)


def sent(campaign: Campaign, contact: Contact, status: str = "accepted", **fields: Any) -> Message:
    """Return a message the provider has, its address as it was handed over."""
    channel = Channel(campaign.channel)
    mine = {"address_index": contact.address_index(channel), "provider": "sendgrid"}
    if status not in {"queued", "claimed", "handed", "unknown"}:
        mine["provider_id"] = f"id-{contact.pk}-{campaign.pk}"
    return add(campaign, contact, status, at=AT, **{**mine, **fields})


def report(message: Message, kind: str, verdict: Verdict = Verdict.NONE, **fields: Any) -> Incoming:
    known = {"provider_id": message.provider_id, "reference": message.reference, "at": LATER}
    return Incoming(**{"key": f"k{next(numbers)}", "type": EventType(kind), "verdict": verdict, **known, **fields})


@pytest.fixture
def guest(db) -> Contact:
    return add_guest(1)


@pytest.fixture
def message(campaign, guest) -> Message:
    return sent(campaign, guest)


# --- Amazon, on this machine ------------------------------------------------------------------------------------------


class Amazon:
    """A real server in the place of sns.*.amazonaws.com: `answers` by path, and what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.url = ""

    def serve(self, url: str, body: bytes = b"ok", status: int = 200, **headers: str) -> None:
        self.answers["/" + url.split("/", 3)[3]] = (status, headers, body)


class ToLoopback(HTTPAdapter):
    """Carries what is addressed to Amazon to the server on this machine."""

    def __init__(self, amazon: Amazon) -> None:
        super().__init__()
        self.amazon = amazon

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        assert request.url is not None
        request.url = f"{self.amazon.url}/{request.url.split('/', 3)[3]}"
        return super().send(request, *args, **{**kwargs, "proxies": {}})


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Amazon]:
    state = Amazon()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            status, headers, body = state.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    session = requests.Session()
    session.mount("https://sns.", ToLoopback(state))
    monkeypatch.setattr(sns, "http", session)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.serve(calls.CERTIFICATE_URL, calls.certificate(at=calls.now()))
    yield state
    session.close()
    server.shutdown()
    server.server_close()
    thread.join()
