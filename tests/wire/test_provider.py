"""The provider as a process of its own, for tests that kill and starve everything around it."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import urllib3
from django.conf import settings

from contacts.channels import Channel
from messaging.transports import TransportError, transport_for
from tests.messaging.test_providers import MAIL


@pytest.fixture
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.wire.provider", "--port", "0"]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def control(url: str, method: str, what: str, body: object = None) -> dict:
    answer = urllib3.request(method, f"{url}/control/{what}", body=json.dumps(body), retries=False)
    return answer.json()


def test_takes_faults_and_tells_what_arrived(url, settings):
    settings.EMAIL_PROVIDER = "sendgrid"
    settings.ANYMAIL = {"SENDGRID_API_KEY": "SG.key", "SENDGRID_API_URL": f"{url}/v3/"}
    control(url, "POST", "faults", {"answers": ["drop", "429@1"]})
    outcomes = []
    with transport_for(Channel.EMAIL) as transport:
        for _ in range(3):
            try:
                transport.send(MAIL)
            except TransportError as error:
                outcomes.append(error.outcome.value)

    assert outcomes == ["unknown", "busy"]
    assert control(url, "GET", "arrived") == {"requests": 3, "connections": 2, "arrived": {MAIL.reference: 2}}
    requests = control(url, "GET", f"arrived?reference={MAIL.reference}")
    assert [(request["answered"], request["is_taken"]) for request in requests] == [
        ("drop", True),
        ("429@1", False),
        ("ok", True),
    ]
    control(url, "POST", "clear")
    assert control(url, "GET", "arrived")["requests"] == 0


def test_draws_faults_by_their_share(url, settings):
    settings.EMAIL_PROVIDER = "sendgrid"
    settings.ANYMAIL = {"SENDGRID_API_KEY": "SG.key", "SENDGRID_API_URL": f"{url}/v3/"}
    control(url, "POST", "faults", {"shares": {"400": 0.5}})
    refused = 0
    with transport_for(Channel.EMAIL) as transport:
        for _ in range(40):
            try:
                transport.send(MAIL)
            except TransportError:
                refused += 1

    assert 5 < refused < 35
