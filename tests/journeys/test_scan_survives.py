"""A web process that is killed while it redeems: the phone asks again, and the deal is given once."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone

from contacts.models import Contact
from redemptions.models import Code, Device, Offer, OfferTally, Redemption, Scan
from redemptions.services import complete_enrolment, create_offer, enrol_device_start, issue_codes
from tests.journeys.conftest import ROOT, wait_for, with_children

pytestmark = pytest.mark.django_db(transaction=True)
Send = Callable[[], requests.Response]


@pytest.fixture
def code() -> Code:
    offer = create_offer(name="Free coffee", type=Offer.Type.ITEM)
    contact = Contact.objects.create(email="maria.kovacs@example.com")
    return Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk])


@pytest.fixture
def serve(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Return a starter of a web server with one process that is killed once; it returns the address."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(crash_when: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        crash = {"CRASH_WHEN": crash_when, "CRASH_MARK": str(tmp_path / "crashed"), "TEST_PUBLIC_BASE_URL": url}
        bind = ["--bind", url.removeprefix("http://"), "--workers", "1"]
        command = [sys.executable, "-m", "gunicorn", *bind, "tests.journeys.crashing"]
        with (tmp_path / "log").open("w") as log:
            environment = process_environment | crash
            servers.append(
                subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, stdout=log, stderr=log)
            )
        return url

    yield start
    for server in servers:
        with_children(server.pid)
        server.wait()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=10).ok
    except requests.RequestException:  # not up yet, or slow to get up
        return False


@pytest.fixture
def sender(code: Code) -> Callable[[str], Send]:
    """Return a maker of functions that send one and the same scan."""
    _, enrol_token = enrol_device_start(
        name="Bar phone", location_name="Main St", profile=Device.Profile.SCANNER, at=timezone.now()
    )
    _, token = complete_enrolment(enrol_token=enrol_token, key="enrol-key", at=timezone.now())

    def make(url: str) -> Send:
        headers = {"Authorization": f"Token {token}", "Idempotency-Key": "one-physical-scan"}
        body = {"code": code.token, "entry": "qr"}
        return lambda: requests.post(f"{url}/api/v1/redemptions", json=body, headers=headers, timeout=30)

    return make


@pytest.mark.parametrize(("crash_when", "written", "status"), [("after_commit", 1, 200), ("before_commit", 0, 201)])
def test_a_killed_process_gives_a_deal_once(
    crash_when: str, written: int, status: int, serve: Any, sender: Any, code: Code, tmp_path: Path
) -> None:
    url = serve(crash_when)
    wait_for(lambda: answers(url), seconds=120)
    send = sender(url)

    with pytest.raises(requests.ConnectionError):
        send()
    assert (tmp_path / "crashed").exists()
    assert Redemption.objects.count() == Scan.objects.count() == written

    wait_for(lambda: answers(url), seconds=120)
    again = send()

    assert (again.status_code, again.json()["result"], again.json()["replayed"]) == (status, "redeemed", bool(written))
    assert Redemption.objects.get().entry_no == Scan.objects.count() == OfferTally.objects.get().used == 1
    code.refresh_from_db()
    assert code.used == 1
